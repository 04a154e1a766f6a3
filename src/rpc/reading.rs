//! Parses a body into a call: on the event loop, or on the blocking pool if it is [large](crate::edge::large).

use skitai_wire::jsonrpc::{self, Incoming};
use skitai_wire::{Limits, xmlrpc};

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
    let parse = |body: &[u8]| xmlrpc::parse_call(body, &Limits::default());
    if request.body.len() <= LARGE {
        return Ok(parse(&request.body));
    }
    let body = request.body.clone();
    let parsed = thread.bodies.aside(move || parse(&body)).await;
    parsed.map_err(|error| failed(thread, request, error))
}

/// The JSON-RPC calls in a body.
pub(super) async fn json<'b>(
    thread: &ServingThread,
    request: &Request,
    body: &'b [u8],
) -> Result<Result<Incoming<'b>, skitai_wire::Error>, RpcFault> {
    if body.len() <= LARGE {
        return Ok(jsonrpc::parse(body));
    }
    let body = request.body.clone();
    let parsed = thread.bodies.aside(move || jsonrpc::parse(&body).map(Incoming::into_owned)).await;
    parsed.map_err(|error| failed(thread, request, error))
}

fn failed(thread: &ServingThread, request: &Request, mut error: Error) -> RpcFault {
    error_log::log(request, &mut error);
    thread.counts.rpc(true);
    RpcFault::of(&error, Audience::of(request, thread.site.server.devel))
}
