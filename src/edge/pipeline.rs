//! One web request, step by step, in this order:
//!
//! 1. [`dispatch`]: finds the file or route of the path;
//! 2. [`body`]: reads the body, within its size and time limit;
//! 3. [`sessions`]: loads the session;
//! 4. [`arguments`]: binds what the client sent to the handler's parameters;
//! 5. [`invoke`]: runs the handler, with the hooks around it, within the deadline;
//! 6. [`sessions`]: saves the session;
//! 7. [`error_log`]: logs an error of the server;
//! 8. [`respond`]: writes the answer in the form the client wants.
//!
//! Rare branches and those that wait are boxed, so that they do not enlarge the future of every request.

use std::borrow::Cow;

use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpResponse};

use super::dispatch::{Dispatch, dispatch, nothing_at};
use super::files::lookup::Found;
use super::probes::Probe;
use super::thread::ServingThread;
use super::{arguments, body, error_log, invoke, respond, sessions};
use crate::app::reply::sse::END_ID;
use crate::app::routing::pattern::canonical;
use crate::app::routing::router::MatchedRoute;
use crate::app::trail::TrailPlace;
use crate::app::{Answer, Bind, Error, Face, NO_ROUTE, Request, RequestBuilder, RequestContext, Session};
use crate::connection::{Incoming, Tunnel};
use crate::observe::route_counts::{ServedBy, Serving};
use crate::proxy;

/// What a browser sends when it connects to an event stream again (HTML, 9.2.4).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Serves a web request. `is_rpc` is true for OPTIONS of a path where RPC is served.
pub(crate) async fn web(
    thread: &ServingThread,
    builder: RequestBuilder,
    payload: Payload,
    incoming: &mut Incoming,
    is_rpc: bool,
    serving: &Serving,
) -> HttpResponse {
    match dispatch(thread, builder.request(), is_rpc, None) {
        Ok(Dispatch::Handler(route, values)) => call(thread, builder, payload, route, values, serving).await,
        Ok(Dispatch::Look(at)) => match Box::pin(looked(thread, builder.request(), at, is_rpc)).await {
            Ok(Ok(Dispatch::Handler(route, values))) => call(thread, builder, payload, route, values, serving).await,
            Ok(elsewhere) => Box::pin(uncalled(thread, elsewhere, builder, payload, incoming, serving)).await,
            Err(file) => {
                thread.routes.begin(serving, ServedBy::FILES);
                builder.answered(TrailPlace::Files, file.status().as_u16());
                *file
            }
        },
        elsewhere => Box::pin(uncalled(thread, elsewhere, builder, payload, incoming, serving)).await,
    }
}

