//! What a member answered with: a [`Value`] for everyone who looks at it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, Serializer};

use crate::wire::{Error, Fields, Value, from_fields, from_value};

/// The data of an [`Outcome`](super::Outcome). It is used as the [`Value`] it stands for: `data["name"]`,
/// `data.as_str()`, `data.retain(..)`, `&*data` where a reference is wanted.
///
/// The rows of a PostgreSQL statement become a value when they are first looked at. [`rows`](Data::rows) reads them
/// without that, and saves a third of what they cost.
pub struct Data(Stored);

enum Stored {
    Value(Value),
    Rows(Box<dyn LazyRows>),
}

/// Rows that nobody has looked at yet. They are decoded once: all of them to a value, or each straight to a type of the
/// reader's.
pub(crate) trait LazyRows: Send + Sync {
    /// A list of maps.
    fn value(&self) -> &Value;

    fn into_value(self: Box<Self>) -> Value;

    /// How many there are.
    fn count(&self) -> usize;

    /// The value, if it was looked at already; the rows are to be read no more then.
    fn take_value(&mut self) -> Option<Value>;

    /// Gives each row to the reader, in order. It may be given one twice where it failed the first time.
    fn read(&self, reader: &mut dyn FnMut(&mut dyn Fields) -> Result<(), Error>) -> Result<(), Error>;
}

impl Data {
    /// The value by itself.
    pub fn into_value(self) -> Value {
        match self.0 {
            Stored::Value(value) => value,
            Stored::Rows(rows) => rows.into_value(),
        }
    }

    /// The items of a list; anything else is a list of itself, nil of nothing.
    pub fn into_list(self) -> Vec<Value> {
        self.into_value().into_list()
    }

    /// The items of a list as a type of one's own; anything else is the only item. An error names the field.
    pub fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let mut rows = Vec::with_capacity(self.count());
        self.rows_into(&mut rows)?;
        Ok(rows)
    }

    /// The same, behind those that are there.
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

    /// How many rows [`rows`](Data::rows) will give.
    pub fn count(&self) -> usize {
        match &self.0 {
            Stored::Rows(rows) => rows.count(),
            Stored::Value(Value::List(items)) => items.len(),
            Stored::Value(_) => 1,
        }
    }
}

/// The items of a list as a type, behind those that are there; anything else is the only item.
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

/// A copy is a value: it may be kept for long, and rows hold the octets that they came in.
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
