//! What a process learns of its members, and the process that takes its place goes on with: who is ejected and until
//! when, how quick each one is, what is left of the budget of extra requests.
//!
//! It is told to the supervisor once a second, as far as it has changed, so that it is there after a crash, too. The
//! next process takes it up as it opens its clusters ([`fleet`](super::fleet)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use skitai_actors::balance::history::{ClusterHistory, Past};
use skitai_actors::kit::tasks;

use super::relay::Relay;
use super::site::OpenSite;
use crate::ipc::messages::{FromProcess, Learnt, LearntBefore};

/// How often it is told.
const EVERY: Duration = Duration::from_secs(1);
/// The longest text in octets: some hundreds of members with their latencies. A longer one goes without these.
const LONGEST: usize = 100 * 1024;

/// The histories of all clusters, by their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct MembersLearnt {
    clusters: BTreeMap<String, ClusterHistory>,
    databases: BTreeMap<String, ClusterHistory>,
}

/// What the process whose place this one takes has learnt.
#[derive(Debug, Default)]
pub(crate) struct Predecessor {
    /// Whether it was replaced by a reload, so that `onreload` hooks run.
    pub(super) is_reload: bool,
    members: MembersLearnt,
    age: Duration,
    /// When `age` was that.
    heard: Option<Instant>,
}

impl Predecessor {
    /// Of what the supervisor has said at the moment `heard`. What makes no sense is left out: members are new then.
    pub(crate) fn new(is_reload: bool, learnt: Option<LearntBefore>, heard: Instant) -> Predecessor {
        let nobody = Predecessor { is_reload, ..Predecessor::default() };
        let Some(LearntBefore { age_ms, learnt: Learnt { members: Some(text) } }) = learnt else { return nobody };
        match serde_json::from_str(&text) {
            Ok(members) => Predecessor { members, age: Duration::from_millis(age_ms), heard: Some(heard), ..nobody },
            Err(error) => {
                tracing::warn!("what the last process has learnt of its members cannot be read: {error}");
                nobody
            }
        }
    }

    pub(super) fn cluster(&self, name: &str) -> Option<Past<'_>> {
        self.past(&self.members.clusters, name)
    }

    pub(super) fn database(&self, name: &str) -> Option<Past<'_>> {
        self.past(&self.members.databases, name)
    }

    fn past<'h>(&self, histories: &'h BTreeMap<String, ClusterHistory>, name: &str) -> Option<Past<'h>> {
        let age = self.age.saturating_add(self.heard?.elapsed());
        histories.get(name).map(|history| Past { history, age })
    }
}

/// Begins to tell the supervisor.
pub(crate) fn tell(site: &Arc<OpenSite>, relay: Relay) {
    if site.clusters.is_empty() && site.databases.is_empty() {
        return;
    }
    let site = site.clone();
    tasks::spawn("what members do, for the supervisor", async move {
        let mut teller = Teller::default();
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(learnt) = teller.news(|at| members(&site, at), Instant::now()) else { continue };
            let to = relay.clone();
            // Waits for room in the socket's buffer.
            let said = tokio::task::spawn_blocking(move || to.say(&FromProcess::Learnt(learnt))).await;
            if said.is_err() || !relay.is_heard() {
                return;
            }
        }
    });
}

fn members(site: &OpenSite, at: Instant) -> MembersLearnt {
    let clusters = site.clusters.iter().map(|fleet| (fleet.roster.spec().name.to_string(), fleet.roster.history(at)));
    let databases = site.databases.iter().map(|(spec, health)| (spec.name.to_string(), health.history(health.at(at))));
    MembersLearnt { clusters: clusters.collect(), databases: databases.collect() }
}

/// What was told last, and when.
#[derive(Debug, Default)]
struct Teller {
    last: Option<(Instant, MembersLearnt)>,
    is_too_long: bool,
}

impl Teller {
    /// What is to be told now. `members` gives what is known, as it looks from a moment.
    fn news(&mut self, members: impl Fn(Instant) -> MembersLearnt, now: Instant) -> Option<Learnt> {
        // Seen from the same moment, times differ only where something has happened.
        if self.last.as_ref().is_some_and(|(at, told)| self.fitting(members(*at)) == *told) {
            return None;
        }
        let mut learnt = self.fitting(members(now));
        let mut text = serde_json::to_string(&learnt).ok()?;
        if text.len() > LONGEST && !self.is_too_long {
            self.is_too_long = true;
            let octets = text.len();
            tracing::info!("what is known of members has {octets} octets: the next process learns latencies anew");
            learnt = self.fitting(learnt);
            text = serde_json::to_string(&learnt).ok()?;
        }
        self.last = Some((now, learnt));
        Some(Learnt { members: Some(text) })
    }

