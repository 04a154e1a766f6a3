//! An answer without what XML-RPC cannot carry, for sites that would rather send it so than not at all.

use serde::Serialize;

use super::{escape, write_response};
use crate::{Error, Value, to_value};

/// The answer of a method, with U+FFFD for each character that XML cannot carry, in texts and in names, and nil for NaN
/// and infinities, which are `null` in JSON. Any other value without a form is an error.
pub fn write_response_replacing<T: Serialize + ?Sized>(answer: &T) -> Result<Vec<u8>, Error> {
    let mut value = to_value(answer)?;
    replace(&mut value);
    write_response(&value)
}

/// Recursive: `to_value` has bounded the depth.
fn replace(value: &mut Value) {
    match value {
        Value::String(text) | Value::DateTime(text) => *text = escape::carriable(text),
        Value::Double(number) if !number.is_finite() => *value = Value::Nil,
        Value::List(items) => items.iter_mut().for_each(replace),
        Value::Map(map) => {
            for (name, value) in &mut map.0 {
                let carriable = escape::carriable(name);
                if carriable != **name {
                    *name = carriable.into();
                }
                replace(value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xmlrpc::parse_response;

    #[test]
    fn what_xml_cannot_carry_is_replaced_and_the_rest_is_as_it_was() {
        let sent = Value::from_pairs([
            ("a\u{1}b", Value::from("x\u{0}\u{ffff}y")),
            ("list", Value::List(vec![Value::Double(f64::NAN), Value::Double(f64::INFINITY), Value::Double(0.5)])),
            ("octets", Value::Bytes(vec![0, 1])),
            ("text", Value::from("a < b\t\r\n")),
        ]);
        let expected = Value::from_pairs([
            ("a\u{fffd}b", Value::from("x\u{fffd}\u{fffd}y")),
            ("list", Value::List(vec![Value::Nil, Value::Nil, Value::Double(0.5)])),
            ("octets", Value::Bytes(vec![0, 1])),
            ("text", Value::from("a < b\t\r\n")),
        ]);
        let xml = write_response_replacing(&sent).expect("everything has a form");
        assert_eq!(parse_response(&xml, &Limits::default()).expect("XML"), Ok(expected));
        // The place and the code point of the first are told where nothing is replaced.
        let error = write_response(&Value::List(vec![Value::Nil, sent])).expect_err("it has no form").to_string();
        assert!(error.contains("[1]") && error.contains("U+0001"), "{error}");
        assert!(write_response_replacing(&u64::MAX).is_err(), "a number is never replaced by another");
    }
}
