//! The head of a request, as a server reads it.
//!
//! A server is stricter than a client. A proxy between the client and the server may read the same octets by other
//! rules; if the two disagree, one's body is the other's next request (request smuggling). So everything that RFC 9112
//! leaves to a server's choice is refused: two lengths, even equal ones, a length beside a coding, a coding other than
//! `chunked`, a folded line, a line that ends with LF alone, blanks before a colon. httparse splits the head into
//! lines; this module decides what they mean.
//!
//! One fault is repaired instead of refused: octets in the target that should have been written as `%XX`. Browsers and
//! scripts send them, and all readers understand them alike.

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};
use memchr::{memchr, memchr_iter};

use super::answer::MAX_HEAD;
use super::framing::{Announced, Framing};
use super::refusal::{Kind, Refusal, at, named};
use super::target::{check_target, escaped, is_host, long_target};
use crate::error::shown;

/// Maximum number of header lines in a request that a caller may allow.
pub const MOST_REQUEST_FIELDS: usize = 256;
/// The usual maximum, equal to actix-http's.
pub const MAX_REQUEST_FIELDS: usize = 96;
/// Maximum length of a target in octets, which is that of `http::Uri`.
pub const MAX_TARGET: usize = 65_534;

/// How large the head of a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadBounds {
    /// In octets, with its first line and its end.
    pub head: usize,
    /// Octets of the target, at most [`MAX_TARGET`].
    pub target: usize,
    /// Header lines, at most [`MOST_REQUEST_FIELDS`].
    pub fields: usize,
}

impl Default for HeadBounds {
    fn default() -> HeadBounds {
        HeadBounds { head: MAX_HEAD, target: MAX_TARGET, fields: MAX_REQUEST_FIELDS }
    }
}

/// A generous maximum for the rest of the first line.
const LONGEST_REST: usize = 256;

/// Why a request is refused, and the status to answer with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Denied {
    /// 400, 414, 431, 501 or 505.
    pub status: u16,
    /// A sentence for the client.
    pub why: String,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Denied {
        match refusal {
            Refusal::Malformed(why) => Denied { status: 400, why },
            Refusal::TooLarge(why) => Denied { status: 431, why },
        }
    }
}

/// The content of a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'o> {
    /// A token, as sent.
    pub method: &'o str,
    /// As sent: `/path?query`, `http://host/path`, `*` or, for CONNECT, `host:port`.
    pub target: &'o str,
    /// HTTP/1.0; otherwise it is HTTP/1.1.
    pub is_1_0: bool,
    /// How the body ends: never at the end of the connection.
    pub framing: Framing,
    /// The client wants to send more requests on this connection.
    pub is_kept: bool,
    /// The client waits for a 100 before sending the body.
    pub expects_continue: bool,
    /// The client offers to switch to another protocol.
    pub offers_upgrade: bool,
}

/// Finds the head of a request in octets that arrive in pieces. Each octet is examined only a few times, however many
/// pieces a head arrives in.
#[derive(Debug, Default)]
pub struct RequestReader {
    /// Octets of empty lines before the head.
    begin: usize,
    /// How many octets have been searched for the end.
    searched: usize,
    /// How many octets the last unsuccessful parse covered.
    parsed: usize,
    bounds: HeadBounds,
}

impl RequestReader {
    /// A reader that refuses larger heads.
    pub fn within(bounds: HeadBounds) -> RequestReader {
        RequestReader { bounds, ..RequestReader::default() }
    }

    /// The offset of the body once the head is complete. Input that cannot become a valid head is refused earlier.
    /// `octets` is everything received so far of this request.
    pub fn end(&mut self, octets: &[u8]) -> Result<Option<usize>, Denied> {
        // Each empty line is skipped once.
        self.begin += octets[self.begin..].iter().take_while(|&&octet| matches!(octet, b'\r' | b'\n')).count();
        let begin = self.begin;
        let from = begin.max(self.searched.saturating_sub(2));
        let ends = memchr_iter(b'\n', &octets[from..]).find_map(|at| match &octets[from + at + 1..] {
            [b'\n', ..] => Some(from + at + 2),
            [b'\r', b'\n', ..] => Some(from + at + 3),
            _ => None,
        });
        // With or without its end, so that a head is refused alike in however many pieces it arrives.
        let first = || memchr(b'\n', &octets[begin..]).unwrap_or(octets.len() - begin);
        let bounds = self.bounds;
        if octets.len() > bounds.target && first() > bounds.target + LONGEST_REST {
            return Err(long_target(bounds));
        }
        if let Some(end) = ends.filter(|&end| end <= bounds.head) {
            return Ok(Some(end));
        }
        self.searched = octets.len();
        if octets.len() > bounds.head {
            return Err(large_head(bounds));
        }
        // Invalid input is detected early, and a head that arrives octet by octet costs at most three times its length.
        if octets.len() > begin && (self.parsed == 0 || octets.len() >= 2 * self.parsed) {
            self.parsed = octets.len();
            let octets = without_version(octets, begin);
            let escaped = escaped(octets);
            parse(escaped.as_deref().unwrap_or(octets), bounds, |_| Ok(()))?;
        }
        Ok(None)
    }
}

