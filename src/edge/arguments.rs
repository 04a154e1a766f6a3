//! The arguments of a web request: query, then form, multipart form or JSON body, then path.

use std::borrow::Cow;

use percent_encoding::{CONTROLS, percent_decode_str, percent_encode};
use skitai_wire::{Charset, Value, charset};

use super::large::{Bodies, LARGE};
use super::thread::ServingThread;
use crate::app::{Bind, Error, Given, Request, code, shortened};

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
        each_pair(query, "query", Charset::UTF8, |name, value| bind.add(name, Given::Text(value.into_owned())))?;
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

/// What a body is read as.
enum BodyKind<'r> {
    /// Pairs, in the charset of this label.
    Form(Option<&'r str>),
    /// JSON that came with this content type.
    Json(&'r str),
    /// The handler reads any other body itself: was.request.body().
    Other,
}

impl BodyKind<'_> {
    fn of(request: &Request) -> BodyKind<'_> {
        let whole = request.get_header("content-type").unwrap_or("");
        match request.get_content_type().unwrap_or("") {
            // Clients that send pairs without a content type mean a form.
            "" => BodyKind::Form(None),
            kind if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") => {
                BodyKind::Form(charset::of_type(whole))
            }
            _ if skitai_wire::json::is_type(whole) => BodyKind::Json(whole),
            _ => BodyKind::Other,
        }
    }
}

fn lay_body(bind: &mut Bind, request: &Request) -> Result<(), Error> {
    match BodyKind::of(request) {
        BodyKind::Form(label) => {
            each_field(&request.body, label, |name, value| bind.add(name, Given::Text(value.into_owned())))
        }
        BodyKind::Json(content_type) => json(bind, skitai_wire::json::parse_body(&request.body, content_type)),
        BodyKind::Other => Ok(()),
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
    match BodyKind::of(request) {
        BodyKind::Form(label) => {
            let label = label.map(str::to_owned);
            let read = move || {
                let mut read = Vec::new();
                let pair_of =
                    |name: Cow<'_, str>, value: Cow<'_, str>| read.push((name.into_owned(), value.into_owned()));
                each_field(&body, label.as_deref(), pair_of)?;
                Ok(read)
            };
            bodies.aside(read).await?.map(|read| Some(Apart::Pairs(read)))
        }
        BodyKind::Json(content_type) => {
            let content_type = content_type.to_owned();
            let read = move || skitai_wire::json::parse_body(&body, &content_type);
            bodies.aside(read).await.map(|read| Some(Apart::Json(read)))
        }
        BodyKind::Other => Ok(None),
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
    if let Ok(value) = &read
        && is_call(value)
        && !takes_calls(bind)
    {
        let why = "Invalid Request (-32600): a call of JSON-RPC was sent to a page; send it to /rpc3";
        return Err(Error::new(400, why).with_code(code::INVALID_REQUEST));
    }
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

/// True for a call of JSON-RPC, or a batch of them.
fn is_call(value: &Value) -> bool {
    match value {
        Value::Map(map) => {
            map.get("jsonrpc").is_some() && map.get("method").is_some_and(|name| name.as_str().is_some())
        }
        Value::List(calls) => calls.first().is_some_and(is_call),
        _ => false,
    }
}

/// True for a route that may read calls itself: it has arguments for their members, or is no page, because it takes
/// POST and no GET.
fn takes_calls(bind: &Bind) -> bool {
    bind.has_place_for("jsonrpc") || bind.has_place_for("method") || !bind.was().takes_get()
}

/// The most pairs in one query or form. The largest real forms have hundreds; each pair costs memory and a search for
/// its parameter, so a limit stops requests that only mean to cost.
const PAIRS: usize = 10_000;

/// Reads the body of a form. Old clients say which charset their escapes are in; browsers know UTF-8 alone.
fn each_field(body: &[u8], label: Option<&str>, pair_of: impl FnMut(Cow<'_, str>, Cow<'_, str>)) -> Result<(), Error> {
    let charset = match label {
        None => Charset::UTF8,
        Some(label) => Charset::named(label).ok_or_else(|| {
            Error::new(400, format!("the form's charset {:?} is not read here; send UTF-8", shortened(label)))
        })?,
    };
    if charset == Charset::UTF8 {
        let text = std::str::from_utf8(body).map_err(|_| Error::new(400, "the form is not UTF-8 text"))?;
        return each_pair(text, "form", charset, pair_of);
    }
    // Escapes are undone before the charset is, so what is not escaped is escaped first: then all of it is ASCII.
    let text = percent_encode(body, CONTROLS).to_string();
    each_pair(&text, "form", charset, pair_of)
}

/// Reads `a=1&b=x+y`: pairs in order; a name without `=` has an empty value.
fn each_pair(
    text: &str,
    place: &str,
    charset: Charset,
    mut pair_of: impl FnMut(Cow<'_, str>, Cow<'_, str>),
) -> Result<(), Error> {
    if text.bytes().filter(|&byte| byte == b'&').count() >= PAIRS {
        return Err(Error::new(400, format!("the {place} has more than {PAIRS} arguments")));
    }
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, charset).ok_or_else(|| not_text(place, name))?;
        let value = decode(value, charset).ok_or_else(|| not_text(place, &name))?;
        pair_of(name, value);
    }
    Ok(())
}

fn not_text(place: &str, name: &str) -> Error {
    Error::new(400, format!("argument `{}` of the {place} is not percent-encoded UTF-8", shortened(name)))
}

fn decode(text: &str, charset: Charset) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let blanks = text.replace('+', " ");
    let octets: Cow<'_, [u8]> = percent_decode_str(&blanks).into();
    charset.decode(&octets).ok().map(|text| Cow::Owned(text.into_owned()))
}
