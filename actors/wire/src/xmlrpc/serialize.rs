//! Serde directly to XML, without an intermediate value. Enums have the same form as in JSON.

use serde::ser::{self, Serialize, Serializer};

use super::escape;
use super::scalar::compact_date;
use crate::Error;
use crate::limits::DEPTH;
use crate::value::key::Text;
use crate::value::marked::{BYTES, DATE_TIME, encode_base64};

/// The part of a document being written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One value.
    Value,
    /// The content of our own `Bytes`, which serialise as octets instead of text in this mode.
    Octets,
    /// All parameters of a call: each item of a list becomes a `<param>`, and a unit becomes none.
    Params,
}

/// Writes one `<value>`, or all parameters.
pub(super) struct Xml<'o> {
    out: &'o mut Vec<u8>,
    /// How many more levels of containers are allowed: output is limited to the depth that is accepted as input.
    depth: usize,
    mode: Mode,
}

/// Writes the `<param>`s of a call.
pub(super) fn write_params<P: Serialize + ?Sized>(out: &mut Vec<u8>, params: &P) -> Result<(), Error> {
    let start = out.len();
    params.serialize(Xml { out, depth: DEPTH, mode: Mode::Params })?;
    if out[start..].starts_with(b"<value>") {
        out.splice(start..start, *b"<param>");
        out.extend_from_slice(b"</param>");
    }
    Ok(())
}

impl<'o> Xml<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Xml<'o> {
        Xml { out, depth: DEPTH, mode: Mode::Value }
    }

    fn raw(&mut self, xml: &str) {
        self.out.extend_from_slice(xml.as_bytes());
    }

    fn number(self, open: &str, number: impl Serialize, close: &str) -> Result<(), Error> {
        self.out.extend_from_slice(open.as_bytes());
        // serde_json writes the shortest digits that read back as the same number, and is the fastest way here.
        serde_json::to_writer(&mut *self.out, &number).map_err(|error| Error::new(error.to_string()))?;
        self.out.extend_from_slice(close.as_bytes());
        Ok(())
    }

    fn text(mut self, open: &str, text: &str, close: &str) -> Result<(), Error> {
        self.raw(open);
        escape::text(self.out, text)?;
        self.raw(close);
        Ok(())
    }

    fn deeper(&self) -> Result<usize, Error> {
        self.depth.checked_sub(1).ok_or_else(|| Error::new(format!("nested more than {DEPTH} deep")))
    }

    fn list(mut self, close: &'static str) -> Result<XmlList<'o>, Error> {
        if self.mode == Mode::Params {
            return Ok(XmlList { out: self.out, depth: self.depth, at: 0, around: ("<param>", "</param>"), close: "" });
        }
        let depth = self.deeper()?;
        self.raw("<value><array><data>");
        Ok(XmlList { out: self.out, depth, at: 0, around: ("", ""), close })
    }

    fn map(mut self, close: &'static str) -> Result<XmlPairs<'o>, Error> {
        let depth = self.deeper()?;
        self.raw("<value><struct>");
        Ok(XmlPairs { out: self.out, depth, name: 0..0, close })
    }

    /// Opens the one-member struct that represents an enum variant with data.
    fn variant(mut self, variant: &str) -> Result<Xml<'o>, Error> {
        let depth = self.deeper()?;
        self.raw("<value><struct><member><name>");
        escape::text(self.out, variant)?;
        self.raw("</name>");
        Ok(Xml { depth, mode: Mode::Value, ..self })
    }
}

const LIST_END: &str = "</data></array></value>";
const MAP_END: &str = "</struct></value>";
const VARIANT_END: &str = "</member></struct></value>";
const VARIANT_LIST_END: &str = "</data></array></value></member></struct></value>";
const VARIANT_MAP_END: &str = "</struct></value></member></struct></value>";

