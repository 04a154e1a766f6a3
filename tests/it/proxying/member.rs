//! A member on a raw socket: a test says what it does with each connection, and sees the octets that it got.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::harness::eventually;
use crate::harness::raw::find;

/// A running member.
pub(crate) struct RawMember {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<Vec<Weak<TcpStream>>>>,
    is_ending: Arc<AtomicBool>,
}

/// A request as a member got it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// As sent, without the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The values of all headers of this name, which is in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The only one, `""` where there is none.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} is there twice:\n{}", self.head);
        all.pop().unwrap_or_default()
    }

    /// The request line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// One connection of a member.
pub(crate) struct Talk {
    pub(crate) stream: Arc<TcpStream>,
    received: Vec<u8>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl RawMember {
    /// A member that does this on each connection, and then closes it.
    pub(crate) fn start(conduct: impl Fn(&mut Talk) -> Option<()> + Send + Sync + 'static) -> RawMember {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections, is_ending) =
            <(Arc<Mutex<Vec<Asked>>>, Arc<Mutex<Vec<_>>>, Arc<AtomicBool>)>::default();
        let member = RawMember {
            port,
            asked: Arc::clone(&asked),
            connections: Arc::clone(&connections),
            is_ending: Arc::clone(&is_ending),
        };
        let conduct = Arc::new(conduct);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_ending.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_nodelay(true).unwrap();
                let stream = Arc::new(stream);
                connections.lock().unwrap().push(Arc::downgrade(&stream));
                let (conduct, asked) = (Arc::clone(&conduct), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let mut talk = Talk { stream, received: Vec::new(), asked };
                    while conduct(&mut talk).is_some() {}
                });
            }
        });
        member
    }

    /// One that answers every request with this, octet by octet.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> RawMember {
        let answer = answer.into();
        RawMember::start(move |talk| {
            talk.request()?;
            talk.send(&answer)
        })
    }

    pub(crate) fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The requests so far that came to their end.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only one.
    #[track_caller]
    pub(crate) fn only(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

impl Drop for RawMember {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        for stream in self.connections.lock().unwrap().iter().filter_map(Weak::upgrade) {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Talk {
    /// Reads the next head; `None` at the end of the connection.
    pub(crate) fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
                self.received.drain(..end + 4);
                return Some(head);
            }
            self.fill()?;
        }
    }

    /// Reads the next request to its end.
    pub(crate) fn request(&mut self) -> Option<Asked> {
        let head = self.head()?;
        let mut asked = Asked { head, body: Vec::new() };
        if asked.header("transfer-encoding") == "chunked" {
            loop {
                let line = self.take_line()?;
                let size = usize::from_str_radix(&line, 16).expect("the size of a chunk");
                let chunk = self.take(size + 2)?;
                if size == 0 {
                    break;
                }
                asked.body.extend_from_slice(&chunk[..size]);
            }
        } else if let Ok(length) = asked.header("content-length").parse() {
            asked.body = self.take(length)?;
        }
        self.asked.lock().unwrap().push(asked.clone());
        Some(asked)
    }

    fn take_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.received, b"\r\n") {
                let line = String::from_utf8_lossy(&self.received[..end]).into_owned();
                self.received.drain(..end + 2);
                return Some(line);
            }
            self.fill()?;
        }
    }

    /// So many octets.
    pub(crate) fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.received.len() < length {
            self.fill()?;
        }
        Some(self.received.drain(..length).collect())
    }

    /// What comes next, however much it is.
    pub(crate) fn some(&mut self) -> Option<Vec<u8>> {
        if self.received.is_empty() {
            self.fill()?;
        }
        Some(std::mem::take(&mut self.received))
    }

    /// True when nothing arrives for this long.
    pub(crate) fn is_silent_for(&self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let is_silent = self.received.is_empty() && self.stream.peek(&mut [0]).is_err();
        self.stream.set_read_timeout(None).unwrap();
        is_silent
    }

    fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 64 * 1024];
        let count = (&*self.stream).read(&mut buffer).ok().filter(|&count| count > 0)?;
        self.received.extend_from_slice(&buffer[..count]);
        Some(())
    }

    /// Sends; `None` if nobody takes it any more.
    pub(crate) fn send(&self, octets: impl AsRef<[u8]>) -> Option<()> {
        (&*self.stream).write_all(octets.as_ref()).ok()
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(&self) -> Option<()> {
        socket2::SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO)).unwrap();
        None
    }

    /// Waits until the other side has closed or reset the connection.
    pub(crate) fn is_left(&self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 4096];
        loop {
            match (&*self.stream).read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                }
            }
        }
    }
}

/// Waits until a member has got so many requests.
pub(crate) fn wait_for(member: &RawMember, count: usize) {
    eventually("the member gets the request", || (member.asked().len() >= count).then_some(()));
}
