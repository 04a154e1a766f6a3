//! The actor for any URL (`was.wget`, `was.rpc`): it creates an origin at the first request and drops it when idle.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use skitai_wire::Value;

use super::attempt::{Attempt, AttemptInfo};
use super::broadcast::within;
use super::member::HttpMember;
use super::reaper::{Reaped, Reaper};
use super::url::Url;
use super::{reaper, url};
use crate::balance::circuit::CallKind;
use crate::http::{Decode, Endpoint, KEEP_ALIVE, Method, Origin, OriginLimits, PreparedRequest, Request, TlsTrust};
use crate::kit::{Answers, Report, Responder, report::ActorReport};
use crate::outcome::course::PickedBy;
use crate::outcome::{Outcome, Reason, Status, Try};
use crate::spec::Authority;

/// A request to any URL.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The URL: http or https.
    pub url: String,
    /// The request; its `path` is replaced by the URL's.
    pub request: Request,
}

/// The slot of a fetch in its "not sent" form: one, whose node is `host:port`.
pub fn fetch_slots(url: &str) -> Vec<Outcome> {
    let node = Url::parse(url).map_or_else(|_| url::shown(url), |url| url.node());
    vec![Outcome::unsent(node)]
}

/// The limits of the actor for any URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlClientLimits {
    /// How long a dial may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long one answer may take; each redirect starts it again. Default 10 s.
    pub timeout: Duration,
    /// Connections per origin and thread. Default 20, so that we do not flood servers of others.
    pub connections: usize,
    /// The largest answer accepted, in bytes. Default 16 MiB.
    pub max_answer: usize,
}

impl Default for UrlClientLimits {
    fn default() -> Self {
        UrlClientLimits {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            connections: 20,
            max_answer: 16 << 20,
        }
    }
}

/// The most origins kept at once. Each costs about a kilobyte and its idle connections.
const ORIGINS: usize = 256;

/// The most redirects followed. Browsers and curl give up between 10 and 50; a chain of ten is a mistake.
const REDIRECTS: u32 = 10;

/// Headers that are never sent to another origin.
const PRIVATE: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The state of the actor for any URL on one thread.
pub struct UrlClient {
    shared: Rc<UrlClientParts>,
}

struct UrlClientParts {
    limits: UrlClientLimits,
    /// The certificate authorities for https; `None`: the usual roots of the web.
    trust: Option<TlsTrust>,
    origins: RefCell<HashMap<OriginKey, CachedOrigin>>,
    asked: Cell<u64>,
    reaper: Reaper,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct OriginKey {
    tls: bool,
    host: String,
    port: u16,
}

struct CachedOrigin {
    member: Rc<HttpMember>,
    used: Instant,
}

impl std::fmt::Debug for UrlClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlClient").field("origins", &self.shared.origins.borrow().len()).finish_non_exhaustive()
    }
}

impl UrlClient {
    /// An actor without origins.
    pub fn new(limits: UrlClientLimits) -> UrlClient {
        UrlClient::with_authority(limits, None)
    }

    /// As [`new`](UrlClient::new), with these authorities in place of the web's roots.
    pub fn with_authority(limits: UrlClientLimits, authority: Option<&Authority>) -> UrlClient {
        let (trust, origins) = (authority.map(TlsTrust::of), RefCell::default());
        UrlClient {
            shared: Rc::new(UrlClientParts { limits, trust, origins, asked: Cell::new(0), reaper: Reaper::default() }),
        }
    }
}

impl Answers<Fetch> for UrlClient {
    type Item = Outcome;
    const NAME: &'static str = "fetch";

    fn answer(&mut self, fetch: Fetch, responder: Responder<Outcome>) -> impl Future<Output = ()> + 'static {
        let shared = self.shared.clone();
        shared.asked.update(|count| count + 1);
        async move {
            let begun = Instant::now();
            let Fetch { url, request } = fetch;
            let mut outcome = match Url::parse(&url) {
                Ok(url) => shared.follow(url, request, &responder, begun).await,
                Err(why) => not_sent(Outcome::unsent(url::shown(&url)), &why),
            };
            outcome.latency = begun.elapsed();
            responder.put(0, outcome);
        }
    }
}

impl Answers<Report> for UrlClient {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let origins = self.shared.origins.borrow();
        let report = Value::from_pairs([
            ("asked", Value::Int(self.shared.asked.get().cast_signed())),
            ("origins_limit", Value::Int(ORIGINS.cast_signed() as i64)),
            ("origins", Value::List(origins.values().map(|entry| entry.member.report()).collect())),
        ]);
        async move { responder.put(0, ActorReport(report)) }
    }
}

