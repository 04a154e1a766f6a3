//! The head of an answer. httparse reads its lines; what they come to is decided here.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::framing::{Announced, Framing};
use super::refusal::{Kind, Refusal, at, named};

/// The largest head, in octets, all interim ones before it included.
pub const MAX_HEAD: usize = 128 * 1024;
/// The most header lines of a head.
pub const MAX_FIELDS: usize = 256;

/// What the head of a final answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub code: u16,
    /// Where the body begins, counted from the first octet of the first interim head.
    pub end: usize,
    /// How the body ends.
    pub framing: Framing,
    /// The server keeps the connection, and both sides agree on where the answer ends.
    pub is_kept: bool,
    /// The server says that it ends the connection.
    pub says_close: bool,
}

/// Finds the head of the final answer in octets that come in pieces. No octet is looked at more than a few times, in
/// however many pieces a head comes.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// Where the present head begins.
    begin: usize,
    has_interim: bool,
    /// Octets of it that were parsed in vain.
    parsed: usize,
    /// Octets of it in which no end was found.
    searched: usize,
}

impl HeadReader {
    /// True where an interim answer (1xx) came.
    pub fn has_interim(&self) -> bool {
        self.has_interim
    }

    /// Reads the head, if it is whole. `octets` is all that came so far: nothing may be taken off it before there is a
    /// head. `is_head`: the request was a HEAD. `field` is given the status and each header of the final answer, in
    /// their order, with its folds undone.
    pub fn read(
        &mut self,
        octets: &[u8],
        is_head: bool,
        mut field: impl FnMut(u16, &str, &[u8]),
    ) -> Result<Option<Head>, Refusal> {
        loop {
            // Empty lines before a head are stepped over, once.
            self.begin += octets[self.begin..].iter().take_while(|&&octet| matches!(octet, b'\r' | b'\n')).count();
            let head = &octets[self.begin..];
            if !self.is_worth_parsing(head) {
                return within_bound(octets.len());
            }
            let mut room = [const { MaybeUninit::uninit() }; MAX_FIELDS];
            let mut answer = Response::new(&mut []);
            let length = match tolerant().parse_response_with_uninit_headers(&mut answer, head, &mut room) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) => {
                    self.parsed = head.len();
                    return within_bound(octets.len());
                }
                Err(error) => return Err(named(head, error, &ANSWER)),
            };
            within_bound(self.begin + length)?;
            let code = answer.code.unwrap_or_default();
            match code {
                101 => {
                    let why = "101 Switching Protocols, which nobody asked for";
                    return Err(Refusal::Malformed(why.to_owned()));
                }
                100..=199 => {
                    *self = HeadReader { begin: self.begin + length, has_interim: true, ..HeadReader::default() };
                }
                200..=999 => {
                    let (framing, is_kept, says_close) = announced(head, &answer, code, is_head)?;
                    for header in &*answer.headers {
                        field(code, header.name, &unfolded(header.value));
                    }
                    return Ok(Some(Head { code, end: self.begin + length, framing, is_kept, says_close }));
                }
                _ => return Err(Refusal::Malformed(format!("line 1: {code} is no status"))),
            }
        }
    }

    /// Most heads come whole, and are parsed at once. One that did not is parsed again when its end has come, or twice
    /// as much: so nonsense is told early, and a head that drips in costs no more than three of its length.
    fn is_worth_parsing(&mut self, head: &[u8]) -> bool {
        if head.is_empty() {
            return false;
        }
        let from = self.searched.saturating_sub(3);
        self.searched = head.len();
        self.parsed == 0 || head.len() >= 2 * self.parsed || has_empty_line(&head[from..])
    }
}

/// How the body ends, whether the connection outlives it, and whether the server says that it does not.
fn announced(
    head: &[u8],
    answer: &Response<'_, '_>,
    code: u16,
    is_head: bool,
) -> Result<(Framing, bool, bool), Refusal> {
    let (mut announced, mut keeps, mut closes) = (Announced::default(), false, false);
    for Header { name, value } in &*answer.headers {
        let taken = match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => announced.length(&unfolded(value)),
            17 if name.eq_ignore_ascii_case("transfer-encoding") => announced.coding(&unfolded(value)),
            10 if name.eq_ignore_ascii_case("connection") => {
                for word in value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
                    closes |= word.eq_ignore_ascii_case(b"close");
                    keeps |= word.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            _ => Ok(()),
        };
        taken.map_err(|refusal| at(refusal, head, name))?;
    }
    let (framing, is_1_0) = (announced.of_answer(code, is_head), answer.version == Some(0));
    let is_certain = !announced.is_doubtful(is_1_0);
    let says_close = closes || (is_1_0 && !keeps) || framing == Framing::ToTheEnd;
    Ok((framing, is_certain && !says_close, says_close))
}

fn tolerant() -> ParserConfig {
    let mut config = ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    config
}

/// "Not yet", while there may be more.
fn within_bound(length: usize) -> Result<Option<Head>, Refusal> {
    if length > MAX_HEAD {
        return Err(Refusal::TooLarge(format!("the head is larger than the limit of {MAX_HEAD} bytes")));
    }
    Ok(None)
}

fn has_empty_line(octets: &[u8]) -> bool {
    octets.windows(2).any(|pair| pair == b"\n\n") || octets.windows(3).any(|three| three == b"\n\r\n")
}

/// The value with each fold as one blank (RFC 9112, 5.2).
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let mut lines = value.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_vec();
    Cow::Owned(lines.fold(first, |value, line| [&value, &b" "[..], line].concat()))
}

/// An answer's head, for who looks at one that httparse refuses.
const ANSWER: Kind = Kind { first: "status line", good: b"HTTP/1.1 200\r\n", fields: MAX_FIELDS, is_refused };

fn is_refused(head: &[u8]) -> bool {
    let mut room = [httparse::EMPTY_HEADER; 1];
    tolerant().parse_response(&mut Response::new(&mut room), head).is_err()
}
