//! The RPC endpoint: finds the protocol and the route, and writes the answer's document.
//!
//! XML-RPC is a POST of `text/xml` (or `application/xml`) to any path, or of any type to `/RPC2`. JSON-RPC is a POST of
//! `application/json-rpc` to any path, or of any type to `/rpc3`. In a POST below a mount's path the method's name may
//! omit the mount's part: a POST to `/test` finds `hello` as well as `test.hello`.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode, header};
use bytes::Bytes;
use serde_json::value::RawValue;
use skitai_wire::jsonrpc::{self, Incoming, Params};
use skitai_wire::{Value, xmlrpc};

use super::fault::RpcFault;
use super::many::{BatchEntry, Many};
use super::{multicall, reading};
use crate::app::routing::router::MatchedRoute;
use crate::app::site::Site;
use crate::app::{Answer, Bind, Error, Face, Request, RequestBuilder, Session, Was, code};
use crate::edge::respond::Fixed;
use crate::edge::thread::ServingThread;
use crate::edge::{body, error_log, invoke, respond, sessions};

/// The content type a JSON-RPC client used; some clients accept only `application/json` in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonContentType {
    JsonRpc,
    Json,
}

impl JsonContentType {
    const fn content_type(self) -> HeaderValue {
        match self {
            JsonContentType::JsonRpc => HeaderValue::from_static("application/json-rpc"),
            JsonContentType::Json => HeaderValue::from_static("application/json"),
        }
    }
}

/// The protocol of an RPC client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RpcProtocol {
    Xml,
    /// Answered with the content type it used.
    Json(JsonContentType),
}

/// The protocol of a request, if it is RPC.
pub(crate) fn protocol(site: &Site, request: &Request) -> Option<RpcProtocol> {
    if request.method != Method::POST {
        return None;
    }
    // Compared as bytes, because every request passes here.
    let kind = request.headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    // The spellings that most clients use, without an allocation.
    match kind {
        b"text/xml" => return Some(RpcProtocol::Xml),
        b"application/json-rpc" => return Some(RpcProtocol::Json(JsonContentType::JsonRpc)),
        _ => {}
    }
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"text/xml") || kind.eq_ignore_ascii_case(b"application/xml") {
        Some(RpcProtocol::Xml)
    } else if kind.eq_ignore_ascii_case(b"application/json-rpc") {
        Some(RpcProtocol::Json(JsonContentType::JsonRpc))
    } else {
        by_path(site, request.path(), kind)
    }
}

/// True for a path that serves RPC only.
pub(crate) fn is_endpoint(site: &Site, path: &str) -> bool {
    by_path(site, path, b"").is_some()
}

/// `/RPC2` and `/rpc3` of the site and of each mount: many clients let their user set a path but not a content type.
fn by_path(site: &Site, path: &str, kind: &[u8]) -> Option<RpcProtocol> {
    let (above, last) = path.trim_end_matches('/').rsplit_once('/')?;
    let protocol = match last {
        last if last.eq_ignore_ascii_case("rpc2") => RpcProtocol::Xml,
        last if last.eq_ignore_ascii_case("rpc3") && kind.eq_ignore_ascii_case(b"application/json") => {
            RpcProtocol::Json(JsonContentType::Json)
        }
        last if last.eq_ignore_ascii_case("rpc3") => RpcProtocol::Json(JsonContentType::JsonRpc),
        _ => return None,
    };
    (above.is_empty() || site.router.mounts().iter().any(|mount| mount.is_at(above))).then_some(protocol)
}

/// Serves an RPC request. The reply is HTTP 200 with a document, even for a fault; only a body that cannot be received
/// is an HTTP error.
pub(crate) async fn serve(
    thread: &ServingThread,
    protocol: RpcProtocol,
    mut draft: RequestBuilder,
    payload: Payload,
) -> HttpResponse {
    let settings = &thread.site.server;
    if let Err(error) = body::read(thread, draft.request_mut(), payload).await {
        return respond::mark(respond::error(&error, false, settings.devel), &error);
    }
    match protocol {
        RpcProtocol::Xml => xml(thread, draft).await,
        RpcProtocol::Json(words) => json(thread, draft, words).await,
    }
}

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

