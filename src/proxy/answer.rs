//! The member's answer as the reply to the client.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{self, BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use bytes::Bytes;
use skitai_actors::Outcome;
use skitai_actors::http::passed::PassedAnswer;
use skitai_actors::http::pipe::PipeReader;
use skitai_actors::kit::Replies;

use super::upload::ClientBody;
use super::{head, rewriting, via};
use crate::app::routing::mount::PassTo;
use crate::config::HeaderRule;
use crate::connection::WhileSent;

/// The reply. Its body keeps the exchange alive; the rest of the request goes on beside it.
pub(super) fn reply(
    passed: PassedAnswer,
    upload: Option<ClientBody>,
    exchange: Replies<Outcome>,
    mount: &str,
    to: &PassTo,
) -> HttpResponse {
    let length = passed.length;
    let (mut reply, body) = head(passed, mount, to);
    let body = match body {
        None => BoxBody::new(body::None::new()),
        Some(pipe) => {
            // A small answer is here to its end, and so is the request.
            let is_sent = upload.as_ref().is_none_or(ClientBody::is_over);
            match is_sent.then(|| pipe.whole()).flatten() {
                Some(whole) => BoxBody::new(whole),
                None => {
                    if let Some(mut upload) = upload {
                        // Whether or not the client reads: a member may read all before it sends more.
                        reply.extensions_mut().insert(WhileSent(Box::new(move |context| {
                            upload.poll(context);
                            Poll::Pending
                        })));
                    }
                    BoxBody::new(PassedOn { pipe, length, _exchange: exchange })
                }
            }
        }
    };
    reply.set_body(body)
}

/// Its head, and what is behind it.
pub(super) fn head(passed: PassedAnswer, mount: &str, to: &PassTo) -> (HttpResponse, Option<PipeReader>) {
    let PassedAnswer { code, fields, body, authority, .. } = passed;
    let has_body = body.is_some();
    let mut reply = HttpResponse::new(StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY));
    let lines = fields.iter().filter(|(name, _)| name == "connection").map(|(_, value)| &value[..]);
    let listed = head::listed(lines);
    let mut passed_by = String::new();
    for (name, value) in fields {
        // Without a body, the length is that of another answer: to a GET, or before (RFC 9110, 8.6).
        let is_ours = name == "content-length" && (has_body || reply.headers().contains_key(CONTENT_LENGTH));
        if is_ours || head::stays(&name, &listed) {
            continue;
        }
        if name == "via" {
            let separator = if passed_by.is_empty() { "" } else { ", " };
            passed_by = format!("{passed_by}{separator}{}", String::from_utf8_lossy(&value));
            continue;
        }
        let value = match to.rules.rewrites {
            true => rewriting::rewritten(&name, value, mount, &to.route.folder, &authority),
            false => value,
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_maybe_shared(value)) {
            reply.headers_mut().append(name, value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&via::with_own(&passed_by, "1.1")) {
        reply.headers_mut().append(actix_web::http::header::VIA, value);
    }
    for HeaderRule { name, value } in &to.rules.of_answers {
        let Ok(name) = HeaderName::try_from(name) else { continue };
        reply.headers_mut().remove(&name);
        if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
            reply.headers_mut().insert(name, value);
        }
    }
    (reply, body)
}

/// The body of an answer that is passed on. Dropped, it ends the exchange with the member.
struct PassedOn {
    pipe: PipeReader,
    length: Option<u64>,
    _exchange: Replies<Outcome>,
}

impl MessageBody for PassedOn {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.pipe.poll_piece(context).map(|piece| piece.map(|piece| piece.map_err(Into::into)))
    }
}
