//! Values to JSON texts and back, the form every `SessionStore` keeps.
//!
//! JSON has fewer types than a value: a point in time comes back as its text, octets as their base64.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use skitai_wire::{Map, Value};

use super::seal::State;

/// The texts of a map. Where a name occurs twice, the first counts, as in every look-up. `Err` is the name of a value
/// that JSON cannot say.
pub(super) fn texts(map: &Map) -> Result<State, String> {
    let mut state = State::with_capacity(map.0.len());
    for (name, value) in &map.0 {
        if !state.contains_key(&**name) {
            let json = json(value).ok_or_else(|| name.to_string())?;
            state.insert(name.to_string(), json.to_string());
        }
    }
    Ok(state)
}

/// The map of such texts, by name: the order a session was filled in is not kept. `Err` is the name of a text that is
/// not JSON.
pub(super) fn map(state: State) -> Result<Map, String> {
    let mut pairs = Vec::with_capacity(state.len());
    for (name, text) in state {
        match serde_json::from_str(&text) {
            Ok(json) => pairs.push((Arc::<str>::from(name), value(json))),
            Err(_) => return Err(name),
        }
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Map(pairs))
}

fn json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Nil => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        // Not for NaN and the infinities.
        Value::Double(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Value::String(text) | Value::DateTime(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::List(items) => Json::Array(items.iter().map(json).collect::<Option<_>>()?),
        Value::Map(map) => {
            let mut object = serde_json::Map::with_capacity(map.0.len());
            for (name, value) in &map.0 {
                if !object.contains_key(&**name) {
                    object.insert(name.to_string(), json(value)?);
                }
            }
            Json::Object(object)
        }
    })
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(object) => Value::from_pairs(object.into_iter().map(|(name, json)| (name, value(json)))),
    }
}