impl<'o> Serializer for Xml<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = XmlList<'o>;
    type SerializeTuple = XmlList<'o>;
    type SerializeTupleStruct = XmlList<'o>;
    type SerializeTupleVariant = XmlList<'o>;
    type SerializeMap = XmlPairs<'o>;
    type SerializeStruct = XmlPairs<'o>;
    type SerializeStructVariant = XmlPairs<'o>;

    /// XML-RPC is a text format: foreign types such as addresses, dates and ids are written as text.
    fn is_human_readable(&self) -> bool {
        self.mode != Mode::Octets
    }

    fn serialize_bool(mut self, truth: bool) -> Result<(), Error> {
        self.raw(if truth { "<value><boolean>1</boolean></value>" } else { "<value><boolean>0</boolean></value>" });
        Ok(())
    }

    fn serialize_i8(self, number: i8) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<(), Error> {
        match i32::try_from(number) {
            Ok(_) => self.number("<value><int>", number, "</int></value>"),
            Err(_) => self.number("<value><i8>", number, "</i8></value>"),
        }
    }

    fn serialize_i128(self, number: i128) -> Result<(), Error> {
        match i64::try_from(number) {
            Ok(number) => self.serialize_i64(number),
            Err(_) => Err(Error::new(format!("{number} does not fit into <i8>; send it as text"))),
        }
    }

    fn serialize_u8(self, number: u8) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<(), Error> {
        self.serialize_i64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<(), Error> {
        self.serialize_i128(number.into())
    }

    fn serialize_u128(self, number: u128) -> Result<(), Error> {
        match i64::try_from(number) {
            Ok(number) => self.serialize_i64(number),
            Err(_) => Err(Error::new(format!("{number} does not fit into <i8>; send it as text"))),
        }
    }

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        if !number.is_finite() {
            return Err(Error::new(format!("XML-RPC has no number {number}; send nil or text")));
        }
        self.number("<value><double>", number, "</double></value>")
    }

    fn serialize_char(self, character: char) -> Result<(), Error> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.text("<value><string>", text, "</string></value>")
    }

    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), Error> {
        self.raw("<value><base64>");
        encode_base64(self.out, bytes);
        self.raw("</base64></value>");
        Ok(())
    }

    fn serialize_none(mut self) -> Result<(), Error> {
        self.raw("<value><nil/></value>");
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Result<(), Error> {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        match self.mode {
            Mode::Params => Ok(()),
            Mode::Value | Mode::Octets => self.serialize_none(),
        }
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, inner: &T) -> Result<(), Error> {
        match name {
            DATE_TIME => inner.serialize(Text(|text: &str| {
                self.text("<value><dateTime.iso8601>", &compact_date(text), "</dateTime.iso8601></value>")
            })),
            BYTES => inner.serialize(Xml { mode: Mode::Octets, ..self }),
            _ => inner.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        inner: &T,
    ) -> Result<(), Error> {
        let Xml { out, depth, mode } = self.variant(variant)?;
        inner.serialize(Xml { out, depth, mode }).map_err(|error| error.in_field(variant))?;
        out.extend_from_slice(VARIANT_END.as_bytes());
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<XmlList<'o>, Error> {
        self.list(LIST_END)
    }

    fn serialize_tuple(self, _: usize) -> Result<XmlList<'o>, Error> {
        self.list(LIST_END)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<XmlList<'o>, Error> {
        self.list(LIST_END)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<XmlList<'o>, Error> {
        self.variant(variant)?.list(VARIANT_LIST_END)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<XmlPairs<'o>, Error> {
        self.map(MAP_END)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<XmlPairs<'o>, Error> {
        self.map(MAP_END)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<XmlPairs<'o>, Error> {
        self.variant(variant)?.map(VARIANT_MAP_END)
    }
}

/// The items of an array, or the parameters of a call.
pub(super) struct XmlList<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    /// The number of items written.
    at: usize,
    /// The tags around each item.
    around: (&'static str, &'static str),
    close: &'static str,
}

impl XmlList<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.out.extend_from_slice(self.around.0.as_bytes());
        let xml = Xml { out: self.out, depth: self.depth, mode: Mode::Value };
        item.serialize(xml).map_err(|error| error.in_item(self.at))?;
        self.out.extend_from_slice(self.around.1.as_bytes());
        self.at += 1;
        Ok(())
    }
}

/// The members of a struct.
pub(super) struct XmlPairs<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    /// The range in `out` of the current member's name, for errors.
    name: std::ops::Range<usize>,
    close: &'static str,
}

impl XmlPairs<'_> {
    fn name(&mut self, name: &str) -> Result<(), Error> {
        self.out.extend_from_slice(b"<member><name>");
        let start = self.out.len();
        escape::text(self.out, name).map_err(|error| error.in_field(name))?;
        self.name = start..self.out.len();
        self.out.extend_from_slice(b"</name>");
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let xml = Xml { out: self.out, depth: self.depth, mode: Mode::Value };
        value.serialize(xml).map_err(|error| error.in_field(&String::from_utf8_lossy(&self.out[self.name.clone()])))?;
        self.out.extend_from_slice(b"</member>");
        Ok(())
    }
}

macro_rules! lists {
    ($($of:ident::$method:ident,)*) => {$(
        impl ser::$of for XmlList<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
                self.push(item)
            }

            fn end(self) -> Result<(), Error> {
                self.out.extend_from_slice(self.close.as_bytes());
                Ok(())
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
        impl ser::$of for XmlPairs<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.name(name)?;
                self.value(value)
            }

            fn end(self) -> Result<(), Error> {
                self.out.extend_from_slice(self.close.as_bytes());
                Ok(())
            }
        }
    )*};
}

structs! { SerializeStruct, SerializeStructVariant, }

impl ser::SerializeMap for XmlPairs<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Error> {
        name.serialize(Text(|text: &str| self.name(text)))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.out.extend_from_slice(self.close.as_bytes());
        Ok(())
    }
}
