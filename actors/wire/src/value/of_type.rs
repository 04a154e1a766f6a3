//! [`to_value`]: anything that implements `Serialize`, as a [`Value`]. Enums have the same form as in JSON.

use std::sync::Arc;

use serde::ser::{self, Serialize, Serializer};

use super::key::Text;
use super::marked::{BYTES, DATE_TIME};
use super::{Map, Value};
use crate::Error;

/// Serialises anything into a value. Points in time and octets keep their kind.
pub fn to_value<T: Serialize + ?Sized>(thing: &T) -> Result<Value, Error> {
    thing.serialize(Build { octets: false })
}

/// `octets` is set inside our own [`super::Bytes`], which then serialise as octets instead of text.
struct Build {
    octets: bool,
}

/// A list under construction; `variant` is the enum variant whose data it is.
struct BuildList {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

/// A map under construction; `variant` is the enum variant whose data it is.
struct BuildMap {
    variant: Option<&'static str>,
    pairs: Vec<(Arc<str>, Value)>,
    name: Option<Arc<str>>,
}

fn named(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::from_pairs([(variant, value)]),
        None => value,
    }
}

fn text_of<T: Serialize + ?Sized>(name: &T) -> Result<Arc<str>, Error> {
    name.serialize(Text(|text: &str| Ok(Arc::from(text))))
}

impl Serializer for Build {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = BuildList;
    type SerializeTuple = BuildList;
    type SerializeTupleStruct = BuildList;
    type SerializeTupleVariant = BuildList;
    type SerializeMap = BuildMap;
    type SerializeStruct = BuildMap;
    type SerializeStructVariant = BuildMap;

    fn is_human_readable(&self) -> bool {
        !self.octets
    }

    fn serialize_bool(self, truth: bool) -> Result<Value, Error> {
        Ok(Value::Bool(truth))
    }

    fn serialize_i8(self, number: i8) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_i16(self, number: i16) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_i32(self, number: i32) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_i64(self, number: i64) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_i128(self, number: i128) -> Result<Value, Error> {
        if let Ok(number) = i64::try_from(number) {
            return Ok(Value::Int(number));
        }
        u64::try_from(number).map(Value::from).map_err(|_| Error::new(format!("{number} does not fit into 64 bits")))
    }

    fn serialize_u8(self, number: u8) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_u16(self, number: u16) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_u32(self, number: u32) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_u64(self, number: u64) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_u128(self, number: u128) -> Result<Value, Error> {
        u64::try_from(number).map(Value::from).map_err(|_| Error::new(format!("{number} does not fit into 64 bits")))
    }

    fn serialize_f32(self, number: f32) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_f64(self, number: f64) -> Result<Value, Error> {
        Ok(Value::from(number))
    }

    fn serialize_char(self, character: char) -> Result<Value, Error> {
        Ok(Value::from(character))
    }

    fn serialize_str(self, text: &str) -> Result<Value, Error> {
        Ok(Value::from(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Error> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<Value, Error> {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, inner: &T) -> Result<Value, Error> {
        match name {
            DATE_TIME => inner.serialize(Text(|text: &str| Ok(Value::DateTime(text.to_owned())))),
            BYTES => inner.serialize(Build { octets: true }),
            _ => inner.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        inner: &T,
    ) -> Result<Value, Error> {
        let value = to_value(inner).map_err(|error| error.in_field(variant))?;
        Ok(named(Some(variant), value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<BuildList, Error> {
        Ok(BuildList { variant: None, items: Vec::with_capacity(length.unwrap_or(0)) })
    }

    fn serialize_tuple(self, length: usize) -> Result<BuildList, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<BuildList, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<BuildList, Error> {
        Ok(BuildList { variant: Some(variant), items: Vec::with_capacity(length) })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<BuildMap, Error> {
        Ok(BuildMap { variant: None, pairs: Vec::with_capacity(length.unwrap_or(0)), name: None })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<BuildMap, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<BuildMap, Error> {
        Ok(BuildMap { variant: Some(variant), pairs: Vec::with_capacity(length), name: None })
    }
}

impl BuildList {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        let value = to_value(item).map_err(|error| error.in_item(self.items.len()))?;
        self.items.push(value);
        Ok(())
    }

    fn finish(self) -> Value {
        named(self.variant, Value::List(self.items))
    }
}

impl BuildMap {
    fn push<T: Serialize + ?Sized>(&mut self, name: Arc<str>, value: &T) -> Result<(), Error> {
        let value = to_value(value).map_err(|error| error.in_field(&name))?;
        self.pairs.push((name, value));
        Ok(())
    }

    fn finish(self) -> Value {
        named(self.variant, Value::Map(Map(self.pairs)))
    }
}

macro_rules! lists {
    ($($of:ident::$method:ident,)*) => {$(
        impl ser::$of for BuildList {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
                self.push(item)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.finish())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($of:ident,)*) => {$(
        impl ser::$of for BuildMap {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.push(Arc::from(name), value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.finish())
            }
        }
    )*};
}

structs! { SerializeStruct, SerializeStructVariant, }

impl ser::SerializeMap for BuildMap {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Error> {
        self.name = Some(text_of(name)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some(name) = self.name.take() else { return Err(Error::new("a value came without its name")) };
        self.push(name, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}
