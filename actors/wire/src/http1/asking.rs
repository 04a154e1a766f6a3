//! The head of a request, as a client writes it. No input can add a line of its own: a character that is not allowed in
//! a head gives an error with the reason, never a request with another meaning.

/// Why a part of a head cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsendableHead {
    /// The method is no token.
    #[error("the method {0:?} cannot be sent: it is not a token of HTTP")]
    Method(String),
    /// The path has this octet.
    #[error("the path cannot be sent: it holds \"{}\"; encode spaces and other signs as %XX", .0.escape_ascii())]
    Path(u8),
    /// The name of a header is no token.
    #[error("the header name {0:?} cannot be sent: it is not a token of HTTP")]
    Name(String),
    /// The value of this header has a control character.
    #[error("the value of the header {0:?} cannot be sent: it holds a control character")]
    Value(String),
}

/// Appends the request line to `out`. The path is sent unchanged, so it must be visible ASCII: the caller encodes
/// anything else.
pub fn write_request_line(out: &mut Vec<u8>, method: &str, path: &str) -> Result<(), UnsendableHead> {
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(UnsendableHead::Method(method.to_owned()));
    }
    if let Some(bad) = path.bytes().find(|octet| !octet.is_ascii_graphic()) {
        return Err(UnsendableHead::Path(bad));
    }
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// Appends a header to `out`.
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), UnsendableHead> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(UnsendableHead::Name(name.to_owned()));
    }
    // No early end: so the compiler looks at many octets at once.
    if value.iter().fold(false, |is_bad, octet| is_bad | (octet.is_ascii_control() & (*octet != b'\t'))) {
        return Err(UnsendableHead::Value(name.to_owned()));
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a `content-length` to `out`.
pub fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
}

/// Whether the octet may occur in a token (RFC 9110, 5.6.2).
pub(super) fn is_token(octet: u8) -> bool {
    TOKENS[usize::from(octet)]
}

const TOKENS: [bool; 256] = {
    let (mut table, mut octet) = ([false; 256], 0_u8);
    while octet < 128 {
        table[octet as usize] = matches!(
            octet,
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
                | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        octet += 1;
    }
    table
};
