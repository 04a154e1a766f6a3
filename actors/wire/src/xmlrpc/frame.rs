//! The elements of XML-RPC by name, and the open ones while a document is read.
//!
//! A frame is a few bytes that are copied; the parser holds the content read so far. A frame counts its siblings from
//! 1, for the path of an error.

use super::scalar::Scalar;

/// One open element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    MethodCall,
    MethodName,
    MethodResponse,
    /// Its items start at `from` in the parser's store.
    Params {
        from: usize,
    },
    Param {
        at: usize,
        valued: bool,
    },
    Fault {
        valued: bool,
    },
    /// `<value>` before its type is known; without a typed element its text is a string.
    Value {
        at: usize,
    },
    /// `<value>` after its typed element.
    Valued {
        at: usize,
    },
    Scalar(Scalar),
    Array {
        filled: bool,
    },
    /// Its items start at `from` in the parser's store.
    Data {
        from: usize,
    },
    /// Its pairs start at `from` in the parser's store.
    Struct {
        from: usize,
    },
    /// Once it is named, its pair is the last one in the parser's store.
    Member {
        at: usize,
        named: bool,
        valued: bool,
    },
    Name,
}

impl Frame {
    /// True if text is data here. Elsewhere only white space is allowed between the elements.
    #[inline]
    pub(super) fn holds_text(self) -> bool {
        matches!(self, Frame::Value { .. } | Frame::Scalar(_) | Frame::Name | Frame::MethodName)
    }

    /// True if elements are allowed here.
    #[inline]
    pub(super) fn holds_elements(self) -> bool {
        !matches!(self, Frame::Scalar(_) | Frame::Name | Frame::MethodName)
    }

    /// Its step in the path of an error: the element's name, and its number among siblings of the same name.
    pub(super) fn step(self) -> (&'static str, usize) {
        match self {
            Frame::MethodCall => ("methodCall", 0),
            Frame::MethodName => ("methodName", 0),
            Frame::MethodResponse => ("methodResponse", 0),
            Frame::Params { .. } => ("params", 0),
            Frame::Param { at, .. } => ("param", at),
            Frame::Fault { .. } => ("fault", 0),
            Frame::Value { at } | Frame::Valued { at } => ("value", at),
            Frame::Scalar(scalar) => (scalar.element(), 0),
            Frame::Array { .. } => ("array", 0),
            Frame::Data { .. } => ("data", 0),
            Frame::Struct { .. } => ("struct", 0),
            Frame::Member { at, .. } => ("member", at),
            Frame::Name => ("name", 0),
        }
    }
}

/// An element by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    MethodCall,
    MethodName,
    MethodResponse,
    Params,
    Param,
    Fault,
    Value,
    Data,
    Member,
    Name,
    Array,
    Struct,
    Scalar(Scalar),
    Unknown,
}

impl Tag {
    /// The element with this name, ignoring any prefix.
    #[inline]
    pub(super) fn named(name: &str) -> Tag {
        match Tag::plainly_named(name.as_bytes()) {
            Tag::Unknown => Tag::prefixed(name),
            known => known,
        }
    }

    #[cold]
    fn prefixed(name: &str) -> Tag {
        name.rsplit_once(':').map_or(Tag::Unknown, |(_, plain)| Tag::plainly_named(plain.as_bytes()))
    }

    #[inline]
    pub(super) fn plainly_named(name: &[u8]) -> Tag {
        match name {
            b"value" => Tag::Value,
            b"name" => Tag::Name,
            b"member" => Tag::Member,
            b"string" => Tag::Scalar(Scalar::String),
            b"int" => Tag::Scalar(Scalar::Int("int")),
            b"i4" => Tag::Scalar(Scalar::Int("i4")),
            b"double" => Tag::Scalar(Scalar::Double("double")),
            b"boolean" => Tag::Scalar(Scalar::Boolean),
            b"struct" => Tag::Struct,
            b"array" => Tag::Array,
            b"data" => Tag::Data,
            b"nil" => Tag::Scalar(Scalar::Nil),
            b"dateTime.iso8601" | b"dateTime" => Tag::Scalar(Scalar::DateTime),
            b"base64" => Tag::Scalar(Scalar::Base64),
            b"i8" => Tag::Scalar(Scalar::Int("i8")),
            b"i1" => Tag::Scalar(Scalar::Int("i1")),
            b"i2" => Tag::Scalar(Scalar::Int("i2")),
            b"biginteger" => Tag::Scalar(Scalar::Int("biginteger")),
            b"float" => Tag::Scalar(Scalar::Double("float")),
            b"bigdecimal" => Tag::Scalar(Scalar::Double("bigdecimal")),
            b"param" => Tag::Param,
            b"params" => Tag::Params,
            b"methodName" => Tag::MethodName,
            b"methodCall" => Tag::MethodCall,
            b"methodResponse" => Tag::MethodResponse,
            b"fault" => Tag::Fault,
            _ => Tag::Unknown,
        }
    }
}
