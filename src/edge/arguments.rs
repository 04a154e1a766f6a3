//! The arguments of a web request: query, then form, multipart form or JSON body, then path.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use skitai_wire::Value;

use super::large::{Bodies, LARGE};
use super::thread::ServingThread;
use crate::app::{Bind, Error, Given, Request, shortened};

/// Passes all arguments of the request to the binder. Broken encodings are errors, not guesses. `parts` are the parts
/// of a multipart form, `path` the values of the placeholders.
pub(super) async fn bind(
    thread: &ServingThread,
    bind: &mut Bind,
    request: &Request,
    parts: Vec<(String, Given)>,
    path: Vec<(String, Value)>,
) -> Result<(), Error> {
    let apart = match request.body.len() > LARGE {
        true => Box::pin(read_apart(&thread.bodies, request)).await?,
        false => None,
    };
    collect(bind, request, apart, parts, path)
}

/// The same, after a large body was parsed [apart](read_apart).
pub(crate) fn collect(
    bind: &mut Bind,
    request: &Request,
    apart: Option<Apart>,
    parts: Vec<(String, Given)>,
    path: Vec<(String, Value)>,
) -> Result<(), Error> {
    if let Some(query) = request.uri.query() {
        each_pair(query, "query", |name, value| bind.add(name, Given::Text(value.into_owned())))?;
    }
    match apart {
        Some(apart) => lay_apart(bind, apart)?,
        None if !request.body.is_empty() => lay_body(bind, request)?,
        None => {}
    }
    for (name, value) in parts {
        bind.add(Cow::Owned(name), value);
    }
    for (name, value) in path {
        let given = match value {
            // A text placeholder has no type: the handler may take `<cid>` as a number.
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
        // Clients that send pairs without a content type mean a form.
        "application/x-www-form-urlencoded" | "" => {
            each_pair(form(&request.body)?, "form", |name, value| bind.add(name, Given::Text(value.into_owned())))
        }
        "application/json" => json(bind, skitai_wire::json::parse_value(&request.body)),
        // The handler reads any other body itself: was.request.body().
        _ => Ok(()),
    }
}

/// A large body, parsed on the blocking pool.
pub(crate) enum Apart {
    Json(Result<Value, skitai_wire::Error>),
    Pairs(Vec<(String, String)>),
}

/// Parses a large body away from the event loop; `None` if the body is small or has no arguments. Its errors are the
/// same as for a small body.
pub(crate) async fn read_apart(bodies: &Bodies, request: &Request) -> Result<Option<Apart>, Error> {
    if request.body.len() <= LARGE {
        return Ok(None);
    }
    let body = request.body.clone();
    match request.get_content_type().unwrap_or("").to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" | "" => {
            let read = move || {
                let mut read = Vec::new();
                each_pair(form(&body)?, "form", |name, value| read.push((name.into_owned(), value.into_owned())))?;
                Ok(read)
            };
            bodies.aside(read).await?.map(|read| Some(Apart::Pairs(read)))
        }
        "application/json" => {
            bodies.aside(move || skitai_wire::json::parse_value(&body)).await.map(|read| Some(Apart::Json(read)))
        }
        _ => Ok(None),
    }
}

fn lay_apart(bind: &mut Bind, apart: Apart) -> Result<(), Error> {
    match apart {
        Apart::Json(read) => json(bind, read),
        Apart::Pairs(read) => {
            read.into_iter().for_each(|(name, value)| bind.add(Cow::Owned(name), Given::Text(value)));
            Ok(())
        }
    }
}

fn json(bind: &mut Bind, read: Result<Value, skitai_wire::Error>) -> Result<(), Error> {
    match read {
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

/// The most pairs in one query or form. The largest real forms have hundreds; each pair costs memory and a search for
/// its parameter, so a limit stops requests that only mean to cost.
const PAIRS: usize = 10_000;

/// Reads `a=1&b=x+y`: pairs in order; a name without `=` has an empty value.
fn each_pair<'t>(text: &'t str, place: &str, mut pair_of: impl FnMut(Cow<'t, str>, Cow<'t, str>)) -> Result<(), Error> {
    if text.bytes().filter(|&byte| byte == b'&').count() >= PAIRS {
        return Err(Error::new(400, format!("the {place} has more than {PAIRS} arguments")));
    }
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or_else(|| not_utf8(place, name))?;
        let value = decode(value).ok_or_else(|| not_utf8(place, &name))?;
        pair_of(name, value);
    }
    Ok(())
}

fn form(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::new(400, "the form is not UTF-8 text"))
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
