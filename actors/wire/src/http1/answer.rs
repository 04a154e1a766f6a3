//! The head of an answer. httparse splits it into lines; this module decides what they mean.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::framing::{Announced, Framing};
use super::refusal::{Kind, Refusal, at, named};

/// Maximum size of a head in octets, including all interim heads before it.
pub const MAX_HEAD: usize = 128 * 1024;
/// Maximum number of header lines in a head.
pub const MAX_FIELDS: usize = 256;

/// The content of the head of a final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub code: u16,
    /// The offset of the body, counted from the first octet of the first interim head.
    pub end: usize,
    /// How the body ends.
    pub framing: Framing,
    /// The server keeps the connection open, and both sides agree on where the answer ends.
    pub is_kept: bool,
    /// The server announces that it closes the connection.
    pub says_close: bool,
}

/// Finds the head of the final answer in octets that arrive in pieces. Each octet is examined only a few times, however
/// many pieces a head arrives in.
#[derive(Debug, Default)]
pub struct HeadReader {
    /// The offset of the head being read.
    begin: usize,
    has_interim: bool,
    may_switch: bool,
    /// How many of its octets the last unsuccessful parse covered.
    parsed: usize,
    /// How many of its octets have been searched for its end.
    searched: usize,
}

impl HeadReader {
    /// For the answer to a request that offers another protocol: a 101 is final, and what is behind it is no HTTP.
    pub fn after_offer() -> HeadReader {
        HeadReader { may_switch: true, ..HeadReader::default() }
    }

    /// True once an interim answer (1xx) has arrived.
    pub fn has_interim(&self) -> bool {
        self.has_interim
    }

    /// Reads the head if it is complete. `octets` is everything received so far: none may be removed before the head is
    /// complete. `is_head`: the request was a HEAD. `field` is called with the status and each header of the final
    /// answer, in order, with folded lines joined.
    pub fn read(
        &mut self,
        octets: &[u8],
        is_head: bool,
        mut field: impl FnMut(u16, &str, &[u8]),
    ) -> Result<Option<Head>, Refusal> {
        loop {
            // Skip empty lines before a head, once.
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
                101 if self.may_switch => {
                    for header in &*answer.headers {
                        field(code, header.name, &unfolded(header.value));
                    }
                    let (end, framing) = (self.begin + length, Framing::ToTheEnd);
                    return Ok(Some(Head { code, end, framing, is_kept: false, says_close: false }));
                }
                101 => {
                    let why = "101 Switching Protocols, which nobody asked for";
                    return Err(Refusal::Malformed(why.to_owned()));
                }
                100..=199 => {
                    let (begin, may_switch) = (self.begin + length, self.may_switch);
                    *self = HeadReader { begin, has_interim: true, may_switch, ..HeadReader::default() };
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

    /// Most heads arrive in one piece and are parsed at once. Any other is parsed again when its end has arrived, or
    /// when it has doubled in length. So invalid input is detected early, and a head that arrives octet by octet costs
    /// at most three times its length.
    fn is_worth_parsing(&mut self, head: &[u8]) -> bool {
        if head.is_empty() {
            return false;
        }
        let from = self.searched.saturating_sub(3);
        self.searched = head.len();
        self.parsed == 0 || head.len() >= 2 * self.parsed || has_empty_line(&head[from..])
    }
}

/// How the body ends, whether the connection stays open, and whether the server announces that it closes it.
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

/// "Incomplete", unless the head has exceeded its limit.
fn within_bound(length: usize) -> Result<Option<Head>, Refusal> {
    if length > MAX_HEAD {
        return Err(Refusal::TooLarge(format!("the head is larger than the limit of {MAX_HEAD} bytes")));
    }
    Ok(None)
}

fn has_empty_line(octets: &[u8]) -> bool {
    octets.windows(2).any(|pair| pair == b"\n\n") || octets.windows(3).any(|three| three == b"\n\r\n")
}

/// The value with each fold replaced by one blank (RFC 9112, 5.2).
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let mut lines = value.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_vec();
    Cow::Owned(lines.fold(first, |value, line| [&value, &b" "[..], line].concat()))
}

/// The head of an answer, for locating what httparse refuses.
const ANSWER: Kind = Kind { first: "status line", good: b"HTTP/1.1 200\r\n", fields: MAX_FIELDS, is_refused };

fn is_refused(head: &[u8]) -> bool {
    let mut room = [httparse::EMPTY_HEADER; 1];
    tolerant().parse_response(&mut Response::new(&mut room), head).is_err()
}
