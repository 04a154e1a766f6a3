//! One request, step by step, in this order:
//!
//! 1. the head is taken out of actix, so that it may travel between threads;
//! 2. RPC is told apart by content type (or the path `/RPC2`) and goes to the [endpoint](crate::rpc::endpoint);
//! 3. the mounts whose path leads to the request's, longest first: a file stands before an app;
//! 4. the app's route by path and method; then the body is read, within its limit;
//! 5. the session is loaded, arguments are bound, the handler runs, within the deadline and without its panic spreading;
//! 6. the session is kept, the answer is written as the client wants it;
//! 7. counters and the access log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Uri};
use actix_web::{HttpMessage, HttpResponse};
use bytes::Bytes;
use skitai_wire::Value;

use super::{arguments, body, files, respond, sessions};
use crate::app::pattern::canonical;
use crate::app::table::{Found, Placed};
use crate::app::{Answer, Bind, Error, Face, Mounted, Request, Route, Was};
use crate::observe::holdups::Timed;
use crate::observe::log::one_line;
use crate::observe::panics::{Catching, Panicked, catch};
use crate::rpc;
use crate::serve::worker::Worker;

/// Serves one request.
pub(crate) async fn serve(worker: &Worker, mut incoming: ServiceRequest) -> ServiceResponse {
    let started = Instant::now();
    let payload = incoming.take_payload();
    let mut request = take_head(&mut incoming);
    // What the log needs, where the head has moved on by then.
    let head = worker.log.as_ref().map(|_| (request.peer, request.method.clone(), request.uri.clone()));
    let mut account = Account { worker, started, head, status: CLIENT_LEFT, bytes: Some(0) };
    let response = match rpc::endpoint::protocol(&request) {
        // Boxed, as the file below: every request is moved with the room for whatever it might become.
        Some(protocol) => Box::pin(rpc::endpoint::serve(worker, protocol, request, payload)).await,
        None => match web(worker, &mut request, payload, &mut incoming).await {
            Ok(response) => response,
            Err(error) => refuse(worker, &request, &error),
        },
    };
    account.status = response.status().as_u16();
    account.bytes = match response.body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    };
    drop(account);
    incoming.into_response(response)
}

/// In the log and the counters alone: the client was gone before there was an answer (nginx has the number, too).
const CLIENT_LEFT: u16 = 499;

/// Counts and logs a request when it ends, however it ends: where the client leaves, the request's future is dropped.
struct Account<'w> {
    worker: &'w Worker,
    started: Instant,
    head: Option<(Option<SocketAddr>, Method, Uri)>,
    status: u16,
    bytes: Option<u64>,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.worker.site.counts.request(self.status);
        if let (Some(log), Some((peer, method, uri))) = (&self.worker.log, &self.head) {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            log.line(*peer, method.as_str(), target, self.status, self.bytes, self.started);
        }
    }
}

fn take_head(incoming: &mut ServiceRequest) -> Request {
    let peer = incoming.peer_addr();
    let head = incoming.head_mut();
    Request {
        method: head.method.clone(),
        uri: std::mem::take(&mut head.uri),
        version: head.version,
        headers: std::mem::replace(&mut head.headers, HeaderMap::new()),
        peer,
        body: Bytes::new(),
        received: Instant::now(),
        begun: Instant::now(),
    }
}

/// An error met before a handler had its say.
fn refuse(worker: &Worker, request: &Request, error: &Error) -> HttpResponse {
    tell(request, error);
    respond::error(error, respond::wants_html(request.get_header("accept")), worker.site.settings.server.devel)
}

/// Errors that are ours or our members' go to the log, one line each; what the client did wrong is the client's to read.
pub(crate) fn tell(request: &Request, error: &Error) {
    if let Some(cause) = error.cause() {
        tracing::error!(method = request.method(), uri = request.uri(), "{}", one_line(&cause.to_string()));
    } else if error.status() >= 500 {
        let shown = error.shown(true);
        tracing::warn!(method = request.method(), uri = request.uri(), "{} {}", error.status(), one_line(&shown));
    }
}

