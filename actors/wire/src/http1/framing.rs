//! Where the body behind a head ends (RFC 9112, 6.3): of an answer by the status first, then by the transfer coding,
//! then by the length, else by the end of the connection; of a request by its coding or its length, or there is none.

use super::refusal::Refusal;

/// How the body of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none, whatever the head announces.
    None,
    /// After so many octets.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    ToTheEnd,
}

/// What the fields of a head announce, gathered one by one.
#[derive(Debug, Default)]
pub(super) struct Announced {
    length: Option<u64>,
    is_chunked: bool,
    /// There was a `transfer-encoding`, be it `identity`.
    is_coded: bool,
}

impl Announced {
    /// Takes in the value of a `content-length`: one number, or a list of equal ones (RFC 9110, 8.6).
    pub(super) fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for word in value.split(|&octet| octet == b',') {
            let length = number(word.trim_ascii())?;
            if let Some(other) = self.length.filter(|&other| other != length) {
                return Err(Refusal::Malformed(format!("two lengths, {other} and {length}")));
            }
            self.length = Some(length);
        }
        Ok(())
    }

    /// Takes in the value of a `transfer-encoding`. The codings of several lines are one list. `identity` says that
    /// there is no coding (RFC 2616, 3.6; gone since, but still sent); any other than `chunked` is none that is read
    /// here.
    pub(super) fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.is_coded = true;
        for word in value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
            match word {
                b"" => {}
                _ if word.eq_ignore_ascii_case(b"identity") => {}
                _ if word.eq_ignore_ascii_case(b"chunked") && !self.is_chunked => self.is_chunked = true,
                _ => {
                    let word = crate::error::shown(&String::from_utf8_lossy(word)).into_owned();
                    return Err(Refusal::Malformed(format!("the coding {word:?} is not read here")));
                }
            }
        }
        Ok(())
    }

    /// The framing of the answer with this status to a request that was a HEAD or not.
    pub(super) fn of_answer(&self, code: u16, is_head: bool) -> Framing {
        match self.length {
            _ if is_head || matches!(code, 100..=199 | 204 | 304) => Framing::None,
            _ if self.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::ToTheEnd,
        }
    }

    /// The framing of a request (RFC 9112, 6.3, 3 to 6): without a coding and without a length it has no body. What a
    /// proxy before us may read in another way is refused, where an answer's would be read: it could hide a request.
    pub(super) fn of_request(&self, is_1_0: bool) -> Result<Framing, Refusal> {
        match (self.is_coded, self.length) {
            (false, None | Some(0)) => Ok(Framing::None),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (true, Some(_)) => Err(malformed("a request has content-length or transfer-encoding, not both")),
            (true, None) if is_1_0 => Err(malformed("HTTP/1.0 has no transfer-encoding")),
            (true, None) if !self.is_chunked => Err(malformed("the transfer-encoding of a request ends with chunked")),
            (true, None) => Ok(Framing::Chunked),
        }
    }

    /// Takes in the value of the one `content-length` there may be.
    pub(super) fn only_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(malformed("a second length"));
        }
        self.length(value)
    }

    /// True where there was a `transfer-encoding`.
    pub(super) fn is_coded(&self) -> bool {
        self.is_coded
    }

    /// True where a length or a coding was announced.
    pub(super) fn has_framing(&self) -> bool {
        self.is_coded || self.length.is_some()
    }

    /// True where another reader may see another end: a coding beside a length, or from a server of HTTP/1.0, which
    /// knew none (RFC 9112, 6.1). The body is read, but nothing behind it is to be trusted.
    pub(super) fn is_doubtful(&self, is_1_0: bool) -> bool {
        self.is_coded && (self.length.is_some() || is_1_0)
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::Malformed(why.to_owned())
}

fn number(word: &[u8]) -> Result<u64, Refusal> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        let shown = crate::error::shown(&String::from_utf8_lossy(word)).into_owned();
        return Err(Refusal::Malformed(format!("{shown:?} is no length")));
    }
    let add = |size: u64, digit: &u8| size.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    word.iter().try_fold(0, add).ok_or_else(|| Refusal::TooLarge("the length does not fit 64 bits".to_owned()))
}
