//! Clusters of HTTP and RPC members, and any URL: one actor per thread for each cluster, and one for all URLs.
//!
//! A call to a cluster goes to every member at once (`All`) or to one chosen by load (`One`). Whatever happens to a
//! member, its slot gets one true outcome. A call that may have run is sent to another member only if it is idempotent
//! and the cluster allows retries. Read in this order:
//!
//! - [`balance`](crate::balance): the choice of a member and its health; `probe`: active checks;
//! - `roster`: the members at the moment of a call; `discover`: finds them by DNS;
//! - `member`: one member, its counters, and `record`, through which every outcome passes;
//! - `attempt`: one exchange with one member, from beginning to end, however it ends;
//! - `broadcast`: a call to all members; `balanced`: a call to one, with failover, retries and hedging, among its
//!   `candidates`; `passing`: a request that is passed on to one as it came;
//! - `reaper`: closes idle connections;
//! - `url` and `url_client`: the actor for any URL; `poster`: posts to one URL, without an actor.

mod attempt;
mod balanced;
mod broadcast;
mod candidates;
mod discover;
mod member;
mod passing;
mod poster;
mod probe;
mod reaper;
mod roster;
mod url;
mod url_client;

use std::rc::Rc;
use std::sync::Arc;

use skitai_wire::Value;

use crate::http::{Endpoint, Origin, OriginLimits, PreparedRequest, Request};
use crate::kit::{Answers, Report, Responder, report::ActorReport};
use crate::outcome::{Outcome, Reason};
use crate::spec::{ClusterSpec, Login, Spread};

use crate::balance::health::FULL_WEIGHT;
use crate::balance::pick::{Dice, Picker, hash};
use member::HttpMember;
use reaper::Reaper;

pub use crate::balance::health::Health;
pub use discover::Discovery;
pub use passing::PassOn;
pub use poster::{Posted, Poster, check_url};
pub use probe::Prober;
pub use roster::{Lineup, Roster};

pub use url_client::{Fetch, UrlClient, UrlClientLimits, fetch_slots};

/// A call to the members of a cluster.
#[derive(Clone, Debug)]
pub struct Call {
    /// The members at the moment of the call; its slots were made from them, too.
    pub lineup: Arc<Lineup>,
    /// All of them or one.
    pub spread: Spread,
    /// The request.
    pub request: Request,
}

/// The state of one cluster on one thread.
pub struct Cluster {
    shared: Rc<ClusterParts>,
}

/// What calls in flight hold on to, even if the actor's state is rebuilt or the members change.
struct ClusterParts {
    roster: Arc<Roster>,
    lineup: Arc<Lineup>,
    members: Vec<Rc<HttpMember>>,
    picker: Picker,
    reaper: Reaper,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.shared.spec().name).finish()
    }
}

impl Cluster {
    /// The cluster of this roster. Connects at the first call.
    pub fn new(roster: Arc<Roster>) -> Cluster {
        let lineup = roster.lineup();
        Cluster { shared: Rc::new(ClusterParts::new(roster, lineup, &[])) }
    }

    /// The parts for a call to these members. A lineup newer than the present one replaces it.
    fn of(&mut self, lineup: &Arc<Lineup>) -> Rc<ClusterParts> {
        if Arc::ptr_eq(&self.shared.lineup, lineup) {
            return self.shared.clone();
        }
        let shared = Rc::new(ClusterParts::new(self.shared.roster.clone(), lineup.clone(), &self.shared.members));
        if lineup.health.generation() > self.shared.lineup.health.generation() {
            self.shared = shared.clone();
            // Members that remain have idle connections to close; the others' are closed with the last call to them.
            reaper::watch(&shared);
        }
        shared
    }
}

