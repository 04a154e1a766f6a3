//! The gate of a mount: what a conf says in `[mount /path]`, applied to each request before anything of the site runs.
//!
//! - [`paths`]: the forms in which paths are compared; [`access`]: who may come in at all;
//! - [`cors`]: scripts of other sites; [`dress`]: the headers that every answer gets;
//! - [`limits`]: how many requests, with [`pace`] (the arithmetic) and [`buckets`] (the memory) of rates.
//!
//! A request has one gate, that of the longest section whose path holds its own, whichever mount answers in the end: a
//! file that falls through to a shorter mount is behind the same gate. What a section does not say, it takes from the
//! next shorter one, limits with their counts. A call over RPC is led to its method by name, from any path: so it
//! passes the gate of its method's mount as well ([`of_method`]). What the request has been counted by, its first call
//! is not counted by again; each further call of a batch is.

mod access;
mod buckets;
mod cors;
mod dress;
mod limits;
mod pace;
mod paths;

use std::borrow::Cow;
use std::sync::Arc;

use access::AccessLists;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use cors::CorsRules;
use dress::Dress;
use limits::{InFlight, RateLimit, RateTold, Underway};
use paths::holds;

use super::thread::ServingThread;
use super::{dispatch, respond, sessions};
use crate::app::routing::pattern::{canonical, fixed};
use crate::app::{Error, Request, RequestBuilder};
use crate::config::{BrowserRules, MountSettings};
use crate::observe::counts::TurnedAway;

/// The gates of a site.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// The longest path first.
    gates: Vec<Gate>,
    /// The octet behind the first slash that all their paths share, if they do: most requests to a site whose only
    /// gates are those of the server's own pages need no more to pass.
    initial: Option<u8>,
}

/// The gate of a mount.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Without a trailing slash; empty for `/`. In the canonical form of routes.
    path: String,
    /// The same as a file system reads it.
    as_files: String,
    access: AccessLists,
    rates: Arc<[RateLimit]>,
    in_flight: Option<Arc<InFlight>>,
    cors: Option<Arc<CorsRules>>,
    /// Whether answers are compressed.
    pub(crate) compress: bool,
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

/// A request of the web that was let in, and the headers that its answer is to have.
pub(crate) struct Admitted<'g> {
    pass: Pass,
    dress: Dress<'g>,
}

/// A request that was not let in.
#[derive(Debug)]
pub(crate) struct Barred {
    pub(crate) error: Error,
    told: Option<RateTold>,
}

impl Gate {
    /// The gate of a mount within another one, whose rules hold where the mount has none of its own.
    fn of(mount: &MountSettings, path: String, outer: Option<&Gate>, processes: usize) -> Gate {
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
        let compress = mount.compress.unwrap_or_else(|| outer.is_none_or(|outer| outer.compress));
        let (own, outer) = (&mount.browsers, outer.map(|outer| &outer.browsers));
        let (policy, permissions) = (&own.content_security_policy, &own.permissions_policy);
        let browsers = BrowserRules {
            usual: own.usual.or_else(|| outer?.usual),
            content_security_policy: policy.clone().or_else(|| outer?.content_security_policy.clone()),
            permissions_policy: permissions.clone().or_else(|| outer?.permissions_policy.clone()),
        };
        let (as_files, headers) = (paths::as_files(&path).into_owned(), dress::headers_of(&browsers));
        Gate { path, as_files, access, rates, in_flight, cors, compress, browsers, headers }
    }
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
            let path = fixed(&mount.path);
            let outer = gates.iter().rev().find(|outer| holds(&outer.path, &path));
            let gate = Gate::of(mount, path, outer, processes);
            gates.push(gate);
        }
        gates.reverse();
        let mut initials = gates.iter().map(|gate| gate.path.as_bytes().get(1).copied());
        let first = initials.next().flatten();
        let initial = first.filter(|first| initials.all(|initial| initial == Some(*first)));
        Gates { gates, initial }
    }

    /// The gate of a request, by its path.
    ///
    /// # Errors
    /// If it depends on how the path is read.
    pub(crate) fn at(&self, request: &Request) -> Result<Option<&Gate>, Error> {
        let path = request.uri.path();
        if self.gates.is_empty() {
            return Ok(None);
        }
        let Cow::Owned(as_files) = paths::as_files(path) else {
            // It has one form.
            return Ok(match (self.initial, path.as_bytes().get(1)) {
                (Some(initial), Some(&octet)) if octet != initial => None,
                _ => self.holding(path),
            });
        };
        let gate = self.holding(&canonical(path));
        let is_behind_it = |reading: &str| {
            let found = self.gates.iter().find(|gate| holds(&gate.as_files, reading));
            found.map(std::ptr::from_ref) == gate.map(std::ptr::from_ref)
        };
        if is_behind_it(&as_files) && is_behind_it(&paths::as_members(path)) {
            return Ok(gate);
        }
        let why = "the path can be read in two ways: write it without `//`, `/.`, `;`, `\\` and escapes of them";
        Err(Error::new(400, why))
    }

    /// The gate of a path in canonical form.
    fn holding(&self, path: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| holds(&gate.path, path))
    }
}

