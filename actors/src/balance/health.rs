//! Health of a cluster's members, shared by all threads of a process; for HTTP servers and databases.
//!
//! One [`Health`] belongs to one list of members. When the list changes, a new one is made, which shares the state of
//! the members that remain; calls in flight finish on the old one and report to the same states. A choice reads atomics
//! only; no lock is held across an await. Times are durations since the first [`Health`] was made, so that a simulation
//! can supply its own.
//!
//! - `member_health`: the state of one member;
//! - `aside`: members that an operator keeps out of service;
//! - `cluster_state`: the state that the members share.

mod aside;
mod cluster_state;
mod member_health;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use skitai_wire::Value;

use super::circuit::{Admitted, CallKind, Judged};
use super::history::{ClusterHistory, Past};
use super::pick::Candidate;
use crate::spec::{Balance, ClusterSpec, DbSpec, Member};

use cluster_state::ClusterState;
use member_health::MemberState;

pub(crate) use aside::CutSwitch;
pub use member_health::MemberHealth;
pub(crate) use member_health::unix;

/// The effective weight of a healthy member of weight 1 without a penalty. Divisible, because slow start takes it down
/// to a tenth and the penalty to 1/128: a tenth of 1/128 of it is still 1.
pub const FULL_WEIGHT: u32 = 1_280;

/// The longest `Retry-After` that is honoured. The value is Linkerd's.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// Stands for "never" in atomics of milliseconds.
const NEVER: u64 = u64::MAX;

/// The members of one cluster as all threads of the process see them.
#[derive(Debug)]
pub struct Health {
    common: Arc<ClusterState>,
    members: Box<[MemberHealth]>,
    generation: u64,
}

/// The end of a call to a member.
#[derive(Debug)]
pub struct CallEnd<'a> {
    /// The kind of the call.
    pub call: CallKind,
    /// What it says about the member.
    pub judged: Judged,
    /// The member refused the work, quickly or not: it should get less of it.
    pub is_refusal: bool,
    /// The latency of a good answer, or a lower bound of it; `None` without one.
    pub took: Option<Duration>,
    /// How long the call lasted without an answer: to the member's deadline, the caller's, or the caller's departure.
    pub waited: Option<Duration>,
    /// The return value of [`begun`](MemberHealth::begun).
    pub among: usize,
    /// The text of the member or the system about a failure.
    pub msg: &'a str,
}

/// In larger clusters nobody counts the members that are out for each call.
const COUNTED_OUT: usize = 100;

/// The purpose of an extra request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// To repeat a call that failed.
    Retry,
    /// To back up a call that is late.
    Hedge,
}

impl Health {
    /// All members healthy, without latency samples.
    pub fn new(spec: &ClusterSpec) -> Health {
        Health::after(spec, None)
    }

    /// The health of members that another process has learnt of. Those it did not know are new.
    pub fn after(spec: &ClusterSpec, past: Option<Past<'_>>) -> Health {
        let common = ClusterState::new(&spec.name, spec.rules, spec.check.is_some(), true, spec.hedge, past);
        Health::resumed(common, spec.members.iter().map(|member| (&member.node, member.weight)))
    }

    /// As [`new`](Health::new), for databases: live statements are their trial calls, and latency is recorded only if
    /// `dlb` balances by it.
    pub fn of_databases(spec: &DbSpec) -> Health {
        Health::of_databases_after(spec, None)
    }

    /// As [`after`](Health::after), for databases.
    pub fn of_databases_after(spec: &DbSpec, past: Option<Past<'_>>) -> Health {
        let common = ClusterState::new(&spec.name, spec.rules, false, spec.balance == Balance::Ewma, false, past);
        Health::resumed(common, spec.members.iter().map(|member| (&member.node, member.weight)))
    }

