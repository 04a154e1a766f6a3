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

use actix_web::HttpResponse;
use actix_web::dev::Payload;

use super::dispatch::{Dispatch, dispatch, nothing_at};
use super::thread::ServingThread;
use super::{arguments, body, error_log, files, invoke, respond, sessions};
use crate::app::routing::pattern::canonical;
use crate::app::routing::router::MatchedRoute;
use crate::app::{Answer, Bind, Error, Face, NO_ROUTE, RequestBuilder, Session};
use crate::connection::Incoming;

/// Serves a web request. `is_rpc` is true for OPTIONS of a path where RPC is served.
pub(crate) async fn web(
    thread: &ServingThread,
    draft: RequestBuilder,
    payload: Payload,
    incoming: &mut Incoming,
    is_rpc: bool,
) -> HttpResponse {
    match dispatch(thread, draft.request(), is_rpc) {
        Ok(Dispatch::Handler(route, values)) => call(thread, draft, payload, route, values).await,
        elsewhere => Box::pin(uncalled(thread, elsewhere, draft, payload, incoming)).await,
    }
}

/// The reply of a handler.
async fn call(
    thread: &ServingThread,
    mut draft: RequestBuilder,
    payload: Payload,
    MatchedRoute { mount, app, placed }: MatchedRoute<'_>,
    values: Vec<(String, skitai_wire::Value)>,
) -> HttpResponse {
    let parts = match body::read_or_receive(thread, draft.request_mut(), payload, placed.route.params).await {
        Ok(parts) => parts,
        Err(error) => return Box::pin(refuse(thread, draft, error)).await,
    };
    let (session, visit) = match sessions::load(&thread.services, app.use_session, draft.cookie()).await {
        Ok(loaded) => loaded,
        Err(error) => return Box::pin(refuse(thread, draft, error)).await,
    };
    let was = draft.ready(Face::Web, session, placed.route, mount);
    let answer = {
        let mut bind = Bind::new(was.clone(), placed.route.params);
        match arguments::bind(thread, &mut bind, &was.request, parts, values).await {
            Ok(()) => invoke::run(thread, &was, placed, &mut bind).await,
            Err(error) => Answer::Failed(error),
        }
    };
    let answer = sessions::kept(thread, &was, visit, answer).await;
    respond::web(thread, &was, error_log::logged(&was, answer)).await
}

/// The reply to a request without a handler.
async fn uncalled(
    thread: &ServingThread,
    dispatch: Result<Dispatch<'_>, Error>,
    draft: RequestBuilder,
    payload: Payload,
    incoming: &mut Incoming,
) -> HttpResponse {
    match dispatch {
        Ok(Dispatch::Behind) => {
            *incoming.payload() = payload;
            let incoming = std::mem::replace(incoming, Incoming::new());
            match thread.behind.service(&thread.site, incoming, draft.request()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    let nothing = nothing_at(&canonical(draft.request().uri.path()));
                    refuse(thread, draft, nothing).await
                }
                Err(panicked) => refuse(thread, draft, invoke::panic(thread, panicked)).await,
            }
        }
        Ok(Dispatch::File(file)) => files::send(thread, file, draft.request()).await,
        Ok(Dispatch::Reply(reply)) => reply,
        Ok(Dispatch::WrongMethod(allowed)) => {
            let error = respond::wrong_method(draft.request().method.as_str(), &allowed);
            respond::allowing(refuse(thread, draft, error).await, &allowed)
        }
        Ok(Dispatch::Handler(..)) => unreachable!("its handler is called"),
        Err(error) => refuse(thread, draft, error).await,
    }
}

/// The reply to an error before the handler was called.
async fn refuse(thread: &ServingThread, draft: RequestBuilder, mut error: Error) -> HttpResponse {
    error_log::log(draft.request(), &mut error);
    match thread.site.router.app_at(&canonical(draft.request().uri.path())) {
        Some(mount) => {
            let was = draft.ready(Face::Web, Session::default(), &NO_ROUTE, mount);
            respond::web(thread, &was, Answer::Failed(error)).await
        }
        None => {
            let html = respond::wants_html(draft.request().get_header("accept"));
            respond::mark(respond::error(&error, html, thread.site.server.devel), &error)
        }
    }
}
