//! HTTP/1.1 messages on a socket, as far as the test client and the fake members need them.

use std::io::{self, BufRead, Read};

/// The longest line of a head, in bytes.
const LINE: u64 = 64 << 10;
/// The largest body, in bytes.
const BODY: usize = 64 << 20;

/// A request or an answer.
#[derive(Debug)]
pub(super) struct Message {
    /// The request line or status line.
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The end of a body without a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmeasured {
    /// A request without a length has no body.
    Empty,
    /// An answer without a length ends with its connection.
    ToTheEnd,
}

impl Message {
    /// Reads the next message; `None` if the peer has closed the connection after the previous one. `has_body` is false
    /// for the answer to HEAD.
    pub(super) fn read(
        stream: &mut impl BufRead,
        has_body: bool,
        unmeasured: Unmeasured,
    ) -> io::Result<Option<Message>> {
        let first = line(stream)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let line = line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(format!("{line:?} is no header")))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut message = Message { first, headers, body: Vec::new() };
        let is_without = ["204", "304"].iter().any(|code| message.first.split(' ').nth(1) == Some(code));
        if has_body && !is_without {
            message.body = message.read_body(stream, unmeasured)?;
        }
        Ok(Some(message))
    }

    fn read_body(&self, stream: &mut impl BufRead, unmeasured: Unmeasured) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = line(stream)?;
                let digits = size.split(';').next().unwrap_or("").trim();
                let size =
                    usize::from_str_radix(digits, 16).map_err(|_| bad(format!("{size:?} is no chunk's size")))?;
                let at = body.len();
                fits(at.saturating_add(size))?;
                body.resize(at + size, 0);
                stream.read_exact(&mut body[at..])?;
                let end = line(stream)?;
                if size == 0 {
                    return Ok(body);
                }
                if !end.is_empty() {
                    return Err(bad("a chunk is longer than its size".to_owned()));
                }
            }
        }
        match self.header("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|_| bad(format!("{length:?} is no length")))?;
                fits(length)?;
                body.resize(length, 0);
                stream.read_exact(&mut body)?;
            }
            None if unmeasured == Unmeasured::ToTheEnd => {
                stream.take(BODY as u64 + 1).read_to_end(&mut body)?;
                fits(body.len())?;
            }
            None => {}
        }
        Ok(body)
    }

    /// The first header of this name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A line without its line end; empty at the end of the connection.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    let read = stream.take(LINE).read_until(b'\n', &mut line)?;
    if read as u64 == LINE {
        return Err(bad(format!("a line of the head has more than {LINE} bytes")));
    }
    let line = String::from_utf8(line).map_err(|_| bad("the head is no text".to_owned()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn fits(length: usize) -> io::Result<()> {
    if length > BODY { Err(bad(format!("the body has more than {BODY} bytes"))) } else { Ok(()) }
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, unmeasured: Unmeasured) -> io::Result<Option<Message>> {
        Message::read(&mut text.as_bytes(), true, unmeasured)
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let body = |text: &str| read(text, Unmeasured::ToTheEnd).map(|message| message.expect("one").body);
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc").ok().as_deref(), Some(&b"ab"[..]));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        assert_eq!(body(chunked).ok().as_deref(), Some(&b"abcd"[..]));
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nabc").ok().as_deref(), Some(&b"abc"[..]));
        assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\nabc").ok().as_deref(), Some(&b""[..]));
        assert!(body("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").is_err(), "truncated");
    }

    #[test]
    fn a_closed_connection_is_no_message() {
        assert!(matches!(read("", Unmeasured::Empty), Ok(None)));
        let request = read("POST / HTTP/1.1\r\nHost: x\r\n\r\nrest", Unmeasured::Empty).expect("good").expect("one");
        assert_eq!((request.body.len(), request.header("host")), (0, Some("x")));
        assert!(read("GET / HTTP/1.1\r\nnonsense\r\n\r\n", Unmeasured::Empty).is_err());
    }
}
