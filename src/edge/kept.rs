//! Pages and data that a client may keep: how long, and by which tag it asks whether they are still the same.

use std::fmt::Write as _;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use ring::digest::{SHA256, digest};

use super::conditional::{Condition, Conditions, Validators};
use crate::app::Request;

/// Octets of a digest in a tag: two bodies of one page are never taken for the same.
const TAG: usize = 16;

/// Says of a reply how long it may be kept, or answers that the client has it already.
pub(super) fn kept(request: &Request, mut reply: HttpResponse, max_age: Duration) -> HttpResponse {
    let is_answer = matches!(reply.status(), StatusCode::OK | StatusCode::NOT_MODIFIED);
    if !is_answer || !matches!(request.method, Method::GET | Method::HEAD) {
        return reply;
    }
    if !reply.headers().contains_key(CACHE_CONTROL) {
        // A cookie is one client's own.
        let private = if reply.headers().contains_key(SET_COOKIE) { "private, " } else { "" };
        if let Ok(value) = HeaderValue::try_from(format!("{private}max-age={}", max_age.as_secs())) {
            reply.headers_mut().insert(CACHE_CONTROL, value);
        }
    }
    if reply.status() == StatusCode::NOT_MODIFIED || is_file(&reply) {
        return reply;
    }
    let (reply, body) = reply.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(stream) => return reply.set_body(stream),
    };
    let mut reply = reply.set_body(BoxBody::new(()));
    if !reply.headers().contains_key(ETAG)
        && let Ok(tag) = HeaderValue::try_from(tag_of(&body))
    {
        reply.headers_mut().insert(ETAG, tag);
    }
    let text = |name| reply.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let etag = text(ETAG).filter(|tag| tag.ends_with('"') && tag.trim_start_matches("W/").len() >= 2);
    let modified = text(LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    // A tag that an app has written without its quotes is none.
    let validators = Validators { etag: etag.unwrap_or("\"\""), modified };
    let status = match Conditions::of(request).judge(validators) {
        Condition::Holds => return reply.set_body(BoxBody::new(body)),
        Condition::NotModified => StatusCode::NOT_MODIFIED,
        Condition::Fails => StatusCode::PRECONDITION_FAILED,
    };
    *reply.status_mut() = status;
    reply.headers_mut().remove(CONTENT_TYPE);
    reply
}

/// Whether it is one of the server's own replies with a file, which is judged where it was opened.
fn is_file(reply: &HttpResponse) -> bool {
    reply.headers().contains_key(actix_web::http::header::ACCEPT_RANGES)
}

/// A weak tag: it is of what the client sees, whether or not it is compressed on its way.
fn tag_of(body: &[u8]) -> String {
    let mut tag = "W/\"".to_owned();
    for octet in &digest(&SHA256, body).as_ref()[..TAG] {
        let _ = write!(tag, "{octet:02x}");
    }
    tag.push('"');
    tag
}
