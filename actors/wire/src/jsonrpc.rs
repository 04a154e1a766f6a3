//! JSON-RPC 2.0, and 1.0 leniently, on raw JSON: ids are echoed exactly as received, numbers keep all their digits.
//!
//! `request` reads what a server receives (`fast_path`: its common form, quickly), `write` writes all messages,
//! `response` reads what a client receives and finds the call it belongs to. A malformed entry of a batch fails alone.

mod fast_path;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod write;

pub use request::{Incoming, Invalid, Params, Request, parse};
pub use response::{Response, RpcError, parse_response};
pub use serde_json::value::RawValue;
pub use write::{with_coverage, without_id, write_call, write_error, write_raw_result, write_result};