/// The part of an incomplete head that can be judged: without a version that may still be incomplete.
fn without_version(octets: &[u8], begin: usize) -> &[u8] {
    let line = &octets[begin..];
    match memchr_iter(b' ', line).nth(1) {
        Some(blank) if memchr(b'\n', line).is_none() => &octets[..=begin + blank],
        _ => octets,
    }
}

/// Reads a complete head. `field` is called with each header, in order, as sent.
pub fn read_request<'o>(
    head: &'o [u8],
    bounds: HeadBounds,
    mut field: impl FnMut(&'o str, &'o [u8]),
) -> Result<Option<RequestHead<'o>>, Denied> {
    parse(head, bounds, |request| {
        let is_1_0 = request.version == Some(0);
        let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        check_target(method, target, bounds)?;
        let mut said = Said::default();
        for Header { name, value } in &*request.headers {
            said.take(name, value).map_err(|refusal| at(refusal, head, name))?;
            field(name, value);
        }
        if !said.has_host && !is_1_0 {
            return Err(Refusal::Malformed("there is no host, which HTTP/1.1 asks for".to_owned()).into());
        }
        if said.other_coding {
            let why = "of the transfer codings only chunked is read here";
            return Err(Denied { status: 501, why: why.to_owned() });
        }
        let framing = said.announced.of_request(is_1_0)?;
        if is_1_0 && method == "POST" && !said.announced.has_framing() {
            let why = "a POST in HTTP/1.0 has a content-length";
            return Err(Refusal::Malformed(why.to_owned()).into());
        }
        Ok(RequestHead {
            method,
            target,
            is_1_0,
            framing,
            is_kept: if is_1_0 { said.keeps && !said.closes } else { !said.closes },
            expects_continue: said.expects_continue && !is_1_0 && framing != Framing::None,
            offers_upgrade: said.names_upgrade && said.has_upgrade && !is_1_0 && !said.closes,
        })
    })
}

/// What the headers of a request say about the request and its connection.
#[derive(Default)]
struct Said {
    announced: Announced,
    has_host: bool,
    other_coding: bool,
    keeps: bool,
    closes: bool,
    names_upgrade: bool,
    has_upgrade: bool,
    expects_continue: bool,
}

