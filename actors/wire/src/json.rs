//! JSON with limits: all conversion between values and JSON text is done here, and every JSON text that a peer sent
//! comes in by [`text`], whatever it is called and however it is written.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::value::deserialize::Budget;
use crate::{Charset, Error, Limits, Value, charset};

/// Serialises anything as JSON text. Numbers that JSON does not have (NaN, infinities) become `null`.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::new(error.to_string()))
}

/// True for the content type of a JSON text: `application/json`, the older `text/json`, and types made of it
/// (`application/vnd.api+json`; RFC 6839), in any case and with any parameters.
pub fn is_type(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let ends_so =
        kind.len().checked_sub(5).and_then(|at| kind.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case("+json"));
    ends_so || kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("text/json")
}

/// A JSON text that came with this content type, as UTF-8 without a byte order mark. By its specification JSON is
/// nothing else (RFC 8259, 8.1); peers write a mark, or name a charset and mean it.
pub fn text<'i>(input: &'i [u8], content_type: &str) -> Result<Cow<'i, [u8]>, Error> {
    text_in(input, charset::of_type(content_type))
}

/// The same of a text that came with this charset.
pub fn text_in<'i>(input: &'i [u8], label: Option<&str>) -> Result<Cow<'i, [u8]>, Error> {
    let is_plain = label.is_none_or(|label| Charset::named(label) == Some(Charset::UTF8));
    if is_plain && !input.starts_with(b"\xfe\xff") && !input.starts_with(b"\xff\xfe") {
        // Whoever parses it will check that it is UTF-8.
        return Ok(Cow::Borrowed(unmarked(input)));
    }
    Ok(match charset::decode(input, label)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// Without the byte order mark of UTF-8.
pub(crate) fn unmarked(input: &[u8]) -> &[u8] {
    input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input)
}

/// A JSON text that came with this content type, as a value, within the default [`Limits`].
pub fn parse_body(input: &[u8], content_type: &str) -> Result<Value, Error> {
    parse_value(&text(input, content_type)?)
}

/// JSON text as a value, within the default [`Limits`].
pub fn parse_value(input: &[u8]) -> Result<Value, Error> {
    parse_value_within(input, &Limits::default())
}

/// JSON text as a value, within limits. Whole numbers beyond 64 bits become the nearest double, as in most JSON
/// readers.
pub fn parse_value_within(input: &[u8], limits: &Limits) -> Result<Value, Error> {
    limits.check_bytes(input)?;
    let input = unmarked(input);
    let budget = Budget::new(limits);
    let mut reader = serde_json::Deserializer::from_slice(input);
    let value = budget.seed().deserialize(&mut reader).map_err(|error| Error::json(&error, input))?;
    reader.end().map_err(|error| Error::json(&error, input))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_text_is_known_by_its_type() {
        for yes in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/vnd.api+json",
            "application/problem+JSON;a=b",
            " application/json ",
        ] {
            assert!(is_type(yes), "{yes}");
        }
        for no in ["", "json", "application/json-rpc", "application/jsonx", "text/plain", "application/x; a=+json", "ü"]
        {
            assert!(!is_type(no), "{no}");
        }
    }

    #[test]
    fn a_json_text_is_read_however_it_is_written() {
        for (octets, content_type) in [
            (&b"{\"a\":\"\xc3\xbc\"}"[..], "application/json"),
            (b"\xef\xbb\xbf{\"a\":\"\xc3\xbc\"}", "application/json"),
            (b"\xef\xbb\xbf{\"a\":\"\xc3\xbc\"}", "application/json; charset=iso-8859-1"),
            (b"{\"a\":\"\xfc\"}", "application/json; charset=ISO-8859-1"),
            (b"{\"a\":\"\xfc\"}", "text/json; charset=\"windows-1252\""),
            (b"\xff\xfe{\0\"\0a\0\"\0:\0\"\0\xfc\0\"\0}\0", "application/json"),
        ] {
            let value = parse_body(octets, content_type).expect(content_type);
            assert_eq!(value["a"], Value::from("ü"), "{octets:?}");
        }
        let error = |octets: &[u8], content_type: &str| parse_body(octets, content_type).unwrap_err().to_string();
        assert!(error(b"{}", "application/json; charset=utf-7").contains("\"utf-7\" is not read here"));
        assert!(error(b"{\"a\":\"\xfc\"}", "application/json").contains("unicode"));
        // One mark is a mark, a second is text.
        assert!(parse_value(b"\xef\xbb\xbf\xef\xbb\xbf1").is_err());
    }
}
