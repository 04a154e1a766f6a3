//! HTTP members on raw sockets. One of them is fine; the others fail in each way a member can fail.
//!
//! A member counts what it sees, so that a test can say "it received the call once" and "it saw the caller leave".
//! One thread accepts, one serves each connection; all end with the member.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::call::{xml_answer, xml_fault};
use super::raw::find;
use super::{eventually, ports};

/// What a member does with a call.
pub(crate) enum Conduct {
    /// Answers with this XML-RPC value (the inside of `<value>`).
    Fine(&'static str),
    /// Answers with this XML-RPC value, and with this `X-Coverage` of its own.
    Covered(&'static str, &'static str),
    /// Answers a plain GET with this page and HTTP code.
    Page(u16, &'static str),
    /// Answers with an XML-RPC fault.
    Fault(i64, &'static str),
    /// Answers fine, but only after this time.
    SlowHead(Duration, &'static str),
    /// Reads the request and says nothing until the caller leaves.
    Hangs,
    /// Nobody listens at its port.
    Closed,
    /// Reads the whole request and closes.
    ReadsAndCloses,
    /// Reads the whole request and resets the connection.
    Resets,
    /// Promises an answer and sends it byte by byte, slower than anybody waits.
    Drips,
    /// Answers something that is not HTTP.
    GarbageHttp,
    /// Answers HTTP, but the document is broken.
    GarbageXml,
    /// Announces more bytes than it sends, then closes.
    Truncates,
}

/// What a member has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    bodies: Mutex<Vec<String>>,
    heads: Mutex<Vec<String>>,
    /// When a caller left before it was answered.
    abandoned: Mutex<Vec<Instant>>,
}

/// A running member.
pub(crate) struct Member {
    port: u16,
    seen: Arc<Seen>,
    /// Open connections, shut when the member ends so that their threads end too. Weak: a second handle would keep a
    /// connection open that its thread has closed.
    open: Arc<Mutex<Vec<Weak<TcpStream>>>>,
    ending: Arc<AtomicBool>,
}

impl Member {
    pub(crate) fn start(conduct: Conduct) -> Member {
        let seen = Arc::new(Seen::default());
        let open = Arc::new(Mutex::new(Vec::new()));
        let ending = Arc::new(AtomicBool::new(false));
        if matches!(conduct, Conduct::Closed) {
            // From our own range, so that the kernel gives it to nobody while the test runs.
            return Member { port: ports::free(), seen, open, ending };
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let member = Member { port, seen: Arc::clone(&seen), open: Arc::clone(&open), ending: Arc::clone(&ending) };
        let conduct = Arc::new(conduct);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let stream = Arc::new(stream);
                open.lock().unwrap().push(Arc::downgrade(&stream));
                let (conduct, seen) = (Arc::clone(&conduct), Arc::clone(&seen));
                // A caller that leaves makes writing fail; that ends the connection and is no error here.
                std::thread::spawn(move || drop(serve(&stream, &conduct, &seen)));
            }
        });
        member
    }

    /// `127.0.0.1:PORT`, as written in `members`.
    pub(crate) fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests read to their end so far.
    pub(crate) fn requests(&self) -> usize {
        self.seen.bodies.lock().unwrap().len()
    }

    /// The heads of those requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// The bodies of those requests.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.seen.bodies.lock().unwrap().clone()
    }

    /// How many callers have left without their answer.
    pub(crate) fn callers_lost(&self) -> usize {
        self.seen.abandoned.lock().unwrap().len()
    }

    /// Waits until a caller has left without its answer; gives when the member saw it.
    pub(crate) fn abandoned(&self) -> Instant {
        eventually("the member sees its caller leave", || self.seen.abandoned.lock().unwrap().first().copied())
    }

    /// Waits until this many requests have been read.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        eventually("the member receives the call", || (self.requests() >= count).then_some(()));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..).filter_map(|stream| stream.upgrade()) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // Wakes the accepting thread, which then sees the end.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// One connection: request after request, until one side closes.
fn serve(mut stream: &TcpStream, conduct: &Conduct, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    while let Some((head, body)) = read_request(stream, &mut received)? {
        seen.heads.lock().unwrap().push(head);
        seen.bodies.lock().unwrap().push(body);
        match conduct {
            Conduct::Closed => unreachable!("nobody listens there"),
            Conduct::Fine(value) => answer(stream, 200, "text/xml", &xml_answer(value))?,
            Conduct::Covered(value, coverage) => {
                let body = xml_answer(value);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nX-Coverage: {coverage}\r\n");
                write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
            }
            Conduct::Page(code, text) => answer(stream, *code, "text/plain; charset=utf-8", text)?,
            Conduct::Fault(code, text) => answer(stream, 200, "text/xml", &xml_fault(*code, text))?,
            Conduct::SlowHead(time, value) => {
                if left_within(stream, *time) {
                    seen.abandoned.lock().unwrap().push(Instant::now());
                    return Ok(());
                }
                answer(stream, 200, "text/xml", &xml_answer(value))?;
            }
            Conduct::Hangs => {
                left_within(stream, Duration::from_secs(120));
                seen.abandoned.lock().unwrap().push(Instant::now());
                return Ok(());
            }
            Conduct::ReadsAndCloses => return Ok(()),
            Conduct::Resets => {
                return socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Conduct::Drips => {
                let document = xml_answer("<string>late</string>");
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: ";
                stream.write_all(format!("{head}{}\r\n\r\n", document.len()).as_bytes())?;
                for byte in document.bytes() {
                    if left_within(stream, Duration::from_millis(100)) {
                        seen.abandoned.lock().unwrap().push(Instant::now());
                        return Ok(());
                    }
                    stream.write_all(&[byte])?;
                }
            }
            Conduct::GarbageHttp => {
                stream.write_all(b"220 this is no HTTP server\r\n\r\n")?;
                return Ok(());
            }
            Conduct::GarbageXml => answer(stream, 200, "text/xml", "<methodResponse><params><param><value>")?,
            Conduct::Truncates => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5000\r\n\r\n<?xml")?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, code: u16, content_type: &str, body: &str) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 {code} As Asked\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// True when the caller closes or resets within this time.
fn left_within(stream: &TcpStream, time: Duration) -> bool {
    let end = Instant::now() + time;
    let mut one = [0];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        stream.set_read_timeout(Some(left)).unwrap();
        let peeked = stream.peek(&mut one);
        drop(stream.set_read_timeout(None));
        match peeked {
            Ok(0) => return true,
            // Bytes behind an unanswered request: not ours to read; look again later.
            Ok(_) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => return true,
        }
    }
}

/// Head and body of the next request; `None` at the end of the connection.
fn read_request(mut stream: &TcpStream, received: &mut Vec<u8>) -> std::io::Result<Option<(String, String)>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(head_end) = find(received, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..head_end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            assert!(!head.contains("transfer-encoding"), "calls are sent with their length:\n{head}");
            if received.len() >= head_end + 4 + length {
                let body = String::from_utf8_lossy(&received[head_end + 4..head_end + 4 + length]).into_owned();
                received.drain(..head_end + 4 + length);
                return Ok(Some((head, body)));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            n => received.extend_from_slice(&buffer[..n]),
        }
    }
}
