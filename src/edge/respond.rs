//! What a client sees. The one place that decides it: the shape of replies, of errors, and how much of an internal
//! fault is shown.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;

use super::stream::Body;
use crate::app::{Answer, Error, Parts, Response, Streaming, Was};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A reply and what the log needs to know of it.
pub(crate) type Made = HttpResponse<BoxBody>;

/// The reply of the web to an answer.
pub(crate) fn web(was: &Was, answer: Answer, devel: bool) -> Made {
    let failed = matches!(answer, Answer::Failed(_));
    let reply = match answer {
        Answer::Page(std::borrow::Cow::Borrowed(text)) => {
            with_body(StatusCode::OK, HTML, Bytes::from_static(text.as_bytes()))
        }
        Answer::Page(std::borrow::Cow::Owned(text)) => with_body(StatusCode::OK, HTML, text.into()),
        Answer::Octets(octets) => with_body(StatusCode::OK, OCTETS, octets.into()),
        Answer::Data(data) => with_body(StatusCode::OK, JSON, data.into()),
        Answer::Nothing => HttpResponse::new(StatusCode::NO_CONTENT),
        Answer::Full(response) => full(response),
        Answer::Streaming(streaming) => stream(was, *streaming),
        Answer::Failed(failed) => error(&failed, wants_html(was.request.get_header("accept")), devel),
        // A page that waits for a page: none of ours does.
        Answer::Later(_) => error(&Error::internal("this answer waits for another that waits"), false, devel),
    };
    finish(was, reply, if failed { Holds::Both } else { Holds::Nothing })
}

/// What of a reply the handler's wishes cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A page: its status and type are the handler's.
    Nothing,
    /// An error never looks like a success, a document of RPC is always 200; both are of the type they are.
    Both,
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Made {
    let mut reply = HttpResponse::with_body(status, body).map_into_boxed_body();
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    reply
}

fn full(response: Response) -> Made {
    let status = final_status(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = HttpResponse::with_body(status, response.body).map_into_boxed_body();
    for (name, value) in &response.headers {
        append(&mut reply, name, value);
    }
    reply
}

/// A reply that is made while it is sent; to HEAD its head alone, for which nothing is made.
fn stream(was: &Was, mut streaming: Streaming) -> Made {
    let content_type = HeaderValue::try_from(&*streaming.content_type).unwrap_or(OCTETS);
    let headers = std::mem::take(&mut streaming.headers);
    let mut reply = HttpResponse::new(StatusCode::OK);
    if was.request.method != Method::HEAD {
        reply = reply.set_body(BoxBody::new(Body::new(streaming, was.request.uri())));
    }
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    for (name, value) in &headers {
        append(&mut reply, name, value);
    }
    reply
}

/// A document of RPC: always 200, whatever it says.
pub(crate) fn rpc(content_type: &'static str, document: Vec<u8>) -> Made {
    with_body(StatusCode::OK, HeaderValue::from_static(content_type), document.into())
}

/// Adds what the handler set: status, headers, cookies.
pub(crate) fn finish(was: &Was, mut reply: Made, holds: Holds) -> Made {
    if let Some(parts) = was.response.take() {
        let Parts { status, headers } = *parts;
        if let Some(status) = status.filter(|_| holds == Holds::Nothing).and_then(final_status) {
            *reply.status_mut() = status;
        }
        for (name, value) in &headers {
            if name.eq_ignore_ascii_case("content-type") {
                if holds == Holds::Both {
                    continue;
                }
                reply.headers_mut().remove(header::CONTENT_TYPE);
            }
            append(&mut reply, name, value);
        }
    }
    for cookie in was.cookie.take() {
        append(&mut reply, "set-cookie", &cookie.to_string());
    }
    if matches!(reply.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // A body after such a head would be read as the beginning of the next reply.
        reply = reply.set_body(()).map_into_boxed_body();
    }
    reply
}

/// A status that ends an exchange. One below 200 announces another reply, which would never come.
fn final_status(status: u16) -> Option<StatusCode> {
    let known = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    if known.is_none() {
        tracing::error!("{status} is not the status of a reply; it was not sent");
    }
    known
}

/// How long a reply is and where it ends is the server's to say; a second word on it would be another reply for some.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

fn append(reply: &mut Made, name: &str, value: &str) {
    match (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        (Ok(name), _) if FRAMING.contains(&name) => {
            tracing::error!("the reply's header {name} is the server's own and was not sent as the handler set it");
        }
        (Ok(name), Ok(value)) => reply.headers_mut().append(name, value),
        // A header that cannot be sent (a line break in it) would be a hole; it is left out and told.
        _ => tracing::error!("the reply's header {name:?} is not valid HTTP and was not sent"),
    }
}

/// True for a browser: it lists `text/html` itself, not only by a wildcard.
pub(crate) fn wants_html(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// An error: a small page for a browser, JSON for everybody else.
pub(crate) fn error(error: &Error, html: bool, devel: bool) -> Made {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let shown = error.shown(devel);
    let mut reply = if html {
        let reason = status.canonical_reason().unwrap_or("Error");
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {reason}</title>\
             <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}}h1{{font-size:1.4em}}</style>\
             <h1>{status} {reason}</h1><p>{}</p></html>\n",
            escape(&shown),
            status = status.as_u16()
        );
        with_body(status, HTML, page.into())
    } else {
        let body = serde_json::json!({ "error": { "code": status.as_u16(), "message": shown } });
        with_body(status, JSON, body.to_string().into())
    };
    if let Some(seconds) = error.retries_after() {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Text for HTML: `&`, `<`, `>` and quotes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// 405 with the methods that are allowed.
pub(crate) fn wrong_method(method: &str, allowed: &[&str], html: bool) -> Made {
    let list = allowed.join(", ");
    let mut reply = error(&Error::new(405, format!("{method} is not allowed here; allowed: {list}")), html, false);
    append(&mut reply, "allow", &list);
    reply
}

/// OPTIONS: the methods, and nothing else.
pub(crate) fn options(allowed: &[&str]) -> Made {
    let mut reply = HttpResponse::new(StatusCode::NO_CONTENT);
    append(&mut reply, "allow", &allowed.join(", "));
    reply
}

/// 301 to the same place with a slash, the query kept.
pub(crate) fn add_slash(path: &str, query: Option<&str>) -> Made {
    // One slash at the start: `//host` would be another site.
    let path = path.trim_start_matches('/');
    let location = match query {
        Some(query) => format!("/{path}/?{query}"),
        None => format!("/{path}/"),
    };
    let mut reply = HttpResponse::new(StatusCode::MOVED_PERMANENTLY);
    append(&mut reply, "location", &location);
    reply
}
