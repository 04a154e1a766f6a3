//! Parses a body into a call: on the event loop, or on the blocking pool if it is [large](crate::edge::large).

use std::borrow::Cow;

use skitai_wire::jsonrpc::{self, Incoming};
use skitai_wire::{Limits, charset, json, xmlrpc};

use super::fault::RpcFault;
use crate::app::coverage::Audience;
use crate::app::{Error, Request};
use crate::edge::error_log;
use crate::edge::large::LARGE;
use crate::edge::thread::ServingThread;

/// The XML-RPC call in a request, or the error in its XML. A fault if the blocking pool could not parse it.
pub(super) async fn xml(
    thread: &ServingThread,
    request: &Request,
) -> Result<Result<xmlrpc::Call, skitai_wire::Error>, RpcFault> {
    let label = charset::of_type(content_type(request));
    if request.body.len() <= LARGE {
        return Ok(xmlrpc::parse_call_in(label, &request.body, &Limits::default()));
    }
    let (body, label) = (request.body.clone(), label.map(str::to_owned));
    let parse = move || xmlrpc::parse_call_in(label.as_deref(), &body, &Limits::default());
    let parsed = thread.bodies.aside(parse).await;
    parsed.map_err(|error| failed(thread, request, error))
}

/// The JSON-RPC calls in a body.
pub(super) async fn json<'b>(
    thread: &ServingThread,
    request: &Request,
    body: &'b [u8],
) -> Result<Result<Incoming<'b>, skitai_wire::Error>, RpcFault> {
    if body.len() <= LARGE {
        return Ok(match json::text(body, content_type(request)) {
            Ok(Cow::Borrowed(text)) => jsonrpc::parse(text),
            Ok(Cow::Owned(text)) => jsonrpc::parse(&text).map(Incoming::into_owned),
            Err(error) => Err(error),
        });
    }
    let (body, kind) = (request.body.clone(), content_type(request).to_owned());
    let parse = move || jsonrpc::parse(&json::text(&body, &kind)?).map(Incoming::into_owned);
    let parsed = thread.bodies.aside(parse).await;
    parsed.map_err(|error| failed(thread, request, error))
}

fn content_type(request: &Request) -> &str {
    request.get_header("content-type").unwrap_or_default()
}

fn failed(thread: &ServingThread, request: &Request, mut error: Error) -> RpcFault {
    error_log::log(request, &mut error);
    thread.counts.rpc(true);
    RpcFault::of(&error, Audience::of(request, thread.site.server.devel))
}
