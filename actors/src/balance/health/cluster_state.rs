//! The state that the members of a cluster share, and that survives a change of the members.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::NEVER;
use super::member_health::MemberState;
use crate::balance::latency_histogram::LatencyHistogram;
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
}

impl ClusterState {
    pub(crate) fn new(
        name: &Arc<str>,
        rules: Rules,
        has_checks: bool,
        learns: bool,
        is_hedged: bool,
    ) -> Arc<ClusterState> {
        Arc::new(ClusterState {
            name: name.clone(),
            epoch: Instant::now(),
            rules,
            has_checks,
            learns,
            latency: is_hedged.then(Mutex::default),
            due: AtomicU64::new(NEVER),
            ejections: Mutex::default(),
            budget: Mutex::default(),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        })
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