async fn xml(thread: &ServingThread, draft: RequestBuilder) -> HttpResponse {
    let parsed = match reading::xml(thread, draft.request()).await {
        Ok(parsed) => parsed,
        Err(fault) => return respond::rpc(XML, xmlrpc::write_fault(fault.code, &fault.message)),
    };
    let call = match parsed {
        Ok(call) => call,
        Err(error) => {
            let fault = RpcFault::malformed(&error);
            thread.counts.rpc(true);
            return respond::rpc(XML, xmlrpc::write_fault(fault.code, &fault.message));
        }
    };
    let params = Params::Positional(call.params);
    if call.method == multicall::NAME {
        let reply = respond::rpc(XML, Vec::new());
        let (reply, result) = several(thread, Face::XmlRpc, draft, params, reply).await;
        let document = result.unwrap_or_else(|fault| xmlrpc::write_fault(fault.code, &fault.message).into());
        return with_document(reply, document);
    }
    let (was, result) = run(thread, Face::XmlRpc, draft, &call.method, params, None).await;
    let document = match result {
        Ok(document) => document,
        Err(fault) => xmlrpc::write_fault(fault.code, &fault.message).into(),
    };
    respond_with(was.as_ref(), XML, document)
}

async fn json(thread: &ServingThread, draft: RequestBuilder, words: JsonContentType) -> HttpResponse {
    let body = draft.request().body.clone();
    let parsed = match reading::json(thread, draft.request(), &body).await {
        Ok(parsed) => parsed,
        Err(fault) => return respond::rpc(words.content_type(), json_error(None, &fault, false)),
    };
    match parsed {
        Err(error) => {
            let fault = RpcFault::malformed(&error);
            thread.counts.rpc(true);
            respond::rpc(words.content_type(), json_error(None, &fault, false))
        }
        Ok(Incoming::Single(Ok(call))) if call.method == multicall::NAME => {
            let reply = respond::rpc(words.content_type(), Vec::new());
            let (reply, result) = several(thread, Face::JsonRpc, draft, call.params, reply).await;
            with_document(reply, call.id.map(|id| json_answer(&id, call.v1, result)).unwrap_or_default())
        }
        Ok(Incoming::Single(call)) => {
            let BatchEntry { was, answer } = one_json(thread, draft, call, None).await;
            respond_with(was.as_ref(), words.content_type(), answer.unwrap_or_default())
        }
        Ok(Incoming::Batch(calls)) => batch(thread, draft, calls, words).await,
    }
}

/// A JSON-RPC call, or an invalid one.
type Sent<'a> = Result<jsonrpc::Request<'a>, jsonrpc::Invalid<'a>>;

