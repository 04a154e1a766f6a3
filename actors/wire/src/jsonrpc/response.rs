//! Reads what a client receives: a result or an error.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::shown;
use crate::failure;
use crate::limits::Limits;
use crate::value::deserialize::Budget;
use crate::{Error, Value};

/// The codes that JSON-RPC reserves for itself; gateways that speak of errors in JSON use those of HTTP.
const RESERVED: std::ops::RangeInclusive<i64> = -32768..=-32000;

/// The answer of a method that failed.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("error {code}: {message}")]
pub struct RpcError {
    /// The server's number for the failure; 0 if it sent none.
    pub code: i64,
    /// The server's description of the failure.
    pub message: String,
    /// Additional data from the server.
    pub data: Value,
}

/// A server's answer, and the id of its call.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The method's answer, or its error.
    pub answer: Result<Value, RpcError>,
    /// As received; `None` if it is null or missing.
    pub id: Option<Value>,
    /// The extension member `coverage`: what the server says of the completeness of its result; nil without one.
    pub coverage: Value,
    /// It is certainly JSON-RPC: by its version member, because it has all three members, as no other JSON has, or by
    /// an error with a code that JSON-RPC reserves.
    pub is_marked: bool,
}

impl Response {
    /// True if this is the id of the call: as a number, or as the text of that number, into which some servers turn it.
    pub fn has_id(&self, id: u64) -> bool {
        match &self.id {
            Some(Value::Int(number)) => u64::try_from(*number) == Ok(id),
            // A server without integers returns a double; it is exact below 2^53.
            Some(Value::Double(number)) => *number == id as f64,
            Some(Value::String(text)) => *text == id.to_string(),
            _ => false,
        }
    }

    /// The answer to the call with this id. An answer to another call is an error and never data. An error without an
    /// id counts as this call's, because a server that could not read a call does not know its id.
    pub fn to_call(self, id: u64) -> Result<Result<Value, RpcError>, Error> {
        match &self.id {
            _ if self.has_id(id) => Ok(self.answer),
            None if self.answer.is_err() => Ok(self.answer),
            None => Err(Error::new(format!("a result without an id, and the call has the id {id}"))),
            Some(other) => {
                let other = other.to_string();
                Err(Error::new(format!("the answer to call {}, and this is call {id}", shown(&other))))
            }
        }
    }
}

/// Reads one response. A failure is read more leniently than a success: an error counts beside a result and under any
/// version. A response with an id and neither result nor error is the answer of a method without a value.
pub fn parse_response(input: &[u8], limits: &Limits) -> Result<Response, Error> {
    limits.check_bytes(input)?;
    let body = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
    let offset = input.len() - body.len();
    let fail = |error: serde_json::Error| {
        let mut error = Error::json(&error, body);
        error.offset = error.offset.map(|at| at + offset);
        error
    };
    let budget = Budget::new(limits);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Parts { result, error, id, coverage, is_marked, is_odd } =
        reader.deserialize_map(ResponseMembers(&budget)).map_err(fail)?;
    reader.end().map_err(fail)?;
    let id = id.filter(|id| !id.is_nil());
    let answer = match (result, error) {
        (Some(result), Some(error)) if !result.is_nil() && is_none(&error) => Ok(result),
        (_, Some(error)) if !error.is_nil() => Err(rpc_error(&error)),
        (Some(result), _) => Ok(result),
        // The error is null, if there is one.
        (None, _) if id.is_some() => Ok(Value::Nil),
        (None, _) => return Err(Error::new("a response with neither result nor error")),
    };
    if is_odd && answer.is_ok() {
        return Err(Error::new("jsonrpc is neither \"2.0\" nor \"1.0\""));
    }
    let is_marked = is_marked || answer.as_ref().is_err_and(|error| RESERVED.contains(&error.code));
    Ok(Response { answer, id, coverage: coverage.unwrap_or_default(), is_marked })
}

/// The members that are read.
#[derive(Default)]
struct Parts {
    result: Option<Value>,
    error: Option<Value>,
    id: Option<Value>,
    coverage: Option<Value>,
    is_marked: bool,
    /// Its version is none that we know.
    is_odd: bool,
}

/// Reads the members directly into values; they share one budget.
struct ResponseMembers<'b>(&'b Budget);

impl<'de> Visitor<'de> for ResponseMembers<'_> {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC response, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let slot = match &*name {
                "result" => &mut parts.result,
                "error" => &mut parts.error,
                "id" => &mut parts.id,
                "coverage" => &mut parts.coverage,
                "jsonrpc" => {
                    let version = map.next_value_seed(self.0.seed())?;
                    parts.is_odd = version != "2.0" && version != "1.0";
                    parts.is_marked = true;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if slot.is_some() {
                return Err(A::Error::custom(format_args!("{name} occurs twice")));
            }
            *slot = Some(map.next_value_seed(self.0.seed())?);
        }
        // 1.0 has no version member; it has a result, an error and an id, one of which is null.
        parts.is_marked |= parts.result.is_some() && parts.error.is_some() && parts.id.is_some();
        Ok(parts)
    }
}

/// What servers that always send both members send as an error beside a good result.
fn is_none(error: &Value) -> bool {
    match error {
        Value::Nil | Value::Bool(false) | Value::Int(0) => true,
        Value::String(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.0.is_empty(),
        _ => false,
    }
}

/// 2.0 specifies the form of an error; servers send anything.
fn rpc_error(error: &Value) -> RpcError {
    let (code, message) = failure::code_and_words(error, "code", "message");
    let data = match error {
        Value::Map(map) => map["data"].clone(),
        _ => Value::Nil,
    };
    RpcError { code, message, data }
}
