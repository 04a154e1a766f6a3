//! A correction of awc's codec, made on the bytes before it sees them.
//!
//! An HTTP/1.1 answer that announces no length goes on to the end of its connection (RFC 9112, 6.3). The codec takes it
//! for empty: a good page would become an empty success. For HTTP/1.0 it does the right thing, so the version of such an
//! answer, and of no other, is written down as 1.0: one byte.

const HTTP_11: &[u8] = b"HTTP/1.1 ";
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

/// True for a whole head without a length.
fn is_open_ended(bytes: &[u8]) -> bool {
    for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1) {
        if line == b"\r\n" || line == b"\n" {
            return true;
        }
        if has_name(line, b"content-length") || has_name(line, b"transfer-encoding") {
            return false;
        }
    }
    false
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