/// Runs the calls of a batch in parallel. The answers keep the order of the calls.
async fn batch<'b>(
    thread: &ServingThread,
    draft: RequestBuilder,
    calls: Vec<Sent<'b>>,
    words: JsonContentType,
) -> HttpResponse {
    let error = |fault: RpcFault| json_error(None, &fault, false);
    let most = thread.site.server.max_batch;
    if calls.len() > most {
        thread.counts.rpc(true);
        let text = format!("a batch of {} requests, more than the limit of {most}", calls.len());
        return respond::rpc(words.content_type(), error(RpcFault::new(code::INVALID_REQUEST, text)));
    }
    let request = draft.request().clone();
    let call = |many: &Many<'_>, call: Sent<'b>| {
        let (draft, session) = many.one();
        async move {
            match call {
                // A batch of a thousand multicalls would be a million calls.
                Ok(jsonrpc::Request { method, id, v1, .. }) if method == multicall::NAME => {
                    thread.counts.rpc(true);
                    let fault = RpcFault::new(code::INVALID_REQUEST, "system.multicall cannot be called by a batch");
                    BatchEntry { was: None, answer: id.map(|id| json_answer(&id, v1, Err(fault))) }
                }
                call => one_json(thread, draft, call, Some(session)).await,
            }
        }
    };
    // A notification gets no answer; an invalid call gets one even without an id.
    let key = |call: &Sent<'b>| match call {
        Ok(call) => (call.id.clone(), call.v1, call.id.is_some()),
        Err(invalid) => (invalid.id.clone(), false, true),
    };
    let refuse = |(id, v1, answered): (Option<Cow<'b, RawValue>>, bool, bool), fault: &RpcFault| {
        answered.then(|| json_error(id.as_deref(), fault, v1))
    };
    let calls = calls.into_iter().map(|call| (key(&call), call)).collect();
    let many = match Many::of(thread, draft).await {
        Ok(many) => many.run(calls, call, refuse, respond::rpc(words.content_type(), Vec::new())).await,
        Err(error) => Err(error),
    };
    match many {
        Ok((answers, reply)) if answers.is_empty() => with_document(reply, Vec::new()),
        Ok((answers, reply)) => with_document(reply, [b"[", answers.join(&b","[..]).as_slice(), b"]"].concat()),
        Err(mut failed) => {
            error_log::log(&request, &mut failed);
            respond::rpc(words.content_type(), error(RpcFault::of(&failed, thread.site.server.devel)))
        }
    }
}

/// `system.multicall`. The result is a document over XML-RPC, JSON text over JSON-RPC.
async fn several(
    thread: &ServingThread,
    face: Face,
    draft: RequestBuilder,
    params: Params,
    reply: HttpResponse,
) -> (HttpResponse, Result<Bytes, RpcFault>) {
    let entries = match multicall::entries(params, thread.site.server.max_batch) {
        Ok(entries) => entries,
        Err(fault) => {
            thread.counts.rpc(true);
            return (reply, Err(fault));
        }
    };
    let request = draft.request().clone();
    let call = |many: &Many<'_>, entry: multicall::Entry| {
        let (draft, session) = many.one();
        async move {
            let (was, result) = match entry {
                Ok((method, params)) => run(thread, face, draft, &method, params, Some(session)).await,
                Err(fault) => {
                    thread.counts.rpc(true);
                    (None, Err(fault))
                }
            };
            BatchEntry { was, answer: Some(multicall::written(face, &result)) }
        }
    };
    let refuse = |(), fault: &RpcFault| Some(multicall::written(face, &Err(fault.clone())));
    let entries = entries.into_iter().map(|entry| ((), entry)).collect();
    let kind = reply.headers().get(header::CONTENT_TYPE).cloned();
    let many = match Many::of(thread, draft).await {
        Ok(many) => many.run(entries, call, refuse, reply).await,
        Err(error) => Err(error),
    };
    match many {
        Ok((answers, reply)) => (reply, Ok(multicall::document(face, &answers).into())),
        Err(mut failed) => {
            error_log::log(&request, &mut failed);
            let mut reply = respond::rpc(XML, Vec::new());
            if let Some(kind) = kind {
                reply.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            (reply, Err(RpcFault::of(&failed, thread.site.server.devel)))
        }
    }
}

/// Runs one JSON-RPC call. A notification has no document.
async fn one_json(
    thread: &ServingThread,
    draft: RequestBuilder,
    call: Sent<'_>,
    shared: Option<Session>,
) -> BatchEntry {
    let call = match call {
        Ok(call) => call,
        Err(invalid) => {
            thread.counts.rpc(true);
            let answer =
                json_error(invalid.id.as_deref(), &RpcFault::new(code::INVALID_REQUEST, invalid.message), false);
            return BatchEntry { was: None, answer: Some(answer) };
        }
    };
    let (was, result) = run(thread, Face::JsonRpc, draft, &call.method, call.params, shared).await;
    BatchEntry { was, answer: call.id.map(|id| json_answer(&id, call.v1, result)) }
}

