//! Clusters of HTTP and RPC members, and any URL: one actor per worker thread for each cluster, one for all the rest.
//!
//! A call to a cluster goes to every member at once (`All`) or to one chosen by load (`One`). Whatever happens to a
//! member, its slot gets one truthful outcome; a call that may have run is sent to another member only where that does
//! no harm and the cluster says so. Read in this order:
//!
//! - pure code, without clock, socket or thread: [`verdict`] (does a member take part?), [`trust`] (how much of its
//!   weight is in force?), [`latency`] (how fast is it?), [`pick`] (which member next?), [`budget`] (may one more request
//!   be sent?);
//! - [`health`]: what these say of the members, shared by all workers; `probe` asks the members by itself;
//! - `member`: one member, its counters, and `record`, the one place where every outcome passes;
//! - `tally`: one exchange with one member, from its begin to its end, whoever ends it;
//! - `spread`: all at once; `one`: one after the other, or a second beside a late one;
//! - `reaper`: closes what lies idle;
//! - `url` and `web`: the actor for any URL.

pub mod budget;
pub mod health;
pub mod latency;
mod member;
mod one;
pub mod pick;
mod probe;
mod reaper;
mod spread;
mod tally;
pub mod trust;
mod url;
pub mod verdict;
mod web;

use std::rc::Rc;
use std::sync::Arc;

use skitai_wire::Value;

use crate::http::{Limits, Prepared, Request};
use crate::kit::{Answers, Outlet, Report, report::Told};
use crate::outcome::{Outcome, Reason};
use crate::spec::{ClusterSpec, Spread};

use health::FULL_WEIGHT;
use member::Member;
use pick::{Dice, Picker};
use reaper::Reaper;

pub use health::Health;
pub use probe::Prober;

pub use web::{Fetch, Web, WebLimits, fetch_slots};

/// A call to the members of a cluster.
#[derive(Clone, Debug)]
pub struct Call {
    /// To all of them or to one.
    pub spread: Spread,
    /// What each is sent.
    pub request: Request,
}

/// The slots of a call in their "not sent" form: one per member in the order of the configuration, or one named after
/// the cluster, whose outcome then names the member that answered.
pub fn slots(spec: &ClusterSpec, spread: Spread) -> Vec<Outcome> {
    match spread {
        Spread::All => spec.members.iter().map(|member| Outcome::unsent(member.node.clone())).collect(),
        Spread::One => vec![Outcome::unsent(format!("@{}", spec.name).into())],
    }
}

/// The state of one cluster on one worker thread.
pub struct Cluster {
    shared: Rc<Shared>,
}

/// What calls in flight hold on to, also while the actor's state is made anew.
struct Shared {
    spec: Arc<ClusterSpec>,
    health: Arc<Health>,
    members: Vec<Rc<Member>>,
    picker: Picker,
    reaper: Reaper,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cluster").field(&self.shared.spec.name).finish()
    }
}

impl Cluster {
    /// The cluster of this configuration, with what all workers know of its members. Nothing is connected before the
    /// first call.
    pub fn new(spec: Arc<ClusterSpec>, health: Arc<Health>) -> Cluster {
        let limits = Limits {
            connect_timeout: spec.connect_timeout,
            connections: spec.connections,
            max_answer: spec.max_answer,
        };
        let members = spec
            .members
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let one = Member::new(member.node.clone(), spec.tls, &member.host, member.port, member.weight, limits);
                Rc::new(one.with_health(health.clone(), index))
            })
            .collect();
        let weights: Vec<u32> = spec.members.iter().map(|member| member.weight).collect();
        let picker = Picker::new(spec.balance, &weights, FULL_WEIGHT, Dice::new());
        Cluster { shared: Rc::new(Shared { spec, health, members, picker, reaper: Reaper::default() }) }
    }
}

impl Answers<Call> for Cluster {
    type Item = Outcome;
    const NAME: &'static str = "call";

    fn answer(&mut self, call: Call, outlet: Outlet<Outcome>) -> impl Future<Output = ()> + 'static {
        let shared = self.shared.clone();
        async move {
            let key = if shared.picker.wants_key() { key_of(&call.request) } else { 0 };
            let request = match Prepared::new(call.request) {
                Ok(request) => request,
                Err(why) => return refuse(&shared.spec, call.spread, &outlet, &why),
            };
            if shared.members.is_empty() {
                return refuse(&shared.spec, call.spread, &outlet, "the cluster has no members");
            }
            reaper::watch(&shared);
            let timeout = shared.spec.member_timeout;
            match call.spread {
                Spread::All => spread::all(&shared.members, timeout, &request, &outlet).await,
                // Boxed, for it holds a whole exchange, and a call to all would carry room for it.
                Spread::One => Box::pin(one::ask(&shared, &request, key, &outlet)).await,
            }
        }
    }
}

impl Answers<Report> for Cluster {
    type Item = Told;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, outlet: Outlet<Told>) -> impl Future<Output = ()> + 'static {
        let members = self.shared.members.iter().map(|member| member.report()).collect();
        let told = Value::from_pairs([
            ("cluster", Value::String(self.shared.spec.name.to_string())),
            ("shared", self.shared.health.report()),
            ("members", Value::List(members)),
        ]);
        async move { outlet.put(0, Told(told)) }
    }
}

impl reaper::Reaped for Shared {
    fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    fn reap(&self) -> bool {
        // Counted, so that every member is looked at, also after the first that has something left.
        self.members.iter().filter(|member| !member.reap()).count() == 0
    }
}

/// What consistent hashing chooses the member by.
fn key_of(request: &Request) -> u64 {
    match &request.key {
        Some(key) => pick::hash(&[key.as_bytes()]),
        None => pick::hash(&[request.path.as_bytes(), &request.body]),
    }
}

/// A request that cannot be sent to anybody.
fn refuse(spec: &ClusterSpec, spread: Spread, outlet: &Outlet<Outcome>, why: &str) {
    for (index, slot) in slots(spec, spread).into_iter().enumerate() {
        outlet.put(index, Outcome::failed(slot.node, Reason::Unsendable, format!("not sent: {why}")));
    }
}
