//! Bytes to values and back: XML-RPC and JSON-RPC, and the [`Value`] they share. No I/O, no async, no clock, and no
//! input makes it panic.
//!
//! Reading order: [`Value`] (`value.rs`; what it is made of, then `value/` for what it converts to), [`Error`] and
//! [`Limits`], then [`xmlrpc`] (tolerant in, strict out), [`json`] and [`jsonrpc`]. `names.rs` is why a thousand rows
//! share the names of their columns.
//!
//! How each value crosses each protocol:
//!
//! | value | XML-RPC | JSON and JSON-RPC |
//! | --- | --- | --- |
//! | `Nil`, `None`, `()` | `<nil/>` | `null` |
//! | `Bool` | `<boolean>` | `true`, `false` |
//! | `Int` within 32 bits | `<int>` | number |
//! | `Int` beyond | `<i8>` | number |
//! | `UInt` | an error: no standard type holds it | number |
//! | `Double` | `<double>`, shortest form that reads back the same | number |
//! | NaN, infinities | an error | `null` |
//! | `String` | `<string>`; control characters XML cannot carry are an error | string |
//! | `DateTime` | `<dateTime.iso8601>` | string |
//! | `Bytes` | `<base64>` | string, in base64 |
//! | `List` | `<array>` | array |
//! | `Map` | `<struct>` | object |
mod error;
pub mod json;
pub mod jsonrpc;
mod limits;
mod names;
mod value;
pub mod xmlrpc;

pub use error::Error;
pub use limits::Limits;
pub use value::{Bytes, DateTime, Map, Value, from_value, to_value};
