//! What both targets need: inputs made longer, and the marks of a good error.

use skitai_wire::{Error, Limits, Value};

/// Bytes a repeated input grows to: long enough that quadratic work runs into the fuzzer's time limit for one input.
const LONG: usize = 128 << 10;

/// Limits low enough that the fuzzer finds their edges.
pub fn limits() -> Limits {
    Limits { values: 20_000, ..Limits::default() }
}

/// The document an input stands for. One in three parts, parted by a byte that no UTF-8 has, is its middle part many
/// times over between the other two: that is how the fuzzer looks for inputs whose time grows faster than they do.
pub fn document(input: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = input.split(|&byte| byte == 0xff).collect();
    match parts[..] {
        [head, unit, tail] if !unit.is_empty() => [head, &unit.repeat(LONG / unit.len()), tail].concat(),
        _ => input.to_vec(),
    }
}

/// An error fits on a line or two and points into the document.
pub fn check_error(error: &Error, document: &[u8]) {
    assert!(error.to_string().len() < 700, "{error}");
    assert!(error.offset.is_none_or(|offset| offset <= document.len()), "{error}");
}

/// How deep containers are nested in a value.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}
