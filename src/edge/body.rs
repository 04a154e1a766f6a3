//! Reading a request's body into memory, within its limit and its time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::upload;
use crate::app::{CSRF_FIELD, Error, Given, Param, Request};
use crate::config::Server;
use crate::serve::site::Site;

/// Reads the body into its request, whose time begins when all of it is here. Nothing is awaited where there is none.
pub(crate) async fn read(request: &mut Request, payload: Payload, server: &Server) -> Result<(), Error> {
    if !matches!(payload, Payload::None) {
        // Boxed: what waits for a body is large, and most requests have none.
        let (body, has_waited) =
            Box::pin(whole(&request.headers, payload, server.max_body, server.body_timeout)).await?;
        request.body = body;
        if has_waited {
            request.received = Instant::now();
        }
    }
    Ok(())
}

/// The same for a route of the web. The parts of a multipart form come back, and its request has no body then.
pub(crate) async fn read_or_receive(
    request: &mut Request,
    payload: Payload,
    site: &Site,
    params: &[Param],
) -> Result<Vec<(String, Given)>, Error> {
    let server = &site.settings.server;
    if matches!(payload, Payload::None) || !upload::is_multipart(request) {
        return read(request, payload, server).await.map(|()| Vec::new());
    }
    let parts = Box::pin(upload::receive(request, payload, server, &site.shelf, params)).await?;
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
async fn whole(
    headers: &HeaderMap,
    mut payload: Payload,
    limit: usize,
    within: Duration,
) -> Result<(Bytes, bool), Error> {
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
    if let Some(body) = at_hand(reading.as_mut()).await {
        return body.map(|body| (body, false));
    }
    match tokio::time::timeout(within, reading).await {
        Ok(body) => body.map(|body| (body, true)),
        Err(_) => Err(Error::new(408, format!("the body did not arrive within {} s", within.as_secs_f64()))),
    }
}

/// What is there once actix has read on. A small body comes with its head, and is handed out as soon as the head's handler
/// waits: it needs no timer, which would cost more than reading it.
async fn at_hand<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    let mut again = true;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if std::mem::take(&mut again) => {
            // Not tokio's `yield_now`, which asks the system for news first.
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
