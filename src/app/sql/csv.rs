//! Rows as CSV (RFC 4180), as spreadsheets and `COPY … FROM … CSV HEADER` read it. NULL is an empty field and an empty
//! text is `""`, so that a reader can tell them apart.

use skitai_wire::Value;

/// Writes a line of names, and a line for each row.
pub(crate) fn write<'r>(names: &[&str], rows: impl Iterator<Item = &'r Value>) -> String {
    let mut text = String::new();
    head(&mut text, names);
    rows.for_each(|values| row(&mut text, names.len(), values));
    text
}

/// Writes the line of names.
pub(crate) fn head(text: &mut String, names: &[&str]) {
    line(text, names.iter().map(|name| Some((*name).to_owned())));
}

/// Writes the line of a row by position, because two columns may have the same name.
pub(crate) fn row(text: &mut String, width: usize, row: &Value) {
    line(text, (0..width).map(|place| field(&row[place])));
}

fn line(text: &mut String, fields: impl Iterator<Item = Option<String>>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        let Some(field) = field else { continue };
        if field.is_empty() || field.contains([',', '"', '\r', '\n']) || field.trim() != field {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    text.push_str("\r\n");
}

/// `None` for NULL. Texts as they are, every other type as in JSON, so octets as base64.
fn field(value: &Value) -> Option<String> {
    match value {
        Value::Nil => None,
        Value::String(text) | Value::DateTime(text) => Some(text.clone()),
        Value::Double(number) if !number.is_finite() => Some(number.to_string()),
        Value::Bytes(_) => Some(value.to_string().trim_matches('"').to_owned()),
        value => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use skitai_wire::{Map, Value};

    #[test]
    fn what_has_a_meaning_in_csv_is_quoted() {
        let row = |pairs: [(&str, Value); 3]| {
            Value::Map(Map(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()))
        };
        let rows = [
            row([("a", Value::Nil), ("a", Value::from("")), ("b,c", Value::Int(-1))]),
            row([("a", Value::from("x\"y,\nz")), ("a", Value::from(" x")), ("b,c", Value::List(vec![Value::Int(1)]))]),
            row([("a", Value::Bytes(vec![0, 255])), ("a", Value::Double(f64::NAN)), ("b,c", Value::Bool(true))]),
        ];
        let text = super::write(&["a", "a", "b,c"], rows.iter());
        assert_eq!(text, "a,a,\"b,c\"\r\n,\"\",-1\r\n\"x\"\"y,\nz\",\" x\",[1]\r\nAP8=,NaN,true\r\n");
    }
}
