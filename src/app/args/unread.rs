//! The sentence of a 400 about a body in which the missing arguments may be: JSON sent as a form, or in a type that no
//! argument is read from.

use super::bind::shortened;
use crate::app::request::Request;

/// The sentence, if this request has such a body.
pub(super) fn note(request: &Request) -> Option<String> {
    let body = request.body().trim_ascii_start();
    let first = body.first()?;
    let kind = request.get_content_type().unwrap_or_default();
    let is_form = kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // As `curl -d` sends it.
    if is_form && matches!(first, b'{' | b'[') {
        let begin = char::from(*first);
        return Some(format!(
            "the body was read as a form and begins with `{begin}`; JSON is sent as application/json"
        ));
    }
    if is_form || skitai_wire::json::is_type(kind) {
        return None;
    }
    let (kind, begin) = (shortened(kind), beginning(body));
    Some(format!("a body of type {kind} came, which no argument is read from; it begins with {begin}"))
}

/// The first character of a body, as one may print it.
fn beginning(body: &[u8]) -> String {
    match String::from_utf8_lossy(&body[..body.len().min(4)]).chars().next() {
        Some(character) if !character.is_control() && character != char::REPLACEMENT_CHARACTER => {
            format!("`{character}`")
        }
        _ => format!("the octet 0x{:02x}", body.first().copied().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use actix_web::http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    #[test]
    fn a_body_that_no_argument_is_read_from_is_named() {
        for (kind, body, expected) in [
            (
                "text/plain",
                "{\"a\":1}",
                "a body of type text/plain came, which no argument is read from; it begins with `{`",
            ),
            (
                "application/yaml",
                "  모",
                "a body of type application/yaml came, which no argument is read from; it begins with `모`",
            ),
            (
                "image/png",
                "\u{1}",
                "a body of type image/png came, which no argument is read from; it begins with the octet 0x01",
            ),
            ("", "{\"a\":1}", "the body was read as a form and begins with `{`; JSON is sent as application/json"),
            (
                "application/x-www-form-urlencoded",
                "\n[1]",
                "the body was read as a form and begins with `[`; JSON is sent as application/json",
            ),
            ("application/x-www-form-urlencoded", "a=1", ""),
            ("application/json", "{}", ""),
            ("text/json", "{}", ""),
            ("text/plain", "", ""),
            ("text/plain", " \r\n", ""),
        ] {
            let mut request = Request::empty(Instant::now());
            if !kind.is_empty() {
                request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            request.body = body.into();
            assert_eq!(note(&request).unwrap_or_default(), expected, "{kind} {body}");
        }
    }
}
