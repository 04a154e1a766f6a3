//! What the circuit breaker of a member hands on to the process that takes our place.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Circuit, CircuitState, EjectReason, ReadmitReason};
use crate::balance::history::{after, before, since, until};

/// The longest rest of an ejection that is believed: the longest that a configuration may ask for, an hour, and its
/// jitter.
const LONGEST: Duration = Duration::from_secs(66 * 60);
/// So many ejections in a row double the time as far as it goes.
const MOST_IN_A_ROW: u32 = 32;

/// The state of a circuit breaker, as of a moment. Words that a process does not know mean nothing to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CircuitHistory {
    /// The word of its state.
    pub state: String,
    /// For how long it has had this state.
    pub since_ms: u64,
    /// How much of its ejection is left.
    pub left_ms: u64,
    /// Failed calls in a row.
    pub failures: u32,
    /// Ejections in a row, each of which doubles the next.
    pub row: u32,
    /// Passed checks in a row, while it is out.
    pub passed: u32,
    /// Failed checks in a row, while it takes part.
    pub missed: u32,
    /// The word of the last failure that counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How long ago and why it was readmitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readmitted: Option<(u64, String)>,
}

impl CircuitHistory {
    /// Whether the member takes no calls.
    pub(crate) fn is_out(&self) -> bool {
        state_of(&self.state) != CircuitState::Healthy
    }
}

/// A state of another build counts as health: the member proves itself, or is ejected again.
fn state_of(word: &str) -> CircuitState {
    let known = [CircuitState::Ejected, CircuitState::Probing].into_iter().find(|state| state.word() == word);
    known.unwrap_or_default()
}

impl Circuit {
    /// As of `now`; `None` if it is like a new one.
    pub(crate) fn history(&self, now: Duration) -> Option<CircuitHistory> {
        let is_healthy = self.state == CircuitState::Healthy;
        let missed = if is_healthy { self.missed } else { 0 };
        if is_healthy && self.failures == 0 && self.row == 0 && missed == 0 {
            return None;
        }
        Some(CircuitHistory {
            state: self.state.word().to_owned(),
            since_ms: since(self.since, now),
            left_ms: if self.state == CircuitState::Ejected { until(self.until, now) } else { 0 },
            failures: self.failures,
            row: self.row,
            // They count only where they lead somewhere.
            passed: if is_healthy { 0 } else { self.passed },
            missed,
            why: self.why.map(|why| why.word().to_owned()),
            readmitted: self.readmitted.map(|(at, why)| (since(at, now), why.word().to_owned())),
        })
    }

    /// The circuit breaker that was like this at `then`. A trial that was in flight is not ours: the next call may be
    /// one.
    pub(crate) fn resumed(history: &CircuitHistory, then: Duration) -> Circuit {
        let readmitted = history.readmitted.as_ref();
        Circuit {
            state: state_of(&history.state),
            since: before(then, history.since_ms),
            until: after(then, history.left_ms, LONGEST),
            failures: history.failures,
            row: history.row.min(MOST_IN_A_ROW),
            passed: history.passed,
            missed: history.missed,
            why: history.why.as_deref().and_then(EjectReason::named),
            readmitted: readmitted.and_then(|(ago, why)| Some((before(then, *ago), ReadmitReason::named(why)?))),
            ..Circuit::default()
        }
    }
}
