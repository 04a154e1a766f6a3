//! The gate of a mount: what a conf says in `[mount /path]`, applied to each request before anything of the site runs.
//!
//! - [`access`]: who may come in at all;
//! - [`cors`]: scripts of other sites; [`dress`]: the headers that every answer gets;
//! - [`limits`]: how many requests, with [`pace`] (the arithmetic) and [`buckets`] (the memory) of rates.
//!
//! A request has one gate, that of the longest section whose path holds its own, whichever mount answers in the end: a
//! file that falls through to a shorter mount is behind the same gate. What a section does not say, it takes from the
//! next shorter one, limits with their counts. A call over RPC is led to its method by name, from any path: so it
//! passes the gate of its method's mount as well ([`of_method`]).

mod access;
mod buckets;
mod cors;
mod dress;
mod limits;
mod pace;

use std::sync::Arc;

use access::AccessLists;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use cors::CorsRules;
use dress::Dress;
use limits::{InFlight, RateLimit, RateTold, Underway};

use super::thread::ServingThread;
use super::{dispatch, respond, sessions};
use crate::app::routing::pattern::canonical;
use crate::app::{Error, Request, RequestBuilder};
use crate::config::{BrowserRules, MountSettings};

/// The gates of a site, the longest path first.
#[derive(Debug, Default)]
pub(crate) struct Gates(Vec<Gate>);

/// The gate of a mount.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Without a trailing slash; empty for `/`.
    path: String,
    access: AccessLists,
    rates: Arc<[RateLimit]>,
    in_flight: Option<Arc<InFlight>>,
    cors: Option<Arc<CorsRules>>,
    browsers: BrowserRules,
    /// The security headers.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a request that was let in takes along, to the end of its reply.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    told: Option<RateTold>,
    underway: Option<Underway>,
}

/// A request that was not let in.
#[derive(Debug)]
pub(crate) struct Barred {
    pub(crate) error: Error,
    told: Option<RateTold>,
}

impl Gates {
    /// The gates of a conf. What a longer section does not say, it has from the next shorter one. The pages at `own`
    /// paths are the server's, and are sent with the usual security headers.
    pub(crate) fn of<'p>(mounts: &[MountSettings], own: impl Iterator<Item = &'p str>, processes: usize) -> Gates {
        let mut mounts = mounts.to_vec();
        for path in own {
            let at = mounts.iter().position(|mount| mount.path == path).unwrap_or_else(|| {
                mounts.push(MountSettings { path: path.to_owned(), ..MountSettings::default() });
                mounts.len() - 1
            });
            mounts[at].browsers.usual.get_or_insert(true);
        }
        let mut by_length: Vec<&MountSettings> = mounts.iter().collect();
        by_length.sort_by_key(|mount| mount.path.len());
        let mut gates: Vec<Gate> = Vec::new();
        for mount in by_length {
            // Those so far are shorter, the longest of them last.
            let outer = gates.iter().rev().find(|outer| holds(&outer.path, &mount.path));
            let access = AccessLists::of(mount, outer.map(|outer| &outer.access));
            let rates = match (&mount.rates, outer) {
                (Some(rates), _) => rates.iter().map(|rate| RateLimit::new(rate, processes)).collect(),
                (None, Some(outer)) => outer.rates.clone(),
                (None, None) => Arc::default(),
            };
            let in_flight = match mount.max_in_flight {
                Some(0) => None,
                Some(most) => Some(InFlight::new(most, processes)),
                None => outer.and_then(|outer| outer.in_flight.clone()),
            };
            let cors = match &mount.cors {
                Some(cors) => Some(Arc::new(CorsRules::of(cors))),
                None => outer.and_then(|outer| outer.cors.clone()),
            };
            let outer = outer.map(|outer| &outer.browsers);
            let browsers = BrowserRules {
                usual: mount.browsers.usual.or_else(|| outer?.usual),
                content_security_policy: mount
                    .browsers
                    .content_security_policy
                    .clone()
                    .or_else(|| outer?.content_security_policy.clone()),
                permissions_policy: mount
                    .browsers
                    .permissions_policy
                    .clone()
                    .or_else(|| outer?.permissions_policy.clone()),
            };
            let (path, headers) = (mount.path.clone(), dress::headers_of(&browsers));
            gates.push(Gate { path, access, rates, in_flight, cors, browsers, headers });
        }
        gates.reverse();
        Gates(gates)
    }

    /// The gate of a request, by its path.
    pub(crate) fn at(&self, request: &Request) -> Option<&Gate> {
        if self.0.is_empty() { None } else { self.holding(&canonical(request.uri.path())) }
    }

    fn holding(&self, path: &str) -> Option<&Gate> {
        self.0.iter().find(|gate| holds(&gate.path, path))
    }
}

