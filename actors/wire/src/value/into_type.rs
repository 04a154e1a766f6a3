//! [`from_value`]: a [`Value`] as an app's type. It converts only if nothing is lost, and an error names the field.

use std::sync::Arc;
use std::vec;

use serde::de::value::{StrDeserializer, UnitDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fields::{Field, Fields, Pairs};
use super::marked::VALUE;
use super::{Value, whole};
use crate::Error;

/// Deserialises a value into a type. Whole numbers and doubles convert into each other if the number stays the same;
/// points in time are also strings; nil is `None`. Any other mismatch is an error that names the field.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(value)
}

impl<'de> IntoDeserializer<'de, Error> for Value {
    type Deserializer = Value;

    fn into_deserializer(self) -> Value {
        self
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Value::Double(number) => match whole(number) {
                    Some(number) => visitor.visit_i64(number),
                    None => visitor.visit_f64(number),
                },
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! doubles {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Value::Int(number) if whole(number as f64) == Some(number) => visitor.visit_f64(number as f64),
                Value::Int(number) => Err(Error::invalid_value(Unexpected::Signed(number), &"a number a double holds exactly")),
                Value::UInt(number) => {
                    Err(Error::invalid_value(Unexpected::Unsigned(number), &"a number a double holds exactly"))
                }
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(number) => visitor.visit_i64(number),
            Value::UInt(number) => visitor.visit_u64(number),
            Value::Double(number) => visitor.visit_f64(number),
            Value::String(text) | Value::DateTime(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) => Items::of(items).visit(visitor),
            Value::Map(map) => visitor.visit_map(Pairs::of(map.0)),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    doubles! { deserialize_f32 deserialize_f64 }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Nil => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match (name, self) {
            (VALUE, Value::DateTime(text)) => visitor.visit_enum(Point(text)),
            (_, value) => visitor.visit_newtype_struct(value),
        }
    }

    /// Octets are also read as a list of small numbers, which is how serde reads a `Vec<u8>`.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Bytes(bytes) => Items::of(bytes).visit(visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Value::String(variant) => visitor.visit_enum(Variant { name: variant.as_str().into(), data: None }),
            Value::Map(map) if map.len() == 1 => match map.0.into_iter().next() {
                Some((name, data)) => visitor.visit_enum(Variant { name, data: Some(data) }),
                None => Err(Error::new("an enum needs a variant")),
            },
            other => Err(Error::new(format!(
                "expected the name of a variant, or a map of that name and its data, got {}",
                other.kind()
            ))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct map struct identifier
    }
}

/// The items of a list; each error gets its index.
struct Items<T> {
    items: vec::IntoIter<T>,
    at: usize,
}

impl<T> Items<T> {
    fn of(items: Vec<T>) -> Items<T> {
        Items { items: items.into_iter(), at: 0 }
    }
}

impl<'de, T: IntoDeserializer<'de, Error>> Items<T> {
    fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let length = self.items.len();
        let value = visitor.visit_seq(&mut self)?;
        match self.items.len() {
            0 => Ok(value),
            left => Err(Error::invalid_length(length, &format!("{} items", length - left).as_str())),
        }
    }
}

impl<'de, T: IntoDeserializer<'de, Error>> SeqAccess<'de> for &mut Items<T> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.at += 1;
        seed.deserialize(item.into_deserializer()).map(Some).map_err(|error| error.in_item(self.at - 1))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Values are taken out one by one: moving the pairs would move each value once more.
impl Fields for Vec<(Arc<str>, Value)> {
    fn count(&self) -> usize {
        self.len()
    }

    fn name(&self, at: usize) -> &str {
        &self[at].0
    }

    fn take(&mut self, at: usize) -> Field<'_> {
        Field::Value(std::mem::take(&mut self[at].1))
    }
}

/// A name as the key type of the target map: text, or a number written as text.
pub(super) struct Key<'n>(pub(super) &'n str);

macro_rules! numeric_keys {
    ($($method:ident: $plain:ty => $visit:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse::<$plain>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_str(self.0),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    numeric_keys! {
        deserialize_i8: i64 => visit_i64,
        deserialize_i16: i64 => visit_i64,
        deserialize_i32: i64 => visit_i64,
        deserialize_i64: i64 => visit_i64,
        deserialize_i128: i128 => visit_i128,
        deserialize_u8: u64 => visit_u64,
        deserialize_u16: u64 => visit_u64,
        deserialize_u32: u64 => visit_u64,
        deserialize_u64: u64 => visit_u64,
        deserialize_u128: u128 => visit_u128,
        deserialize_bool: bool => visit_bool,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(StrDeserializer::<Error>::new(self.0))
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant by its name, with its data if it is a map with one pair.
struct Variant {
    name: Arc<str>,
    data: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Variant;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Variant), Error> {
        let variant = seed.deserialize(StrDeserializer::<Error>::new(&self.name))?;
        Ok((variant, self))
    }
}

impl Variant {
    /// Reads the data, if the variant has any.
    fn read<R>(self, read: impl FnOnce(Value) -> Result<R, Error>) -> Result<R, Error> {
        match self.data {
            Some(data) => read(data).map_err(|error| error.in_field(&self.name)),
            None => Err(Error::new("this variant comes with data").in_field(&self.name)),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.data {
            None | Some(Value::Nil) => Ok(()),
            Some(_) => Err(Error::new("this variant comes without data").in_field(&self.name)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.read(|data| seed.deserialize(data))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(|data| data.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.read(|data| data.deserialize_any(visitor))
    }
}

/// A point in time that becomes a `Value`: see `marked::VALUE`.
struct Point(String);

impl<'de> EnumAccess<'de> for Point {
    type Error = Error;
    type Variant = Point;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Point), Error> {
        let tag = seed.deserialize(UnitDeserializer::<Error>::new())?;
        Ok((tag, self))
    }
}

impl<'de> VariantAccess<'de> for Point {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Error::custom("a point in time has a text"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.0.into_deserializer())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_any(Value::String(self.0), visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_any(Value::String(self.0), visitor)
    }
}
