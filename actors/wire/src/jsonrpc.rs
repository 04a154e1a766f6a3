//! JSON-RPC 2.0, and 1.0 leniently, on raw JSON: ids are echoed exactly as they came, numbers keep all their digits.
//!
//! `request` reads what a server receives (`usual`: the usual one, quickly), `write` is everything that is written,
//! `response` reads what a client receives, and says to which call it belongs. Whatever is malformed within a batch
//! spoils its own entry alone.

mod fast_path;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod write;

pub use request::{Incoming, Invalid, Params, Request, parse};
pub use response::{Response, RpcError, parse_response};
pub use serde_json::value::RawValue;
pub use write::{without_id, write_call, write_error, write_raw_result, write_result};
