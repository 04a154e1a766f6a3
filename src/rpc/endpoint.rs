//! The RPC endpoint: which protocol, which route, and the document that answers.
//!
//! XML-RPC is a POST of `text/xml` (or `application/xml`) to any path, or of anything to `/RPC2`; JSON-RPC is a POST of
//! `application/json-rpc` to any path. Below a mount's path a method's name may also leave the mount's part out: a
//! POST to `/test` finds `hello` as well as `test.hello`.

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use futures_util::{StreamExt, stream};
use skitai_wire::jsonrpc::{self, Incoming, Params};
use skitai_wire::{Limits, xmlrpc};

use super::fault::Fault;
use crate::app::{Answer, Bind, Draft, Error, Face, Request, Session, Was, code};
use crate::edge::respond::Holds;
use crate::edge::{body, pipeline, respond, sessions};
use crate::serve::site::Meant;
use crate::serve::worker::Worker;

/// How an RPC client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Xml,
    Json,
}

/// The protocol of a request, if it is RPC.
pub(crate) fn protocol(request: &Request) -> Option<Protocol> {
    if request.method != Method::POST {
        return None;
    }
    match request.get_content_type() {
        Some(kind) if kind.eq_ignore_ascii_case("text/xml") || kind.eq_ignore_ascii_case("application/xml") => {
            Some(Protocol::Xml)
        }
        Some(kind) if kind.eq_ignore_ascii_case("application/json-rpc") => Some(Protocol::Json),
        _ if request.path().trim_end_matches('/').eq_ignore_ascii_case("/RPC2") => Some(Protocol::Xml),
        _ => None,
    }
}

/// Serves an RPC request. The reply is HTTP 200 with a document, whatever came of it; only a body that could not be
/// read is an HTTP error.
pub(crate) async fn serve(worker: &Worker, protocol: Protocol, mut draft: Draft, payload: Payload) -> HttpResponse {
    let settings = &worker.site.settings.server;
    if let Err(error) = body::read(draft.request_mut(), payload, settings.max_body).await {
        return respond::error(&error, false, settings.devel);
    }
    match protocol {
        Protocol::Xml => xml(worker, draft).await,
        Protocol::Json => json(worker, draft).await,
    }
}

const XML: &str = "text/xml; charset=utf-8";
const JSON: &str = "application/json-rpc";

async fn xml(worker: &Worker, draft: Draft) -> HttpResponse {
    let call = match xmlrpc::parse_call(&draft.request().body, &Limits::default()) {
        Ok(call) => call,
        Err(error) => {
            let fault = Fault::malformed(&error);
            worker.counts.rpc(true);
            return respond::rpc(XML, xmlrpc::write_fault(fault.code, &fault.message));
        }
    };
    let (was, result) = run(worker, Face::XmlRpc, draft, &call.method, Params::Positional(call.params), None).await;
    let document = match result {
        Ok(document) => document,
        Err(fault) => xmlrpc::write_fault(fault.code, &fault.message),
    };
    respond_with(was, XML, document)
}

async fn json(worker: &Worker, draft: Draft) -> HttpResponse {
    let body = draft.request().body.clone();
    match jsonrpc::parse(&body) {
        Err(error) => {
            let fault = Fault::malformed(&error);
            worker.counts.rpc(true);
            respond::rpc(JSON, jsonrpc::write_error(None, fault.code, &fault.message, None, false))
        }
        Ok(Incoming::Single(call)) => match one_json(worker, draft, call, None).await {
            (was, Some(document)) => respond_with(was, JSON, document),
            (was, None) => respond_with(was, JSON, Vec::new()),
        },
        Ok(Incoming::Batch(calls)) => batch(worker, &draft, calls).await,
    }
}

/// Calls of one batch under way at a time. Each has its own copy of the request's head, and a client can send 10 000.
const AT_ONCE: usize = 64;

/// The calls run side by side and the answers keep their order. One session is loaded for all of them, and kept once.
async fn batch(
    worker: &Worker,
    draft: &Draft,
    calls: Vec<Result<jsonrpc::Request<'_>, jsonrpc::Invalid<'_>>>,
) -> HttpResponse {
    let failed = |error: Error| {
        pipeline::tell(draft.request(), &error);
        let fault = Fault::of(&error, worker.site.settings.server.devel);
        respond::rpc(JSON, jsonrpc::write_error(None, fault.code, &fault.message, None, false))
    };
    let use_session = worker.site.mounts.iter().any(|mount| mount.app.as_ref().is_some_and(|app| app.use_session));
    let (session, visit) = match sessions::load(&worker.hands, use_session, draft.cookie()).await {
        Ok(loaded) => loaded,
        Err(error) => return failed(error),
    };
    let mut answers = stream::iter(calls)
        .map(|call| {
            let draft = Draft::new(draft.request().clone(), worker.hands.clone());
            one_json(worker, draft, call, Some(session.clone()))
        })
        .buffered(AT_ONCE);
    let mut document = Vec::new();
    // What each call set goes out with the one reply, in order.
    let mut reply = respond::rpc(JSON, Vec::new());
    let mut keeper = None;
    while let Some((was, answer)) = answers.next().await {
        if let Some(was) = was {
            reply = respond::finish(&was, reply, Holds::Both);
            if was.app().use_session {
                keeper = Some(was);
            }
        }
        if let Some(answer) = answer {
            document.push(if document.is_empty() { b'[' } else { b',' });
            document.extend_from_slice(&answer);
        }
    }
    if let Some(was) = keeper {
        if let Err(error) = sessions::keep(worker, &was, visit).await {
            return failed(error);
        }
        reply = respond::finish(&was, reply, Holds::Both);
    }
    if !document.is_empty() {
        document.push(b']');
    }
    with_document(reply, document)
}

