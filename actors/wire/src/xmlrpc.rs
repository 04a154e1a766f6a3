//! XML-RPC: tolerant towards what comes in, strict in what goes out.
//!
//! Reading: `source` (bytes to text: byte order mark, declared encoding), `parse` (quick-xml's events into a
//! `structure`, a stack of `frame`s), `plain` (a shortcut past the events), `scalar` (the text of one typed element).
//! Writing: `serialize` (serde straight to XML, no value in between), `escape`, `write` (the documents around it).
//!
//! Tolerated: values without a type; `i1 i2 i4 i8 int biginteger float bigdecimal`; `true`, `false` and spaces in
//! booleans; any attribute on any element and any prefix before its name (`ex:nil`), neither of them looked at; every
//! form of dateTime, kept as text; base64 with or without line breaks and padding; CDATA, comments, processing
//! instructions; members in any order; absent `<params>`; names with spaces around; raw control characters. A name that
//! occurs twice in a struct is kept twice, and look-ups find the first.
//!
//! Refused: DTDs and all entities but XML's own five, anything after the document, unknown elements, text beside
//! elements, NaN and infinities, and what exceeds the [`Limits`](crate::Limits).

mod escape;
mod fast_path;
mod frame;
mod parse;
mod scalar;
mod serialize;
mod source;
mod structure;
#[cfg(test)]
mod tests;
mod write;

use crate::Value;

pub use parse::{parse_call, parse_response};
pub use write::{write_call, write_fault, write_response, write_value};

/// A call as it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The method's name, without the spaces around it.
    pub method: String,
    /// The positional parameters.
    pub params: Vec<Value>,
}

/// The answer of a method that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("fault {code}: {message}")]
pub struct Fault {
    /// `faultCode`: the server's number for the failure.
    pub code: i64,
    /// `faultString`: the server's words for it.
    pub message: String,
}
