//! Who the members of a cluster are: one [`Roster`] per cluster and process.
//!
//! The members of a configuration stay. Where they are discovered the list changes while calls are under way, so a call
//! takes the list of its moment along, a [`Lineup`]: its slots, the members asked and what is learnt of them all follow
//! from the same one, whatever is found meanwhile.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use skitai_wire::Value;
use tokio::sync::watch;

use crate::balance::health::{Health, unix};
use crate::http::TlsTrust;
use crate::outcome::Outcome;
use crate::spec::{ClusterSpec, Member, Spread};

/// The members of one moment.
#[derive(Debug)]
pub struct Lineup {
    pub(super) members: Box<[Member]>,
    pub(super) health: Health,
}

impl Lineup {
    /// Who they are, in the order of the slots.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What is known of them, in the same order.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The slots of a call in their "not sent" form: one per member, or one named after the cluster, whose outcome then
    /// names the member that answered.
    pub fn slots(&self, spread: Spread) -> Vec<Outcome> {
        match spread {
            Spread::All => self.members.iter().map(|member| Outcome::unsent(member.node.clone())).collect(),
            Spread::One => vec![Outcome::unsent(format!("@{}", self.health.name()).into())],
        }
    }
}

/// The members of a cluster, now and as they change.
#[derive(Debug)]
pub struct Roster {
    spec: ClusterSpec,
    trust: Option<TlsTrust>,
    present: watch::Sender<Arc<Lineup>>,
    /// The names that are looked up, each once.
    names: Mutex<Vec<Name>>,
}

/// What looking up a name came to.
#[derive(Debug)]
struct Name {
    host: String,
    /// In ascending order. Empty until it was found for the first time.
    addresses: Vec<IpAddr>,
    found: Option<SystemTime>,
    /// Since when it is not found, and why not.
    failing: Option<(SystemTime, String)>,
}

/// A name with more addresses than these is not a cluster but a mistake, or somebody's attack.
const ADDRESSES: usize = 256;

impl Roster {
    /// The members of the configuration, of whom nothing is known.
    pub fn new(spec: ClusterSpec) -> Arc<Roster> {
        let trust = spec.tls.then(|| spec.authority.as_ref().map_or_else(TlsTrust::web, TlsTrust::of));
        let lineup = Lineup { members: spec.members.clone().into(), health: Health::new(&spec) };
        let mut names: Vec<Name> = Vec::new();
        for member in spec.members.iter().filter(|member| spec.discover.is_some() && is_name(member)) {
            if !names.iter().any(|name| name.host == member.host) {
                let host = member.host.clone();
                names.push(Name { host, addresses: Vec::new(), found: None, failing: None });
            }
        }
        Arc::new(Roster { spec, trust, present: watch::Sender::new(Arc::new(lineup)), names: Mutex::new(names) })
    }

    /// What the configuration says.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// The members of now.
    pub fn lineup(&self) -> Arc<Lineup> {
        self.present.borrow().clone()
    }

    /// Tells of each change.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Lineup>> {
        self.present.subscribe()
    }

    /// For TLS: who is trusted.
    pub(super) fn trust(&self) -> Option<&TlsTrust> {
        self.trust.as_ref()
    }

    /// The hosts that are to be looked up.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.names().iter().map(|name| name.host.clone()).collect()
    }

    /// Takes in what a look-up came to. A failure leaves the members as they are.
    pub(super) fn found(&self, host: &str, found: Result<Vec<IpAddr>, String>) {
        let mut names = self.names();
        let Some(name) = names.iter_mut().find(|name| name.host == host) else { return };
        let cluster = &*self.spec.name;
        match found {
            Err(why) => {
                if name.failing.is_none() {
                    let kept = name.addresses.len();
                    tracing::warn!(cluster, host, "the name is not found, {kept} known addresses stay: {why}");
                }
                let since = name.failing.take().map_or_else(SystemTime::now, |failing| failing.0);
                name.failing = Some((since, why));
            }
            Ok(mut addresses) => {
                if name.failing.take().is_some() {
                    tracing::info!(cluster, host, "the name is found again");
                }
                // Name servers shuffle them.
                addresses.sort_unstable();
                addresses.dedup();
                if addresses.len() > ADDRESSES {
                    let count = addresses.len();
                    tracing::warn!(cluster, host, "the name has {count} addresses; the first {ADDRESSES} are used");
                    addresses.truncate(ADDRESSES);
                }
                name.found = Some(SystemTime::now());
                if name.addresses != addresses {
                    name.addresses = addresses;
                    // Still under the lock: two names that change at once must not undo each other.
                    self.muster(&names);
                }
            }
        }
    }

    fn muster(&self, names: &[Name]) {
        let members: Box<[Member]> = self.spec.members.iter().flat_map(|member| expanded(member, names)).collect();
        let before = self.lineup();
        // One that joins others of its name is cold beside them; where all come at once nobody is.
        let is_late = |new: &Member| {
            before.members.iter().any(|old| old.address.is_some() && (&old.host, old.port) == (&new.host, new.port))
        };
        let health = before.health.succeeded(&members, is_late);
        let nodes = |members: &[Member], others: &[Member]| {
            let gone = members.iter().filter(|one| !others.iter().any(|other| other.node == one.node));
            gone.map(|member| &*member.node).collect::<Vec<_>>().join(", ")
        };
        let (cluster, count) = (&*self.spec.name, members.len());
        let (added, removed) = (nodes(&members, &before.members), nodes(&before.members, &members));
        tracing::info!(cluster, added, removed, "the cluster has {count} members now");
        self.present.send_replace(Arc::new(Lineup { members, health }));
    }

    /// What the cluster as a whole has to tell.
    pub(super) fn report(&self) -> Value {
        let mut pairs = self.lineup().health.report();
        if self.spec.discover.is_some() {
            let names = self.names();
            let told = names.iter().map(|name| {
                let addresses = name.addresses.iter().map(|address| Value::String(address.to_string())).collect();
                let failing = name.failing.as_ref();
                Value::from_pairs([
                    ("name", Value::String(name.host.clone())),
                    ("addresses", Value::List(addresses)),
                    ("found_at", name.found.map_or(Value::Nil, unix)),
                    ("failing_since", failing.map_or(Value::Nil, |failing| unix(failing.0))),
                    ("failing_for", failing.map_or(Value::Nil, |failing| Value::String(failing.1.clone()))),
                ])
            });
            pairs.push(("discovery", Value::List(told.collect())));
        }
        Value::from_pairs(pairs)
    }

    fn names(&self) -> MutexGuard<'_, Vec<Name>> {
        // What is under this lock is whole between any two lines.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member for each address; the member itself where none is known.
fn expanded(member: &Member, names: &[Name]) -> Vec<Member> {
    let name = names.iter().find(|name| is_name(member) && name.host == member.host);
    match name {
        Some(name) if !name.addresses.is_empty() => {
            let of = |address: &IpAddr| Member {
                node: format!("{} ({address})", member.node).into(),
                address: Some(*address),
                ..member.clone()
            };
            name.addresses.iter().map(of).collect()
        }
        _ => vec![member.clone()],
    }
}

/// False for an address, which nobody has to look up.
fn is_name(member: &Member) -> bool {
    member.host.parse::<IpAddr>().is_err()
}
