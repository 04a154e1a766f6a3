//! One request, step by step, in this order:
//!
//! 1. the head is taken out of actix, so that it may travel between threads;
//! 2. RPC is told apart by content type (or the path `/RPC2` or `/rpc3`) and goes to the
//!    [endpoint](crate::rpc::endpoint);
//! 3. the mounts whose path leads to the request's, longest first: a file stands before an app;
//! 4. the app's route by path and method; then the body is read, within its limit;
//! 5. the session is loaded, hooks run, arguments are bound, the handler runs, hooks run, within the deadline and
//!    without its panic spreading;
//! 6. the session is kept, the answer is written as the client wants it;
//! 7. counters and the access log.

use std::mem::swap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::http::{Method, Uri};
use skitai_actors::kit::alarm;
use skitai_wire::Value;

use super::large::LARGE;
use super::{arguments, body, files, hooked, respond, sessions};
use crate::app::pattern::canonical;
use crate::app::table::{Found, Placed};
use crate::app::{Answer, Bind, Draft, Error, ErrorId, Face, Later, NO_ROUTE, Request, Route, Session, Was, Work};
use crate::connection::Incoming;
use crate::observe::holdups::Timed;
use crate::observe::log::one_line;
use crate::observe::panics::{Catching, Panicked, catch};
use crate::rpc;
use crate::serve::site::Meant;
use crate::serve::worker::Worker;

/// Serves one request.
pub(crate) async fn serve(worker: &Worker, incoming: &mut Incoming) -> HttpResponse {
    let started = Instant::now();
    let payload = incoming.take_payload();
    let mut draft = worker.spares.draft(started, &worker.hands);
    draft.fill(|request| take_head(incoming, request));
    let mut account = Account { worker, started, head: None, status: CLIENT_LEFT, bytes: Some(0) };
    if worker.log.is_some() {
        // What the log needs, where the head has moved on by then.
        let request = draft.request();
        account.head = Some(Box::new((request.client_addr(), request.method.clone(), request.uri.clone())));
    }
    let mut response = match rpc::endpoint::protocol(&worker.site, draft.request()) {
        // Boxed, as the file below: every request is moved with the room for whatever it might become.
        Some(protocol) => Box::pin(rpc::endpoint::serve(worker, protocol, draft, payload)).await,
        None => web(worker, draft, payload, incoming).await,
    };
    account.status = response.status().as_u16();
    account.bytes = respond::length(&response);
    drop(account);
    respond::restart_needed(&mut response, worker.site.restart_needed());
    response
}

/// A request to a site whose changed configuration has mistakes.
pub(crate) fn unfit(why: &str, incoming: &Incoming) -> HttpResponse {
    let accept = incoming.head().headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    respond::unfit(why, respond::wants_html(accept))
}

/// In the log and the counters alone: the client was gone before there was an answer (nginx has the number, too).
const CLIENT_LEFT: u16 = 499;

/// Counts and logs a request when it ends, however it ends: where the client leaves, the request's future is dropped.
struct Account<'w> {
    worker: &'w Worker,
    started: Instant,
    head: Option<Box<(Option<SocketAddr>, Method, Uri)>>,
    status: u16,
    bytes: Option<u64>,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.worker.counts.request(self.status);
        if let (Some(log), Some(head)) = (&self.worker.log, &self.head) {
            let (peer, method, uri) = &**head;
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            log.line(*peer, method.as_str(), target, self.status, self.bytes, self.started);
        }
    }
}

/// Takes the head out of actix's request, which gets the empty one in exchange.
pub(super) fn take_head(incoming: &mut Incoming, request: &mut Request) {
    let head = incoming.head_mut();
    request.method = head.method.clone();
    request.version = head.version;
    request.peer = head.peer_addr;
    swap(&mut request.uri, &mut head.uri);
    swap(&mut request.headers, &mut head.headers);
}

/// An error met before a handler had its say.
async fn refuse(worker: &Worker, draft: Draft, mut error: Error) -> HttpResponse {
    tell(draft.request(), &mut error);
    match worker.site.app_at(&canonical(draft.request().uri.path())) {
        Some(mount) => {
            let was = draft.ready(Face::Web, Session::default(), &NO_ROUTE, mount);
            respond::web(worker, &was, Answer::Failed(error)).await
        }
        None => {
            let html = respond::wants_html(draft.request().get_header("accept"));
            respond::mark(respond::error(&error, html, worker.site.settings.server.devel), &error)
        }
    }
}

/// Errors that are ours or our members' go to the log, one line each, under an id that the client is told, too; what
/// the client did wrong is the client's to read.
pub(crate) fn tell(request: &Request, error: &mut Error) {
    if error.status() < 500 && error.cause().is_none() {
        return;
    }
    let (id, at) = (ErrorId::new(), error.place());
    error.told_as(id);
    let (method, uri) = (request.method(), request.uri());
    if let Some(cause) = error.cause() {
        tracing::error!(%id, method, uri, %at, "{}", one_line(&cause.to_string()));
    } else {
        let shown = error.shown(true);
        tracing::warn!(%id, method, uri, %at, "{} {}", error.status(), one_line(&shown));
    }
}

