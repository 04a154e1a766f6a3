//! The usual request, read by its bytes: an object of JSON-RPC 2.0 with no members but the four, each once, and no
//! escapes.
//!
//! Whatever is not usual is `None`, without a word why: [`request`](super::request) then reads it member by member, so
//! that every complaint is made in one place and knows the request's id. What is read here is read there to the same
//! end.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::request::{self, Params, Request, good_id};
use crate::limits::Limits;
use crate::value::Value;

/// A whole number of so many digits fits whatever its sign is.
const DIGITS: usize = 18;

/// The request that is the whole of `body`, if it is usual.
pub(super) fn request<'a>(body: &'a str, limits: &Limits) -> Option<Request<'a>> {
    let mut scan = Scan { body, at: 0 };
    let (mut is_v2, mut method, mut params, mut id) = (false, None, None, None);
    scan.token(b'{')?;
    loop {
        if scan.word(br#""jsonrpc""#) && !is_v2 {
            scan.token(b':')?;
            is_v2 = scan.word(br#""2.0""#);
        } else if scan.word(br#""method""#) && method.is_none() {
            scan.token(b':')?;
            method = Some(scan.text()?);
        } else if scan.word(br#""params""#) && params.is_none() {
            scan.token(b':')?;
            params = Some(scan.params(limits)?);
        } else if scan.word(br#""id""#) && id.is_none() {
            scan.token(b':')?;
            id = Some(good_id(Some(scan.raw()?), false)?);
        } else {
            return None;
        }
        if scan.token(b',').is_none() {
            break;
        }
    }
    scan.token(b'}')?;
    let (method, is_whole) = (method?, scan.rest().is_empty());
    (is_v2 && is_whole).then(|| Request {
        method: Cow::Borrowed(method),
        params: params.unwrap_or_default(),
        id: id.map(Cow::Borrowed),
        v1: false,
    })
}

/// A place in the body. Each step skips the blanks before it; one that is not usual gives `None`.
struct Scan<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// What follows, without the blanks before it.
    fn rest(&mut self) -> &'a [u8] {
        let bytes = self.body.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at..).unwrap_or_default()
    }

    /// Exactly this sign.
    fn token(&mut self, sign: u8) -> Option<()> {
        (*self.rest().first()? == sign).then(|| self.at += 1)
    }

    /// Whether it is this word that follows; if so, it is behind us.
    fn word(&mut self, word: &[u8]) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// A string that stands for itself.
    fn text(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let begin = self.at;
        let length = self.body.as_bytes()[begin..].iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..b' '))?;
        self.at = begin + length;
        self.token(b'"')?;
        self.body.get(begin..begin + length)
    }

    /// Any value as it is written.
    fn raw(&mut self) -> Option<&'a RawValue> {
        self.rest();
        let mut values = serde_json::Deserializer::from_str(self.body.get(self.at..)?).into_iter();
        let raw = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(raw)
    }

    /// A list of plain values at once, anything else the careful way.
    fn params(&mut self, limits: &Limits) -> Option<Params> {
        self.rest();
        let begin = self.at;
        if let Some(items) = self.items().filter(|items| items.len() < limits.values && limits.depth > 0) {
            return Some(Params::Positional(items));
        }
        self.at = begin;
        // `null` and other things that are no parameters are told apart elsewhere.
        let raw = self.raw().filter(|raw| raw.get().starts_with(['[', '{']))?;
        request::params(Some(raw), limits).ok()
    }

    fn items(&mut self) -> Option<Vec<Value>> {
        self.token(b'[')?;
        let mut items = Vec::new();
        if self.token(b']').is_some() {
            return Some(items);
        }
        loop {
            items.push(match self.rest() {
                [b'"', ..] => Value::String(self.text()?.to_owned()),
                [b'-' | b'0'..=b'9', ..] => Value::Int(self.whole()?),
                [b't', ..] => self.word(b"true").then_some(Value::Bool(true))?,
                [b'f', ..] => self.word(b"false").then_some(Value::Bool(false))?,
                [b'n', ..] => self.word(b"null").then_some(Value::Nil)?,
                _ => return None,
            });
            if self.token(b',').is_none() {
                break;
            }
        }
        self.token(b']').map(|()| items)
    }

    /// A whole number without zeros before it. A point or an exponent behind it is nothing that the next step likes.
    fn whole(&mut self) -> Option<i64> {
        let rest = self.rest();
        let is_negative = rest[0] == b'-';
        let digits = &rest[usize::from(is_negative)..];
        let length = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let is_plain = match digits.first()? {
            b'0' => length == 1 && !is_negative,
            _ => (1..=DIGITS).contains(&length),
        };
        if !is_plain {
            return None;
        }
        self.at += usize::from(is_negative) + length;
        let size = digits[..length].iter().fold(0, |size, digit| size * 10 + i64::from(digit - b'0'));
        Some(if is_negative { -size } else { size })
    }
}