    fn resumed<'m>(common: Arc<ClusterState>, members: impl ExactSizeIterator<Item = (&'m Arc<str>, u32)>) -> Health {
        let mut ejections = common.most_out(members.len());
        let states: Box<[_]> = members
            .map(|(node, weight)| {
                let known = common.remembered(node, weight, || take(&mut ejections));
                known.unwrap_or_else(|| MemberState::at(node.clone(), weight, None))
            })
            .collect();
        if !common.has_checks && states.iter().any(|state| state.is_out()) {
            // Whose trial is due is seen at the first choice.
            common.due.store(0, Relaxed);
        }
        Health::of(common, states)
    }

    /// What is known of the members as of `now`, for the process that takes our place.
    pub fn history(&self, now: Duration) -> ClusterHistory {
        let common = &*self.common;
        ClusterHistory {
            clock_ms: millis(now),
            members: self.members.iter().filter_map(|member| member.history(now)).collect(),
            budget: common.budget.lock().unwrap_or_else(PoisonError::into_inner).history(now),
            latency: common.latency().and_then(|latency| latency.history(now)),
        }
    }

    /// The health of a new list of members. Members of the old list keep their state. `is_late` says whether a new
    /// member joins others at work, and so starts with a small share.
    pub(crate) fn succeeded(&self, members: &[Member], is_late: impl Fn(&Member) -> bool) -> Health {
        let now = self.now();
        let mut known: Vec<&Arc<MemberState>> = self.members.iter().map(|member| &member.state).collect();
        let mut ejections = self.common.most_out(members.len());
        let states = members.iter().map(|member| {
            let before = known.iter().position(|state| state.is_for(member)).map(|at| known.swap_remove(at));
            match before {
                Some(state) if !state.is_out() => state.clone(),
                Some(state) if take(&mut ejections) => state.clone(),
                // More members are ejected than the shorter list allows: this one gets another chance.
                Some(_) => MemberState::new(member, None),
                None => {
                    let known = self.common.remembered(&member.node, member.weight, || take(&mut ejections));
                    known.unwrap_or_else(|| MemberState::new(member, is_late(member).then_some(now)))
                }
            }
        });
        Health::of(self.common.clone(), states.collect())
    }

    fn of(common: Arc<ClusterState>, states: Box<[Arc<MemberState>]>) -> Health {
        // Held until the list is the present one, so that no word is said between the two.
        let operator = common.operator.lock().unwrap_or_else(PoisonError::into_inner);
        Health::keep_aside(&operator, &states);
        let members =
            states.iter().map(|state| MemberHealth { common: common.clone(), state: state.clone() }).collect();
        let generation = {
            let mut ejections = common.ejections();
            ejections.most = common.most_out(states.len());
            ejections.members = states;
            ejections.generation += 1;
            ejections.generation
        };
        drop(operator);
        // The new list may have ejected members whose trial is due.
        if generation > 1 {
            common.due.store(0, Relaxed);
        }
        Health { common, members, generation }
    }

    /// The time since the cluster's first `Health` was made.
    pub fn now(&self) -> Duration {
        self.common.epoch.elapsed()
    }

    /// As [`now`](Health::now), for a moment that was read from the clock.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.common.epoch)
    }

    /// The health of one member. Panics for an index beyond the list.
    pub fn member(&self, index: usize) -> &MemberHealth {
        &self.members[index]
    }

    /// Generation number of this member list.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The cluster's name without `@`.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.common.name
    }

    /// How many members take no calls, for the record of a call; not counted where there are very many.
    pub(crate) fn out(&self) -> u16 {
        if self.members.len() > COUNTED_OUT {
            return 0;
        }
        self.members.iter().map(|member| u16::from(member.is_closed())).sum()
    }

    /// The facts about a member for the choice.
    pub fn candidate(&self, index: usize, now: Duration, wants_estimate: bool) -> Candidate {
        self.members[index].candidate(now, wants_estimate)
    }

    /// A member whose trial call is due. The call's result must be reported to [`ended`](MemberHealth::ended).
    pub fn due(&self, now: Duration) -> Option<usize> {
        let due = &self.common.due;
        if millis(now) < due.load(Relaxed) {
            return None;
        }
        // Reset before the scan, so that an entry made meanwhile is not lost.
        due.store(NEVER, Relaxed);
        let mut found = None;
        let is_tried = |member: &MemberHealth| member.state.is_out() && !member.state.aside.is_set();
        for (index, member) in self.members.iter().enumerate().filter(|(_, member)| is_tried(member)) {
            let (until, _) = member.trial();
            if found.is_none() && until <= now && member.admit(now) == Admitted::Trial {
                found = Some(index);
            } else if let (until, false) = member.trial() {
                due.fetch_min(millis(until), Relaxed);
            }
        }
        if self.common.ejections().generation != self.generation {
            // This is an old list: the members of the present one have not been scanned.
            due.store(0, Relaxed);
        }
        found
    }

    /// Counts a caller's request, which adds to the budget of extra ones.
    pub fn deposit(&self, now: Duration) {
        self.common.budget.lock().unwrap_or_else(PoisonError::into_inner).deposit(now);
    }

    /// Takes an extra request from the budget; false if the budget is used up.
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

    /// The cluster's own part of the report.
    pub(crate) fn report(&self) -> Vec<(&'static str, Value)> {
        let number = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        let ejections = self.common.ejections();
        vec![
            ("out", Value::Int(ejections.out() as i64)),
            ("out_at_most", Value::Int(ejections.most as i64)),
            ("retries", number(&self.common.retries)),
            ("hedges", number(&self.common.hedges)),
            ("extra_denied", number(&self.common.denied)),
        ]
    }
}

/// Takes one of the places for ejected members, if there is one.
fn take(places: &mut usize) -> bool {
    let is_free = *places > 0;
    *places = places.saturating_sub(1);
    is_free
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests;
