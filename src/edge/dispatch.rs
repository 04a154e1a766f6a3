//! The target of a path: a handler, a file, a service of actix-web, or an immediate answer.
//!
//! The mounts that contain the path are checked, the longest first: a file takes precedence over an app. The longest
//! mount with an app answers for everything below it. What nobody has may be one of the server's [`Probe`]s. Nothing is
//! awaited here: who asks looks at the disk, and asks again.

use actix_web::HttpResponse;
use actix_web::http::Method;
use skitai_wire::Value;

use super::probes::Probe;
use super::respond;
use super::thread::ServingThread;
use crate::app::routing::pattern::canonical;
use crate::app::routing::router::MatchedRoute;
use crate::app::routing::table::RouteMatch;
use crate::app::{Error, Request};

/// The target of a path.
pub(super) enum Dispatch<'s> {
    /// A handler, and the values of its placeholders.
    Handler(MatchedRoute<'s>, Vec<(String, Value)>),
    /// What the folders of a mount have at a path must be looked for, which may take a while; if they have nothing,
    /// [`dispatch`] goes on `after` them.
    Look(usize),
    /// The fallback of a mount's folders.
    Fallback(usize),
    /// The mount that leads to a cluster.
    Passed(usize),
    /// A probe that nothing of the site stands before.
    Probe(Probe),
    /// An immediate answer.
    Reply(HttpResponse),
    /// No route: a service of actix-web may know it.
    Actix(usize),
    /// The path exists, with these methods.
    WrongMethod(Vec<&'static str>),
}

/// Finds the target of a request. `is_rpc` is true for OPTIONS of a path where RPC is served. The folders of the mount
/// `after`, and of those before it, have nothing.
pub(super) fn dispatch<'t>(
    thread: &'t ServingThread,
    request: &Request,
    is_rpc: bool,
    after: Option<usize>,
) -> Result<Dispatch<'t>, Error> {
    let path = &*canonical(request.uri.path());
    let mut wrong: Option<Vec<&'static str>> = None;
    match request.method {
        // OPTIONS * asks about the whole server.
        Method::OPTIONS if path == "*" => {
            let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
            return Ok(Dispatch::Reply(respond::options(&all)));
        }
        Method::CONNECT => return Err(Error::new(501, "CONNECT is not served: this server is no proxy")),
        _ => {}
    }
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let add_slash = || Ok(Dispatch::Reply(respond::add_slash(&request.method, path, request.uri.query())));
    let probe = Probe::at(path);
    for (at, mount) in thread.site.router.mounts().iter().enumerate().skip(after.unwrap_or(0)) {
        let Some(rest) = mount.rest_of(path) else { continue };
        if mount.needs_slash(path) {
            return add_slash();
        }
        let folders = &thread.folders[at];
        if reads && after != Some(at) && folders.may_have(path, rest, request.begun) {
            return Ok(Dispatch::Look(at));
        }
        // A load balancer asks this server, also where all of a site is passed on.
        if mount.passed.is_some() && (probe.is_none() || !mount.path().is_empty()) {
            return Ok(Dispatch::Passed(at));
        }
        let falls_back = || reads && probe.is_none() && folders.falls_back(path, request);
        let Some(app) = &mount.app else {
            if falls_back() {
                return Ok(Dispatch::Fallback(at));
            }
            continue;
        };
        if probe.is_some() && mount.is_own {
            continue;
        }
        let leaves_it = probe.is_some_and(|probe| probe.is_before_rules_of(mount));
        match app.table.find(rest, request.method.as_str()) {
            RouteMatch::Route(entry, values) if !leaves_it || values.is_empty() => {
                return Ok(Dispatch::Handler(MatchedRoute { mount: at, app, entry }, values));
            }
            RouteMatch::WrongMethod(allowed) if !leaves_it => wrong = wrong.or(Some(allowed)),
            RouteMatch::Nothing if app.actix.is_some() && !is_rpc => return Ok(Dispatch::Actix(at)),
            RouteMatch::Nothing if falls_back() => return Ok(Dispatch::Fallback(at)),
            _ => {}
        }
        break;
    }
    match (probe, &wrong) {
        (Some(probe), None) if reads => return Ok(Dispatch::Probe(probe)),
        (Some(_), None) => wrong = Some(Probe::METHODS.to_vec()),
        _ => {}
    }
    match wrong {
        Some(allowed) if request.method == Method::OPTIONS => Ok(Dispatch::Reply(respond::options(&allowed))),
        Some(allowed) => Ok(Dispatch::WrongMethod(allowed)),
        None if is_rpc => Ok(Dispatch::Reply(respond::options(&["OPTIONS", "POST"]))),
        None => Err(nothing_at(path)),
    }
}

/// Whether a route of the site takes this request.
pub(crate) fn is_taken(thread: &ServingThread, request: &Request) -> bool {
    matches!(dispatch(thread, request, false, None), Ok(Dispatch::Handler(..)))
}

/// Whether a request is for a probe, and not for something of the site in its place.
pub(super) fn is_probe(thread: &ServingThread, request: &Request) -> bool {
    if Probe::at(&canonical(request.uri.path())).is_none() {
        return false;
    }
    let mut after = None;
    loop {
        match dispatch(thread, request, false, after) {
            // Whether a file stands in its place is not looked for: a file is as cheap as a probe.
            Ok(Dispatch::Look(at)) if after != Some(at) => after = Some(at),
            found => return matches!(found, Ok(Dispatch::Probe(_))),
        }
    }
}

pub(super) fn nothing_at(path: &str) -> Error {
    Error::new(404, format!("there is nothing at {path}"))
}
