//! The elements that are open while a document is read, and which may open within which.

use std::sync::Arc;

use super::scalar::Scalar;
use crate::Value;
use crate::error::shown;

/// One open element and what of it has been read.
///
/// `from` is where the items or pairs of a container start in the parser's store, `at` counts siblings from 1 for the
/// path of an error.
#[derive(Debug)]
pub(super) enum Frame {
    MethodCall,
    MethodName,
    MethodResponse,
    Params {
        from: usize,
    },
    Param {
        at: usize,
        value: Option<Value>,
    },
    Fault {
        value: Option<Value>,
    },
    /// `<value>` before its type is known; its text is a string if no type comes.
    Value {
        at: usize,
    },
    /// `<value>` after its typed element.
    Valued {
        at: usize,
        value: Value,
    },
    Scalar(Scalar),
    Array {
        items: Option<Vec<Value>>,
    },
    Data {
        from: usize,
    },
    Struct {
        from: usize,
    },
    Member {
        at: usize,
        name: Option<Arc<str>>,
        value: Option<Value>,
    },
    Name,
}

impl Frame {
    /// True where text is data. Elsewhere only white space may stand between the elements.
    pub(super) fn holds_text(&self) -> bool {
        matches!(self, Frame::Value { .. } | Frame::Scalar(_) | Frame::Name | Frame::MethodName)
    }

    /// Adds its step to the path of an error.
    pub(super) fn add_step(&self, path: &mut String) {
        use std::fmt::Write as _;
        if !path.is_empty() {
            path.push('/');
        }
        let (name, at) = match self {
            Frame::MethodCall => ("methodCall", 0),
            Frame::MethodName => ("methodName", 0),
            Frame::MethodResponse => ("methodResponse", 0),
            Frame::Params { .. } => ("params", 0),
            Frame::Param { at, .. } => ("param", *at),
            Frame::Fault { .. } => ("fault", 0),
            Frame::Value { at } | Frame::Valued { at, .. } => ("value", *at),
            Frame::Scalar(scalar) => (scalar.element(), 0),
            Frame::Array { .. } => ("array", 0),
            Frame::Data { .. } => ("data", 0),
            Frame::Struct { .. } => ("struct", 0),
            Frame::Member { name: Some(name), .. } => {
                path.push_str(&shown(name));
                return;
            }
            Frame::Member { at, .. } => ("member", *at),
            Frame::Name => ("name", 0),
        };
        path.push_str(name);
        if at > 0 {
            // Writing to a String cannot fail.
            let _ = write!(path, "[{at}]");
        }
    }
}

/// The type of a value, by the name of its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Scalar(Scalar),
    Array,
    Struct,
}

impl Type {
    pub(super) fn named(element: &str) -> Option<Type> {
        Some(Type::Scalar(match element {
            "string" => Scalar::String,
            "int" => Scalar::Int("int"),
            "i4" => Scalar::Int("i4"),
            "struct" => return Some(Type::Struct),
            "array" => return Some(Type::Array),
            "boolean" => Scalar::Boolean,
            "double" => Scalar::Double("double"),
            "dateTime.iso8601" => Scalar::DateTime,
            "base64" => Scalar::Base64,
            "nil" => Scalar::Nil,
            "i8" => Scalar::Int("i8"),
            "i1" => Scalar::Int("i1"),
            "i2" => Scalar::Int("i2"),
            "biginteger" => Scalar::Int("biginteger"),
            "float" => Scalar::Double("float"),
            "dateTime" => Scalar::DateTime,
            _ => return None,
        }))
    }
}
