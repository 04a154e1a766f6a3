//! What the threads of a process know together of a cluster's members, be they HTTP servers or databases.
//!
//! One [`Health`] goes with one list of members. Where the list changes there is a new one, which has the old one's
//! knowledge of whoever stays: calls under way end on the old one, and tell the same members. A choice reads atomics
//! only; no lock is held across an await. All times are counted from the making of the first [`Health`], so a
//! simulation can pass its own.
//!
//! - `pulse`: one member, and what the cluster has in common.

mod member_health;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use skitai_wire::Value;

use super::circuit::{Admitted, CallKind, Judged};
use super::pick::Candidate;
use crate::spec::{Balance, ClusterSpec, DbSpec, Member};

use member_health::{ClusterState, MemberState};

pub use member_health::MemberHealth;
pub(crate) use member_health::unix;

/// The weight in force of a healthy, trusted member of weight 1. Its parts are the tenth of a slow start of the 128th
/// of deep distrust, which must not be 0.
pub const FULL_WEIGHT: u32 = 1_280;

/// The longest time a member may ask to be left alone. Linkerd's.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// No time at all, in milliseconds.
const NEVER: u64 = u64::MAX;

/// The members of one cluster as the whole process sees them.
#[derive(Debug)]
pub struct Health {
    common: Arc<ClusterState>,
    pulses: Box<[MemberHealth]>,
    generation: u64,
}

/// How a call to a member ended.
#[derive(Debug)]
pub struct CallEnd<'a> {
    /// What it was.
    pub call: CallKind,
    /// What it says of the member.
    pub judged: Judged,
    /// The member refused the work, quickly or not: it is to get less of it.
    pub is_refusal: bool,
    /// How long a good answer took, or would have taken longer yet; `None` where none came.
    pub took: Option<Duration>,
    /// How long it lasted where nothing came: the member's deadline, the caller's, or his departure.
    pub waited: Option<Duration>,
    /// What [`begun`](Pulse::begun) said.
    pub among: usize,
    /// What the member or the system said of a failure.
    pub msg: &'a str,
}

/// What an extra request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// A call that failed.
    Retry,
    /// A call that is late.
    Hedge,
}

impl Health {
    /// All members healthy, nothing known of their pace.
    pub fn new(spec: &ClusterSpec) -> Health {
        let vitals = spec.members.iter().map(|member| MemberState::new(member, None)).collect();
        Health::of(ClusterState::new(&spec.name, spec.rules, spec.check.is_some(), true), vitals)
    }

    /// The same of databases, which are tried by live statements alone, and whose pace is learnt where `dlb` looks at
    /// it.
    pub fn of_databases(spec: &DbSpec) -> Health {
        let vitals =
            spec.members.iter().map(|member| MemberState::at(member.node.clone(), member.weight, None)).collect();
        let common = ClusterState::new(&spec.name, spec.rules, false, spec.balance == Balance::Ewma);
        Health::of(common, vitals)
    }

    /// The health of these members: whoever was one before is as he was, others come new. `is_late` says of those
    /// whether they come to others at work, and so begin with a small share.
    pub(crate) fn succeeded(&self, members: &[Member], is_late: impl Fn(&Member) -> bool) -> Health {
        let now = self.now();
        let mut known: Vec<&Arc<MemberState>> = self.pulses.iter().map(|pulse| &pulse.vital).collect();
        let mut places = self.common.most_out(members.len());
        let vitals = members.iter().map(|member| {
            let before = known.iter().position(|vital| vital.is_for(member)).map(|at| known.swap_remove(at));
            match before {
                Some(vital) if !vital.is_out() => vital.clone(),
                Some(vital) if places > 0 => {
                    places -= 1;
                    vital.clone()
                }
                // More are out than may be, of the few that are left: it gets another chance.
                Some(_) => MemberState::new(member, None),
                None => MemberState::new(member, is_late(member).then_some(now)),
            }
        });
        Health::of(self.common.clone(), vitals.collect())
    }

    fn of(common: Arc<ClusterState>, vitals: Box<[Arc<MemberState>]>) -> Health {
        let pulses = vitals.iter().map(|vital| MemberHealth { common: common.clone(), vital: vital.clone() }).collect();
        let generation = {
            let mut places = common.places();
            places.most = common.most_out(vitals.len());
            places.vitals = vitals;
            places.generation += 1;
            places.generation
        };
        // Whoever is out is to be looked for.
        if generation > 1 {
            common.due.store(0, Relaxed);
        }
        Health { common, pulses, generation }
    }

    /// The time since the first one was made.
    pub fn now(&self) -> Duration {
        self.common.epoch.elapsed()
    }

    /// One member.
    pub fn pulse(&self, index: usize) -> &MemberHealth {
        &self.pulses[index]
    }

    /// The how-many-eth list of members this is.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The cluster's name without `@`.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.common.name
    }

    /// What a choice is to know of a member.
    pub fn candidate(&self, index: usize, now: Duration, wants_pace: bool) -> Candidate {
        self.pulses[index].candidate(now, wants_pace)
    }

    /// A member whose trial call is due. What becomes of that call must be told by [`ended`](Pulse::ended).
    pub fn due(&self, now: Duration) -> Option<usize> {
        let due = &self.common.due;
        if millis(now) < due.load(Relaxed) {
            return None;
        }
        // Emptied before the members are looked at: what one enters meanwhile is not lost.
        due.store(NEVER, Relaxed);
        let mut found = None;
        for (index, pulse) in self.pulses.iter().enumerate().filter(|(_, pulse)| pulse.vital.is_out()) {
            let (until, _) = pulse.trial();
            if found.is_none() && until <= now && pulse.admit(now) == Admitted::Trial {
                found = Some(index);
            } else if let (until, false) = pulse.trial() {
                due.fetch_min(millis(until), Relaxed);
            }
        }
        if self.common.places().generation != self.generation {
            // These are the members of before: those of now have not been looked at.
            due.store(0, Relaxed);
        }
        found
    }

    /// Counts a caller's request that may need extra ones.
    pub fn deposit(&self, now: Duration) {
        self.common.budget.lock().unwrap_or_else(PoisonError::into_inner).deposit(now);
    }

    /// Takes an extra request from the budget; false if it is used up.
    pub fn withdraw(&self, extra: Extra, now: Duration) -> bool {
        let common = &*self.common;
        let is_granted = common.budget.lock().unwrap_or_else(PoisonError::into_inner).withdraw(now);
        let counter = match (is_granted, extra) {
            (false, _) => &common.denied,
            (true, Extra::Retry) => &common.retries,
            (true, Extra::Hedge) => &common.hedges,
        };
        counter.fetch_add(1, Relaxed);
        is_granted
    }

    /// Extra requests so far: retries and hedges.
    pub fn extra(&self) -> u64 {
        self.common.retries.load(Relaxed) + self.common.hedges.load(Relaxed)
    }

    /// What the cluster as a whole has to tell.
    pub(crate) fn report(&self) -> Vec<(&'static str, Value)> {
        let number = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        let places = self.common.places();
        vec![
            ("out", Value::Int(places.out() as i64)),
            ("out_at_most", Value::Int(places.most as i64)),
            ("retries", number(&self.common.retries)),
            ("hedges", number(&self.common.hedges)),
            ("extra_denied", number(&self.common.denied)),
        ]
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests;
