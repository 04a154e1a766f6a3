//! The members of a cluster: one [`Roster`] per cluster and process.
//!
//! Configured members never change. Discovered members change while calls are in flight. So a call carries the list of
//! its moment, a [`Lineup`]: its slots, the members called and the health updates all follow this one list, whatever is
//! discovered meanwhile.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use skitai_wire::Value;
use tokio::sync::watch;

use crate::balance::health::{Health, unix};
use crate::balance::history::{ClusterHistory, Past};
use crate::http::TlsTrust;
use crate::outcome::Outcome;
use crate::spec::{ClusterSpec, Member, Spread};

/// The members at one moment.
#[derive(Debug)]
pub struct Lineup {
    pub(super) members: Box<[Member]>,
    pub(super) health: Health,
}

impl Lineup {
    /// The members, in the order of the slots.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Their health, in the same order.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The slots of a call in their "not sent" form: for [`Spread::All`] one per member; for [`Spread::One`] a single
    /// one, named after the cluster until a member answers.
    pub fn slots(&self, spread: Spread) -> Vec<Outcome> {
        match spread {
            Spread::All => self.members.iter().map(|member| Outcome::unsent(member.node.clone())).collect(),
            Spread::One => vec![Outcome::unsent(format!("@{}", self.health.name()).into())],
        }
    }
}

/// The members of a cluster, present and future.
#[derive(Debug)]
pub struct Roster {
    spec: ClusterSpec,
    trust: Option<TlsTrust>,
    present: watch::Sender<Arc<Lineup>>,
    /// The names to resolve, each once.
    names: Mutex<Vec<Name>>,
}

/// The state of one name's look-ups.
#[derive(Debug)]
struct Name {
    host: String,
    /// In ascending order. Empty until the first success.
    addresses: Vec<IpAddr>,
    found: Option<SystemTime>,
    /// Since when look-ups have failed, and the last error.
    failing: Option<(SystemTime, String)>,
}

/// The most addresses of a name that are used. A name with more is a mistake or an attack.
const ADDRESSES: usize = 256;

impl Roster {
    /// The members of the configuration, without any health history.
    pub fn new(spec: ClusterSpec) -> Arc<Roster> {
        Roster::after(spec, None)
    }

    /// The members of the configuration, of which another process has learnt something.
    pub fn after(spec: ClusterSpec, past: Option<Past<'_>>) -> Arc<Roster> {
        let trust = spec.tls.then(|| TlsTrust::of_cluster(spec.authority.as_ref(), spec.identity.as_ref()));
        let lineup = Lineup { members: spec.members.clone().into(), health: Health::after(&spec, past) };
        let mut names: Vec<Name> = Vec::new();
        for member in spec.members.iter().filter(|member| spec.discover.is_some() && is_name(member)) {
            if !names.iter().any(|name| name.host == member.host) {
                let host = member.host.clone();
                names.push(Name { host, addresses: Vec::new(), found: None, failing: None });
            }
        }
        Arc::new(Roster { spec, trust, present: watch::Sender::new(Arc::new(lineup)), names: Mutex::new(names) })
    }

    /// The configuration.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// The present members.
    pub fn lineup(&self) -> Arc<Lineup> {
        self.present.borrow().clone()
    }

    /// What is known of the present members, for the process that takes our place; `at` is now or a moment before.
    pub fn history(&self, at: Instant) -> ClusterHistory {
        let lineup = self.lineup();
        lineup.health.history(lineup.health.at(at))
    }

