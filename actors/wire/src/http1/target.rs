//! The target of a request, and the host that it or `Host` names.

use memchr::memchr;

use super::request::{Denied, HeadBounds};
use crate::error::shown;

/// The head with every invalid octet of its target escaped; `None` if there is none.
pub fn escaped(head: &[u8]) -> Option<Vec<u8>> {
    let begin = head.iter().take_while(|&&octet| matches!(octet, b'\r' | b'\n')).count();
    let line = begin + memchr(b'\n', &head[begin..]).unwrap_or(head.len() - begin);
    let target = begin + memchr(b' ', &head[begin..line])?;
    if !head[target..line].iter().any(|&octet| needs_escape(octet)) {
        return None;
    }
    let mut whole = Vec::with_capacity(head.len() + 64);
    whole.extend_from_slice(&head[..target]);
    for &octet in &head[target..line] {
        if needs_escape(octet) {
            whole.extend_from_slice(format!("%{octet:02X}").as_bytes());
        } else {
            whole.push(octet);
        }
    }
    whole.extend_from_slice(&head[line..]);
    Some(whole)
}

/// Octets that are not allowed in a target and have no meaning that escaping could change (RFC 3986, appendix C and
/// 2.2).
fn needs_escape(octet: u8) -> bool {
    octet >= 0x80 || matches!(octet, b'"' | b'<' | b'>' | b'`')
}

/// Checks the form of the target (RFC 9112, 3.2).
pub(super) fn check_target(method: &str, target: &str, bounds: HeadBounds) -> Result<(), Denied> {
    if target.len() > bounds.target {
        return Err(long_target(bounds));
    }
    let is_absolute = || {
        let (scheme, rest) = target.split_once("://").unwrap_or_default();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
            && is_host(&rest.as_bytes()[..end])
    };
    let is_good = match method {
        "CONNECT" => is_host(target.as_bytes()),
        "OPTIONS" if target == "*" => true,
        _ => target.starts_with('/') || is_absolute(),
    };
    if is_good {
        return Ok(());
    }
    let why = format!("line 1: the target {:?} is neither a path, which begins with /, nor a URL", shown(target));
    Err(Denied { status: 400, why })
}

/// A name or an address, with or without a port (RFC 3986, 3.2.2). No user part: readers disagree on the host of such a
/// value.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value {
        [b'[', rest @ ..] => match memchr(b']', rest) {
            Some(end) if end > 0 && rest[..end].iter().all(|&octet| is_of_name(octet) || octet == b':') => {
                (&value[..1], &rest[end + 1..])
            }
            _ => return false,
        },
        _ => value.split_at(memchr(b':', value).unwrap_or(value.len())),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !name.is_empty() && is_port && (name == b"[" || name.iter().copied().all(is_of_name))
}

fn is_of_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&octet)
}

#[cold]
pub(super) fn long_target(HeadBounds { target, .. }: HeadBounds) -> Denied {
    Denied { status: 414, why: format!("the target is longer than the limit of {target} bytes") }
}
