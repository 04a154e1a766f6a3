//! [`from_fields`]: a map as one's own type before there is a map. A row of a database is read so: what would become a
//! [`Value`] only to be taken apart again never does.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::into_type::Key;
use super::{Map, Value};
use crate::Error;

/// The names and values of a map in their order, each value made when it is read.
pub trait Fields {
    /// How many there are.
    fn count(&self) -> usize;
    /// The name of one, counted from 0.
    fn name(&self, at: usize) -> &str;
    /// The value of one. Asked for once at most.
    fn take(&mut self, at: usize) -> Field<'_>;
    /// True where these are the names of all, in this order: then the values are read in their order and no name is
    /// looked at, as a type that was derived has it. One that was written by hand may know no other way than by name;
    /// who says true reads again by name what failed.
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

/// A value on its way into a type.
#[derive(Debug)]
pub enum Field<'a> {
    /// What would be a [`Value::String`], lent.
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

/// A type of one's own of what would be a map with these fields: by the rules of [`from_value`](super::from_value),
/// with the same errors.
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
        // A type with other names for its fields lists those, too: then their order says nothing.
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

/// The values alone.
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

/// The pairs of a map on their way into a type, each error told under which name it happened.
pub(super) struct Pairs<F> {
    fields: F,
    /// The pair whose name comes next.
    at: usize,
    /// The value of the pair before it was not asked for yet.
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

/// A text as a [`Value::String`] of it would be read.
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