async fn web(
    worker: &Worker,
    request: &mut Request,
    payload: Payload,
    incoming: &mut ServiceRequest,
) -> Result<HttpResponse, Error> {
    let site = &worker.site;
    let path = &*canonical(request.uri.path());
    let html = || respond::wants_html(request.get_header("accept"));
    let mut wrong: Option<Vec<&'static str>> = None;
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    for (mount, misses) in site.mounts.iter().zip(&worker.misses) {
        let Some(rest) = mount.rest_of(path) else { continue };
        if mount.needs_slash(path) {
            return Ok(respond::add_slash(path, request.uri.query()));
        }
        if reads {
            match files::look(&mount.folders, path, rest, misses) {
                files::Found::File(file) => {
                    let max_age = site.settings.server.static_max_age;
                    give_head_back(incoming, request);
                    return Ok(Box::pin(files::send(file, incoming.request(), max_age)).await);
                }
                files::Found::NeedsSlash => return Ok(respond::add_slash(path, request.uri.query())),
                files::Found::Nothing => {}
            }
        }
        let Some(app) = &mount.app else { continue };
        match app.table.find(rest, request.method.as_str()) {
            Found::Route(placed, values) => {
                body::read(request, payload, site.settings.server.max_body).await?;
                let taken = std::mem::replace(request, emptied());
                return Ok(call(worker, app, placed, values, taken).await);
            }
            Found::WrongMethod(allowed) => wrong = wrong.or(Some(allowed)),
            Found::Nothing => {}
        }
        // The longest mount that has an app answers for everything below it.
        break;
    }
    match wrong {
        Some(allowed) if request.method == Method::OPTIONS => Ok(respond::options(&allowed)),
        Some(allowed) => Ok(respond::wrong_method(request.method.as_str(), &allowed, html())),
        None => Err(Error::new(404, format!("there is nothing at {path}"))),
    }
}

/// The head goes back into actix's request, for actix-files, which reads conditions and ranges from it.
fn give_head_back(incoming: &mut ServiceRequest, request: &mut Request) {
    let head = incoming.head_mut();
    head.uri = std::mem::take(&mut request.uri);
    head.headers = std::mem::replace(&mut request.headers, HeaderMap::new());
}

fn emptied() -> Request {
    Request {
        method: Method::GET,
        uri: actix_web::http::Uri::default(),
        version: actix_web::http::Version::HTTP_11,
        headers: HeaderMap::new(),
        peer: None,
        body: Bytes::new(),
        received: Instant::now(),
        begun: Instant::now(),
    }
}

/// A web call from bound arguments to a reply.
async fn call(
    worker: &Worker,
    app: &Arc<Mounted>,
    placed: &Placed,
    values: Vec<(String, Value)>,
    request: Request,
) -> HttpResponse {
    let devel = worker.site.settings.server.devel;
    let (session, visit) = match sessions::load(&worker.hands, app.use_session, &request).await {
        Ok(loaded) => loaded,
        Err(error) => return refuse(worker, &request, &error),
    };
    let was = Was::new(request, Face::Web, session, placed.route, app.clone(), worker.hands.clone());
    let mut bind = Bind::new(was.clone(), placed.route.params);
    let answer = match arguments::lay(&mut bind, &was.request, values) {
        Ok(()) => run(worker, &was, placed.route, bind).await,
        Err(error) => Answer::Failed(error),
    };
    let answer = end(worker, &was, Some(visit), answer).await;
    respond::web(&was, answer, devel)
}

/// Binds and runs a handler, within the request's deadline. A panic, a fault or a missed deadline is an answer, too.
pub(crate) async fn run(worker: &Worker, was: &Was, route: &'static Route, mut bind: Bind) -> Answer {
    let bound = match bind.has_faults() {
        true => Ok(Err(bind.faults())),
        // The author's code runs here, too: defaults, and the types of `Json`.
        false => catch(|| (route.call)(was.clone(), &mut bind)),
    };
    let work = match bound {
        Ok(Ok(work)) => work,
        Ok(Err(faults)) => return Answer::Failed(Error::new(400, faults.to_string())),
        Err(panicked) => return panic(worker, panicked),
    };
    let deadline = was.deadline();
    let work = Catching(Timed::new(work, route, worker.site.settings.server.devel));
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panicked)) => panic(worker, panicked),
        Err(_) => {
            Answer::Failed(Error::new(504, "the request's time is over; whatever it still waited for was stopped"))
        }
    }
}

fn panic(worker: &Worker, panicked: Panicked) -> Answer {
    worker.site.counts.panic();
    Answer::Failed(Error::internal(panicked))
}

/// What follows every handler: the session is kept (not by a call that shares it with others), an error of ours is told.
pub(crate) async fn end(worker: &Worker, was: &Was, visit: Option<sessions::Visit>, answer: Answer) -> Answer {
    let answer = match visit {
        None => answer,
        Some(visit) => match sessions::keep(worker, was, visit).await {
            Ok(()) => answer,
            // What the handler meant to remember is lost: the client must not believe otherwise.
            Err(error) => Answer::Failed(error),
        },
    };
    if let Answer::Failed(error) = &answer {
        tell(&was.request, error);
    }
    answer
}
