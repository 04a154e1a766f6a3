//! The types a handler can take: how each is made from what a client sent, and its name on the wire.
//!
//! Text (query, form, path) is parsed as the type requires. Typed values (JSON, RPC) must already have the type, unless
//! the conversion is lossless (a whole number for a float). The author's own types come through [`Json`].

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use skitai_wire::Value;

use super::bind::{Bind, Given, Values, shortened};
use crate::app::was::Was;

/// The type of an argument or a reply on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number.
    Int,
    /// A floating point number.
    Double,
    /// A truth value.
    Bool,
    /// Text.
    String,
    /// Octets.
    Bytes,
    /// Anything.
    Any,
    /// A list of one kind.
    List(&'static Kind),
    /// A structure that the handler defines.
    Struct,
    /// A file of a multipart form.
    File,
    /// The request's handle: takes no value from the client.
    Context,
    /// Everything that no other argument took.
    Rest,
    /// Nothing: a reply only.
    Nothing,
    /// A whole page or a stream, which RPC cannot carry: a reply only.
    WebOnly,
}

impl Kind {
    /// The name XML-RPC introspection uses.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Double => "double",
            Kind::Bool => "boolean",
            Kind::String => "string",
            Kind::Bytes => "base64",
            Kind::File => "file",
            Kind::Any => "any",
            Kind::List(_) => "array",
            Kind::Struct | Kind::Rest => "struct",
            Kind::Context | Kind::WebOnly => "",
            Kind::Nothing => "nil",
        }
    }
}

/// Why a value does not fit an argument. The text follows the argument's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No value was given.
    #[error("is missing")]
    Missing,
    /// This many values were given.
    #[error("was given {0} times and takes one value")]
    Several(usize),
    /// The value has another type.
    #[error("must be {expected}, got {got}")]
    Unlike {
        /// The type that is expected.
        expected: Cow<'static, str>,
        /// The value, shortened.
        got: String,
    },
    /// The text is not JSON.
    #[error("must be JSON: {0}")]
    NoJson(skitai_wire::Error),
    /// The author's type rejects the value.
    #[error("does not fit: {0}")]
    Unfit(skitai_wire::Error),
    /// An entry of a list does not fit.
    #[error("[{index}] {why}")]
    Entry {
        /// Its index, from 0.
        index: usize,
        /// Why it does not fit.
        why: Box<BindError>,
    },
}

/// A type that a route can take as an argument. Any other type is a compile error at the argument:
///
/// ```compile_fail,E0277
/// # use skitai::prelude::*;
/// #[route("/at")]
/// async fn at(when: std::time::SystemTime) {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a route",
    note = "arguments are numbers, bool, String, Value, Bytes, Upload, Option<T>, Vec<T>, Form, was: Was, or Json<T> for a type of your own that is Deserialize"
)]
pub trait Argument: Sized {
    /// Its type on the wire.
    const KIND: Kind;
    /// Whether a call without this argument is refused.
    const REQUIRED: bool = true;
    /// Makes the argument from the values given under its name (none, one, or several), or returns why they do not fit;
    /// that text follows "argument `name` ".
    fn take(bind: &mut Bind, given: Values) -> Result<Self, BindError>;
}

/// The one value of a scalar.
pub(crate) fn one(mut given: Values) -> Result<Given, BindError> {
    let count = given.len();
    match given.pop() {
        Some(value) if count == 1 => Ok(value),
        Some(_) => Err(BindError::Several(count)),
        None => Err(BindError::Missing),
    }
}

pub(crate) fn wrong(expected: impl Into<Cow<'static, str>>, given: &Given) -> BindError {
    let got = match given {
        Given::File(file) => format!("the file \"{}\"", shortened(file.name())),
        Given::Text(text) => format!("\"{}\"", shortened(text)),
        Given::Typed(value) => article(value.kind()),
    };
    BindError::Unlike { expected: expected.into(), got }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// A number, as text or typed, in an argument or in a field of a form.
pub(super) trait Number: Sized {
    fn of(given: &Given) -> Result<Self, BindError>;
}

macro_rules! numbers {
    ($kind:ident from $read:ident: $($ty:ty),*) => {$(
        impl Argument for $ty {
            const KIND: Kind = Kind::$kind;
            fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
                Number::of(&one(given)?)
            }
        }

        impl Number for $ty {
            fn of(given: &Given) -> Result<Self, BindError> {
                $read!($ty, given)
            }
        }
    )*};
}

macro_rules! whole_number {
    ($ty:ty, $given:ident) => {{
        let number = match $given {
            Given::Text(text) => text.trim().parse::<$ty>().ok(),
            Given::Typed(Value::Int(number)) => <$ty>::try_from(*number).ok(),
            Given::Typed(Value::UInt(number)) => <$ty>::try_from(*number).ok(),
            // Some languages write 5.0 for 5 in JSON: the same number, so nothing is lost.
            Given::Typed(Value::Double(number)) if number.fract() == 0.0 && number.abs() < 9.0e15 => {
                let whole = *number as i64;
                <$ty>::try_from(whole).ok()
            }
            Given::Typed(_) | Given::File(_) => None,
        };
        number.ok_or_else(|| {
            // The limits of a 64-bit type would not help a reader.
            let wide = <$ty>::BITS == 64;
            match <$ty>::MIN == 0 {
                _ if !wide => wrong(format!("a whole number from {} to {}", <$ty>::MIN, <$ty>::MAX), $given),
                true => wrong("a whole number, 0 or more", $given),
                false => wrong("a whole number", $given),
            }
        })
    }};
}

