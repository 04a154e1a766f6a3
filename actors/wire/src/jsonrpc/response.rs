//! What a client receives: a result or an error.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::limits::Limits;
use crate::value::deserialize::Budget;
use crate::{Error, Value};

/// The answer of a method that failed.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
#[error("error {code}: {message}")]
pub struct RpcError {
    /// The server's number for the failure; 0 where a server of 1.0 gave none.
    pub code: i64,
    /// The server's words for it.
    pub message: String,
    /// What the server added.
    pub data: Value,
}

/// One response: the method's answer, or its error. A response of 1.0 may carry both members if one of them is null.
pub fn parse_response(input: &[u8], limits: &Limits) -> Result<Result<Value, RpcError>, Error> {
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
    let response = reader.deserialize_map(Members(&budget)).map_err(fail)?;
    reader.end().map_err(fail)?;
    match response {
        Response { error: Some(error), result: None | Some(Value::Nil), .. } if !error.is_nil() => {
            rpc_error(&error).map(Err)
        }
        Response { error: None | Some(Value::Nil), result: Some(result), .. } => Ok(Ok(result)),
        Response { error: Some(_), result: Some(_), .. } => Err(Error::new("a response with both result and error")),
        Response { .. } => Err(Error::new("a response with neither result nor error")),
    }
}

#[derive(Default)]
struct Response {
    result: Option<Value>,
    error: Option<Value>,
}

/// Reads the members straight into values; all of them share one budget.
struct Members<'b>(&'b Budget);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Response;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC response, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Response, A::Error> {
        let mut response = Response::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let slot = match &*name {
                "result" => &mut response.result,
                "error" => &mut response.error,
                "jsonrpc" => {
                    let version = map.next_value_seed(self.0.seed())?;
                    if version != "2.0" && version != "1.0" {
                        return Err(A::Error::custom("jsonrpc is not \"2.0\""));
                    }
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
        Ok(response)
    }
}

/// 2.0 says what an error looks like; servers of 1.0 send anything, which then is the message.
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
