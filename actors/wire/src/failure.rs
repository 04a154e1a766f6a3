//! The code and the words of a failure, of a peer's fault or error object.
//!
//! Both protocols specify a whole number and a text. Servers send texts as codes (`warning -- Oops`), leave one of the
//! two out, or send something else altogether. A failure must reach the caller all the same: what is no number is
//! words.

use crate::Value;

/// Reads both out of a peer's object, by the names that the protocol has for them, in any case and with spaces around.
/// Code 0 stands for none that is a number.
pub(crate) fn code_and_words(object: &Value, code: &str, words: &str) -> (i64, String) {
    let (code, no_code) = number(member(object, code));
    let words = member(object, words).map(shown);
    let words = match (no_code, words) {
        (None, Some(words)) => words,
        (Some(code), None) => code,
        (Some(code), Some(words)) if words.trim().is_empty() || words == code => code,
        (Some(code), Some(words)) => format!("{code}: {words}"),
        // Neither member: whatever it is, the caller should see it.
        (None, None) if object.is_nil() => "a failure without a word".to_owned(),
        (None, None) => shown(object),
    };
    (code, words)
}

/// The code as a number, or 0 and the code's words.
fn number(code: Option<&Value>) -> (i64, Option<String>) {
    match code {
        None => (0, None),
        Some(Value::String(text)) => match text.trim().parse() {
            Ok(number) => (number, None),
            Err(_) => (0, Some(text.clone()).filter(|text| !text.trim().is_empty())),
        },
        Some(other) => other.as_i64().map_or_else(|| (0, Some(other.to_string())), |number| (number, None)),
    }
}

fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let Value::Map(map) = object else { return None };
    let mut members = map.0.iter().filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
    members.next().map(|(_, value)| value).filter(|value| !value.is_nil())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_peer_sends_has_a_code_and_words() {
        let object = |code: Value, words: Value| Value::from_pairs([("code", code), ("message", words)]);
        let text = |text: &str| Value::from(text);
        let table = [
            (object(4.into(), text("no")), 4, "no"),
            (object(text(" -32000 "), text("no")), -32000, "no"),
            (object(Value::Double(7.0), text("no")), 7, "no"),
            (object(text("warning -- Oops"), text("no")), 0, "warning -- Oops: no"),
            (object(text("warning -- Oops"), text("")), 0, "warning -- Oops"),
            (object(text("E1"), text("E1")), 0, "E1"),
            (object(Value::Double(7.5), text("no")), 0, "7.5: no"),
            (object(Value::UInt(u64::MAX), text("no")), 0, "18446744073709551615: no"),
            (object(Value::Bool(true), Value::Nil), 0, "true"),
            (object(text(""), text("no")), 0, "no"),
            (object(Value::Nil, text("no")), 0, "no"),
            (object(4.into(), Value::Nil), 4, r#"{"code":4,"message":null}"#),
            (object(4.into(), Value::from([1])), 4, "[1]"),
            (Value::from_pairs([("Code", Value::from(4)), (" Message ", text("no"))]), 4, "no"),
            (Value::from_pairs([("reason", text("x"))]), 0, r#"{"reason":"x"}"#),
            (text("broken"), 0, "broken"),
            (Value::Int(3), 0, "3"),
            (Value::Nil, 0, "a failure without a word"),
        ];
        for (value, code, words) in table {
            assert_eq!(code_and_words(&value, "code", "message"), (code, words.to_owned()), "{value:?}");
        }
    }
}
