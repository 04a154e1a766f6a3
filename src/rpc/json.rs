//! JSON-RPC: one call, a batch, or `system.multicall`, and the document of their answers.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use serde_json::value::RawValue;
use skitai_wire::Value;
use skitai_wire::jsonrpc::{self, Incoming};

use super::fault::RpcFault;
use super::many::{BatchEntry, Many};
use super::method::CallOf;
use super::{method, multicall, reading};
use crate::app::coverage::Audience;
use crate::app::{Face, RequestBuilder, Session, code};
use crate::edge::thread::ServingThread;
use crate::edge::{error_log, partial, respond};
use crate::observe::route_counts::{ServedBy, Serving};

/// The content type a JSON-RPC client used; some clients accept only `application/json` in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonContentType {
    JsonRpc,
    Json,
}

impl JsonContentType {
    const fn value(self) -> HeaderValue {
        match self {
            JsonContentType::JsonRpc => HeaderValue::from_static("application/json-rpc"),
            JsonContentType::Json => HeaderValue::from_static("application/json"),
        }
    }
}

/// The reply to a request of JSON-RPC.
pub(super) async fn reply(
    thread: &ServingThread,
    builder: RequestBuilder,
    content_type: JsonContentType,
    serving: &Serving,
) -> HttpResponse {
    let body = builder.request().body.clone();
    let kind = content_type.value();
    match reading::json(thread, builder.request(), &body).await {
        Err(fault) => respond::rpc(kind, error(None, &fault, false)),
        Ok(Err(malformed)) => {
            thread.counts.rpc(true);
            respond::rpc(kind, error(None, &RpcFault::malformed(&malformed), false))
        }
        Ok(Ok(Incoming::Single(Ok(call)))) if call.method == multicall::NAME => {
            thread.routes.begin(serving, ServedBy::SEVERAL);
            let (reply, result) = multicall::run(thread, Face::JsonRpc, builder, call.params, kind).await;
            method::with_document(reply, call.id.map(|id| answer(&id, call.v1, result)).unwrap_or_default())
        }
        Ok(Ok(Incoming::Single(call))) => {
            let BatchEntry { was, answer } = one(thread, builder, call, CallOf::One(serving)).await;
            method::reply(was.as_ref(), kind, answer.unwrap_or_default())
        }
        Ok(Ok(Incoming::Batch(calls))) => {
            thread.routes.begin(serving, ServedBy::SEVERAL);
            batch(thread, builder, calls, kind).await
        }
    }
}

/// A JSON-RPC call, or an invalid one.
type Sent<'a> = Result<jsonrpc::Request<'a>, jsonrpc::Invalid<'a>>;

/// Runs the calls of a batch in parallel. The answers keep the order of the calls.
async fn batch<'b>(
    thread: &ServingThread,
    builder: RequestBuilder,
    calls: Vec<Sent<'b>>,
    kind: HeaderValue,
) -> HttpResponse {
    let most = thread.site.server.max_batch;
    if calls.len() > most {
        thread.counts.rpc(true);
        let text = format!("a batch of {} requests, more than the limit of {most}", calls.len());
        return respond::rpc(kind, error(None, &RpcFault::new(code::INVALID_REQUEST, text), false));
    }
    let request = builder.request().clone();
    let calls = calls.into_iter().map(|call| (AnswerKey::of(&call), call)).collect();
    let call = |many: &Many<'_>, call: Sent<'b>| {
        let (builder, session) = many.one();
        one_of_batch(thread, builder, call, session)
    };
    let ended = match Many::of(thread, builder).await {
        Ok(many) => many.run(calls, call, AnswerKey::refuse, respond::rpc(kind.clone(), Vec::new())).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok((answers, reply)) if answers.is_empty() => method::with_document(reply, Vec::new()),
        Ok((answers, reply)) => method::with_document(reply, [b"[", answers.join(&b","[..]).as_slice(), b"]"].concat()),
        Err(mut failed) => {
            error_log::log(&request, &mut failed);
            let reader = Audience::of(&request, thread.site.server.devel);
            respond::rpc(kind, error(None, &RpcFault::of(&failed, reader), false))
        }
    }
}

/// What the answer to a call of a batch needs if the call itself is not run or its own answer has no room.
struct AnswerKey<'b> {
    id: Option<Cow<'b, RawValue>>,
    v1: bool,
    /// A notification gets no answer; an invalid call gets one even without an id.
    is_answered: bool,
}

impl<'b> AnswerKey<'b> {
    fn of(call: &Sent<'b>) -> AnswerKey<'b> {
        match call {
            Ok(call) => AnswerKey { id: call.id.clone(), v1: call.v1, is_answered: call.id.is_some() },
            Err(invalid) => AnswerKey { id: invalid.id.clone(), v1: false, is_answered: true },
        }
    }

    fn refuse(self, fault: &RpcFault) -> Option<Vec<u8>> {
        self.is_answered.then(|| error(self.id.as_deref(), fault, self.v1))
    }
}

/// Runs one call of a batch. A multicall is refused: a batch of a thousand of them would be a million calls.
async fn one_of_batch(thread: &ServingThread, builder: RequestBuilder, call: Sent<'_>, session: Session) -> BatchEntry {
    match call {
        Ok(jsonrpc::Request { method, id, v1, .. }) if method == multicall::NAME => {
            thread.counts.rpc(true);
            let fault = RpcFault::new(code::INVALID_REQUEST, "system.multicall cannot be called by a batch");
            BatchEntry { was: None, answer: id.map(|id| answer(&id, v1, Err(fault))) }
        }
        call => one(thread, builder, call, CallOf::Several(session)).await,
    }
}

/// Runs one JSON-RPC call. A notification has no document.
async fn one(thread: &ServingThread, builder: RequestBuilder, call: Sent<'_>, of: CallOf<'_>) -> BatchEntry {
    let call = match call {
        Ok(call) => call,
        Err(invalid) => {
            thread.counts.rpc(true);
            let fault = RpcFault::new(code::INVALID_REQUEST, invalid.message);
            return BatchEntry { was: None, answer: Some(error(invalid.id.as_deref(), &fault, false)) };
        }
    };
    let (was, result) = method::run(thread, Face::JsonRpc, builder, &call.method, call.params, of).await;
    let coverage = was.as_ref().and_then(partial::wanted_json);
    let covered = |id| jsonrpc::with_coverage(answer(id, call.v1, result), coverage.as_deref());
    BatchEntry { answer: call.id.as_deref().map(covered), was }
}

fn answer(id: &RawValue, v1: bool, result: Result<Bytes, RpcFault>) -> Vec<u8> {
    match result {
        Ok(result) => jsonrpc::write_raw_result(id, &result, v1),
        Err(fault) => error(Some(id), &fault, v1),
    }
}

/// If the specification fixes the message of an error, our own text becomes its data.
fn error(id: Option<&RawValue>, fault: &RpcFault, v1: bool) -> Vec<u8> {
    let fixed = match fault.code {
        code::PARSE => "Parse error",
        code::INVALID_REQUEST => "Invalid Request",
        code::METHOD_NOT_FOUND => "Method not found",
        _ => return jsonrpc::write_error(id, fault.code, &fault.message, None, v1),
    };
    jsonrpc::write_error(id, fault.code, fixed, Some(&Value::from(fault.message.as_str())), v1)
}
