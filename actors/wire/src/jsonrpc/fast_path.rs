//! A fast path for the common request: a JSON-RPC 2.0 object with only the four standard members, each once, and no
//! escapes.
//!
//! For any other input it returns `None` without an error: [`request`](super::request) then parses it member by member,
//! so that all errors are made in one place, which knows the request's id. Both ways return the same result for a
//! request that this path accepts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::request::{self, Params, Request, good_id};
use crate::limits::Limits;
use crate::value::Value;

/// A whole number of up to this many digits fits an `i64` with either sign.
const DIGITS: usize = 18;

/// The request, if it has the common form and is all of `body`.
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

/// A position in the body. Each step skips white space first and returns `None` for input that is not of the common
/// form.
struct Scan<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The rest of the body, after white space.
    fn rest(&mut self) -> &'a [u8] {
        let bytes = self.body.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at..).unwrap_or_default()
    }

    /// Takes exactly this character.
    fn token(&mut self, sign: u8) -> Option<()> {
        (*self.rest().first()? == sign).then(|| self.at += 1)
    }

    /// Takes this word, if it comes next, and returns whether it did.
    fn word(&mut self, word: &[u8]) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// A string without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let begin = self.at;
        let length = self.body.as_bytes()[begin..].iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..b' '))?;
        self.at = begin + length;
        self.token(b'"')?;
        self.body.get(begin..begin + length)
    }

    /// Any value, as raw JSON.
    fn raw(&mut self) -> Option<&'a RawValue> {
        self.rest();
        let mut values = serde_json::Deserializer::from_str(self.body.get(self.at..)?).into_iter();
        let raw = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(raw)
    }

    /// A list of scalars directly; anything else by the general parser.
    fn params(&mut self, limits: &Limits) -> Option<Params> {
        self.rest();
        let begin = self.at;
        if let Some(items) = self.items().filter(|items| items.len() < limits.values && limits.depth > 0) {
            return Some(Params::Positional(items));
        }
        self.at = begin;
        // The general path distinguishes `null` and other values that are not parameters.
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

    /// A whole number without leading zeros. A point or exponent after it makes the caller's next step fail.
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
