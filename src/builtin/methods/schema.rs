//! Parameters and answers as JSON Schema (draft 7, as OpenRPC demands).

use serde_json::{Value, json};

use crate::app::{Kind, Param};

/// The schema of a kind of value as JSON carries it.
pub(crate) fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Int => json!({ "type": "integer" }),
        Kind::Double => json!({ "type": "number" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::List(item) => json!({ "type": "array", "items": of_kind(*item) }),
        Kind::Struct | Kind::Rest => json!({ "type": "object" }),
        Kind::Nothing => json!({ "type": "null" }),
        // No constraint: any value is accepted, or JSON cannot carry it.
        Kind::Any | Kind::Context | Kind::WebOnly | Kind::File => json!({}),
    }
}

/// The schema of a parameter, with its default if the source has one that JSON can express.
pub(crate) fn of_param(param: &Param) -> Value {
    let mut schema = of_kind(param.kind);
    if let (Some(default), Value::Object(map)) = (param.default.and_then(literal), &mut schema) {
        map.insert("default".to_owned(), default);
    }
    schema
}

/// Converts a Rust literal to JSON: numbers, truth values and plain texts are written alike.
fn literal(source: &str) -> Option<Value> {
    // The macro separates the tokens of a number by spaces, and its digits may have underscores.
    let number = || source.replace([' ', '_'], "");
    serde_json::from_str(source).or_else(|_| serde_json::from_str(&number())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_told_where_json_has_a_word_for_it() {
        for (source, value) in [("\"Mozart\"", json!("Mozart")), ("- 1_000", json!(-1000)), ("2.5", json!(2.5))] {
            assert_eq!(literal(source), Some(value));
        }
        assert_eq!(literal("true"), Some(json!(true)));
        assert_eq!(literal("\"a b_c\""), Some(json!("a b_c")));
        assert_eq!(literal("usual ()"), None);
    }

    #[test]
    fn a_list_says_of_what() {
        assert_eq!(of_kind(Kind::List(&Kind::Int)), json!({ "type": "array", "items": { "type": "integer" } }));
    }
}
