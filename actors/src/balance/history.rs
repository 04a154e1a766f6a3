//! What a process has learnt of the members of a cluster, for the process that takes its place.
//!
//! A history is as of one moment on the clock of its cluster, and the successor's clock goes on from there. What was
//! before that moment is told in milliseconds that have passed since, what comes after it in those that are left. A
//! history comes from another process, perhaps of another build: fields are only added, each has a default, and every
//! number is taken within bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::circuit::CircuitHistory;
use super::latency_estimate::RecentHistory;
use super::latency_histogram::HistogramHistory;
use super::penalty::PenaltyHistory;
use super::retry_budget::BudgetSlotHistory;

/// The longest time for which a clock is believed to have run: ten years.
const LONGEST_RUN: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The history of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterHistory {
    /// How long the clock of the cluster has run.
    pub clock_ms: u64,
    /// The members of which there is something to tell.
    pub members: Vec<MemberHistory>,
    /// The budget of extra requests, by its seconds.
    pub budget: Vec<BudgetSlotHistory>,
    /// The answers of all members, where calls are hedged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<HistogramHistory>,
}

/// The history of one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberHistory {
    /// Its name, as shown everywhere.
    pub node: String,
    /// Whether it takes part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<CircuitHistory>,
    /// The last failure that counted: seconds since 1970, as it is shown, and its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<(u64, String)>,
    /// For how long it has been getting its share little by little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramped_ms: Option<u64>,
    /// For how long it asks for a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_ms: Option<u64>,
    /// For what it refuses quickly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<PenaltyHistory>,
    /// How quick it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<PaceHistory>,
    /// How its answers were spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<HistogramHistory>,
}

/// What is expected of a member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaceHistory {
    /// How long ago it was last called: from then on the expectation fades.
    pub asked_ms: u64,
    /// The expected latency in microseconds.
    pub micros: u32,
    /// How many calls at once it can be thought to bear.
    pub room: u32,
    /// The answers from which that follows.
    pub recent: RecentHistory,
}

impl ClusterHistory {
    /// Leaves out the latencies, which are most of a long history: they are learnt anew within seconds.
    pub fn forget_latencies(&mut self) {
        self.latency = None;
        for member in &mut self.members {
            (member.pace, member.latency) = (None, None);
        }
        self.members.retain(|member| !member.is_blank());
    }

    /// The moment of which it tells.
    pub(crate) fn then(&self) -> Duration {
        Duration::from_millis(self.clock_ms).min(LONGEST_RUN)
    }
}

impl MemberHistory {
    /// Whether there is nothing to tell but its name.
    pub(crate) fn is_blank(&self) -> bool {
        *self == MemberHistory { node: self.node.clone(), ..MemberHistory::default() }
    }

    pub(crate) fn is_out(&self) -> bool {
        self.circuit.as_ref().is_some_and(CircuitHistory::is_out)
    }
}

/// A history, and how long ago it was told.
#[derive(Clone, Copy, Debug)]
pub struct Past<'h> {
    /// What was told.
    pub history: &'h ClusterHistory,
    /// How long ago.
    pub age: Duration,
}

impl Past<'_> {
    pub(crate) fn age(&self) -> Duration {
        self.age.min(LONGEST_RUN)
    }
}

/// Milliseconds from `at` to `now`.
pub(super) fn since(at: Duration, now: Duration) -> u64 {
    millis(now.saturating_sub(at))
}

/// Milliseconds from `now` to `at`.
pub(super) fn until(at: Duration, now: Duration) -> u64 {
    millis(at.saturating_sub(now))
}

/// The moment so many milliseconds before `then`, or the begin of the clock.
pub(super) fn before(then: Duration, millis: u64) -> Duration {
    then.saturating_sub(Duration::from_millis(millis))
}

/// The moment so many milliseconds after `then`, or `longest` after it.
pub(super) fn after(then: Duration, millis: u64, longest: Duration) -> Duration {
    then + Duration::from_millis(millis).min(longest)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
