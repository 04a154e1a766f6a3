//! Serialises the key of a map as text, or refuses it.

use serde::ser::{Impossible, Serialize, Serializer};

use crate::Error;

/// A serializer that accepts a text, or a key with an obvious text form, and passes it to the closure.
pub(crate) struct Text<F>(pub(crate) F);

fn refused<R>(what: &str) -> Result<R, Error> {
    Err(Error::new(format!("a name must be text, not {what}")))
}

macro_rules! display {
    ($($method:ident: $plain:ty,)*) => {$(
        fn $method(self, plain: $plain) -> Result<R, Error> {
            (self.0)(&plain.to_string())
        }
    )*};
}

impl<R, F: FnOnce(&str) -> Result<R, Error>> Serializer for Text<F> {
    type Ok = R;
    type Error = Error;
    type SerializeSeq = Impossible<R, Error>;
    type SerializeTuple = Impossible<R, Error>;
    type SerializeTupleStruct = Impossible<R, Error>;
    type SerializeTupleVariant = Impossible<R, Error>;
    type SerializeMap = Impossible<R, Error>;
    type SerializeStruct = Impossible<R, Error>;
    type SerializeStructVariant = Impossible<R, Error>;

    display! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_char: char,
    }

    fn serialize_str(self, text: &str) -> Result<R, Error> {
        (self.0)(text)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<R, Error> {
        (self.0)(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, inner: &T) -> Result<R, Error> {
        inner.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<R, Error> {
        inner.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Result<R, Error> {
        refused("a double")
    }

    fn serialize_f64(self, _: f64) -> Result<R, Error> {
        refused("a double")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<R, Error> {
        refused("octets")
    }

    fn serialize_none(self) -> Result<R, Error> {
        refused("nothing")
    }

    fn serialize_unit(self) -> Result<R, Error> {
        refused("nothing")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<R, Error> {
        refused("nothing")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<R, Error> {
        refused("an enum with data")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        refused("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        refused("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        refused("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        refused("an enum with data")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        refused("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
        refused("a struct")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        refused("an enum with data")
    }
}
