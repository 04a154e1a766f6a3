//! The only place that decides what a client sees: the form of replies and errors, and how much of an internal fault is
//! shown.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use skitai_wire::Value;

use super::stream::StreamBody;
use super::thread::ServingThread;
use super::{error_page, files, kept, partial, problem};
use crate::app::coverage::Audience;
use crate::app::request::id::X_REQUEST_ID;
use crate::app::trail::server_timing;
use crate::app::{Answer, Content, Error, ErrorOverride, Face, Failure, Parts, Request, Response, Streaming, Was};
use crate::observe::log::one_line;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Makes the web's reply from an answer.
pub(crate) async fn web(thread: &ServingThread, was: &Was, answer: Answer) -> HttpResponse {
    let reply = reply(thread, was, answer).await;
    noted(was, partial::with_headers(was, reply))
}

/// Notes the answer for the record of its request. Who gets an answer that will be kept, or whose trace is exported,
/// learns the id to find it by.
fn noted(was: &Was, mut reply: HttpResponse) -> HttpResponse {
    if !was.trail.is_wanted() {
        return reply;
    }
    was.answered(reply.status().as_u16());
    if was.request.known_id().is_none() && (was.is_to_be_kept() || was.is_sampled()) {
        was.request.request_id();
        with_id(&was.request, &mut reply);
    }
    if let Some(value) = server_timing::value(was) {
        append(&mut reply, server_timing::NAME, &value);
    }
    reply
}

async fn reply(thread: &ServingThread, was: &Was, answer: Answer) -> HttpResponse {
    match at_once(was, answer) {
        Ok(reply) => finish(was, reply, Fixed::Nothing),
        Err(answer) => Box::pin(later(thread, was, answer)).await,
    }
}

/// The same for a file, which must be opened, and for an error.
async fn later(thread: &ServingThread, was: &Was, answer: Answer) -> HttpResponse {
    let has_failed = matches!(answer, Answer::Failed(_) | Answer::Instead(_));
    match shaped(thread, was, answer).await {
        Ok(reply) => finish(was, reply, Fixed::Nothing),
        Err(failed) => {
            if !has_failed {
                // The handler was content, but its file cannot be sent.
                was.response.fail();
            }
            error_reply(thread, was, failed).await
        }
    }
}

/// The reply to an error, or the reply that replaces its page.
async fn error_reply(thread: &ServingThread, was: &Was, failed: ErrorOverride) -> HttpResponse {
    let ErrorOverride { error, answer } = failed;
    if !matches!(answer, Answer::Nothing)
        && let Some(reply) = in_place_of(thread, was, answer, error.status()).await
    {
        return finish(was, mark(reply, &error), Fixed::Nothing);
    }
    finish(was, error_page::reply(thread, was, &error).await, Fixed::StatusAndType)
}

/// Makes a reply from an answer. An error, with the answer that replaces its page, is returned as the error.
async fn shaped(thread: &ServingThread, was: &Was, answer: Answer) -> Result<HttpResponse, ErrorOverride> {
    let bare = |error: Error| ErrorOverride { error, answer: Answer::Nothing };
    match at_once(was, answer) {
        Ok(reply) => Ok(reply),
        Err(Answer::Full(Response { headers, content: Content::File(path), cached, .. })) => {
            if let Some(max_age) = cached {
                was.response.cached(max_age);
            }
            Ok(headed(files::reply(thread, path, was).await.map_err(bare)?, &headers))
        }
        Err(Answer::Failed(error)) => Err(bare(error)),
        Err(Answer::Instead(instead)) => Err(*instead),
        // The pipeline waits once; an answer that waits again, or one that replaces an error and waits, is not
        // supported.
        Err(_) => Err(bare(Error::internal("this answer cannot wait"))),
    }
}