/// What a path leads to.
enum Led<'s> {
    /// A handler, and the values of its placeholders.
    Call(Meant<'s>, Vec<(String, Value)>),
    File(PathBuf),
    /// An answer that needs nobody.
    Reply(HttpResponse),
    /// Perhaps a service of actix-web's knows it.
    Behind,
    /// A path that has other methods.
    Wrong(Vec<&'static str>),
}

/// A request of the web. What waits or is rare is boxed: every request is moved with the room for whatever it might
/// become.
#[expect(clippy::manual_async_fn, reason = "an async function would have room for what it is given twice")]
fn web<'w>(
    worker: &'w Worker,
    mut draft: Draft,
    payload: Payload,
    incoming: &'w mut Incoming,
) -> impl Future<Output = HttpResponse> + 'w {
    async move {
        let (Meant { mount, app, placed }, values) = match lead(worker, draft.request()) {
            Ok(Led::Call(meant, values)) => (meant, values),
            elsewhere => return Box::pin(uncalled(worker, elsewhere, draft, payload, incoming)).await,
        };
        let params = placed.route.params;
        let parts = match payload {
            Payload::None => Vec::new(),
            payload => {
                let read = Box::pin(body::read_or_receive(worker, draft.request_mut(), payload, params));
                match read.await.map_err(Box::new) {
                    Ok(parts) => parts,
                    Err(error) => return Box::pin(refuse(worker, draft, *error)).await,
                }
            }
        };
        let loaded = sessions::load(&worker.hands, app.use_session, draft.cookie()).await;
        let (session, visit) = match loaded.map_err(Box::new) {
            Ok(loaded) => loaded,
            Err(error) => return Box::pin(refuse(worker, draft, *error)).await,
        };
        let was = draft.ready(Face::Web, session, placed.route, mount);
        let apart = match was.request.body.len() > LARGE {
            true => Box::pin(arguments::read_apart(&worker.site.bodies, &was.request)).await.map_err(Box::new),
            false => Ok(None),
        };
        let answer = {
            let mut bind = Bind::new(was.clone(), params);
            let laid = apart.and_then(|apart| {
                // Boxed, too: what is matched on stays while the handler runs.
                arguments::lay(&mut bind, &was.request, apart, parts, values).map_err(Box::new)
            });
            match laid {
                Ok(()) => run(worker, &was, placed, &mut bind).await,
                Err(error) => Answer::Failed(*error),
            }
        };
        let answer = match sessions::to_keep(&was, visit) {
            Some(keeping) => Box::pin(kept(worker, &was, keeping, answer)).await,
            None => answer,
        };
        let answer = ended(&was, answer);
        let reply = match respond::plain(&was, answer) {
            Ok(reply) => reply,
            Err(answer) => Box::pin(respond::web(worker, &was, answer)).await,
        };
        worker.spares.keep(was);
        reply
    }
}

/// The reply to a request that no handler is called for.
async fn uncalled(
    worker: &Worker,
    led: Result<Led<'_>, Error>,
    draft: Draft,
    payload: Payload,
    incoming: &mut Incoming,
) -> HttpResponse {
    match led {
        Ok(Led::Behind) => {
            *incoming.payload() = payload;
            let incoming = std::mem::replace(incoming, Incoming::new());
            match worker.behind.service(&worker.site, incoming, draft.request()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => {
                    let nothing = nothing_at(&canonical(draft.request().uri.path()));
                    refuse(worker, draft, nothing).await
                }
                Err(panicked) => refuse(worker, draft, panic(worker, panicked)).await,
            }
        }
        Ok(Led::File(file)) => files::send(worker, file, draft.request()).await,
        Ok(Led::Reply(reply)) => reply,
        Ok(Led::Wrong(allowed)) => {
            let error = respond::wrong_method(draft.request().method.as_str(), &allowed);
            respond::allowing(refuse(worker, draft, error).await, &allowed)
        }
        Ok(Led::Call(..)) => unreachable!("its handler is called"),
        Err(error) => refuse(worker, draft, error).await,
    }
}

