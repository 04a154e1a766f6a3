//! The state that the members of a cluster share, and that survives a change of the members.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::NEVER;
use super::member_health::MemberState;
use crate::balance::history::{MemberHistory, Past};
use crate::balance::latency_histogram::LatencyHistogram;
use crate::balance::operator::OperatorWords;
use crate::balance::retry_budget::RetryBudget;
use crate::spec::Rules;

/// The state of a cluster that survives a change of its members.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub(crate) name: Arc<str>,
    pub(crate) epoch: Instant,
    pub(crate) rules: Rules,
    pub(crate) has_checks: bool,
    /// Whether latency is recorded.
    pub(crate) learns: bool,
    /// The answers of all members, the prior for those that are seldom asked. Only with `hedge`, so that nobody else
    /// pays for its lock.
    pub(crate) latency: Option<Mutex<LatencyHistogram>>,
    /// When the next trial call of an ejected member is due, in milliseconds.
    pub(crate) due: AtomicU64,
    pub(crate) ejections: Mutex<Ejections>,
    pub(crate) budget: Mutex<RetryBudget>,
    pub(crate) retries: AtomicU64,
    pub(crate) hedges: AtomicU64,
    pub(crate) denied: AtomicU64,
    /// What operators have said of members, present or not. Locked before `ejections`.
    pub(crate) operator: Mutex<OperatorWords>,
    remembered: Mutex<Remembered>,
}

/// How long members that are not there yet are remembered: those that are found by their names come a little later. One
/// that comes after that is a new one.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What the process before this one has told of members that have not come yet.
#[derive(Debug, Default)]
struct Remembered {
    then: Duration,
    until: Duration,
    members: Vec<MemberHistory>,
}

/// The present members, and how many of them may be ejected at once.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    pub(crate) most: usize,
    pub(crate) members: Box<[Arc<MemberState>]>,
    /// Generation number of this member list.
    pub(crate) generation: u64,
}

impl Ejections {
    /// Counted on demand, so that a member that leaves takes its ejection with it.
    pub(crate) fn out(&self) -> usize {
        self.members.iter().filter(|state| state.is_out()).count()
    }

    /// Whether one more may be ejected: within the share, and not the last one that takes calls.
    pub(crate) fn has_place(&self) -> bool {
        let takes_calls = |state: &&Arc<MemberState>| !state.is_out() && !state.aside.is_set();
        self.out() < self.most && self.members.iter().filter(takes_calls).nth(1).is_some()
    }
}

impl ClusterState {
    pub(crate) fn new(
        name: &Arc<str>,
        rules: Rules,
        has_checks: bool,
        learns: bool,
        is_hedged: bool,
        past: Option<Past<'_>>,
    ) -> Arc<ClusterState> {
        let now = Instant::now();
        let (then, age, history) = past
            .map(|past| (past.history.then(), past.age(), past.history))
            // A clock of this process that has not run for so long cannot show that time.
            .filter(|(then, age, _)| now.checked_sub(*then + *age).is_some())
            .map_or_else(Default::default, |(then, age, history)| (then, age, Some(history)));
        let learnt = history.and_then(|history| history.latency.as_ref());
        let latency = learnt.map(|learnt| LatencyHistogram::resumed(learnt, then)).unwrap_or_default();
        let budget = history.map(|history| RetryBudget::resumed(&history.budget, then)).unwrap_or_default();
        let members = history.map(|history| history.members.clone()).unwrap_or_default();
        Arc::new(ClusterState {
            name: name.clone(),
            epoch: now.checked_sub(then + age).unwrap_or(now),
            rules,
            has_checks,
            learns,
            latency: is_hedged.then(|| latency.into()),
            due: AtomicU64::new(NEVER),
            ejections: Mutex::default(),
            budget: budget.into(),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            operator: Mutex::default(),
            remembered: Remembered { then, until: then + age + REMEMBERED, members }.into(),
        })
    }

    /// What was told of the member before this process was there, once. `may_be_out` says whether one that is ejected
    /// may remain so; if not, it is like one that takes part.
    pub(crate) fn remembered(
        &self,
        node: &Arc<str>,
        weight: u32,
        may_be_out: impl FnOnce() -> bool,
    ) -> Option<Arc<MemberState>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.members.is_empty() {
            return None;
        }
        if self.epoch.elapsed() > remembered.until {
            remembered.members.clear();
        }
        let at = remembered.members.iter().position(|member| *member.node == **node)?;
        let mut history = remembered.members.swap_remove(at);
        if history.is_out() {
            if may_be_out() {
                tracing::info!(
                    cluster = &*self.name,
                    node = &**node,
                    "the member is out, as the process before has found"
                );
            } else {
                history.circuit = None;
            }
        }
        Some(MemberState::resumed(node.clone(), weight, &history, remembered.then))
    }

    pub(crate) fn ejections(&self) -> MutexGuard<'_, Ejections> {
        self.ejections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn latency(&self) -> Option<MutexGuard<'_, LatencyHistogram>> {
        self.latency.as_ref().map(|latency| latency.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many of `count` members may be ejected at once.
    pub(crate) fn most_out(&self, count: usize) -> usize {
        let share = count * self.rules.max_ejected as usize / 100;
        // The last member is never ejected: a slow answer is better than none.
        share.min(count.saturating_sub(1))
    }
}
