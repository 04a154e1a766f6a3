//! [`from_fields`]: deserialises a map into a type without building the map. Database rows are read this way, which
//! avoids a [`Value`] that would only be taken apart again.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::into_type::Key;
use super::{Map, Value};
use crate::Error;

/// The names and values of a map in their order; each value is made when it is read.
pub trait Fields {
    /// The number of fields.
    fn count(&self) -> usize;
    /// The name of the field `at`, counted from 0.
    fn name(&self, at: usize) -> &str;
    /// The value of the field `at`. Called at most once per field.
    fn take(&mut self, at: usize) -> Field<'_>;
    /// True if all fields have exactly these names in this order. The values are then read in order without looking at
    /// their names, which a derived type accepts. A hand-written `Deserialize` may accept names only, so a caller that
    /// returns true must read again by name if that fails.
    fn are(&self, _names: &'static [&'static str]) -> bool {
        false
    }
}

impl<F: Fields + ?Sized> Fields for &mut F {
    fn count(&self) -> usize {
        (**self).count()
    }

    fn name(&self, at: usize) -> &str {
        (**self).name(at)
    }

    fn take(&mut self, at: usize) -> Field<'_> {
        (**self).take(at)
    }

    fn are(&self, names: &'static [&'static str]) -> bool {
        (**self).are(names)
    }
}

/// A value to be deserialised.
#[derive(Debug)]
pub enum Field<'a> {
    /// A [`Value::String`], borrowed.
    Text(&'a str),
    /// Any value.
    Value(Value),
}

impl From<Field<'_>> for Value {
    fn from(field: Field<'_>) -> Value {
        match field {
            Field::Text(text) => Value::String(text.to_owned()),
            Field::Value(value) => value,
        }
    }
}

/// Deserialises a map with these fields into a type, by the rules of [`from_value`](super::from_value) and with the
/// same errors.
pub fn from_fields<T: DeserializeOwned>(fields: impl Fields) -> Result<T, Error> {
    T::deserialize(Unmade(fields))
}

struct Unmade<F>(F);

impl<'de, F: Fields> IntoDeserializer<'de, Error> for Unmade<F> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de, F: Fields> Deserializer<'de> for Unmade<F> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Pairs::of(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let made = (0..self.0.count()).map(|at| (self.0.name(at).into(), self.0.take(at).into())).collect();
        Value::Map(Map(made)).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.0.are(names) {
            return self.deserialize_any(visitor);
        }
        let mut values = Values { fields: self.0, at: 0 };
        let read = visitor.visit_seq(&mut values)?;
        // A type with `#[serde(alias)]` lists the aliases too: then the order of the names means nothing.
        if values.at == values.fields.count() { Ok(read) } else { Err(Error::new("the type has fewer fields")) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

/// Reads the values alone, in order.
struct Values<F> {
    fields: F,
    at: usize,
}

impl<'de, F: Fields> SeqAccess<'de> for Values<F> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.at == self.fields.count() {
            return Ok(None);
        }
        self.at += 1;
        read(self.fields.take(self.at - 1), seed).map(Some)
    }
}

fn read<'de, S: DeserializeSeed<'de>>(field: Field<'_>, seed: S) -> Result<S::Value, Error> {
    match field {
        Field::Text(text) => seed.deserialize(BorrowedText(text)),
        Field::Value(value) => seed.deserialize(value),
    }
}

/// Reads the pairs of a map; each error gets the name it belongs to.
pub(super) struct Pairs<F> {
    fields: F,
    /// The index of the next pair.
    at: usize,
    /// The value of the previous pair has not been read yet.
    is_due: bool,
}

impl<F> Pairs<F> {
    pub(super) fn of(fields: F) -> Pairs<F> {
        Pairs { fields, at: 0, is_due: false }
    }
}

impl<'de, F: Fields> MapAccess<'de> for Pairs<F> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.at == self.fields.count() {
            return Ok(None);
        }
        let name = self.fields.name(self.at);
        let key = seed.deserialize(Key(name)).map_err(|error| error.in_field(name))?;
        self.at += 1;
        self.is_due = true;
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        if !std::mem::take(&mut self.is_due) {
            return Err(Error::new("a value was asked for without its name"));
        }
        read(self.fields.take(self.at - 1), seed).map_err(|error| error.in_field(self.fields.name(self.at - 1)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.count() - self.at)
    }
}

/// A text, read like a [`Value::String`].
struct BorrowedText<'a>(&'a str);

impl<'de> Deserializer<'de> for BorrowedText<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Value::String(self.0.to_owned()).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}
