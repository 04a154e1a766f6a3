//! Bytes to values and back.
mod value;
pub use value::{Map, Value};
