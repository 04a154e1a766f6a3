//! The documents around the values.

use serde::Serialize;

use super::serialize::{Xml, write_params};
use super::{Fault, escape};
use crate::Error;

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A call. A tuple, slice or list gives the positional parameters, `()` none; anything else is the only parameter.
pub fn write_call<P: Serialize + ?Sized>(method: &str, params: &P) -> Result<Vec<u8>, Error> {
    let mut out = DECLARATION.to_vec();
    out.extend_from_slice(b"<methodCall><methodName>");
    escape::text(&mut out, method).map_err(|error| error.in_field("methodName"))?;
    out.extend_from_slice(b"</methodName><params>");
    write_params(&mut out, params).map_err(|error| error.in_field("params"))?;
    out.extend_from_slice(b"</params></methodCall>");
    Ok(out)
}

/// Appends the fragment `<value>…</value>`. After an error `out` is unchanged.
pub fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    let before = out.len();
    value.serialize(Xml::new(out)).inspect_err(|_| out.truncate(before))
}

/// The answer of a method.
pub fn write_response<T: Serialize + ?Sized>(answer: &T) -> Result<Vec<u8>, Error> {
    let mut out = DECLARATION.to_vec();
    out.extend_from_slice(b"<methodResponse><params><param>");
    write_value(&mut out, answer)?;
    out.extend_from_slice(b"</param></params></methodResponse>");
    Ok(out)
}

/// The answer of a method that failed. Characters that XML cannot carry are replaced, because a fault must always be
/// delivered.
pub fn write_fault(code: i64, message: &str) -> Vec<u8> {
    let fault = Fault { code, message: escape::carriable(message) };
    let mut out = DECLARATION.to_vec();
    out.extend_from_slice(b"<methodResponse><fault>");
    let members = Members { code: fault.code, message: &fault.message };
    write_value(&mut out, &members).expect("a number and carriable text can always be written");
    out.extend_from_slice(b"</fault></methodResponse>");
    out
}

/// A fault in the form of the protocol.
#[derive(Serialize)]
struct Members<'a> {
    #[serde(rename = "faultCode")]
    code: i64,
    #[serde(rename = "faultString")]
    message: &'a str,
}
