//! Reads what a client receives: a result or an error.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::shown;
use crate::limits::Limits;
use crate::value::deserialize::Budget;
use crate::{Error, Value};

/// The answer of a method that failed.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("error {code}: {message}")]
pub struct RpcError {
    /// The server's number for the failure; 0 if a 1.0 server sent none.
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
    /// It is certainly JSON-RPC, by its version member or because it has all three members, as no other JSON has.
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

/// Reads one response. A response of 1.0 may have both members if one of them is null.
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
    let Parts { result, error, id, coverage, is_marked } =
        reader.deserialize_map(ResponseMembers(&budget)).map_err(fail)?;
    reader.end().map_err(fail)?;
    let answer = match (result, error) {
        (None | Some(Value::Nil), Some(error)) if !error.is_nil() => Err(rpc_error(&error)?),
        (Some(result), None | Some(Value::Nil)) => Ok(result),
        (Some(_), Some(_)) => return Err(Error::new("a response with both result and error")),
        (None, _) => return Err(Error::new("a response with neither result nor error")),
    };
    Ok(Response { answer, id: id.filter(|id| !id.is_nil()), coverage: coverage.unwrap_or_default(), is_marked })
}

/// The members that are read.
#[derive(Default)]
struct Parts {
    result: Option<Value>,
    error: Option<Value>,
    id: Option<Value>,
    coverage: Option<Value>,
    is_marked: bool,
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
                    if version != "2.0" && version != "1.0" {
                        return Err(A::Error::custom("jsonrpc is neither \"2.0\" nor \"1.0\""));
                    }
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

/// 2.0 specifies the form of an error; 1.0 servers send anything, which becomes the message.
fn rpc_error(error: &Value) -> Result<RpcError, Error> {
    let Value::Map(map) = error else {
        let message = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Ok(RpcError { code: 0, message, data: Value::Nil });
    };
    let code = match &map["code"] {
        Value::Nil => 0,
        code => {
            code.as_i64().ok_or_else(|| Error::new(format!("error.code is {}, not a whole number", code.kind())))?
        }
    };
    let message = match &map["message"] {
        Value::Nil => error.to_string(),
        message => message.as_str().map_or_else(|| message.to_string(), str::to_owned),
    };
    Ok(RpcError { code, message, data: map["data"].clone() })
}