macro_rules! float {
    ($ty:ty, $given:ident) => {{
        let number = match $given {
            Given::Text(text) => text.trim().parse::<$ty>().ok(),
            Given::Typed(Value::Double(number)) => Some(*number as $ty),
            Given::Typed(Value::Int(number)) => Some(*number as $ty),
            Given::Typed(Value::UInt(number)) => Some(*number as $ty),
            Given::Typed(_) | Given::File(_) => None,
        };
        // A number too large for an f32 would become infinite.
        number.filter(|number| number.is_finite()).ok_or_else(|| wrong("a number", $given))
    }};
}

numbers!(Int from whole_number: i8, i16, i32, i64, u8, u16, u32, u64, usize);
numbers!(Double from float: f32, f64);

/// A truth value, in the words that forms use.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

impl Argument for bool {
    const KIND: Kind = Kind::Bool;
    fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
        let given = one(given)?;
        match &given {
            Given::Text(text) => truth(text).ok_or_else(|| wrong("true or false", &given)),
            Given::Typed(Value::Bool(truth)) => Ok(*truth),
            Given::Typed(_) | Given::File(_) => Err(wrong("true or false", &given)),
        }
    }
}

impl Argument for String {
    const KIND: Kind = Kind::String;
    fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
        match one(given)? {
            Given::Text(text) | Given::Typed(Value::String(text) | Value::DateTime(text)) => Ok(text),
            given @ (Given::Typed(_) | Given::File(_)) => Err(wrong("text", &given)),
        }
    }
}

impl Argument for Bytes {
    const KIND: Kind = Kind::Bytes;
    fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
        match one(given)? {
            Given::Text(text) => Ok(text.into()),
            Given::Typed(Value::Bytes(octets)) => Ok(octets.into()),
            // JSON has no octets: clients send them as base64 text, as replies do.
            Given::Typed(Value::String(text)) => match STANDARD.decode(&text) {
                Ok(octets) => Ok(octets.into()),
                Err(_) => Err(wrong("octets, or a text of them in base64", &Given::Text(text))),
            },
            given @ (Given::Typed(_) | Given::File(_)) => Err(wrong("octets", &given)),
        }
    }
}

impl Argument for Value {
    const KIND: Kind = Kind::Any;
    fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
        let value = |given: Given| given.into_value().map_err(|file| wrong("a value", &Given::File(file)));
        match given.len() {
            0 => Err(BindError::Missing),
            1 => value(one(given)?),
            _ => Ok(Value::List(given.into_iter().map(value).collect::<Result<_, _>>()?)),
        }
    }
}

impl<T: Argument> Argument for Option<T> {
    const KIND: Kind = T::KIND;
    const REQUIRED: bool = false;
    fn take(bind: &mut Bind, given: Values) -> Result<Self, BindError> {
        // `nil` over RPC and `null` in JSON mean "nothing", as an argument that was left out does.
        if matches!(given.as_slice(), [] | [Given::Typed(Value::Nil)]) || is_blank::<T>(&given) {
            return Ok(None);
        }
        T::take(bind, given).map(Some)
    }
}

/// True for an input of a form in which nothing was written, where a number or a truth value is asked for: a browser
/// sends it all the same. A text may be empty.
pub(crate) fn is_blank<T: Argument>(given: &[Given]) -> bool {
    let [Given::Text(text)] = given else { return false };
    matches!(T::KIND, Kind::Int | Kind::Double | Kind::Bool) && text.trim().is_empty()
}

impl<T: Argument> Argument for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
    const REQUIRED: bool = false;
    fn take(bind: &mut Bind, given: Values) -> Result<Self, BindError> {
        let mut items = Vec::with_capacity(given.len());
        for value in given {
            match value {
                Given::Typed(Value::List(list)) => items.extend(list.into_iter().map(Given::Typed)),
                one => items.push(one),
            }
        }
        let item = |(index, value)| {
            let taken = T::take(bind, std::iter::once(value).collect());
            taken.map_err(|why| BindError::Entry { index, why: Box::new(why) })
        };
        items.into_iter().enumerate().map(item).collect()
    }
}

impl Argument for Was {
    const KIND: Kind = Kind::Context;
    const REQUIRED: bool = false;
    fn take(bind: &mut Bind, _: Values) -> Result<Self, BindError> {
        Ok(bind.was().clone())
    }
}

/// The author's own type, read by serde from a JSON value or an RPC structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> Argument for Json<T> {
    const KIND: Kind = Kind::Struct;
    fn take(_: &mut Bind, given: Values) -> Result<Self, BindError> {
        let value = match one(given)? {
            given @ Given::File(_) => return Err(wrong("JSON", &given)),
            Given::Typed(value) => value,
            Given::Text(text) => skitai_wire::json::parse_value(text.as_bytes()).map_err(BindError::NoJson)?,
        };
        skitai_wire::from_value(value).map(Json).map_err(BindError::Unfit)
    }
}
