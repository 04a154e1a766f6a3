//! The value that all protocols share: RPC parameters, RPC answers and database rows consist of it.
//!
//! This file has the type and how an app reads it. In `value/`: `compare` (`row["population"] >= 100_000`), `convert`
//! (`From`), `marked` ([`DateTime`] and [`Bytes`] as fields of an app's types), `serialize` and `deserialize` (a value
//! through any serde format), `into_type` ([`from_value`]), `fields` ([`from_fields`]) and `of_type` ([`to_value`]).
//!
//! Keys are `Arc<str>` because the thousand rows of one answer share their column names.

mod compare;
mod convert;
pub(crate) mod deserialize;
mod fields;
mod into_type;
pub(crate) mod key;
pub(crate) mod marked;
mod of_type;
mod serialize;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

pub use fields::{Field, Fields, from_fields};
pub use into_type::from_value;
pub use marked::{Bytes, DateTime};
pub use of_type::to_value;

/// One value of any protocol. XML-RPC has the most types, so the variants follow its names.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing: XML-RPC `<nil/>`, JSON `null`, SQL `NULL`.
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number of up to 64 bits (`<int>`, or `<i8>` beyond 32 bits).
    Int(i64),
    /// A whole number above `i64::MAX`. Smaller numbers are always an `Int`, so that equal numbers are equal values.
    UInt(u64),
    /// A floating point number.
    Double(f64),
    /// Text.
    String(String),
    /// A point in time, in the text form the sender used (ISO 8601).
    DateTime(String),
    /// Octets: XML-RPC `<base64>`; a base64 string in JSON.
    Bytes(Vec<u8>),
    /// An ordered list.
    List(Vec<Value>),
    /// Names and values, in their original order.
    Map(Map),
}

/// Names and values in their original order. A name may occur twice (SQL allows it); look-ups return the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub Vec<(Arc<str>, Value)>);

/// Returned by an index look-up that finds nothing, so that look-ups can be chained.
static NIL: Value = Value::Nil;

impl Map {
    /// The first value with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Iterates over names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value {
    /// A map from these names and values.
    pub fn from_pairs<K: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// The name of its kind, as used in error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::UInt(_) => "int",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::DateTime(_) => "datetime",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// True for [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The text of a string or a point in time.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::DateTime(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, also from a double without a fraction that is exact; `None` otherwise.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Double(number) => whole(*number),
            _ => None,
        }
    }

    /// The number as a double, rounded for whole numbers beyond 2^53; `None` if it is not a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Double(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            Value::UInt(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The octets, or the UTF-8 of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::String(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The names and values of a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The items, for merging answers: those of a list, none for nil, and the value itself for all other kinds.
    pub fn into_list(self) -> Vec<Value> {
        match self {
            Value::List(items) => items,
            Value::Nil => Vec::new(),
            other => vec![other],
        }
    }

    /// The first value with this name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_map()?.get(name)
    }

    /// Items of a list or pairs of a map; 0 for everything else.
    pub fn len(&self) -> usize {
        match self {
            Value::List(items) => items.len(),
            Value::Map(map) => map.len(),
            _ => 0,
        }
    }

    /// True unless it is a list or map with at least one entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the items of a list for which `keep` returns true; other values stay unchanged.
    pub fn retain(&mut self, keep: impl FnMut(&Value) -> bool) {
        if let Value::List(items) = self {
            items.retain(keep);
        }
    }
}

/// The double as a whole number, if both types represent it exactly. Beyond 2^53 a double stands for several integers.
pub(crate) fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

impl Index<&str> for Value {
    type Output = Value;

    /// The value with this name; nil if there is none.
    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NIL)
    }
}

impl Index<usize> for Value {
    type Output = Value;

    /// The item at this index of a list, or the value of the pair at this index of a map, counted from 0; nil if there
    /// is none. So both of two columns with the same name can be read.
    fn index(&self, at: usize) -> &Value {
        let found = match self {
            Value::List(items) => items.get(at),
            Value::Map(map) => map.0.get(at).map(|(_, value)| value),
            _ => None,
        };
        found.unwrap_or(&NIL)
    }
}

impl Index<&str> for Map {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NIL)
    }
}

impl fmt::Display for Value {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}
