//! Reads what a server receives: a request, a notification, or a batch of them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fast_path;
use crate::error::plain_json_message;
use crate::limits::Limits;
use crate::value::deserialize::Budget;
use crate::{Error, Map, Value};

/// Maximum of entries in one batch. A client would need minutes to process the answers of so many; a server should set
/// a far smaller limit.
const BATCH: usize = 10_000;

/// The content of one body.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// One request, or JSON that is not a valid request.
    Single(Result<Request<'a>, Invalid<'a>>),
    /// At least one entry, in order; an empty batch is a single [`Invalid`].
    Batch(Vec<Result<Request<'a>, Invalid<'a>>>),
}

/// One call.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method's name.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params,
    /// The id to echo, exactly as received. `None` is a notification, which wants no answer.
    pub id: Option<Cow<'a, RawValue>>,
    /// True for JSON-RPC 1.0; the answer must have its form.
    pub v1: bool,
}

impl Incoming<'_> {
    /// Copies what it borrows from the body, so that another thread can read it.
    pub fn into_owned(self) -> Incoming<'static> {
        let owned = |entry: Result<Request<'_>, Invalid<'_>>| match entry {
            Ok(Request { method, params, id, v1 }) => {
                Ok(Request { method: Cow::Owned(method.into_owned()), params, id: id.map(owned_id), v1 })
            }
            Err(Invalid { id, message }) => Err(Invalid { id: id.map(owned_id), message }),
        };
        match self {
            Incoming::Single(entry) => Incoming::Single(owned(entry)),
            Incoming::Batch(entries) => Incoming::Batch(entries.into_iter().map(owned).collect()),
        }
    }
}

fn owned_id(id: Cow<'_, RawValue>) -> Cow<'static, RawValue> {
    Cow::Owned(id.into_owned())
}

/// The parameters of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Params {
    /// The request has none.
    #[default]
    None,
    /// By position.
    Positional(Vec<Value>),
    /// By name.
    Named(Map),
}

/// JSON that is not a valid request: the answer is error -32600 with this id, or null if there is no readable one.
#[derive(Clone, Debug)]
pub struct Invalid<'a> {
    /// The id, if it is valid.
    pub id: Option<Cow<'a, RawValue>>,
    /// The fault in it.
    pub message: String,
}

/// Reads a body. An [`Error`] means that it is not JSON at all (-32700).
pub fn parse(input: &[u8]) -> Result<Incoming<'_>, Error> {
    let limits = Limits::default();
    limits.check_bytes(input)?;
    let skipped = if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let body = std::str::from_utf8(&input[skipped..])
        .map_err(|error| Error::new("not valid UTF-8").at(skipped + error.valid_up_to()))?;
    let parsed = if body.trim_ascii_start().starts_with('[') { batch(body, &limits) } else { single(body, &limits) };
    parsed.map_err(|error| Error { offset: error.offset.map(|at| at + skipped), ..error })
}

/// Nearly every request takes the fast path and is parsed once. Any other is parsed again, to distinguish text that is
/// not JSON from JSON that is not a request, and to find the fault.
fn single<'a>(body: &'a str, limits: &Limits) -> Result<Incoming<'a>, Error> {
    let entry = match fast_path::request(body, limits) {
        Some(request) => Ok(request),
        None => request(whole::<&RawValue>(body)?, limits),
    };
    Ok(Incoming::Single(entry))
}

fn batch<'a>(body: &'a str, limits: &Limits) -> Result<Incoming<'a>, Error> {
    let Entries { kept, more } = whole(body)?;
    let refused = |message: String| Ok(Incoming::Single(Err(Invalid { id: None, message })));
    if more > 0 {
        return refused(format!("a batch of {} requests, more than the limit of {BATCH}", kept.len() + more));
    }
    if kept.is_empty() {
        return refused("an empty batch".to_owned());
    }
    let one = |entry: &'a RawValue| fast_path::request(entry.get(), limits).map_or_else(|| request(entry, limits), Ok);
    Ok(Incoming::Batch(kept.into_iter().map(one).collect()))
}

