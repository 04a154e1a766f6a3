//! The root element of a document, found without reading what it holds.

use memchr::memmem;

/// So far from the beginning a root is looked for.
const HEAD: usize = 16 * 1024;

/// True if the document is XML with another root than `methodCall`: no call, whatever its type says. What is no XML, or
/// ends before its root, is left to [`parse_call`](super::parse_call), which knows what is wrong with it.
pub fn is_other_document(input: &[u8]) -> bool {
    root(input).is_some_and(|name| name != b"methodCall")
}

/// The name of the root element without its prefix; `None` if there is none, or the document is in a charset of which
/// ASCII is no part.
fn root(input: &[u8]) -> Option<&[u8]> {
    let mut rest = &input[..input.len().min(HEAD)];
    rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
    loop {
        rest = rest.trim_ascii_start().strip_prefix(b"<")?;
        let end: &[u8] = match rest {
            [b'?', ..] => b"?>",
            [b'!', b'-', b'-', ..] => b"-->",
            // A DTD is refused in a call. A handler may read one; its own subset may have a `>` in it.
            [b'!', ..] if rest.contains(&b'[') => b"]>",
            [b'!', ..] => b">",
            _ => break,
        };
        rest = &rest[memmem::find(rest, end)? + end.len()..];
    }
    let length = rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
    let name = &rest[..length];
    let is_name = name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_' || *first >= 0x80);
    is_name.then(|| name.rsplit(|byte| *byte == b':').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_root() {
        for other in [
            "<xml><return_code>SUCCESS</return_code></xml>",
            "<?xml version=\"1.0\"?>\n<!-- <methodCall> -->\n<feed xmlns=\"http://www.w3.org/2005/Atom\">",
            "\u{feff}<soap:Envelope xmlns:soap=\"x\">",
            "<methodResponse/>",
            "<methodCalls>",
            "<!DOCTYPE note [<!ENTITY a '>'>]><note/>",
            "<größe/>",
        ] {
            assert!(is_other_document(other.as_bytes()), "{other}");
        }
        for call in [
            "<methodCall>",
            "<?xml version='1.0'?><methodCall><methodName>",
            "<!-- a --> <a:methodCall a='b'>",
            "<!DOCTYPE methodCall><methodCall/>",
            "",
            "hello",
            "<",
            "<xml",
            "<?xml version='1.0'",
            "<!-- never closed <a>",
            "< a>",
            "<1>",
            "{\"a\":1}",
        ] {
            assert!(!is_other_document(call.as_bytes()), "{call}");
        }
    }
}
