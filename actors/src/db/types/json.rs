//! JSON columns as values. A number beyond 64 bits, or one that a double cannot hold exactly, becomes its own text.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::{Map, Value};

/// A double holds any decimal of up to this many digits exactly enough to print it again.
const SAFE_DIGITS: usize = 15;
/// A document nested deeper than this stays text, because the walk below is recursive.
const MAX_DEPTH: usize = 64;

/// The document as a value, or as its text if it is nested too deeply.
pub(super) fn json(raw: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(raw).ok()?;
    // A direct parse would round long numbers. They are rare, so only documents with one take the slow walk.
    let parsed = if has_long_number(text) { None } else { serde_json::from_str(text).ok().map(|Direct(value)| value) };
    let value = parsed.or_else(|| walk(serde_json::from_str::<&RawValue>(text).ok()?, 0));
    Some(value.unwrap_or_else(|| Value::String(text.to_owned())))
}

/// True for a long run of digits anywhere, even in a string: a false alarm costs time, not correctness.
fn has_long_number(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        match byte {
            b'0'..=b'9' => run += 1,
            b'.' => {}
            _ => run = 0,
        }
        run > SAFE_DIGITS
    })
}

fn walk(raw: &RawValue, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let text = raw.get();
    Some(match text.as_bytes().first()? {
        b'{' => {
            let Pairs(pairs) = serde_json::from_str(text).ok()?;
            let walked = pairs.into_iter().map(|(key, raw)| Some((key, walk(raw, depth + 1)?)));
            Value::Map(Map(walked.collect::<Option<_>>()?))
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Value::List(items.into_iter().map(|raw| walk(raw, depth + 1)).collect::<Option<_>>()?)
        }
        b'-' | b'0'..=b'9' => number(text),
        _ => serde_json::from_str(text).ok().map(|Direct(value)| value)?,
    })
}

fn number(text: &str) -> Value {
    if let Ok(whole) = text.parse() {
        return Value::Int(whole);
    }
    match text.parse::<f64>() {
        Ok(double) if text.len() <= SAFE_DIGITS || double.to_string() == text => Value::Double(double),
        _ => Value::String(text.to_owned()),
    }
}

/// A document that has only short numbers.
struct Direct(Value);

impl<'de> Deserialize<'de> for Direct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Direct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Direct, E> {
                Ok(Direct(Value::Nil))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Direct, E> {
                Ok(Direct(Value::Bool(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Direct, E> {
                Ok(Direct(Value::Int(value)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Direct, E> {
                Ok(Direct(super::unsigned(value)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Direct, E> {
                Ok(Direct(Value::Double(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Direct, E> {
                Ok(Direct(Value::String(value.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Direct, A::Error> {
                let mut list = Vec::new();
                while let Some(Direct(value)) = items.next_element()? {
                    list.push(value);
                }
                Ok(Direct(Value::List(list)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Direct, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, Direct(value))) = entries.next_entry::<String, Direct>()? {
                    pairs.push((Arc::from(key), value));
                }
                Ok(Direct(Value::Map(Map(pairs))))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// An object's entries, unparsed and in order; `json` (unlike `jsonb`) may repeat a key.
struct Pairs<'a>(Vec<(Arc<str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, raw)) = entries.next_entry::<String, &'de RawValue>()? {
                    pairs.push((Arc::from(key), raw));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
