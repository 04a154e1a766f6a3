//! Members on raw sockets. Each connection has a thread; every request goes to the test's own function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Whether the connection goes on after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    KeepAlive,
    Close,
    /// Answers nothing and waits until the client closes.
    AwaitEof,
}

/// What a member saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) eofs: AtomicUsize,
    pub(crate) last_eof: Mutex<Option<Instant>>,
    pub(crate) heard: Mutex<Vec<Heard>>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }

    pub(crate) fn eofs(&self) -> usize {
        self.eofs.load(SeqCst)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

/// A member that listens.
pub(crate) struct Member {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
}

/// Starts a member that does `act` with every request.
pub(crate) fn member(act: impl Fn(&mut TcpStream, &Heard) -> After + Send + Sync + 'static) -> Member {
    member_at("127.0.0.1:0", act)
}

/// The same at this address of the machine's own.
pub(crate) fn member_at(
    address: &str,
    act: impl Fn(&mut TcpStream, &Heard) -> After + Send + Sync + 'static,
) -> Member {
    listening(address, move |stream, seen| serve(stream, seen, &act))
}

/// A member that does `act` with every connection, before anything is read from it.
pub(crate) fn on_sockets(act: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Member {
    listening("127.0.0.1:0", act)
}

fn listening(address: &str, act: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Member {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let (act, watched) = (Arc::new(act), seen.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (act, seen) = (act.clone(), watched.clone());
            seen.connections.fetch_add(1, SeqCst);
            let stream = stream.unwrap();
            // What is written in pieces leaves in pieces.
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || act(stream, &seen));
        }
    });
    Member { port, seen }
}

fn serve(mut stream: TcpStream, seen: &Seen, act: &dyn Fn(&mut TcpStream, &Heard) -> After) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(heard) = read_request(&mut reader) {
        seen.heard.lock().unwrap().push(heard.clone());
        seen.requests.fetch_add(1, SeqCst);
        match act(&mut stream, &heard) {
            After::KeepAlive => {}
            After::Close => return,
            After::AwaitEof => {
                drop(reader.read_to_end(&mut Vec::new()));
                break;
            }
        }
    }
    seen.eofs.fetch_add(1, SeqCst);
    *seen.last_eof.lock().unwrap() = Some(Instant::now());
}

/// The head of the next request; `None` once the client has closed.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            return Some(head);
        }
        head.push_str(&line);
    }
}

pub(crate) fn content_length(head: &str) -> usize {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|header| header.0.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |header| header.1.trim().parse().unwrap())
}

/// The next request; `None` once the client has closed.
pub(crate) fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let head = read_head(reader)?;
    let length = content_length(&head);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Heard { head, body: String::from_utf8(body).unwrap() })
}

/// Answers with these extra headers (each ending in `\r\n`) and this body.
pub(crate) fn answer(stream: &mut TcpStream, code: &str, headers: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {code}\r\n{headers}content-length: {length}\r\n\r\n{body}");
    drop(stream.write_all(text.as_bytes()));
}

/// An XML-RPC answer of one string.
pub(crate) fn xml(value: &str) -> String {
    format!(
        "<?xml version='1.0'?><methodResponse><params><param><value><string>{value}</string></value></param></params></methodResponse>"
    )
}

/// A member that answers every call with this string.
pub(crate) fn fine(value: &'static str) -> Member {
    member(move |stream, _| {
        answer(stream, "200 OK", "content-type: text/xml\r\n", &xml(value));
        After::KeepAlive
    })
}

/// A member whose every page says `hello`.
pub(crate) fn fine_page() -> Member {
    member(|stream, _| {
        answer(stream, "200 OK", "content-type: text/plain\r\n", "hello");
        After::KeepAlive
    })
}

/// A member that never answers.
pub(crate) fn hanging() -> Member {
    member(|_, _| After::AwaitEof)
}

/// A member that reads the whole request and closes.
pub(crate) fn closing() -> Member {
    member(|_, _| After::Close)
}

/// A member that writes these bytes, whatever they are, and closes.
pub(crate) fn raw(bytes: &'static str) -> Member {
    member(move |stream, _| {
        drop(stream.write_all(bytes.as_bytes()));
        After::Close
    })
}

/// A port without a listener.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
