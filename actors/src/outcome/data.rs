//! The answer of a member: a [`Value`] to its readers, decoded when first needed.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, Serializer};

use crate::wire::{Error, Fields, Value, from_fields, from_value};

/// The data of an [`Outcome`](super::Outcome). It dereferences to a [`Value`]: `data["name"]`, `data.as_str()`,
/// `data.retain(..)`, `&*data` where a reference is wanted.
///
/// The rows of a PostgreSQL statement are decoded into a value at the first access. [`rows`](Data::rows) decodes them
/// straight into structs instead, which saves a third of the cost.
pub struct Data(Stored);

enum Stored {
    Value(Value),
    Rows(Box<dyn LazyRows>),
}

/// Rows not decoded yet. They are decoded once: all into a value, or each straight into a type of the reader's.
pub(crate) trait LazyRows: Send + Sync {
    /// All rows, as a list of maps.
    fn value(&self) -> &Value;

    fn into_value(self: Box<Self>) -> Value;

    /// The number of rows.
    fn count(&self) -> usize;

    /// The value, if the rows were decoded already; `read` must not be called after that.
    fn take_value(&mut self) -> Option<Value>;

    /// Passes each row to the reader, in order. A row may be passed again after the reader failed on it.
    fn read(&self, reader: &mut dyn FnMut(&mut dyn Fields) -> Result<(), Error>) -> Result<(), Error>;
}

impl Data {
    /// The data as a plain value.
    pub fn into_value(self) -> Value {
        match self.0 {
            Stored::Value(value) => value,
            Stored::Rows(rows) => rows.into_value(),
        }
    }

    /// The items of a list; nothing for nil; any other value as a list of one item.
    pub fn into_list(self) -> Vec<Value> {
        self.into_value().into_list()
    }

    /// Deserializes the items of a list; any other value is the only item. An error names the field that does not fit.
    pub fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let mut rows = Vec::with_capacity(self.count());
        self.rows_into(&mut rows)?;
        Ok(rows)
    }

    /// As [`rows`](Data::rows), appended to `all`.
    pub fn rows_into<T: DeserializeOwned>(self, all: &mut Vec<T>) -> Result<(), Error> {
        match self.0 {
            Stored::Rows(mut rows) => match rows.take_value() {
                Some(value) => typed(value, all),
                None => rows.read(&mut |row| {
                    all.push(from_fields(row)?);
                    Ok(())
                }),
            },
            Stored::Value(value) => typed(value, all),
        }
    }

    /// How many items [`rows`](Data::rows) would return.
    pub fn count(&self) -> usize {
        match &self.0 {
            Stored::Rows(rows) => rows.count(),
            Stored::Value(Value::List(items)) => items.len(),
            Stored::Value(_) => 1,
        }
    }
}

/// Deserializes the items of a list and appends them; any other value is the only item.
fn typed<T: DeserializeOwned>(value: Value, all: &mut Vec<T>) -> Result<(), Error> {
    match value {
        Value::List(items) => {
            for item in items {
                all.push(from_value(item)?);
            }
        }
        one => all.push(from_value(one)?),
    }
    Ok(())
}

impl Deref for Data {
    type Target = Value;

    fn deref(&self) -> &Value {
        match &self.0 {
            Stored::Value(value) => value,
            Stored::Rows(rows) => rows.value(),
        }
    }
}

impl DerefMut for Data {
    fn deref_mut(&mut self) -> &mut Value {
        if let Stored::Rows(_) = self.0 {
            *self = std::mem::take(self).into_value().into();
        }
        match &mut self.0 {
            Stored::Value(value) => value,
            Stored::Rows(_) => unreachable!("they have just become a value"),
        }
    }
}

/// A copy is a value: it may live long, and undecoded rows keep the bytes of the whole answer in memory.
impl Clone for Data {
    fn clone(&self) -> Data {
        Data(Stored::Value(Value::clone(self)))
    }
}

impl Default for Data {
    fn default() -> Data {
        Data(Stored::Value(Value::Nil))
    }
}

impl<V: Into<Value>> From<V> for Data {
    fn from(value: V) -> Data {
        Data(Stored::Value(value.into()))
    }
}

impl From<Box<dyn LazyRows>> for Data {
    fn from(rows: Box<dyn LazyRows>) -> Data {
        Data(Stored::Rows(rows))
    }
}

impl PartialEq<Value> for Data {
    fn eq(&self, other: &Value) -> bool {
        **self == *other
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::fmt(self, f)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::serialize(self, serializer)
    }
}
