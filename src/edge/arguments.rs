//! What the web sends as arguments: query, then form, multipart form or JSON body, then path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use skitai_wire::Value;

use crate::app::{Bind, Error, Given, Request, shortened};

/// Lays everything the request carries before the binder. Broken encodings are errors, not guesses.
/// `parts` is what was received of a multipart form.
pub(crate) fn lay(
    bind: &mut Bind,
    request: &Request,
    parts: Vec<(String, Given)>,
    path: Vec<(String, Value)>,
) -> Result<(), Error> {
    if let Some(query) = request.uri.query() {
        pairs(bind, query, "query")?;
    }
    if !request.body.is_empty() {
        lay_body(bind, request)?;
    }
    for (name, value) in parts {
        bind.add(Cow::Owned(name), value);
    }
    for (name, value) in path {
        let given = match value {
            // A text placeholder carries no type: `<cid>` may be taken as a number.
            Value::String(text) => Given::Text(text),
            number => Given::Typed(number),
        };
        bind.add(Cow::Owned(name), given);
    }
    Ok(())
}

fn lay_body(bind: &mut Bind, request: &Request) -> Result<(), Error> {
    let content_type = request.get_content_type().unwrap_or("").to_ascii_lowercase();
    match content_type.as_str() {
        // A form is what clients mean when they say nothing but send pairs.
        "application/x-www-form-urlencoded" | "" => {
            let text = std::str::from_utf8(&request.body).map_err(|_| Error::new(400, "the form is not UTF-8 text"))?;
            pairs(bind, text, "form")
        }
        "application/json" => json(bind, &request.body),
        // Any other body is the handler's own to read: was.request.body().
        _ => Ok(()),
    }
}

fn json(bind: &mut Bind, body: &[u8]) -> Result<(), Error> {
    match skitai_wire::json::parse_value(body) {
        Ok(Value::Map(map)) => {
            for (name, value) in map.0 {
                bind.add(Cow::Borrowed(&name), Given::Typed(value));
            }
            Ok(())
        }
        Ok(other) => {
            Err(Error::new(400, format!("the JSON body must be an object of named arguments, not {}", other.kind())))
        }
        Err(error) => Err(Error::new(400, format!("the JSON body is malformed: {error}"))),
    }
}

/// Pairs of one query or one form. The largest of forms have hundreds; each pair costs memory and a search for its
/// parameter, so what only means to cost is refused.
const PAIRS: usize = 10_000;

/// `a=1&b=x+y`: pairs in order; a name without `=` has the empty text.
fn pairs(bind: &mut Bind, text: &str, place: &str) -> Result<(), Error> {
    if text.bytes().filter(|&byte| byte == b'&').count() >= PAIRS {
        return Err(Error::new(400, format!("the {place} has more than {PAIRS} arguments")));
    }
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| not_utf8(place, name))?;
        let value = decode(value).ok_or_else(|| not_utf8(place, &name))?;
        bind.add(name, Given::Text(value.into_owned()));
    }
    Ok(())
}

fn not_utf8(place: &str, name: &str) -> Error {
    Error::new(400, format!("argument `{}` of the {place} is not percent-encoded UTF-8", shortened(name)))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let blanks = text.replace('+', " ");
    Some(Cow::Owned(percent_decode_str(&blanks).decode_utf8().ok()?.into_owned()))
}
