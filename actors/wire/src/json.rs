//! JSON with limits: all conversion between values and JSON text is done here.

use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::value::deserialize::Budget;
use crate::{Error, Limits, Value};

/// Serialises anything as JSON text. Numbers that JSON does not have (NaN, infinities) become `null`.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::new(error.to_string()))
}

/// JSON text as a value, within the default [`Limits`].
pub fn parse_value(input: &[u8]) -> Result<Value, Error> {
    parse_value_within(input, &Limits::default())
}

/// JSON text as a value, within limits. Whole numbers beyond 64 bits become the nearest double, as in most JSON
/// readers.
pub fn parse_value_within(input: &[u8], limits: &Limits) -> Result<Value, Error> {
    limits.check_bytes(input)?;
    let budget = Budget::new(limits);
    let mut reader = serde_json::Deserializer::from_slice(input);
    let value = budget.seed().deserialize(&mut reader).map_err(|error| Error::json(&error, input))?;
    reader.end().map_err(|error| Error::json(&error, input))?;
    Ok(value)
}
