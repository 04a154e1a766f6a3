//! What a client sees. The one place that decides it: the shape of replies, of errors, and how much of an internal
//! fault is shown.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;

use super::stream::StreamBody;
use super::thread::ServingThread;
use super::{error_page, files};
use crate::app::{Answer, Content, Error, ErrorOverride, Failure, Parts, Response, Streaming, Was};
use crate::observe::log::one_line;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The reply of the web to an answer.
pub(crate) async fn web(thread: &ServingThread, was: &Was, answer: Answer) -> HttpResponse {
    match at_once(was, answer) {
        Ok(reply) => finish(was, reply, Overridable::Nothing),
        Err(answer) => Box::pin(later(thread, was, answer)).await,
    }
}

/// The same for a file, which is opened first, and for an error.
async fn later(thread: &ServingThread, was: &Was, answer: Answer) -> HttpResponse {
    match shaped(thread, was, answer).await {
        Ok(reply) => finish(was, reply, Overridable::Nothing),
        Err(failed) => told(thread, was, failed).await,
    }
}

/// The reply to an error, and whatever stands in place of its page.
async fn told(thread: &ServingThread, was: &Was, failed: ErrorOverride) -> HttpResponse {
    let ErrorOverride { error, answer } = failed;
    if !matches!(answer, Answer::Nothing)
        && let Some(reply) = in_place_of(thread, was, answer, error.status()).await
    {
        return finish(was, mark(reply, &error), Overridable::Nothing);
    }
    finish(was, error_page::reply(thread, was, &error).await, Overridable::Both)
}

/// An answer as a reply; an error, and what is to stand in place of its page, comes back.
async fn shaped(thread: &ServingThread, was: &Was, answer: Answer) -> Result<HttpResponse, ErrorOverride> {
    let bare = |error: Error| ErrorOverride { error, answer: Answer::Nothing };
    match at_once(was, answer) {
        Ok(reply) => Ok(reply),
        Err(Answer::Full(Response { headers, content: Content::File(path), .. })) => {
            Ok(headed(files::reply(thread, path, was).await.map_err(bare)?, &headers))
        }
        Err(Answer::Failed(error)) => Err(bare(error)),
        Err(Answer::Instead(instead)) => Err(*instead),
        // The pipeline has waited; an answer that then waits again, or one to an error, has nobody who would.
        Err(_) => Err(bare(Error::internal("this answer cannot wait"))),
    }
}

/// An answer as a reply, where it is one; any other comes back.
fn at_once(was: &Was, answer: Answer) -> Result<HttpResponse, Answer> {
    Ok(match answer {
        Answer::Page(std::borrow::Cow::Borrowed(text)) => {
            with_body(StatusCode::OK, HTML, Bytes::from_static(text.as_bytes()))
        }
        Answer::Page(std::borrow::Cow::Owned(text)) => with_body(StatusCode::OK, HTML, text.into()),
        Answer::Octets(octets) => with_body(StatusCode::OK, OCTETS, octets.into()),
        Answer::Data(data) => with_body(StatusCode::OK, JSON, data),
        Answer::Nothing => HttpResponse::new(StatusCode::NO_CONTENT),
        Answer::Full(Response { status, headers, content: Content::Octets(body) }) => {
            let status = final_status(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            headed(HttpResponse::with_body(status, BoxBody::new(body)), &headers)
        }
        Answer::Streaming(streaming) => stream(was, *streaming),
        other => return Err(other),
    })
}

/// An app's own answer to an error, with the error's status unless it is a reply in full.
pub(crate) async fn in_place_of(
    thread: &ServingThread,
    was: &Was,
    answer: Answer,
    status: u16,
) -> Option<HttpResponse> {
    let is_full = matches!(answer, Answer::Full(_));
    match shaped(thread, was, answer).await {
        Ok(mut reply) => {
            if !is_full {
                *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            }
            Some(reply)
        }
        Err(failed) => {
            let failed = failed.error.to_string();
            tracing::error!(uri = was.request.uri(), "in place of an error: {}", one_line(&failed));
            None
        }
    }
}

/// Octets of a reply's body, for the access log; a stream's are not known.
pub(crate) fn length(reply: &HttpResponse) -> Option<u64> {
    match reply.body().size() {
        BodySize::Sized(octets) => Some(octets),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    }
}

/// What of a reply the handler's wishes cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overridable {
    /// A page: its status and type are the handler's.
    Nothing,
    /// An error never looks like a success, a document of RPC is always 200; both are of the type they are.
    Both,
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> HttpResponse {
    let mut reply = HttpResponse::with_body(status, BoxBody::new(body));
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    reply
}

/// The reply with the headers that its handler gave it. It has one content type, the last one said.
fn headed(mut reply: HttpResponse, headers: &[(String, String)]) -> HttpResponse {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") {
            reply.headers_mut().remove(header::CONTENT_TYPE);
        }
        append(&mut reply, name, value);
    }
    reply
}