    /// Receives each change of the members.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Lineup>> {
        self.present.subscribe()
    }

    /// For TLS: the trusted roots.
    pub(super) fn trust(&self) -> Option<&TlsTrust> {
        self.trust.as_ref()
    }

    /// The names to resolve.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.names().iter().map(|name| name.host.clone()).collect()
    }

    /// Records the result of a look-up. A failure leaves the members as they are.
    pub(super) fn found(&self, host: &str, found: Result<Vec<IpAddr>, String>) {
        let mut names = self.names();
        let Some(name) = names.iter_mut().find(|name| name.host == host) else { return };
        let cluster = &*self.spec.name;
        match found {
            Err(why) => {
                if name.failing.is_none() {
                    let count = name.addresses.len();
                    tracing::warn!(cluster, host, "the name is not found, {count} known addresses stay: {why}");
                }
                let since = name.failing.take().map_or_else(SystemTime::now, |failing| failing.0);
                name.failing = Some((since, why));
            }
            Ok(mut addresses) => {
                if name.failing.take().is_some() {
                    tracing::info!(cluster, host, "the name is found again");
                }
                // Name servers rotate the addresses.
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
                    // Still under the lock: two names that change at once must not overwrite each other's members.
                    self.muster(&names);
                }
            }
        }
    }

    fn muster(&self, names: &[Name]) {
        let members: Box<[Member]> = self.spec.members.iter().flat_map(|member| expanded(member, names)).collect();
        let before = self.lineup();
        // A member that joins others of its name is cold beside them; if all are new, none is.
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

    /// The cluster's own part of the report.
    pub(super) fn report(&self) -> Value {
        let mut pairs = self.lineup().health.report();
        if self.spec.discover.is_some() {
            let names = self.names();
            let reports = names.iter().map(|name| {
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
            pairs.push(("discovery", Value::List(reports.collect())));
        }
        Value::from_pairs(pairs)
    }

    fn names(&self) -> MutexGuard<'_, Vec<Name>> {
        // No code panics between two dependent changes, so a poisoned list is still consistent.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One member for each address; the member itself if no address is known.
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

/// False for an IP address, which needs no look-up.
fn is_name(member: &Member) -> bool {
    member.host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balance::circuit::{CallKind, EjectReason, Judged};
    use crate::balance::health::CallEnd;

    /// The addresses of a name are members by themselves, and are found a little after the start.
    #[test]
    fn what_was_learnt_of_an_address_waits_until_it_is_found() {
        let spec = ClusterSpec {
            discover: Some(Duration::from_secs(30)),
            ..ClusterSpec::new("found", vec![Member::new("name", 80)])
        };
        let addresses = |last: [u8; 3]| Ok(last.iter().map(|last| IpAddr::from([127, 0, 0, *last])).collect());
        let roster = Roster::new(spec.clone());
        roster.found("name", addresses([1, 2, 3]));
        let (lineup, at) = (roster.lineup(), Instant::now());
        let (member, now) = (lineup.health.member(1), lineup.health.at(at));
        for _ in 0..5 {
            let (call, judged) = (CallKind::Regular, Judged::Failed(EjectReason::Refused));
            let among = member.begun(now);
            let ended = CallEnd { call, judged, is_refusal: false, took: None, waited: None, among, msg: "" };
            member.ended(&ended, now);
        }
        let history = roster.history(at);
        let next = Roster::after(spec, Some(Past { history: &history, age: Duration::from_secs(1) }));
        let out = |roster: &Roster| {
            let lineup = roster.lineup();
            let all = lineup.members.iter().enumerate();
            let out = all.filter(|(index, _)| lineup.health.member(*index).is_closed());
            out.map(|(_, member)| member.node.to_string()).collect::<Vec<_>>()
        };
        assert!(out(&next).is_empty(), "the name alone is no member that anybody knows");
        next.found("name", addresses([2, 3, 4]));
        assert_eq!(out(&next), ["name:80 (127.0.0.2)"]);
        assert!(next.lineup().health.due(now + Duration::from_secs(1)).is_none(), "its time is not over");
        // One that leaves and comes again is a new one.
        next.found("name", addresses([3, 4, 5]));
        next.found("name", addresses([2, 3, 4]));
        assert!(out(&next).is_empty());
    }
}