/// Whether a path is that of a mount or below it.
fn holds(mount: &str, path: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Gate {
    /// The answer to what a browser asks before it lets a script ask; `None` if this is something else.
    pub(crate) fn preflight(&self, thread: &ServingThread, request: &Request) -> Option<HttpResponse> {
        let answer = self.cors.as_ref()?.preflight(request)?;
        let answer = self.access.check(request).and(answer);
        Some(answer.unwrap_or_else(|error| respond::before_apps(&error, request, thread.site.server.devel)))
    }

    /// The headers for the answer to a request.
    pub(crate) fn dress(&self, request: &Request) -> Dress<'_> {
        Dress::of(&self.headers, self.cors.as_ref(), request)
    }

    /// Lets a request in, or says why not.
    pub(crate) async fn admit(&self, thread: &ServingThread, builder: &RequestBuilder) -> Result<Pass, Barred> {
        let request = builder.request();
        let bare = |error| Barred { error, told: None };
        self.access.check(request).map_err(bare)?;
        // What says that the server is too busy must not take a load balancer's question for a part of it.
        if (self.rates.is_empty() && self.in_flight.is_none()) || dispatch::is_probe(thread, request) {
            return Ok(Pass::default());
        }
        let told = self.count(thread, builder).await.map_err(bare)?;
        if let Some(error) = told.as_ref().and_then(RateTold::refusal) {
            return Err(Barred { error, told });
        }
        match self.in_flight.as_ref().map(InFlight::begin).transpose() {
            Ok(underway) => Ok(Pass { told, underway }),
            Err(error) => Err(Barred { error, told }),
        }
    }

    /// Counts a request by all rates, and returns the one that leaves the least.
    async fn count(&self, thread: &ServingThread, builder: &RequestBuilder) -> Result<Option<RateTold>, Error> {
        let is_by_session = self.rates.iter().any(RateLimit::needs_session);
        let session = match is_by_session {
            true => Some(sessions::load(&thread.services, true, builder.cookie()).await?.0),
            false => None,
        };
        let mut told = None;
        for rate in &*self.rates {
            let counted = rate.count(builder.request(), session.as_ref()).await;
            told = counted.map(|counted| counted.tighter(told)).or(told);
            if counted.is_some_and(|counted| counted.refusal().is_some()) {
                return Ok(counted);
            }
        }
        Ok(told)
    }
}

impl Pass {
    /// Writes what the client is told into its reply, to whose end the request is under way.
    pub(crate) fn leave(self, mut reply: HttpResponse) -> HttpResponse {
        if let Some(told) = self.told {
            told.tell(&mut reply);
        }
        match self.underway {
            Some(underway) => limits::until_sent(reply, underway),
            None => reply,
        }
    }
}

impl Barred {
    /// The reply, for which nothing of the site runs.
    pub(crate) fn reply(&self, thread: &ServingThread, request: &Request) -> HttpResponse {
        let mut reply = respond::before_apps(&self.error, request, thread.site.server.devel);
        if let Some(told) = self.told {
            told.tell(&mut reply);
        }
        reply
    }
}

/// The gate of a method's mount, for a call that came to a path with another one.
pub(crate) fn of_method<'t>(thread: &'t ServingThread, request: &Request, mount: usize) -> Option<&'t Gate> {
    let gates = &thread.gates;
    if gates.0.is_empty() {
        return None;
    }
    let own = gates.holding(thread.site.router.mounts()[mount].path())?;
    let passed = gates.at(request);
    if passed.is_some_and(|passed| std::ptr::eq(passed, own)) { None } else { Some(own) }
}
