//! Reading a request's body into memory, within its limit and its time.

use std::pin::pin;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::upload;
use crate::app::{CSRF_FIELD, Error, Given, Param, Request};
use crate::serve::worker::Worker;

/// Reads the body into its request, whose time begins when all of it is here. Nothing is awaited where there is none.
pub(crate) async fn read(worker: &Worker, request: &mut Request, payload: Payload) -> Result<(), Error> {
    if !matches!(payload, Payload::None) {
        let (body, has_waited) = whole(worker, &request.headers, payload).await?;
        request.body = body;
        if has_waited {
            request.received = Instant::now();
        }
    }
    Ok(())
}

/// The same for a route of the web. The parts of a multipart form come back, and its request has no body then.
pub(crate) async fn read_or_receive(
    worker: &Worker,
    request: &mut Request,
    payload: Payload,
    params: &[Param],
) -> Result<Vec<(String, Given)>, Error> {
    if matches!(payload, Payload::None) || !upload::is_multipart(request) {
        return read(worker, request, payload).await.map(|()| Vec::new());
    }
    let (server, shelf) = (&worker.site.settings.server, &worker.site.shelf);
    let parts = Box::pin(upload::receive(request, payload, server, shelf, params)).await?;
    request.received = Instant::now();
    // The parts become arguments; hooks run before those are looked at and see the request alone.
    request.form_token = parts.iter().find_map(|(name, given)| match given {
        Given::Text(text) if name == CSRF_FIELD => Some(text.as_str().into()),
        _ => None,
    });
    Ok(parts)
}

/// How long the body will be, where its sender says so.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body, and whether it was waited for.
async fn whole(worker: &Worker, headers: &HeaderMap, mut payload: Payload) -> Result<(Bytes, bool), Error> {
    let (limit, within) = (worker.site.settings.server.max_body, worker.site.settings.server.body_timeout);
    let of_http1 = matches!(payload, Payload::H1 { .. });
    let too_large = || Error::new(413, format!("the body is larger than the {limit} bytes this server takes"));
    let announced = announced(headers).map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|announced| announced > limit) {
        return Err(too_large());
    }
    let reading = async {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Error::new(400, format!("the body could not be read: {error}")))?;
            if first.len() + rest.len() + chunk.len() > limit {
                return Err(too_large());
            }
            // Most bodies are one chunk, which needs no copy.
            if first.is_empty() && rest.is_empty() {
                first = chunk;
            } else {
                if rest.is_empty() {
                    rest.reserve(announced.unwrap_or(first.len() + chunk.len()).min(limit));
                    rest.extend_from_slice(&first);
                    first = Bytes::new();
                }
                rest.extend_from_slice(&chunk);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    };
    let mut reading = pin!(reading);
    // A small body is there with its head: it needs no timer, which would cost more than reading it.
    if of_http1 && let Some(body) = worker.unwatched.at_hand(reading.as_mut()).await {
        return body.map(|body| (body, false));
    }
    match tokio::time::timeout(within, reading).await {
        Ok(body) => body.map(|body| (body, true)),
        Err(_) => Err(Error::new(408, format!("the body did not arrive within {} s", within.as_secs_f64()))),
    }
}