impl ClusterParts {
    /// `known`: members of the previous lineup; those that are still listed keep their connections and counters.
    fn new(roster: Arc<Roster>, lineup: Arc<Lineup>, known: &[Rc<HttpMember>]) -> ClusterParts {
        let spec = roster.spec();
        let limits = OriginLimits {
            connect_timeout: spec.connect_timeout,
            connections: spec.connections,
            max_answer: spec.max_answer,
        };
        let member = |(index, member): (usize, &crate::spec::Member)| {
            let health = lineup.health.member(index);
            known.iter().find(|known| known.has(health)).cloned().unwrap_or_else(|| {
                let crate::spec::Member { host, port, address, .. } = member;
                let endpoint = Endpoint { trust: roster.trust(), host, port: *port, address: *address };
                let origin = Origin::member(endpoint, limits);
                let new = HttpMember::new(member.node.clone(), member.weight, limits.connections, origin);
                Rc::new(new.with_health(health.clone()))
            })
        };
        let members = lineup.members.iter().enumerate().map(member).collect();
        let weights: Vec<u32> = lineup.members.iter().map(|member| member.weight).collect();
        let picker = if spec.discover.is_some() {
            let seeds: Vec<u64> = lineup.members.iter().map(|one| hash(&[one.node.as_bytes()])).collect();
            Picker::seeded(spec.balance, &weights, &seeds, FULL_WEIGHT, Dice::new())
        } else {
            Picker::new(spec.balance, &weights, FULL_WEIGHT, Dice::new())
        };
        ClusterParts { roster, lineup, members, picker, reaper: Reaper::default() }
    }

    fn spec(&self) -> &ClusterSpec {
        self.roster.spec()
    }

    fn health(&self) -> &Health {
        &self.lineup.health
    }
}

impl Answers<Call> for Cluster {
    type Item = Outcome;
    const NAME: &'static str = "call";

    fn answer(&mut self, call: Call, responder: Responder<Outcome>) -> impl Future<Output = ()> + 'static {
        let shared = self.of(&call.lineup);
        async move {
            let key = if shared.picker.wants_key() { key_of(&call.request) } else { 0 };
            let mut request = match PreparedRequest::new(completed(call.request, shared.spec())) {
                Ok(request) => request,
                Err(why) => return refuse(&shared.lineup, call.spread, &responder, &why.to_string()),
            };
            request.party = responder.party;
            if shared.members.is_empty() {
                return refuse(&shared.lineup, call.spread, &responder, "the cluster has no members");
            }
            reaper::watch(&shared);
            let timeout = shared.spec().member_timeout;
            match call.spread {
                Spread::All => broadcast::all(&shared.members, timeout, &request, &responder).await,
                Spread::One => Box::pin(balanced::ask(&shared, &request, key, &responder)).await,
            }
        }
    }
}

/// The request with the cluster's own settings added: encoding and login.
pub(super) fn completed(mut request: Request, spec: &ClusterSpec) -> Request {
    request.encoding.get_or_insert(spec.encoding);
    match &spec.login {
        Some(Login { user, password }) if !request.has_header("authorization") => request.login(user, &password.0),
        _ => request,
    }
}

impl Answers<Report> for Cluster {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let roster = self.shared.roster.clone();
        let shared = self.of(&roster.lineup());
        let members = shared.members.iter().map(|member| member.report()).collect();
        let report = Value::from_pairs([
            ("cluster", Value::String(roster.spec().name.to_string())),
            ("shared", roster.report()),
            ("members", Value::List(members)),
        ]);
        async move { responder.put(0, ActorReport(report)) }
    }
}

impl reaper::Reaped for ClusterParts {
    fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    fn reap(&self) -> bool {
        // `count` visits every member; `all` or `any` would stop at the first with a connection left.
        self.members.iter().filter(|member| !member.reap()).count() == 0
    }
}

/// The key of consistent hashing: the caller's, or else path and body, without the id of JSON-RPC.
fn key_of(request: &Request) -> u64 {
    match &request.key {
        Some(key) => hash(&[key.as_bytes()]),
        None => hash(&[request.path.as_bytes(), request.question()]),
    }
}

/// Fills every slot of a request that cannot be sent to any member.
fn refuse(lineup: &Lineup, spread: Spread, responder: &Responder<Outcome>, why: &str) {
    for (index, slot) in lineup.slots(spread).into_iter().enumerate() {
        responder.put(index, Outcome::failed(slot.node, Reason::Unsendable, format!("not sent: {why}")));
    }
}