fn json_answer(id: &RawValue, v1: bool, result: Result<Bytes, RpcFault>) -> Vec<u8> {
    match result {
        Ok(result) => jsonrpc::write_raw_result(id, &result, v1),
        Err(fault) => json_error(Some(id), &fault, v1),
    }
}

/// If the specification fixes the message of an error, our own text becomes its data.
fn json_error(id: Option<&RawValue>, fault: &RpcFault, v1: bool) -> Vec<u8> {
    let fixed = match fault.code {
        code::PARSE => "Parse error",
        code::INVALID_REQUEST => "Invalid Request",
        code::METHOD_NOT_FOUND => "Method not found",
        _ => return jsonrpc::write_error(id, fault.code, &fault.message, None, v1),
    };
    jsonrpc::write_error(id, fault.code, fixed, Some(&Value::from(fault.message.as_str())), v1)
}

fn respond_with(was: Option<&Was>, kind: HeaderValue, document: impl Into<Bytes>) -> HttpResponse {
    let document = document.into();
    let is_silent = document.is_empty();
    let mut reply = respond::rpc(kind, document);
    if let Some(was) = was {
        reply = respond::finish(was, reply, Fixed::StatusAndType);
    }
    if is_silent { with_document(reply, Bytes::new()) } else { reply }
}

/// The reply with its document; if every call was a notification there is none, and the reply is 204.
fn with_document(mut reply: HttpResponse, document: impl Into<Bytes>) -> HttpResponse {
    let document = document.into();
    if document.is_empty() {
        *reply.status_mut() = StatusCode::NO_CONTENT;
        reply.headers_mut().remove(header::CONTENT_TYPE);
        return reply.set_body(()).map_into_boxed_body();
    }
    reply.set_body(document).map_into_boxed_body()
}

/// Finds and runs the method. The bytes are a complete document over XML-RPC, only the result over JSON-RPC.
async fn run(
    thread: &ServingThread,
    face: Face,
    draft: RequestBuilder,
    method: &str,
    params: Params,
    shared: Option<Session>,
) -> (Option<Was>, Result<Bytes, RpcFault>) {
    let Some(MatchedRoute { mount, app, placed }) = thread.site.router.method(draft.request().path(), method) else {
        thread.counts.rpc(true);
        return (None, Err(RpcFault::unknown(method)));
    };
    let devel = app.is_devel();
    let (session, visit) = match shared {
        Some(session) if app.use_session => (session, None),
        Some(_) => (Session::default(), None),
        None => match sessions::load(&thread.services, app.use_session, draft.cookie()).await {
            Ok((session, visit)) => (session, Some(visit)),
            Err(mut error) => {
                error_log::log(draft.request(), &mut error);
                thread.counts.rpc(true);
                return (None, Err(RpcFault::of(&error, devel)));
            }
        },
    };
    let was = draft.ready(face, session, placed.route, mount);
    let answer = {
        let mut bind = Bind::new(was.clone(), placed.route.params);
        lay(&mut bind, params);
        invoke::run(thread, &was, placed, &mut bind).await
    };
    let answer = match visit {
        Some(visit) => sessions::kept(thread, &was, visit, answer).await,
        None => answer,
    };
    let result = match error_log::logged(&was, answer) {
        Answer::Data(document) => Ok(document),
        Answer::Failed(error) => Err(RpcFault::of(&error, devel)),
        Answer::Instead(instead) => Err(RpcFault::of(&instead.error, devel)),
        Answer::Page(_)
        | Answer::Octets(_)
        | Answer::Nothing
        | Answer::Full(_)
        | Answer::Streaming(_)
        | Answer::Later(_) => {
            // These answers exist on the web only.
            Err(RpcFault::of(&Error::new(501, "this method's answer cannot be carried over RPC"), devel))
        }
    };
    thread.counts.rpc(result.is_err());
    (Some(was), result)
}

fn lay(bind: &mut Bind, params: Params) {
    match params {
        Params::None => {}
        Params::Positional(values) => bind.add_in_order(values),
        Params::Named(map) => {
            for (name, value) in map.0 {
                bind.add_known(&name, value);
            }
        }
    }
}
