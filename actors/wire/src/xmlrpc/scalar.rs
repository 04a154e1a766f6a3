//! The text of a typed element as a value.

use std::borrow::Cow;

use crate::Value;
use crate::error::shown;
use crate::value::marked::decode_base64;

/// The type of text that an element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Int(&'static str),
    Boolean,
    Double(&'static str),
    String,
    DateTime,
    Base64,
    Nil,
}

impl Scalar {
    /// The name of the element.
    pub(super) fn element(self) -> &'static str {
        match self {
            Scalar::Int(name) | Scalar::Double(name) => name,
            Scalar::Boolean => "boolean",
            Scalar::String => "string",
            Scalar::DateTime => "dateTime.iso8601",
            Scalar::Base64 => "base64",
            Scalar::Nil => "nil",
        }
    }

    /// The value, or the fault in the text.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        let trimmed = text.trim_ascii();
        match self {
            Scalar::String => Ok(Value::String(text.to_owned())),
            Scalar::Int(_) => int(trimmed),
            Scalar::Double(_) => double(trimmed),
            Scalar::Boolean => match trimmed {
                "1" => Ok(Value::Bool(true)),
                "0" => Ok(Value::Bool(false)),
                word if word.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
                word if word.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
                other => Err(format!("a boolean is 0 or 1, not {:?}", shown(other))),
            },
            Scalar::DateTime => Ok(Value::DateTime(trimmed.to_owned())),
            Scalar::Base64 => decode_base64(trimmed).map(Value::Bytes),
            Scalar::Nil if trimmed.is_empty() => Ok(Value::Nil),
            Scalar::Nil => Err(format!("nil is empty, not {:?}", shown(trimmed))),
        }
    }
}

fn int(text: &str) -> Result<Value, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let error = match text.parse::<i64>() {
        Ok(number) => return Ok(Value::Int(number)),
        Err(error) => error,
    };
    match error.kind() {
        PosOverflow | NegOverflow => text
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| format!("the whole number {:?} does not fit into 64 bits", shown(text))),
        _ => Err(format!("not a whole number: {:?}", shown(text))),
    }
}

fn double(text: &str) -> Result<Value, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Double(number)),
        _ => Err(format!("not a finite number: {:?}", shown(text))),
    }
}

/// A point in time as in the specification, `19980717T14:08:55`: the date without dashes, then `T`. The rest after the
/// minutes is kept, because fractions and zones are data; a text that is not a date and time is returned unchanged.
pub(super) fn compact_date(text: &str) -> Cow<'_, str> {
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    let dashed = shape.clone().take(16).eq(*b"0000-00-00T00:00") || shape.take(16).eq(*b"0000-00-00 00:00");
    match dashed {
        true => Cow::Owned(format!("{}{}{}T{}", &text[..4], &text[5..7], &text[8..10], &text[11..])),
        false => Cow::Borrowed(text),
    }
}
