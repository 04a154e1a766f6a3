//! Values as text whose type the database finds out itself.
//!
//! Parameters travel as text. The server knows the type of each parameter and reads the text as that type, so one kind
//! of parameter fits an integer, a numeric, a timestamp, a uuid or an enum. Text that does not fit is the server's
//! error 22P02.

use std::fmt::Write as _;

use crate::wire::{Map, Value};

/// The text of a parameter; `None` is NULL.
pub(super) fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Nil => return None,
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Double(number) => double(*number),
        Value::String(text) | Value::DateTime(text) => text.clone(),
        Value::Bytes(octets) => bytea(octets),
        Value::List(items) => array(items),
        Value::Map(_) => json(value),
    })
}

/// The shortest text that reads back as the same number. Whole numbers have no point, so they fit an integer column
/// too.
pub(super) fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if number != 0.0 && !(1e-7..1e17).contains(&number.abs()) {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}

fn bytea(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 + octets.len() * 2);
    text.push_str("\\x");
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// An array literal. Every element is quoted, so that none reads as NULL, a brace or a comma.
fn array(items: &[Value]) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match item {
            Value::Nil => literal.push_str("NULL"),
            Value::List(inner) => literal.push_str(&array(inner)),
            item => {
                literal.push('"');
                for c in text(item).unwrap_or_default().chars() {
                    if matches!(c, '"' | '\\') {
                        literal.push('\\');
                    }
                    literal.push(c);
                }
                literal.push('"');
            }
        }
    }
    literal.push('}');
    literal
}

/// JSON text of any value: octets become base64, numbers that JSON cannot write (NaN) become null.
pub(super) fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, &mut text);
    text
}

fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::UInt(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Double(number) if !number.is_finite() => out.push_str("null"),
        Value::Double(number) => {
            let _ = write!(out, "{number:?}");
        }
        Value::String(text) | Value::DateTime(text) => quoted(text, out),
        Value::Bytes(octets) => {
            use base64::Engine as _;
            quoted(&base64::engine::general_purpose::STANDARD.encode(octets), out);
        }
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Map(Map(pairs)) => {
            out.push('{');
            for (index, (name, item)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quoted(name, out);
                out.push(':');
                write_json(item, out);
            }
            out.push('}');
        }
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
