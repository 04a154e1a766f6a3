//! XML-RPC: tolerant on input, strict on output.
//!
//! Reading: `source` (bytes to text: byte order mark, the header's charset, declared encoding), `parse` (quick-xml's
//! events into a `structure`, a stack of `frame`s), `fast_path` (reads the common form without events), `scalar` (the
//! text of one typed element). Writing: `serialize` (serde directly to XML, without an intermediate value), `escape`,
//! `write` (the documents around it), `replace` (for answers with characters that XML cannot carry).
//!
//! Accepted: values without a type; `i1 i2 i4 i8 int biginteger float bigdecimal`; `true`, `false` and spaces in
//! booleans; any attribute on any element and any prefix before its name (`ex:nil`), both ignored; every form of
//! dateTime, kept as text; base64 with or without line breaks and padding; CDATA, comments, processing instructions;
//! members in any order; absent `<params>`; raw control characters, but for NUL. A name that occurs twice
//! in a struct is kept twice, and look-ups return the first.
//!
//! Refused: DTDs and all entities except XML's own five, anything after the document, unknown elements, text beside
//! elements, NaN and infinities, and input beyond the [`Limits`](crate::Limits).

mod escape;
mod fast_path;
mod frame;
mod parse;
mod replace;
mod root;
mod scalar;
mod serialize;
mod source;
mod structure;
#[cfg(test)]
mod tests;
mod write;

use crate::Value;

pub use parse::{parse_call, parse_call_in, parse_response, parse_response_in};
pub use replace::write_response_replacing;
pub use root::is_other_document;
pub use write::{write_call, write_fault, write_response, write_value};

/// A received call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The method's name, without surrounding spaces.
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
    /// `faultString`: the server's description of the failure.
    pub message: String,
}
