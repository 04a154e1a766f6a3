//! Bytes to values and back: XML-RPC and JSON-RPC, and the [`Value`] they share. No I/O, no async, no clock, and no
//! input makes it panic.
//!
//! Reading order: [`Value`] (`value.rs`; what it is made of, then `value/` for what it converts to), [`Error`] and
//! [`Limits`], then [`xmlrpc`] (tolerant in, strict out), [`json`] and [`jsonrpc`]. `names.rs` is why a thousand rows
//! share the names of their columns.
//!
//! How each value crosses each protocol is a table in `docs/PROTOCOLS.md`, which a test writes from the code.
mod error;
pub mod http1;
pub mod json;
pub mod jsonrpc;
mod limits;
mod names;
mod value;
pub mod xmlrpc;

pub use error::Error;
pub use limits::Limits;
pub use value::{Bytes, DateTime, Field, Fields, Map, Value, from_fields, from_value, to_value};
