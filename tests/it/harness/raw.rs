//! An HTTP/1.1 client on a plain socket: it sends exactly the bytes it is given and shows exactly what came back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::patience::PATIENCE;

/// One connection; several requests may go over it.
pub(crate) struct Conn {
    stream: TcpStream,
    /// What was received and not yet taken by a reply.
    received: Vec<u8>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order: what was received is all there was to send.
    Finished,
    /// Cut: something is missing.
    Reset,
    /// Not within patience.
    Never,
}

/// One response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// Decoded where it was chunked.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails showing the body.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The first header of this name, `""` where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All headers of this name.
    pub(crate) fn header_all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Fails with the whole response unless it has this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: u16) -> Reply {
        assert_eq!(self.code, code, "headers {:?}, body: {}", self.headers, self.text());
        self
    }
}

impl Conn {
    pub(crate) fn to(port: u16) -> Conn {
        Conn::of(TcpStream::connect(("127.0.0.1", port)).expect("the server listens"))
    }

    /// A connection, where there may be nobody who listens.
    pub(crate) fn try_to(port: u16) -> Option<Conn> {
        TcpStream::connect(("127.0.0.1", port)).ok().map(Conn::of)
    }

    /// A client with the narrowest window that there is.
    pub(crate) fn narrow(port: u16) -> Conn {
        Conn::narrowed(port, false)
    }

    /// The same, in small segments: so the server's kernel keeps but little for it, too.
    pub(crate) fn narrowest(port: u16) -> Conn {
        Conn::narrowed(port, true)
    }

    fn narrowed(port: u16, in_small_segments: bool) -> Conn {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Both sides exchange these when the connection is made.
        socket.set_recv_buffer_size(2048).unwrap();
        if in_small_segments {
            socket.set_tcp_mss(536).unwrap();
        }
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the server listens");
        Conn::of(TcpStream::from(socket))
    }

    fn of(stream: TcpStream) -> Conn {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Conn { stream, received: Vec::new() }
    }

    /// Sends these bytes and nothing else.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Conn {
        self.stream.write_all(bytes.as_ref()).expect("the server takes what is sent");
        self
    }

    /// Sends what the server is willing to take: it may answer and close before the end.
    pub(crate) fn send_reluctantly(&mut self, bytes: &[u8]) -> &mut Conn {
        drop(self.stream.write_all(bytes));
        self
    }

    /// The next response; fails where the connection ends instead.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Reply {
        self.try_read(true).expect("a response, but the connection ended")
    }

    /// The next response to a HEAD request: it has no body, whatever its headers say.
    #[track_caller]
    pub(crate) fn read_head(&mut self) -> Reply {
        self.try_read(false).expect("a response, but the connection ended")
    }

    /// The next response, or `None` where the connection ends (or is reset) before one.
    pub(crate) fn try_read(&mut self, with_body: bool) -> Option<Reply> {
        let end_of_head = self.fill_until(|bytes| find(bytes, b"\r\n\r\n"))?;
        let head = String::from_utf8_lossy(&self.received[..end_of_head]).into_owned();
        self.received.drain(..end_of_head + 4);
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or("");
        let code = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code: u16 = code.unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { code, headers, body: Vec::new() };
        if !with_body || code < 200 || code == 204 || code == 304 {
            return Some(reply);
        }
        reply.body = if reply.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            self.chunks()?
        } else if let Ok(length) = reply.header("content-length").parse::<usize>() {
            self.take(length)?
        } else {
            while self.fill() {}
            std::mem::take(&mut self.received)
        };
        Some(reply)
    }

    /// The rest of a chunked reply whose head was read; `None` where the connection ends before its last chunk.
    pub(crate) fn try_rest(&mut self) -> Option<Vec<u8>> {
        self.chunks()
    }

    /// Leaves without a goodbye: what is under way is thrown away, and the server sees a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next chunk of a chunked reply whose head was read with [`read_head`](Conn::read_head); `None` after the
    /// last.
    pub(crate) fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let chunk = self.try_chunk().expect("a chunk or the end of chunks");
        (!chunk.is_empty()).then_some(chunk)
    }

    /// The same, where the last chunk is empty, and `None` where the connection ends without it.
    pub(crate) fn try_chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.fill_until(|bytes| find(bytes, b"\r\n"))?;
        let size = usize::from_str_radix(&String::from_utf8_lossy(&self.received[..line]), 16).expect("a chunk's size");
        self.received.drain(..line + 2);
        let mut chunk = self.take(size + 2)?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// True when the server closes (or resets) this connection within patience and sends nothing more.
    pub(crate) fn ends(&mut self) -> bool {
        while self.fill() {}
        self.received.is_empty()
    }

    /// Everything that comes until the connection ends, and how it ends.
    pub(crate) fn until_end(&mut self) -> (Vec<u8>, End) {
        let mut buffer = [0; 16 * 1024];
        let how = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break End::Finished,
                Ok(n) => self.received.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break End::Never,
            }
        };
        (std::mem::take(&mut self.received), how)
    }

    /// The number by which the access log has this client.
    pub(crate) fn own_port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// Receives at most so many octets, as they come; empty at the end in order, `None` after a reset.
    pub(crate) fn sip(&mut self, most: usize) -> Option<Vec<u8>> {
        let mut some = vec![0; most];
        let n = self.stream.read(&mut some).ok()?;
        some.truncate(n);
        Some(some)
    }

    /// True once the server has reset this connection. Takes nothing of what was received.
    pub(crate) fn was_reset(&self) -> bool {
        self.stream.take_error().unwrap().is_some()
    }

    /// Sends as much as fits into what lies between client and server, without waiting for room; gives how much, and
    /// `None` once the server has ended this connection.
    pub(crate) fn send_what_fits(&mut self, bytes: &[u8]) -> Option<usize> {
        self.stream.set_nonblocking(true).unwrap();
        let sent = self.stream.write(bytes);
        self.stream.set_nonblocking(false).unwrap();
        match sent {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            sent => sent.ok(),
        }
    }

    /// Says that no more is sent, and still listens.
    pub(crate) fn half_close(&mut self) -> &mut Conn {
        drop(self.stream.shutdown(Shutdown::Write));
        self
    }

    /// True when nothing arrives for this long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let mut one = [0];
        let silent = self.received.is_empty() && self.stream.peek(&mut one).is_err();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.fill_until(|bytes| find(bytes, b"\r\n"))?;
            let size = String::from_utf8_lossy(&self.received[..line]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("not a chunk size: {size:?}"));
            self.received.drain(..line + 2);
            let chunk = self.take(size + 2)?;
            if size == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// So many octets; `None` where the connection ends before.
    pub(crate) fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        self.fill_until(|bytes| (bytes.len() >= length).then_some(length))?;
        Some(self.received.drain(..length).collect())
    }

    /// Receives until `done` finds its place in what is there; `None` at the end of the connection.
    fn fill_until(&mut self, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(place) = done(&self.received) {
                return Some(place);
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Receives once; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            // A machine that was stopped and goes on interrupts what waits with a timeout.
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("no answer within {PATIENCE:?}: {error}"),
        }
    }
}

/// A request with a body and its length, on a connection that stays open.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        bytes += &format!("Content-Length: {}\r\n", body.len());
    }
    bytes += "\r\n";
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