/// Makes a reply from an answer that needs no further step; gives any other back.
fn at_once(was: &Was, answer: Answer) -> Result<HttpResponse, Answer> {
    Ok(match answer {
        Answer::Page(std::borrow::Cow::Borrowed(text)) => {
            with_body(StatusCode::OK, HTML, Bytes::from_static(text.as_bytes()))
        }
        Answer::Page(std::borrow::Cow::Owned(text)) => with_body(StatusCode::OK, HTML, text.into()),
        Answer::Octets(octets) => with_body(StatusCode::OK, OCTETS, octets.into()),
        Answer::Data(data) => with_body(StatusCode::OK, JSON, partial::enveloped(was, data)),
        Answer::Nothing => HttpResponse::new(StatusCode::NO_CONTENT),
        Answer::Full(Response { status, headers, content: Content::Octets(body), cached }) => {
            if let Some(max_age) = cached {
                was.response.cached(max_age);
            }
            let status = final_status(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            headed(HttpResponse::with_body(status, BoxBody::new(body)), &headers)
        }
        Answer::Streaming(streaming) => stream(was, *streaming),
        other => return Err(other),
    })
}

/// An app's own answer to an error, with the error's status unless it is a complete reply.
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

/// The length of a reply's body in octets, for the access log; `None` for a stream.
pub(crate) fn length(reply: &HttpResponse) -> Option<u64> {
    match reply.body().size() {
        BodySize::Sized(octets) => Some(octets),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    }
}

/// Which parts of a reply the handler may not override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// None, for a page: the handler may set status and content type.
    Nothing,
    /// Status and content type: an error must not look like a success, and an RPC document is always 200.
    StatusAndType,
}

fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> HttpResponse {
    let mut reply = HttpResponse::with_body(status, BoxBody::new(body));
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    reply
}

/// Adds the headers that the handler set. There is one content type, the last one set.
fn headed(mut reply: HttpResponse, headers: &[(String, String)]) -> HttpResponse {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-type") {
            reply.headers_mut().remove(header::CONTENT_TYPE);
        }
        append(&mut reply, name, value);
    }
    reply
}

/// A streaming reply. For HEAD only the head is sent, and no chunk is produced.
fn stream(was: &Was, mut streaming: Streaming) -> HttpResponse {
    let content_type = HeaderValue::try_from(&*streaming.content_type).unwrap_or(OCTETS);
    let headers = std::mem::take(&mut streaming.headers);
    let mut reply = HttpResponse::new(StatusCode::OK);
    let body = match was.request.method {
        // Of unknown length, as for a GET.
        Method::HEAD => BoxBody::new(BodyStream::new(stream::empty::<Result<Bytes, Infallible>>())),
        _ => BoxBody::new(StreamBody::new(streaming, was)),
    };
    reply = reply.set_body(body);
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    headed(reply, &headers)
}

/// An RPC document: always 200, even for a fault.
pub(crate) fn rpc(content_type: HeaderValue, document: impl Into<Bytes>) -> HttpResponse {
    with_body(StatusCode::OK, content_type, document.into())
}

