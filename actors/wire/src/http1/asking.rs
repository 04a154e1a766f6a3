//! The head of a request, as a client writes it. Nothing leaves that could begin a line of its own: what has no place
//! in a head is an error that says why, never a request of another meaning.

/// Puts the request line behind `out`. The path is sent as it is, so it must be visible ASCII: everything else is for
/// its maker to encode.
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

/// Puts a header behind `out`.
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

/// Puts a `content-length` behind `out`.
pub fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}
