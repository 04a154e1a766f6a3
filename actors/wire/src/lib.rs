//! Bytes to values and back: XML-RPC and JSON-RPC, the [`Value`] they share, and the octets of HTTP/1. No I/O, no
//! async, no clock, and no input causes a panic.
//!
//! Reading order: [`Value`] (the type in `value.rs`, its conversions in `value/`), [`Error`] and [`Limits`], then
//! [`xmlrpc`] (tolerant in, strict out), [`json`] and [`jsonrpc`], the [`charset`] of all of them, then [`http1`] and
//! the frames of a [`websocket`]. `names.rs` lets a thousand rows share their column names; `failure.rs` reads what
//! peers send as a fault.
//!
//! `docs/PROTOCOLS.md` has a table of how each value crosses each protocol; a test generates it from the code.
pub mod charset;
mod error;
mod failure;
pub mod http1;
pub mod json;
pub mod jsonrpc;
mod limits;
mod names;
mod value;
pub mod websocket;
pub mod xmlrpc;

pub use charset::Charset;
pub use error::Error;
pub use limits::Limits;
pub use value::{Bytes, DateTime, Field, Fields, Map, Value, from_fields, from_value, to_value};
