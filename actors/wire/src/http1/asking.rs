//! The head of a request, as a client writes it. No input can add a line of its own: a character that is not allowed in
//! a head gives an error with the reason, never a request with another meaning.

/// Appends the request line to `out`. The path is sent unchanged, so it must be visible ASCII: the caller encodes
/// anything else.
pub fn write_request_line(out: &mut Vec<u8>, method: &str, path: &str) -> Result<(), String> {
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(format!("the method {method:?} cannot be sent: it is not a token of HTTP"));
    }
    if let Some(bad) = path.bytes().find(|octet| !octet.is_ascii_graphic()) {
        let bad = bad.escape_ascii();
        return Err(format!("the path cannot be sent: it holds \"{bad}\"; encode spaces and other signs as %XX"));
    }
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    Ok(())
}

/// Appends a header to `out`.
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("the header name {name:?} cannot be sent: it is not a token of HTTP"));
    }
    if value.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Err(format!("the value of the header {name:?} cannot be sent: it holds a control character"));
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
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}