/// Adds status, headers and cookies that the handler set.
pub(crate) fn finish(was: &Was, mut reply: HttpResponse, fixed: Fixed) -> HttpResponse {
    let mut keeps = None;
    if let Some(parts) = was.response.take() {
        let Parts { status, headers, closes, cached } = *parts;
        keeps = cached.filter(|_| fixed == Fixed::Nothing);
        if closes {
            reply.head_mut().set_connection_type(ConnectionType::Close);
        }
        if let Some(status) = status.filter(|_| fixed == Fixed::Nothing).and_then(final_status) {
            *reply.status_mut() = status;
        }
        for (name, value) in &headers {
            if name.eq_ignore_ascii_case("content-type") {
                if fixed == Fixed::StatusAndType {
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
    with_id(&was.request, &mut reply);
    if let Some(max_age) = keeps.filter(|_| was.face() == Face::Web && !was.coverage.has_gap()) {
        reply = kept::kept(&was.request, reply, max_age);
    }
    if matches!(reply.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // A client would read a body after such a head as the beginning of the next reply.
        reply = reply.set_body(()).map_into_boxed_body();
    }
    reply
}

/// Adds the id of the request, if anything has needed it.
pub(crate) fn with_id(request: &Request, reply: &mut HttpResponse) {
    if let Some(id) = request.known_id() {
        reply.headers_mut().insert(X_REQUEST_ID, id.to_header());
    }
}

/// A final status. One below 200 is an interim reply, whose final reply would never come.
fn final_status(status: u16) -> Option<StatusCode> {
    let known = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    if known.is_none() {
        tracing::error!("{status} is not the status of a reply; it was not sent");
    }
    known
}

/// The server alone frames a reply; a contradicting header would make some clients read other replies.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

fn append(reply: &mut HttpResponse, name: &str, value: &str) {
    match (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        (Ok(name), _) if FRAMING.contains(&name) => {
            tracing::error!("the reply's header {name} is the server's own and was not sent as the handler set it");
        }
        (Ok(name), Ok(value)) => reply.headers_mut().append(name, value),
        // A header with a line break would inject others; it is left out and logged.
        _ => tracing::error!("the reply's header {name:?} is not valid HTTP and was not sent"),
    }
}

/// True for a browser: its Accept header lists `text/html` itself, not only by a wildcard.
pub(crate) fn wants_html(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// An error: a small page for a browser, for any other client JSON or, if it asks for that, a problem of RFC 9457.
pub(crate) fn error(error: &Error, accept: Option<&str>, reader: Audience, coverage: Option<&Value>) -> HttpResponse {
    let mut reply = error_form(error, accept, reader, coverage);
    reply.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    reply
}

/// An error from before anything of the site runs: no app has a page for it.
pub(crate) fn before_apps(error: &Error, request: &Request, devel: bool) -> HttpResponse {
    let reader = Audience::of(request, devel);
    request.request_id();
    let mut reply = mark(self::error(error, request.get_header("accept"), reader, None), error);
    with_id(request, &mut reply);
    reply
}

fn error_form(error: &Error, accept: Option<&str>, reader: Audience, coverage: Option<&Value>) -> HttpResponse {
    let failure = Failure::of(error, reader);
    if problem::is_wanted(accept) {
        let body = problem::of(error, &failure, reader, coverage);
        return with_body(status_of(error), problem::CONTENT_TYPE, body);
    }
    if wants_html(accept) {
        return page(error, error_page::plain(&failure));
    }
    let mut body = serde_json::json!({ "code": failure.status, "message": failure.message });
    if let Some(id) = &failure.id {
        body["id"] = id.as_str().into();
        if reader.devel {
            body["at"] = error.at().into();
        }
    }
    let mut body = serde_json::json!({ "error": body });
    if let Some(coverage) = coverage {
        body["coverage"] = serde_json::json!(coverage);
    }
    with_body(status_of(error), JSON, body.to_string().into())
}

/// A page with the error's status.
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

/// Adds the headers that every reply to an error has, whatever its body.
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

/// Adds the header `Allow`.
pub(crate) fn allowing(mut reply: HttpResponse, allowed: &[&str]) -> HttpResponse {
    append(&mut reply, "allow", &allowed.join(", "));
    reply
}

/// The changed configuration has errors; only devel mode checks for changes. What is wrong with it is for this machine
/// alone.
pub(crate) fn unfit(why: &str, accept: Option<&str>, is_local: bool) -> HttpResponse {
    let told = if is_local { format!(":\n{why}") } else { String::new() };
    let error = Error::new(500, format!("the configuration has changed and cannot be served{told}"));
    self::error(&error, accept, Audience::stranger(is_local), None)
}

/// Adds a header with the keys of the configuration that need a restart.
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

/// Redirects to the same path with a slash, with its query. 308 keeps the method and the body of the request; for
/// requests without a body it is 301, which older clients know as well.
pub(crate) fn add_slash(method: &Method, path: &str, query: Option<&str>) -> HttpResponse {
    // Exactly one leading slash: `//host` would be another site.
    let path = path.trim_start_matches('/');
    let location = match query {
        Some(query) => format!("/{path}/?{query}"),
        None => format!("/{path}/"),
    };
    let mut reply = HttpResponse::new(match *method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    });
    append(&mut reply, "location", &location);
    reply
}
