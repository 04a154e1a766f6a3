//! Where the body after a head ends (RFC 9112, 6.3). For an answer the status decides first, then the transfer coding,
//! then the length, else the end of the connection. A request has a coding or a length, or no body.

use super::refusal::Refusal;

/// How the end of a message's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, whatever the head announces.
    None,
    /// After this many octets.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// At the end of the connection.
    ToTheEnd,
}

/// The headers of a head that concern framing, collected one by one.
#[derive(Debug, Default)]
pub(super) struct Announced {
    length: Option<u64>,
    is_chunked: bool,
    /// There was a `transfer-encoding`, even if only `identity`.
    is_coded: bool,
}

impl Announced {
    /// Adds the value of a `content-length`: one number, or a list of equal ones (RFC 9110, 8.6).
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

    /// Adds the value of a `transfer-encoding`. The codings of several lines form one list. `identity` means no coding
    /// (RFC 2616, 3.6; removed since, but still sent). `chunked` is the only coding supported.
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

    /// The framing of an answer with this status; `is_head`: the request was a HEAD.
    pub(super) fn of_answer(&self, code: u16, is_head: bool) -> Framing {
        match self.length {
            _ if is_head || matches!(code, 100..=199 | 204 | 304) => Framing::None,
            _ if self.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::ToTheEnd,
        }
    }

    /// The framing of a request (RFC 9112, 6.3, 3 to 6): without a coding and a length it has no body. Refuses what a
    /// proxy in front may read differently, although it is accepted in an answer, because it could hide a request.
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

    /// Adds the value of `content-length`, of which a request may have only one.
    pub(super) fn only_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(malformed("a second length"));
        }
        self.length(value)
    }

    /// True if there was a `transfer-encoding`.
    pub(super) fn is_coded(&self) -> bool {
        self.is_coded
    }

    /// True if a length or a coding was announced.
    pub(super) fn has_framing(&self) -> bool {
        self.is_coded || self.length.is_some()
    }

    /// True if another reader may find another end: a coding beside a length, or a coding from an HTTP/1.0 server,
    /// which had none (RFC 9112, 6.1). The body is read, but the connection must not be used after it.
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
