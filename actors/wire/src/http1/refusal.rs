//! What is told of octets that are no message.

use crate::error::shown;

/// Why a message is not read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not what HTTP/1 allows.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than what is accepted.
    #[error("{0}")]
    TooLarge(String),
}

/// The refusal of a header's value, with its name and its line.
#[cold]
pub(super) fn at(refusal: Refusal, head: &[u8], name: &str) -> Refusal {
    // The name is a part of the head.
    let offset = name.as_ptr().addr().saturating_sub(head.as_ptr().addr());
    let line = 1 + head[..offset.min(head.len())].iter().filter(|&&octet| octet == b'\n').count();
    let name = name.to_ascii_lowercase();
    match refusal {
        Refusal::Malformed(why) => Refusal::Malformed(format!("line {line}, {name}: {why}")),
        Refusal::TooLarge(why) => Refusal::TooLarge(format!("line {line}, {name}: {why}")),
    }
}

/// A kind of head, for who looks at one that httparse refuses.
pub(super) struct Kind {
    /// What its first line is.
    pub(super) first: &'static str,
    /// A first line that is good.
    pub(super) good: &'static [u8],
    /// The most header lines it may have.
    pub(super) fields: usize,
    /// Whether httparse refuses these octets, which are a head with at most one header.
    pub(super) is_refused: fn(&[u8]) -> bool,
}

/// What httparse refuses, with the line that it does not name: the first one that is refused by itself, too.
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
            // No more than the name: values may be secrets.
            let name =
                String::from_utf8_lossy(line.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii())
                    .into_owned();
            return Refusal::Malformed(format!("line {}: {:?} is no header: {error}", number + 1, shown(&name)));
        }
    }
    Refusal::Malformed(error.to_string())
}
