//! Writes a server's answers and a client's calls.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Error, Value, json};

/// The answer of a method.
pub fn write_result<T: Serialize + ?Sized>(id: &RawValue, result: &T, v1: bool) -> Result<Vec<u8>, Error> {
    Ok(write_raw_result(id, &json::to_vec(result)?, v1))
}

/// The answer of a method whose result is already JSON text.
pub fn write_raw_result(id: &RawValue, result: &[u8], v1: bool) -> Vec<u8> {
    let (open, close) =
        if v1 { (r#"{"result":"#, r#","error":null,"id":"#) } else { (r#"{"jsonrpc":"2.0","result":"#, r#","id":"#) };
    [open.as_bytes(), result, close.as_bytes(), id.get().as_bytes(), b"}"].concat()
}

/// An answer with the extension member `coverage`, whose value is JSON text: what the server says of the completeness
/// of its result.
pub fn with_coverage(mut answer: Vec<u8>, coverage: Option<&[u8]>) -> Vec<u8> {
    if let Some(coverage) = coverage
        && answer.pop() == Some(b'}')
    {
        answer.extend([&b",\"coverage\":"[..], coverage, b"}"].concat());
    }
    answer
}

/// The answer of a method that failed, or to JSON that is not a request; without an id, the id is null.
pub fn write_error(id: Option<&RawValue>, code: i64, message: &str, data: Option<&Value>, v1: bool) -> Vec<u8> {
    let error = ErrorObject { code, message, data };
    let id = id.unwrap_or(RawValue::NULL);
    let answer = if v1 {
        json::to_vec(&ErrorV1 { result: (), error, id })
    } else {
        json::to_vec(&ErrorV2 { jsonrpc: "2.0", error, id })
    };
    answer.expect("numbers, text, values and JSON text can always be written as JSON")
}

/// A call. A sequence becomes positional parameters, a map or struct named ones, `()` none; anything else becomes the
/// only positional parameter.
pub fn write_call<P: Serialize + ?Sized>(id: u64, method: &str, params: &P) -> Result<Vec<u8>, Error> {
    let method = json::to_vec(method)?;
    let params = json::to_vec(params)?;
    let (open, close) = match params.first() {
        Some(b'[' | b'{') => (r#","params":"#, ""),
        _ if params == b"null" => return Ok(call(id, &method, &[])),
        _ => (r#","params":["#, "]"),
    };
    Ok(call(id, &method, &[open.as_bytes(), &params, close.as_bytes()]))
}

/// The part of a call before its id, as written by [`write_call`]: equal for two calls with the same method and
/// parameters.
pub fn without_id(call: &[u8], id: u64) -> &[u8] {
    call.strip_suffix(end(id).as_bytes()).unwrap_or(call)
}

fn call(id: u64, method: &[u8], params: &[&[u8]]) -> Vec<u8> {
    let mut out = [br#"{"jsonrpc":"2.0","method":"#, method].concat();
    for part in params {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(end(id).as_bytes());
    out
}

fn end(id: u64) -> String {
    format!(r#","id":{id}}}"#)
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

#[derive(Serialize)]
struct ErrorV2<'a> {
    jsonrpc: &'static str,
    error: ErrorObject<'a>,
    id: &'a RawValue,
}

#[derive(Serialize)]
struct ErrorV1<'a> {
    result: (),
    error: ErrorObject<'a>,
    id: &'a RawValue,
}
