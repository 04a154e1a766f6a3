//! Values to JSON texts and back, the form in which every `SessionStore` keeps them.
//!
//! JSON has fewer types than [`Value`]: a point in time comes back as its text, octets as their base64.

use std::sync::Arc;

use skitai_wire::{Limits, Map, Value, json};

use super::seal::State;

/// The JSON texts of a map. If a name occurs twice, the first counts, as in every look-up. `Err` is the name of a value
/// that cannot be read back: JSON turns NaN and the infinities into `null`, and its reader here refuses values nested
/// too deeply.
pub(super) fn texts(map: &Map) -> Result<State, String> {
    let limits = Limits::default();
    let mut state = State::with_capacity(map.len());
    for (name, value) in map.iter() {
        if !state.contains_key(name) {
            // Check first: `comes_back` stops at the depth limit, the JSON writer does not.
            let bytes = if comes_back(value, limits.depth) { json::to_vec(value).ok() } else { None };
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(name)?;
            state.insert(name.to_owned(), text);
        }
    }
    Ok(state)
}

/// The map of such texts, sorted by name: the order of insertion is not kept. `Err` is the name of a text that is not
/// JSON.
pub(super) fn map(state: State) -> Result<Map, String> {
    let mut pairs = Vec::with_capacity(state.len());
    for (name, text) in state {
        match json::parse_value(text.as_bytes()) {
            Ok(value) => pairs.push((Arc::<str>::from(name), value)),
            Err(_) => return Err(name),
        }
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Map(pairs))
}

fn comes_back(value: &Value, depth: usize) -> bool {
    match value {
        Value::Double(number) => number.is_finite(),
        Value::List(items) => depth > 0 && items.iter().all(|item| comes_back(item, depth - 1)),
        Value::Map(map) => depth > 0 && map.iter().all(|(_, item)| comes_back(item, depth - 1)),
        _ => true,
    }
}