impl Said {
    /// Reads one header.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        // By length first, because most headers are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                if std::mem::replace(&mut self.has_host, true) {
                    return Err(Refusal::Malformed("a second host".to_owned()));
                }
                if !is_host(value) {
                    let value = String::from_utf8_lossy(value);
                    return Err(Refusal::Malformed(format!("{:?} is no host", shown(&value))));
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                if value.contains(&b',') {
                    return Err(Refusal::Malformed("a list of lengths".to_owned()));
                }
                self.announced.only_length(value).map_err(|refusal| Refusal::Malformed(refusal.to_string()))?;
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.coding(value)?,
            10 if name.eq_ignore_ascii_case("connection") => {
                for word in words(value) {
                    self.closes |= word.eq_ignore_ascii_case(b"close");
                    self.keeps |= word.eq_ignore_ascii_case(b"keep-alive");
                    self.names_upgrade |= word.eq_ignore_ascii_case(b"upgrade");
                }
            }
            7 if name.eq_ignore_ascii_case("upgrade") => {
                // A switch to HTTP/2 is never accepted on this connection, so it is not counted as an offer.
                self.has_upgrade |= words(value).any(|word| !word.eq_ignore_ascii_case(b"h2c"));
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expects_continue |= words(value).any(|word| word.eq_ignore_ascii_case(b"100-continue"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads the coding: one line, `chunked`. Known other codings are distinguished from invalid ones, which another
    /// reader could take for `chunked`.
    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.announced.is_coded() {
            return Err(Refusal::Malformed("a second line of it".to_owned()));
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            return self.announced.coding(value);
        }
        let known = [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress", b"br", b"zstd"];
        let is_known = |word: &[u8]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        let mut codings: Vec<&[u8]> = words(value).collect();
        if codings.last().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) {
            codings.pop();
        }
        if !codings.is_empty() && codings.into_iter().all(is_known) {
            self.other_coding = true;
            return Ok(());
        }
        let value = String::from_utf8_lossy(value);
        Err(Refusal::Malformed(format!("{:?} is not chunked", shown(&value))))
    }
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii)
}

/// Parses a head with httparse and reads the result; `None` if the head is incomplete.
fn parse<'o, T>(
    head: &'o [u8],
    bounds: HeadBounds,
    read: impl FnOnce(&Request<'_, 'o>) -> Result<T, Denied>,
) -> Result<Option<T>, Denied> {
    let lone = memchr_iter(b'\n', head).find(|&at| at == 0 || head[at - 1] != b'\r');
    // In the order in which they stand, so that a head is refused alike in however many pieces it arrives.
    if let Some(at) = lone.filter(|&at| head[..at].iter().all(|octet| matches!(octet, b'\r' | b'\n'))) {
        return Err(lone_feed(head, at));
    }
    let mut room = [const { MaybeUninit::uninit() }; MOST_REQUEST_FIELDS];
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut room[..bounds.fields.min(MOST_REQUEST_FIELDS)]);
    let parsed = parsed.map_err(|error| denied(head, bounds, error))?;
    if let Some(at) = lone {
        return Err(lone_feed(head, at));
    }
    match parsed {
        Status::Complete(_) => read(&request).map(Some),
        Status::Partial => Ok(None),
    }
}

/// A line that ends with LF alone: httparse reads it, as RFC 9112, 2.2 allows. Others take that LF for a blank, as RFC
/// 9110, 5.5 allows, and then what stands behind it is no line of its own to them.
#[cold]
fn lone_feed(head: &[u8], at: usize) -> Denied {
    let line = 1 + memchr_iter(b'\n', &head[..at]).count();
    Denied { status: 400, why: format!("line {line} ends with a line feed alone, where CR LF ends a line") }
}

#[cold]
fn denied(head: &[u8], bounds: HeadBounds, error: httparse::Error) -> Denied {
    // A record of a handshake (RFC 8446, 5.1). Its client reads no answer, but whoever reads the log does.
    if head.starts_with(b"\x16\x03") {
        return Denied { status: 400, why: "this is TLS, and the port speaks clear text: ask with http://".to_owned() };
    }
    let first = head.split(|&octet| octet == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let mut words = first.trim_ascii().splitn(3, |&octet| octet == b' ').skip(2);
    // `HTTP/` and two digits, with a dot between them.
    let is_version = |word: &[u8]| matches!(word, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']);
    if let Some(version) = words.next().filter(|word| error == httparse::Error::Version && is_version(word)) {
        // The preface of HTTP/2 by prior knowledge (RFC 9113, 3.4): its client looks for no 505.
        if first.starts_with(b"PRI * ") {
            return Denied { status: 400, why: "HTTP/2 is not spoken here, HTTP/1.1 is".to_owned() };
        }
        let version = String::from_utf8_lossy(version);
        return Denied { status: 505, why: format!("line 1: {version:?} is not spoken here, HTTP/1.1 is") };
    }
    let begin = head.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    named(&head[begin..], error, &Kind { fields: bounds.fields, ..REQUEST }).into()
}

/// The head of a request, for locating what httparse refuses.
const REQUEST: Kind =
    Kind { first: "request line", good: b"GET / HTTP/1.1\r\n", fields: MAX_REQUEST_FIELDS, is_refused };

fn is_refused(head: &[u8]) -> bool {
    let mut room = [httparse::EMPTY_HEADER; 1];
    Request::new(&mut room).parse(head).is_err()
}

#[cold]
fn large_head(HeadBounds { head, .. }: HeadBounds) -> Denied {
    Denied { status: 431, why: format!("the head is larger than the limit of {head} bytes") }
}