/// A reply that is made while it is sent; to HEAD its head alone, for which nothing is made.
fn stream(was: &Was, mut streaming: Streaming) -> HttpResponse {
    let content_type = HeaderValue::try_from(&*streaming.content_type).unwrap_or(OCTETS);
    let headers = std::mem::take(&mut streaming.headers);
    let mut reply = HttpResponse::new(StatusCode::OK);
    let body = match was.request.method {
        // As long as that of a GET: nobody knows.
        Method::HEAD => BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Infallible>>())),
        _ => BoxBody::new(StreamBody::new(streaming.into_chunks(&was.services().blocking), was.request.uri())),
    };
    reply = reply.set_body(body);
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    headed(reply, &headers)
}

/// A document of RPC: always 200, whatever it says.
pub(crate) fn rpc(content_type: HeaderValue, document: impl Into<Bytes>) -> HttpResponse {
    with_body(StatusCode::OK, content_type, document.into())
}

/// Adds what the handler set: status, headers, cookies.
pub(crate) fn finish(was: &Was, mut reply: HttpResponse, holds: Overridable) -> HttpResponse {
    if let Some(parts) = was.response.take() {
        let Parts { status, headers, closes } = *parts;
        if closes {
            reply.head_mut().set_connection_type(ConnectionType::Close);
        }
        if let Some(status) = status.filter(|_| holds == Overridable::Nothing).and_then(final_status) {
            *reply.status_mut() = status;
        }
        for (name, value) in &headers {
            if name.eq_ignore_ascii_case("content-type") {
                if holds == Overridable::Both {
                    continue;
                }
                reply.headers_mut().remove(header::CONTENT_TYPE);
            }
            append(&mut reply, name, value);
        }
    }
    for cookie in was.cookie.take() {
        append(&mut reply, "set-cookie", &cookie);
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

fn append(reply: &mut HttpResponse, name: &str, value: &str) {
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
pub(crate) fn error(error: &Error, html: bool, devel: bool) -> HttpResponse {
    let failure = Failure::of(error, devel);
    if html {
        return page(error, error_page::plain(&failure));
    }
    let mut told = serde_json::json!({ "code": failure.status, "message": failure.message });
    if let Some(id) = &failure.id {
        told["id"] = id.as_str().into();
        if devel {
            told["at"] = error.place().to_string().into();
        }
    }
    with_body(status_of(error), JSON, serde_json::json!({ "error": told }).to_string().into())
}

/// A page with an error's status.
pub(crate) fn page(error: &Error, text: String) -> HttpResponse {
    with_body(status_of(error), HTML, text.into())
}

/// A page with this status.
pub(crate) fn html(status: u16, text: String) -> HttpResponse {
    with_body(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), HTML, text.into())
}

fn status_of(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The id of an error's line in the log.
pub(crate) const ERROR_ID: HeaderName = HeaderName::from_static("x-error-id");

/// What every reply to an error has in its head, whoever made its body.
pub(crate) fn mark(mut reply: HttpResponse, error: &Error) -> HttpResponse {
    if let Some(id) = error.id().and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        reply.headers_mut().insert(ERROR_ID, id);
    }
    if let Some(seconds) = error.retries_after() {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// 405: the path has other methods.
pub(crate) fn wrong_method(method: &str, allowed: &[&str]) -> Error {
    Error::new(405, format!("{method} is not allowed here; allowed: {}", allowed.join(", ")))
}

/// The same reply, saying which methods there are.
pub(crate) fn allowing(mut reply: HttpResponse, allowed: &[&str]) -> HttpResponse {
    append(&mut reply, "allow", &allowed.join(", "));
    reply
}

/// The configuration has changed to one that cannot be served; only in devel mode is it looked at.
pub(crate) fn unfit(why: &str, html: bool) -> HttpResponse {
    let error = Error::new(500, format!("the configuration has changed and cannot be served:\n{why}"));
    self::error(&error, html, true)
}

/// Says which keys of the configuration have changed and wait for a restart.
pub(crate) fn restart_needed(reply: &mut HttpResponse, keys: &[String]) {
    if !keys.is_empty() {
        append(reply, "x-restart-needed", &keys.join(", "));
    }
}

/// OPTIONS: the methods, and nothing else.
pub(crate) fn options(allowed: &[&str]) -> HttpResponse {
    let mut reply = HttpResponse::new(StatusCode::NO_CONTENT);
    append(&mut reply, "allow", &allowed.join(", "));
    reply
}

/// 301 to the same place with a slash, the query kept.
pub(crate) fn add_slash(path: &str, query: Option<&str>) -> HttpResponse {
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
