//! Errors for octets that are not a valid message.

use crate::error::shown;

/// Why reading a message was stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It violates HTTP/1.
    #[error("{0}")]
    Malformed(String),
    /// It exceeds a limit.
    #[error("{0}")]
    TooLarge(String),
}

/// Adds the name and the line number of a header to the refusal of its value.
#[cold]
pub(super) fn at(refusal: Refusal, head: &[u8], name: &str) -> Refusal {
    // `name` is a slice of `head`, so the addresses give its offset.
    let offset = name.as_ptr().addr().saturating_sub(head.as_ptr().addr());
    let line = 1 + head[..offset.min(head.len())].iter().filter(|&&octet| octet == b'\n').count();
    let name = name.to_ascii_lowercase();
    match refusal {
        Refusal::Malformed(why) => Refusal::Malformed(format!("line {line}, {name}: {why}")),
        Refusal::TooLarge(why) => Refusal::TooLarge(format!("line {line}, {name}: {why}")),
    }
}

/// A kind of head, for locating what httparse refuses.
pub(super) struct Kind {
    /// The name of its first line.
    pub(super) first: &'static str,
    /// A valid first line.
    pub(super) good: &'static [u8],
    /// Maximum number of header lines.
    pub(super) fields: usize,
    /// Whether httparse refuses these octets, a head with at most one header.
    pub(super) is_refused: fn(&[u8]) -> bool,
}

/// Adds the line number to an error of httparse, which has none: that of the first line that is refused on its own.
#[cold]
pub(super) fn named(head: &[u8], error: httparse::Error, kind: &Kind) -> Refusal {
    let Kind { first: what, good, fields, is_refused } = kind;
    if error == httparse::Error::TooManyHeaders {
        return Refusal::TooLarge(format!("the head has more header lines than the limit of {fields}"));
    }
    let mut lines = head.split_inclusive(|&octet| octet == b'\n').enumerate().peekable();
    let Some((number, first)) = lines.next() else { return Refusal::Malformed(error.to_string()) };
    if is_refused(&[first, b"\r\n\r\n"].concat()) {
        let first = String::from_utf8_lossy(first.trim_ascii()).into_owned();
        return Refusal::Malformed(format!("line {}: {:?} is no {what} of HTTP/1", number + 1, shown(&first)));
    }
    while let Some((number, line)) = lines.next() {
        let mut whole = line.to_vec();
        while let Some((_, fold)) = lines.next_if(|(_, line)| matches!(line, [b' ' | b'\t', ..])) {
            whole.extend_from_slice(fold);
        }
        if is_refused(&[*good, &whole, b"\r\n\r\n"].concat()) {
            // The name alone: a value may be secret.
            let name =
                String::from_utf8_lossy(line.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii())
                    .into_owned();
            return Refusal::Malformed(format!("line {}: {:?} is no header: {error}", number + 1, shown(&name)));
        }
    }
    Refusal::Malformed(error.to_string())
}