/// Where a request goes. Nothing is awaited here.
fn lead<'w>(worker: &'w Worker, request: &Request) -> Result<Led<'w>, Error> {
    let site = &worker.site;
    let path = &*canonical(request.uri.path());
    let mut wrong: Option<Vec<&'static str>> = None;
    match request.method {
        // Of the whole server.
        Method::OPTIONS if path == "*" => {
            return Ok(Led::Reply(respond::options(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])));
        }
        Method::CONNECT => return Err(Error::new(501, "CONNECT is not served: this server is no proxy")),
        _ => {}
    }
    // What is called by POST alone has no route.
    let asks_rpc = request.method == Method::OPTIONS && rpc::endpoint::is_endpoint(site, path);
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    for (at, mount) in site.mounts.iter().enumerate() {
        let Some(rest) = mount.rest_of(path) else { continue };
        if mount.needs_slash(path) {
            return Ok(Led::Reply(respond::add_slash(path, request.uri.query())));
        }
        if reads {
            match files::look(&mount.folders, path, rest, &worker.misses[at], request.begun) {
                files::Found::File(file) => return Ok(Led::File(file)),
                files::Found::NeedsSlash => return Ok(Led::Reply(respond::add_slash(path, request.uri.query()))),
                files::Found::Nothing => {}
            }
        }
        let Some(app) = &mount.app else { continue };
        match app.table.find(rest, request.method.as_str()) {
            Found::Route(placed, values) => return Ok(Led::Call(Meant { mount: at, app, placed }, values)),
            Found::WrongMethod(allowed) => wrong = wrong.or(Some(allowed)),
            Found::Nothing if app.actix.is_some() && !asks_rpc => return Ok(Led::Behind),
            Found::Nothing => {}
        }
        // The longest mount that has an app answers for everything below it.
        break;
    }
    match wrong {
        Some(allowed) if request.method == Method::OPTIONS => Ok(Led::Reply(respond::options(&allowed))),
        Some(allowed) => Ok(Led::Wrong(allowed)),
        None if asks_rpc => Ok(Led::Reply(respond::options(&["OPTIONS", "POST"]))),
        None => Err(nothing_at(path)),
    }
}

fn nothing_at(path: &str) -> Error {
    Error::new(404, format!("there is nothing at {path}"))
}

/// Runs a handler and the hooks around it.
pub(crate) async fn run(worker: &Worker, was: &Was, placed: &Placed, bind: &mut Bind) -> Answer {
    if let Some(trace) = was.trace() {
        trace.called_with(bind.shown());
    }
    if placed.levels.is_empty() {
        return handle(worker, was, placed.route, bind).await;
    }
    // Boxed: most requests have no hooks, and all are moved with the room for them.
    Box::pin(hooked::run(worker, was, placed, bind)).await
}

/// Binds and runs a handler, within the request's deadline. A panic, a fault or a missed deadline is an answer, too.
pub(super) async fn handle(worker: &Worker, was: &Was, route: &'static Route, bind: &mut Bind) -> Answer {
    match begun(worker, was, route, bind) {
        Ok(work) => done(worker, was, work).await,
        Err(answer) => *answer,
    }
}

/// A handler's work.
type Begun = Catching<Timed>;

/// Binds the arguments; what is wrong with them is the answer.
fn begun(worker: &Worker, was: &Was, route: &'static Route, bind: &mut Bind) -> Result<Begun, Box<Answer>> {
    let bound = match bind.has_faults() {
        true => Ok(Err(bind.faults())),
        // The author's code runs here, too: defaults, and the types of `Json`.
        false => catch(|| (route.call)(was.clone(), bind)),
    };
    match bound {
        Ok(Ok(work)) => Ok(Catching(Timed::new(work, route, was.app().is_devel()))),
        Ok(Err(faults)) => Err(Box::new(Answer::Failed(Error::new(400, faults.to_string())))),
        Err(panicked) => Err(Box::new(Answer::Failed(panic(worker, panicked)))),
    }
}

async fn done(worker: &Worker, was: &Was, work: Begun) -> Answer {
    match in_time(worker, alarm::until(was.deadline(), work).await) {
        Answer::Later(Later(work)) => Box::pin(waited(worker, was, work)).await,
        answer => answer,
    }
}

/// What came of work within the request's time.
fn in_time(worker: &Worker, ended: Option<Result<Answer, Panicked>>) -> Answer {
    match ended {
        Some(Ok(answer)) => answer,
        Some(Err(panicked)) => Answer::Failed(panic(worker, panicked)),
        None => Answer::Failed(too_late()),
    }
}

/// An answer that nobody has to wait for.
pub(super) async fn settled(worker: &Worker, was: &Was, answer: Answer) -> Answer {
    match answer {
        Answer::Later(Later(work)) => Box::pin(waited(worker, was, work)).await,
        answer => answer,
    }
}

async fn waited(worker: &Worker, was: &Was, work: Work) -> Answer {
    in_time(worker, alarm::until(was.deadline(), Catching(work)).await)
}

pub(super) fn too_late() -> Error {
    Error::new(504, "the request's time is over; whatever it still waited for was stopped")
}

pub(super) fn panic(worker: &Worker, panicked: Panicked) -> Error {
    worker.counts.panic();
    Error::internal(panicked)
}

/// What follows a handler that changed its session, or whose session is to be renewed.
pub(crate) async fn kept(worker: &Worker, was: &Was, keeping: sessions::Keeping, answer: Answer) -> Answer {
    match sessions::keep(worker, was, keeping).await {
        Ok(()) => answer,
        // What the handler meant to remember is lost: the client must not believe otherwise.
        Err(error) => Answer::Failed(error),
    }
}

/// What follows every handler: an error of ours is told.
pub(crate) fn ended(was: &Was, mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Failed(error) => tell(&was.request, error),
        Answer::Instead(instead) => tell(&was.request, &mut instead.error),
        _ => {}
    }
    answer
}
