//! A correction of awc's codec, made on the bytes before it sees them.
//!
//! An HTTP/1.1 answer that announces no length goes on to the end of its connection (RFC 9112, 6.3). The codec takes it
//! for empty: a good page would become an empty success. For HTTP/1.0 it does the right thing, so the version of such an
//! answer, and of no other, is written down as 1.0: one byte.

const HTTP_11: &[u8] = b"HTTP/1.1 ";
const HTTP_10: &[u8] = b"HTTP/1.0 ";
const KEEPS: &[u8] = b"keep-alive";
/// Where the minor version stands.
const MINOR: usize = 7;

/// Looks at the first bytes of an answer. A head that came in pieces is left as it is; [`is_unannounced`] catches it.
pub(super) fn announce_end(bytes: &mut [u8]) {
    if !bytes.starts_with(HTTP_11) {
        return;
    }
    let code = bytes.get(HTTP_11.len()..HTTP_11.len() + 3).unwrap_or_default();
    // These have no body at all.
    if code.starts_with(b"1") || code == b"204" || code == b"304" {
        return;
    }
    if is_open_ended(bytes) {
        bytes[MINOR] = b'0';
    }
}

/// True for the answer of a server of HTTP/1.0, unless it says that it keeps its connection (RFC 9112, 9.3). The codec keeps
/// any connection whose answer does not say otherwise, and the next call would race against its close.
pub(super) fn is_last(bytes: &[u8]) -> bool {
    let keeps = |line: &[u8]| {
        let line = line.to_ascii_lowercase();
        has_name(&line, b"connection") && line.windows(KEEPS.len()).any(|word| word == KEEPS)
    };
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').take_while(|line| !is_blank(line));
    bytes.starts_with(HTTP_10) && !lines.any(keeps)
}

/// True for a whole head without a length.
fn is_open_ended(bytes: &[u8]) -> bool {
    for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1) {
        if is_blank(line) {
            return true;
        }
        if has_name(line, b"content-length") || has_name(line, b"transfer-encoding") {
            return false;
        }
    }
    false
}

fn is_blank(line: &[u8]) -> bool {
    line == b"\r\n" || line == b"\n"
}

fn has_name(line: &[u8], name: &[u8]) -> bool {
    line.len() > name.len() && line[name.len()] == b':' && line[..name.len()].eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(head: &str) -> String {
        let mut bytes = head.as_bytes().to_vec();
        announce_end(&mut bytes);
        String::from_utf8(bytes).expect("one digit was changed")
    }

    #[test]
    fn a_server_of_http_1_0_keeps_no_connection_unless_it_says_so() {
        let is_last = |head: &str| is_last(head.as_bytes());
        assert!(is_last("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nconnection: keep-alive\r\n"));
        assert!(is_last("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"));
        assert!(!is_last("HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection:Keep-Alive\r\n\r\nabc"));
        assert!(!is_last("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
    }

    #[test]
    fn only_an_open_ended_answer_is_changed() {
        assert_eq!(seen("HTTP/1.1 200 OK\r\nx: y\r\n\r\nabc"), "HTTP/1.0 200 OK\r\nx: y\r\n\r\nabc");
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: y\r\n",
            "HTTP/1.1 2",
            "SSH-2.0\r\n\r\n",
            "",
        ] {
            assert_eq!(seen(head), head);
        }
    }
}