impl Gate {
    /// Lets a request of the web in, or answers it: because it is refused, or because a browser only asks whether a
    /// script may ask.
    pub(crate) async fn let_in(
        &self,
        thread: &ServingThread,
        builder: &RequestBuilder,
    ) -> Result<Box<Admitted<'_>>, HttpResponse> {
        let request = builder.request();
        if let Some(answer) = self.cors.as_ref().and_then(|cors| cors.preflight(request)) {
            let answer = self.listed(thread, request).and(answer);
            return Err(answer.unwrap_or_else(|error| respond::before_apps(&error, request, thread.site.server.devel)));
        }
        let dress = Dress::of(&self.headers, self.cors.as_ref(), request);
        match self.admit(thread, builder, CallCounted::default()).await {
            Ok(pass) => Ok(Box::new(Admitted { pass, dress })),
            Err(barred) => Err(dress.put_on(barred.reply(thread, request))),
        }
    }

    /// Lets a request in, or a call, or says why not.
    pub(crate) async fn admit(
        &self,
        thread: &ServingThread,
        builder: &RequestBuilder,
        counted: CallCounted,
    ) -> Result<Pass, Barred> {
        let request = builder.request();
        let bare = |error| Barred { error, told: None };
        self.listed(thread, request).map_err(bare)?;
        // What says that the server is too busy must not take a load balancer's question for a part of it.
        if (self.rates.is_empty() && self.in_flight.is_none()) || dispatch::is_probe(thread, request) {
            return Ok(Pass::default());
        }
        let told = match counted.by_rates {
            true => None,
            false => self.count(thread, builder).await.map_err(bare)?,
        };
        if let Some(error) = told.as_ref().and_then(RateTold::refusal) {
            thread.counts.turned_away(TurnedAway::Rate);
            return Err(Barred { error, told });
        }
        match self.in_flight.as_ref().filter(|_| !counted.as_under_way).map(InFlight::begin).transpose() {
            Ok(underway) => Ok(Pass { told, underway }),
            Err(error) => {
                thread.counts.turned_away(TurnedAway::UnderWay);
                Err(Barred { error, told })
            }
        }
    }

    /// Whether the client may come in at all.
    fn listed(&self, thread: &ServingThread, request: &Request) -> Result<(), Error> {
        self.access.check(request).inspect_err(|_| thread.counts.turned_away(TurnedAway::Access))
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

impl Admitted<'_> {
    /// Writes what the client is told into its reply, to whose end the request is under way.
    pub(crate) fn leave(self, mut reply: HttpResponse) -> HttpResponse {
        let Admitted { pass: Pass { told, underway }, dress } = self;
        if let Some(told) = told {
            told.tell(&mut reply);
        }
        let reply = match underway {
            Some(underway) => limits::until_sent(reply, underway),
            None => reply,
        };
        dress.put_on(reply)
    }
}

impl Barred {
    /// The reply, for which nothing of the site runs.
    fn reply(&self, thread: &ServingThread, request: &Request) -> HttpResponse {
        let mut reply = respond::before_apps(&self.error, request, thread.site.server.devel);
        if let Some(told) = self.told {
            told.tell(&mut reply);
        }
        reply
    }
}

/// By which limits of its method's mount a call is counted already, with its request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallCounted {
    by_rates: bool,
    as_under_way: bool,
}

/// The gate of a method's mount, for a call that has not passed it with its request.
pub(crate) fn of_method<'t>(
    thread: &'t ServingThread,
    request: &Request,
    mount: usize,
) -> Option<(&'t Gate, CallCounted)> {
    let gates = &thread.gates;
    if gates.gates.is_empty() {
        return None;
    }
    let own = gates.holding(thread.site.router.mounts()[mount].path())?;
    let passed = gates.at(request).ok().flatten();
    match passed {
        _ if request.is_further_call => Some((own, CallCounted::default())),
        Some(passed) if std::ptr::eq(passed, own) => None,
        Some(passed) => {
            let of_both = passed.in_flight.as_ref().zip(own.in_flight.as_ref());
            let counted = CallCounted {
                by_rates: Arc::ptr_eq(&passed.rates, &own.rates),
                as_under_way: of_both.is_some_and(|(passed, own)| Arc::ptr_eq(passed, own)),
            };
            Some((own, counted))
        }
        None => Some((own, CallCounted::default())),
    }
}