impl UrlClientParts {
    /// Fetches and follows redirects. RPC calls are not redirected: servers differ in what a redirected POST means.
    async fn follow(
        self: &Rc<Self>,
        mut url: Url,
        mut request: Request,
        responder: &Responder<Outcome>,
        begun: Instant,
    ) -> Outcome {
        let mut redirects = 0;
        let mut since = begun;
        let mut before = Vec::new();
        loop {
            let mut outcome = self.ask((&url, redirects), &request, responder, since).await;
            if redirects > 0 {
                outcome.latency = begun.elapsed();
                outcome.tries.clone_from(&before);
            }
            let Some(location) = location_of(&outcome, &request) else { return outcome };
            if redirects == REDIRECTS {
                let msg = format!("given up after {REDIRECTS} redirects");
                return Outcome { reason: Reason::Malformed, status: Status::Error, msg, ..outcome };
            }
            redirects += 1;
            let next = match url.join(location) {
                Ok(next) => next,
                Err(why) => {
                    let msg = format!("redirected to what is no URL: {why}");
                    return Outcome { reason: Reason::Malformed, status: Status::Error, msg, ..outcome };
                }
            };
            before.extend(Try::of(&outcome));
            redirect(&mut request, outcome.code, &url, &next);
            (url, since) = (next, Instant::now());
        }
    }

    async fn ask(
        self: &Rc<Self>,
        (url, hop): (&Url, u32),
        request: &Request,
        responder: &Responder<Outcome>,
        begun: Instant,
    ) -> Outcome {
        let mut request = Request { path: url.path.clone().into(), ..request.clone() };
        if let Some((user, password)) = &url.login
            && !request.has_header("authorization")
        {
            request = request.login(user, password);
        }
        // Some servers refuse requests without a user agent.
        if !request.has_header("user-agent") {
            request = request.header("user-agent", concat!("skitai/", env!("CARGO_PKG_VERSION")));
        }
        let mut request = match PreparedRequest::new(request) {
            Ok(request) => request,
            Err(why) => return not_sent(Outcome::unsent(url.node()), &why.to_string()),
        };
        request.party = responder.party;
        let Some(member) = self.member(url) else {
            let msg = format!("not sent: {ORIGINS} other hosts are being asked");
            return Outcome::failed(url.node(), Reason::NoPermit, msg);
        };
        reaper::watch(self);
        let timeout = self.limits.timeout;
        let info = AttemptInfo::sole(CallKind::Regular, PickedBy::Address);
        // Each hop of a redirect is an exchange of its own.
        let info = AttemptInfo { span: request.span_of(None, hop + 1), ..info };
        let attempt = Attempt::begin(&member, responder, 0, info, begun);
        within(&attempt, &request, timeout).await
    }

    /// The origin of this URL; `None` if there are [`ORIGINS`] already and all are busy.
    fn member(&self, url: &Url) -> Option<Rc<HttpMember>> {
        let mut origins = self.origins.borrow_mut();
        let key = OriginKey { tls: url.tls, host: url.host.clone(), port: url.port };
        let used = Instant::now();
        if let Some(entry) = origins.get_mut(&key) {
            entry.used = used;
            return Some(entry.member.clone());
        }
        if origins.len() >= ORIGINS {
            let idle = origins.iter().filter(|origin| origin.1.member.is_idle());
            let oldest = idle.min_by_key(|origin| origin.1.used)?.0.clone();
            origins.remove(&oldest);
        }
        let UrlClientLimits { connect_timeout, connections, max_answer, .. } = self.limits;
        let limits = OriginLimits { connect_timeout, connections, max_answer };
        let trust = url.tls.then(|| self.trust.clone().unwrap_or_else(TlsTrust::web));
        let endpoint = Endpoint { trust: trust.as_ref(), host: &url.host, port: url.port, address: None };
        let member = Rc::new(HttpMember::new(url.node(), 1, connections, Origin::any(endpoint, limits)));
        origins.insert(key, CachedOrigin { member: member.clone(), used });
        Some(member)
    }
}

impl Reaped for UrlClientParts {
    fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    /// Drops idle origins with their counters and connections.
    fn reap(&self) -> bool {
        let mut origins = self.origins.borrow_mut();
        origins.retain(|_, entry| !entry.member.is_idle() || entry.used.elapsed() < KEEP_ALIVE || !entry.member.reap());
        origins.is_empty()
    }
}

fn not_sent(slot: Outcome, why: &str) -> Outcome {
    Outcome::failed(slot.node, Reason::Unsendable, format!("not sent: {why}"))
}

/// The target of a redirect that is to be followed.
fn location_of<'a>(outcome: &'a Outcome, request: &Request) -> Option<&'a str> {
    if !matches!(request.decode, Decode::Http | Decode::Rest) || !matches!(outcome.code, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    outcome.headers.iter().find(|header| header.0 == "location").map(|header| header.1.as_str())
}

/// Rewrites the request for the next URL, by the rules of `curl -L`: 301 and 302 turn a POST into a GET, 303 turns
/// everything but HEAD into a GET, 307 and 308 repeat the request. [`PRIVATE`] headers are removed for another origin.
fn redirect(request: &mut Request, code: u16, from: &Url, to: &Url) {
    let becomes_get = match code {
        301 | 302 => request.method == Method::Post,
        303 => request.method != Method::Head,
        _ => false,
    };
    if becomes_get {
        request.method = Method::Get;
        request.body = Bytes::new();
        request.headers.retain(|header| !header.0.to_ascii_lowercase().starts_with("content-"));
    }
    if !to.is_same_origin(from) {
        request.headers.retain(|header| !PRIVATE.iter().any(|private| header.0.eq_ignore_ascii_case(private)));
    } else if to.login.is_none()
        && let Some((user, password)) = &from.login
        && !request.has_header("authorization")
    {
        // A login in the URL stays valid on the same origin, as with curl.
        *request = request.clone().login(user, password);
    }
}