    /// Without latencies, once there was too much.
    fn fitting(&self, mut learnt: MembersLearnt) -> MembersLearnt {
        if self.is_too_long {
            learnt
                .clusters
                .values_mut()
                .chain(learnt.databases.values_mut())
                .for_each(ClusterHistory::forget_latencies);
        }
        learnt
    }
}

#[cfg(test)]
mod tests {
    use skitai_actors::balance::circuit::{CallKind, EjectReason, Judged};
    use skitai_actors::balance::health::CallEnd;
    use skitai_actors::cluster::Health;
    use skitai_actors::spec::{ClusterSpec, Member};

    use super::*;

    fn spec(count: u16) -> ClusterSpec {
        ClusterSpec::new("members", (1..=count).map(|port| Member::new("member", port)).collect())
    }

    fn end(health: &Health, index: usize, judged: Judged) {
        let (member, now) = (health.member(index), health.now());
        let among = member.begun(now);
        let took = (judged == Judged::Good).then(|| Duration::from_millis(1 + now.as_micros() as u64 % 50));
        let (call, is_refusal, waited, msg) = (CallKind::Regular, false, None, "closed");
        member.ended(&CallEnd { call, judged, is_refusal, took, waited, among, msg }, now);
    }

    fn learnt(health: &Health, at: Instant) -> MembersLearnt {
        let clusters = BTreeMap::from([("members".to_owned(), health.history(health.at(at)))]);
        MembersLearnt { clusters, ..MembersLearnt::default() }
    }

    #[test]
    fn it_is_told_when_something_has_happened_and_not_because_time_passes() {
        let health = Health::new(&spec(3));
        let mut teller = Teller::default();
        let began = Instant::now();
        let mut news = |after: u64| teller.news(|at| learnt(&health, at), began + Duration::from_secs(after)).is_some();
        assert!(news(0) && !news(1), "the first time, then only news");
        (0..5).for_each(|_| end(&health, 1, Judged::Failed(EjectReason::Refused)));
        assert!(news(2) && !news(3) && !news(20));
        end(&health, 0, Judged::Good);
        assert!(news(21) && !news(22));
    }

    #[test]
    fn what_is_too_long_goes_without_latencies_and_keeps_who_is_out() {
        let health = Health::new(&spec(2_000));
        (0..5).for_each(|_| end(&health, 7, Judged::Failed(EjectReason::Refused)));
        (0..2_000).filter(|index| *index != 7).for_each(|index| end(&health, index, Judged::Good));
        let text = Teller::default().news(|at| learnt(&health, at), Instant::now()).and_then(|learnt| learnt.members);
        let text = text.expect("it is the first");
        assert!(text.len() < LONGEST && !text.contains("micros"), "{} octets", text.len());
        let next = Predecessor::new(
            true,
            Some(LearntBefore { age_ms: 0, learnt: Learnt { members: Some(text) } }),
            Instant::now(),
        );
        let health = Health::after(&spec(2_000), next.cluster("members"));
        let out: Vec<usize> = (0..2_000).filter(|index| health.candidate(*index, health.now(), false).is_out).collect();
        assert_eq!(out, [7]);
    }

    #[test]
    fn what_cannot_be_read_is_as_if_nobody_had_been_there() {
        let of = |text: &str| {
            let learnt = Learnt { members: Some(text.to_owned()) };
            Predecessor::new(true, Some(LearntBefore { age_ms: u64::MAX, learnt }), Instant::now())
        };
        for text in ["", "[]", "{\"clusters\":7}", "{\"clusters\":{\"members\":{\"clock_ms\":-1}}}", "\u{0}"] {
            let before = of(text);
            assert!(before.is_reload && before.cluster("members").is_none(), "{text}");
        }
        // A time that no clock has shown, and fields of another build.
        let before = of("{\"clusters\":{\"members\":{\"clock_ms\":18446744073709551615,\"new\":[1]}},\"also\":{}}");
        let health = Health::after(&spec(2), before.cluster("members"));
        assert!(!health.candidate(0, health.now(), true).is_out);
    }
}
