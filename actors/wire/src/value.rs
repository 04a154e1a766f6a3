//! The value every protocol shares: what an RPC parameter, an RPC answer and a database row are made of.
//!
//! Keys are `Arc<str>` because the thousand rows of one answer share the names of their columns.

use std::sync::Arc;

/// One value of any of the protocols. XML-RPC's types are the widest set, so they name the variants.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing: XML-RPC `<nil/>`, JSON `null`, SQL `NULL`.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number of up to 64 bits (`<int>`, or `<i8>` beyond 32 bits).
    Int(i64),
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
    /// Names and values, in the order they came.
    Map(Map),
}

/// Names and values in the order they came. A name may occur twice (SQL allows it); look-ups find the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub Vec<(Arc<str>, Value)>);

impl Map {
    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }
}

impl Value {
    /// A map of these names and values.
    pub fn from_pairs<K: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }
}