/// Looks at the folders of the mount `at`, and at those behind it: the reply with a file, or what else the path is.
async fn looked<'t>(
    thread: &'t ServingThread,
    request: &Request,
    mut at: usize,
    is_rpc: bool,
) -> Result<Result<Dispatch<'t>, Error>, Box<HttpResponse>> {
    let path = canonical(request.uri.path());
    loop {
        let (mount, folders) = (&thread.site.router.mounts()[at], &thread.folders[at]);
        match folders.find(&path, mount.rest_of(&path).unwrap_or_default(), request).await {
            Ok(Found::File(file)) => return Err(Box::new(folders.send(*file))),
            Ok(Found::NeedsSlash) => {
                return Err(Box::new(respond::add_slash(&request.method, &path, request.uri.query())));
            }
            Ok(Found::Nothing { .. }) => match dispatch(thread, request, is_rpc, Some(at)) {
                Ok(Dispatch::Look(next)) => at = next,
                found => return Ok(found),
            },
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The reply with a mount's fallback, where nobody has the path.
async fn fallback(thread: &ServingThread, builder: RequestBuilder, at: usize, serving: &Serving) -> HttpResponse {
    match thread.folders[at].fallback(builder.request()).await {
        Ok(Some(file)) => {
            thread.routes.begin(serving, ServedBy::FILES);
            thread.folders[at].send(*file)
        }
        Ok(None) => {
            let nothing = nothing_at(&canonical(builder.request().uri.path()));
            refuse(thread, builder, nothing).await
        }
        Err(error) => refuse(thread, builder, error).await,
    }
}

/// True for a client that has read an event stream to its end and connects again, which would start it anew: a GET for
/// events with the id of the end. It is answered before anything runs, hooks included, with 204 and nothing else.
fn has_read_to_the_end(request: &Request) -> bool {
    request.headers.get(LAST_EVENT_ID).is_some_and(|id| id.as_bytes() == END_ID.as_bytes())
        && request.method == Method::GET
        && request.get_header("accept").is_some_and(|accept| accept.contains("text/event-stream"))
}

/// The reply of a handler.
async fn call(
    thread: &ServingThread,
    mut builder: RequestBuilder,
    payload: Payload,
    found: MatchedRoute<'_>,
    values: Vec<(String, skitai_wire::Value)>,
    serving: &Serving,
) -> HttpResponse {
    let MatchedRoute { app, entry, mount } = found;
    thread.routes.begin(serving, thread.routes.of(mount, entry.index));
    if has_read_to_the_end(builder.request()) {
        let mut stop = HttpResponse::new(StatusCode::NO_CONTENT);
        stop.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return stop;
    }
    let parts = match body::read_or_receive(thread, builder.request_mut(), payload, entry.route.params).await {
        Ok(parts) => parts,
        Err(error) => return Box::pin(refuse(thread, builder, error)).await,
    };
    let (session, visit) = match sessions::load(&thread.services, app.use_session, builder.cookie()).await {
        Ok(loaded) => loaded,
        Err(error) => return Box::pin(refuse(thread, builder, error)).await,
    };
    let was = builder.called(Face::Web, session, found);
    if let Cow::Owned(path) = canonical(was.request.uri.path()) {
        // Guards must test the path that the route was found by.
        let _ = was.request.route_path.set(path.into());
    }
    let answer = {
        let mut bind = Bind::new(was.clone(), entry.route.params);
        match arguments::bind(thread, &mut bind, &was.request, parts, values).await {
            Ok(()) => invoke::run(thread, &was, entry, &mut bind).await,
            Err(error) => Answer::Failed(error),
        }
    };
    let answer = sessions::save_changed(thread, &was, visit, answer).await;
    respond::web(thread, &was, error_log::logged(&was, answer)).await
}

/// The reply to a request without a handler.
async fn uncalled(
    thread: &ServingThread,
    dispatch: Result<Dispatch<'_>, Error>,
    mut builder: RequestBuilder,
    payload: Payload,
    incoming: &mut Incoming,
    serving: &Serving,
) -> HttpResponse {
    match dispatch {
        Ok(Dispatch::Actix(at)) => {
            *incoming.payload() = payload;
            let incoming = std::mem::replace(incoming, Incoming::new());
            match thread.actix.service(&thread.site, incoming, builder.request()).await {
                Ok(Some(answer)) => {
                    thread.routes.begin(serving, ServedBy::SERVICES);
                    builder.answered(TrailPlace::Services, answer.status().as_u16());
                    answer
                }
                Ok(None) => {
                    let path = canonical(builder.request().uri.path());
                    let reads = matches!(builder.request().method, Method::GET | Method::HEAD);
                    match Probe::at(&path).filter(|_| reads) {
                        Some(probe) => {
                            thread.routes.begin(serving, ServedBy::PROBES);
                            thread.probes.reply(probe)
                        }
                        None if reads && thread.folders[at].falls_back(&path, builder.request()) => {
                            fallback(thread, builder, at, serving).await
                        }
                        None => {
                            let nothing = nothing_at(&path);
                            refuse(thread, builder, nothing).await
                        }
                    }
                }
                Err(panicked) => {
                    let error = invoke::panic(thread, panicked);
                    builder.answered(TrailPlace::Services, error.status());
                    refuse(thread, builder, error).await
                }
            }
        }
        Ok(Dispatch::Fallback(at)) => fallback(thread, builder, at, serving).await,
        Ok(Dispatch::Passed(at)) => {
            thread.routes.begin(serving, thread.routes.of(at, 0));
            let path = canonical(builder.request().uri.path()).into_owned();
            let tunnel = incoming.extensions_mut().remove::<Tunnel>();
            match passed(thread, at, &path, builder.pass(at), payload, tunnel).await {
                Ok(reply) => {
                    builder.answered(TrailPlace::Members, reply.status().as_u16());
                    reply
                }
                Err(error) => {
                    // Nobody has answered, which is what somebody will ask for.
                    builder.answered(TrailPlace::Members, error.status());
                    refuse(thread, builder, error).await
                }
            }
        }
        Ok(Dispatch::Probe(probe)) => {
            thread.routes.begin(serving, ServedBy::PROBES);
            thread.probes.reply(probe)
        }
        Ok(Dispatch::Reply(reply)) => reply,
        Ok(Dispatch::WrongMethod(allowed)) => {
            let error = respond::wrong_method(builder.request().method.as_str(), &allowed);
            respond::allowing(refuse(thread, builder, error).await, &allowed)
        }
        Ok(Dispatch::Handler(..)) => unreachable!("its handler is called"),
        Ok(Dispatch::Look(_)) => unreachable!("it was looked for"),
        Err(error) => refuse(thread, builder, error).await,
    }
}

/// The answer of a member, for a mount that leads to a cluster.
async fn passed(
    thread: &ServingThread,
    at: usize,
    path: &str,
    request: &RequestContext,
    payload: Payload,
    tunnel: Option<Tunnel>,
) -> Result<HttpResponse, Error> {
    let mount = &thread.site.router.mounts()[at];
    let to = mount.passed.as_ref().ok_or_else(|| nothing_at(path))?;
    proxy::pass((mount, to), path, request, payload, tunnel).await
}

/// The reply to an error before the handler was called.
async fn refuse(thread: &ServingThread, builder: RequestBuilder, mut error: Error) -> HttpResponse {
    error_log::log(builder.request(), &mut error);
    builder.failed(&error);
    match thread.site.router.app_at(&canonical(builder.request().uri.path())) {
        Some(mount) => {
            let was = builder.ready(Face::Web, Session::default(), &NO_ROUTE, mount);
            respond::web(thread, &was, Answer::Failed(error)).await
        }
        None => respond::before_apps(&error, builder.request(), thread.site.server.devel),
    }
}