/// The entries of a batch, and how many beyond the limit were only counted: an entry can be two bytes of input, but
/// takes sixteen in memory.
struct Entries<'a> {
    kept: Vec<&'a RawValue>,
    more: usize,
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch of requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Entries { kept: Vec::new(), more: 0 };
                while entries.kept.len() < BATCH {
                    match list.next_element()? {
                        Some(entry) => entries.kept.push(entry),
                        None => return Ok(entries),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    entries.more += 1;
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Parses all of the input as one JSON text.
fn whole<'a, T: Deserialize<'a>>(input: &'a str) -> Result<T, Error> {
    serde_json::from_str(input).map_err(|error| Error::json(&error, input.as_bytes()))
}

/// The members as received; they are checked later, once the id is known.
#[derive(Default, Deserialize)]
struct RequestMembers<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// Serde would treat `null` as absent, but `"id": null` differs from no id.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

pub(super) fn request<'a>(entry: &'a RawValue, limits: &Limits) -> Result<Request<'a>, Invalid<'a>> {
    let nameless = |message: String| Invalid { id: None, message };
    if !entry.get().starts_with('{') {
        return Err(nameless("a request is an object".to_owned()));
    }
    let members: RequestMembers<'a> =
        serde_json::from_str(entry.get()).map_err(|error| nameless(Error::new(plain_json_message(&error)).message))?;
    members.request(limits)
}

impl<'a> RequestMembers<'a> {
    fn request(self, limits: &Limits) -> Result<Request<'a>, Invalid<'a>> {
        let v1 = match self.jsonrpc.map(RawValue::get) {
            None | Some(r#""1.0""#) => true,
            Some(r#""2.0""#) => false,
            Some(_) => {
                let id = good_id(self.id, false);
                return Err(Invalid { id: id.map(Cow::Borrowed), message: "jsonrpc is not \"2.0\"".to_owned() });
            }
        };
        let id = good_id(self.id, v1);
        let invalid = |message: String| Invalid { id: id.map(Cow::Borrowed), message };
        if self.id.is_some() && id.is_none() {
            return Err(invalid("id is neither a string, a number nor null".to_owned()));
        }
        let method = match self.method {
            Some(method) => text(method).ok_or_else(|| invalid("method is not a string".to_owned()))?,
            None => return Err(invalid("method is missing".to_owned())),
        };
        let params = params(self.params, limits).map_err(invalid)?;
        // In 1.0 a null id marks a notification; in 2.0 it is an ordinary id.
        let notification = self.jsonrpc.is_none() && id.is_some_and(|id| id.get() == "null");
        Ok(Request { method, params, id: id.filter(|_| !notification).map(Cow::Borrowed), v1 })
    }
}

/// The id, if it is valid: a string, a number or null; in 1.0 anything.
pub(super) fn good_id(id: Option<&RawValue>, v1: bool) -> Option<&RawValue> {
    id.filter(|id| v1 || id.get() == "null" || id.get().starts_with(|c: char| matches!(c, '"' | '-' | '0'..='9')))
}

/// The text of a JSON string, borrowed if it has no escapes.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(raw.get()) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned),
    }
}

pub(super) fn params(raw: Option<&RawValue>, limits: &Limits) -> Result<Params, String> {
    let Some(raw) = raw.map(RawValue::get).filter(|&raw| raw != "null") else { return Ok(Params::None) };
    if !raw.starts_with(['[', '{']) {
        return Err("params is neither an array nor an object".to_owned());
    }
    let budget = Budget::new(limits);
    let value = budget.seed().deserialize(&mut serde_json::Deserializer::from_str(raw));
    match value.map_err(|error| format!("params: {}", plain_json_message(&error)))? {
        Value::List(items) => Ok(Params::Positional(items)),
        Value::Map(pairs) => Ok(Params::Named(pairs)),
        other => Err(format!("params is {}", other.kind())),
    }
}
