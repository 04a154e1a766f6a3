//! One method, called by name: finds its route, runs its handler, and makes the reply around its document.

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use bytes::Bytes;
use skitai_wire::jsonrpc::Params;

use super::fault::RpcFault;
use crate::app::coverage::Audience;
use crate::app::routing::router::MatchedRoute;
use crate::app::{Answer, Bind, Error, Face, RequestBuilder, Session, Was};
use crate::edge::respond::Fixed;
use crate::edge::thread::ServingThread;
use crate::edge::{error_log, gate, invoke, partial, respond, sessions};
use crate::observe::route_counts::Serving;

/// Whether a call is all of its request.
pub(super) enum CallOf<'s> {
    /// It is: here is to say who serves it.
    One(&'s Serving),
    /// There are several, and this is their session.
    Several(Session),
}

/// Finds and runs a method. The bytes are a complete document
/// over XML-RPC, only the result over JSON-RPC.
pub(super) async fn run(
    thread: &ServingThread,
    face: Face,
    builder: RequestBuilder,
    method: &str,
    params: Params,
    of: CallOf<'_>,
) -> (Option<Was>, Result<Bytes, RpcFault>) {
    let Some(found) = thread.site.router.method(builder.request().path(), method) else {
        thread.counts.rpc(true);
        return (None, Err(RpcFault::unknown(method)));
    };
    let MatchedRoute { app, entry, mount } = found;
    if let CallOf::One(serving) = &of {
        thread.routes.begin(serving, thread.routes.of(mount, entry.index));
    }
    // Held while the method runs.
    let _pass = match gate::of_method(thread, builder.request(), mount) {
        None => None,
        Some((gate, counted)) => match Box::pin(gate.admit(thread, &builder, counted)).await {
            Ok(pass) => Some(pass),
            Err(barred) => {
                thread.counts.rpc(true);
                return (None, Err(RpcFault::of(&barred.error, Audience::default())));
            }
        },
    };
    let (session, visit) = match of {
        CallOf::Several(session) if app.use_session => (session, None),
        CallOf::Several(_) => (Session::default(), None),
        CallOf::One(_) => match sessions::load(&thread.services, app.use_session, builder.cookie()).await {
            Ok((session, visit)) => (session, Some(visit)),
            Err(mut error) => {
                error_log::log(builder.request(), &mut error);
                thread.counts.rpc(true);
                let reader = Audience::of(builder.request(), app.is_devel());
                return (None, Err(RpcFault::of(&error, reader)));
            }
        },
    };
    let was = builder.called(face, session, found);
    let answer = {
        let mut bind = Bind::new(was.clone(), entry.route.params);
        bind_params(&mut bind, params);
        // Hooks test the path by which the route is called on the web.
        let _ = was.request.route_path.set(app.links.path_of_call(entry, |name| bind.value_of(name)));
        invoke::run(thread, &was, entry, &mut bind).await
    };
    let answer = match visit {
        Some(visit) => sessions::save_changed(thread, &was, visit, answer).await,
        None => answer,
    };
    let result = document(error_log::logged(&was, answer), was.audience());
    thread.counts.rpc(result.is_err());
    was.answered(200);
    (Some(was), result)
}

fn bind_params(bind: &mut Bind, params: Params) {
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

/// The document of an answer, or its fault.
fn document(answer: Answer, reader: Audience) -> Result<Bytes, RpcFault> {
    match answer {
        Answer::Data(document) => Ok(document),
        Answer::Failed(error) => Err(RpcFault::of(&error, reader)),
        Answer::Instead(instead) => Err(RpcFault::of(&instead.error, reader)),
        Answer::Page(_)
        | Answer::Octets(_)
        | Answer::Nothing
        | Answer::Full(_)
        | Answer::Streaming(_)
        | Answer::Later(_) => {
            // These answers exist on the web only.
            Err(RpcFault::of(&Error::new(501, "this method's answer cannot be carried over RPC"), reader))
        }
    }
}

/// The reply with its document, and with the headers and cookies that the handler set.
pub(super) fn reply(was: Option<&Was>, kind: HeaderValue, document: impl Into<Bytes>) -> HttpResponse {
    let document = document.into();
    let is_silent = document.is_empty();
    let mut reply = respond::rpc(kind, document);
    if let Some(was) = was {
        reply = partial::with_headers(was, respond::finish(was, reply, Fixed::StatusAndType));
    }
    if is_silent { with_document(reply, Bytes::new()) } else { reply }
}

/// The reply with its document; if every call was a notification there is none, and the reply is 204.
pub(super) fn with_document(mut reply: HttpResponse, document: impl Into<Bytes>) -> HttpResponse {
    let document = document.into();
    if document.is_empty() {
        *reply.status_mut() = StatusCode::NO_CONTENT;
        reply.headers_mut().remove(header::CONTENT_TYPE);
        return reply.set_body(()).map_into_boxed_body();
    }
    reply.set_body(document).map_into_boxed_body()
}