/// One JSON-RPC call. No document comes back for a notification.
async fn one_json(
    worker: &Worker,
    draft: Draft,
    call: Result<jsonrpc::Request<'_>, jsonrpc::Invalid<'_>>,
    shared: Option<Session>,
) -> (Option<Was>, Option<Vec<u8>>) {
    let call = match call {
        Ok(call) => call,
        Err(invalid) => {
            worker.counts.rpc(true);
            return (
                None,
                Some(jsonrpc::write_error(invalid.id, code::INVALID_REQUEST, &invalid.message, None, false)),
            );
        }
    };
    let (was, result) = run(worker, Face::JsonRpc, draft, &call.method, call.params, shared).await;
    let document = call.id.map(|id| match result {
        Ok(result) => jsonrpc::write_raw_result(id, &result, call.v1),
        Err(fault) => jsonrpc::write_error(Some(id), fault.code, &fault.message, None, call.v1),
    });
    (was, document)
}

fn respond_with(was: Option<Was>, kind: &str, document: Vec<u8>) -> HttpResponse {
    let reply = respond::rpc(kind, Vec::new());
    let reply = match was {
        Some(was) => respond::finish(&was, reply, Holds::Both),
        None => reply,
    };
    with_document(reply, document)
}

/// The reply with its document; where every call was a notification there is none, and the reply is 204.
fn with_document(mut reply: HttpResponse, document: Vec<u8>) -> HttpResponse {
    if document.is_empty() {
        *reply.status_mut() = StatusCode::NO_CONTENT;
        reply.headers_mut().remove(header::CONTENT_TYPE);
        return reply.set_body(()).map_into_boxed_body();
    }
    reply.set_body(document).map_into_boxed_body()
}

/// Finds and runs the method. The bytes are a whole document over XML-RPC and the result alone over JSON-RPC.
async fn run(
    worker: &Worker,
    face: Face,
    draft: Draft,
    method: &str,
    params: Params,
    shared: Option<Session>,
) -> (Option<Was>, Result<Vec<u8>, Fault>) {
    let Some(Meant { mount, app, placed }) = worker.site.method(draft.request().path(), method) else {
        worker.counts.rpc(true);
        return (None, Err(Fault::unknown(method)));
    };
    let devel = worker.site.settings.server.devel;
    let (session, visit) = match shared {
        Some(session) if app.use_session => (session, None),
        Some(_) => (Session::default(), None),
        None => match sessions::load(&worker.hands, app.use_session, draft.cookie()).await {
            Ok((session, visit)) => (session, Some(visit)),
            Err(error) => {
                pipeline::tell(draft.request(), &error);
                worker.counts.rpc(true);
                return (None, Err(Fault::of(&error, devel)));
            }
        },
    };
    let was = draft.ready(face, session, placed.route, mount);
    let mut bind = Bind::new(was.clone(), placed.route.params);
    lay(&mut bind, params);
    let answer = pipeline::run(worker, &was, placed.route, bind).await;
    let result = match pipeline::end(worker, &was, visit, answer).await {
        Answer::Data(document) => Ok(document),
        Answer::Failed(error) => Err(Fault::of(&error, devel)),
        Answer::Page(_) | Answer::Octets(_) | Answer::Nothing | Answer::Full(_) | Answer::Streaming(_) => {
            // Replies write data for RPC; these are the web's alone.
            Err(Fault::of(&Error::new(501, "this method's answer cannot be carried over RPC"), devel))
        }
    };
    worker.counts.rpc(result.is_err());
    (Some(was), result)
}

fn lay(bind: &mut Bind, params: Params) {
    match params {
        Params::None => {}
        Params::Positional(values) => {
            let given = values.len();
            let mut surplus = 0;
            for (place, value) in values.into_iter().enumerate() {
                if !bind.add_at(place, value) {
                    surplus += 1;
                }
            }
            if surplus > 0 {
                bind.fault(format!("{given} arguments were given and the method takes {}", given - surplus));
            }
        }
        Params::Named(map) => {
            for (name, value) in map.0 {
                bind.add_known(&name, value);
            }
        }
    }
}
