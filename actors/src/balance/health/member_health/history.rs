//! What is known of a member, as its history, and back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use super::{MemberHealth, MemberState, MemberStats};
use crate::balance::circuit::{Circuit, CircuitState};
use crate::balance::health::{LONGEST_HOLD, millis};
use crate::balance::history::{MemberHistory, PaceHistory, after, before, since, until};
use crate::balance::latency_estimate::{LatencyEstimate, RecentLatencies};
use crate::balance::latency_histogram::LatencyHistogram;
use crate::balance::penalty::Penalty;

/// The longest text of a failure that is handed on, in characters.
const LONGEST_TEXT: usize = 200;

impl MemberHealth {
    /// What is known of the member as of `now`; `None` if it is like a new one.
    pub(crate) fn history(&self, now: Duration) -> Option<MemberHistory> {
        let (state, stats) = (&*self.state, self.stats());
        let held = until(Duration::from_millis(state.held_until.load(Relaxed)), now);
        let ramped_from = state.ramped_from.load(Relaxed);
        let ramped = (ramped_from > 0).then(|| since(Duration::from_millis(ramped_from - 1), now));
        let circuit = stats.circuit.history(now);
        let last = circuit.as_ref().and(stats.last.as_ref());
        let pace = |recent| {
            let LatencyEstimate { micros, room } = LatencyEstimate::unpacked(state.estimate.load(Relaxed));
            let asked_ms = since(Duration::from_millis(state.asked.load(Relaxed)), now);
            PaceHistory { asked_ms, micros, room, recent }
        };
        let history = MemberHistory {
            node: state.node.to_string(),
            last: last.map(|(when, text)| {
                let seconds = when.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                (seconds, text.chars().take(LONGEST_TEXT).collect())
            }),
            circuit,
            ramped_ms: ramped.filter(|age| u128::from(*age) < self.common.rules.slow_start.as_millis()),
            held_ms: (held > 0).then_some(held),
            penalty: stats.penalty.history(now),
            pace: stats.recent.history(now).map(pace),
            latency: stats.latency.history(now),
        };
        (!history.is_blank()).then_some(history)
    }
}

impl MemberState {
    /// The member of which this is told, as of `then`.
    pub(crate) fn resumed(node: Arc<str>, weight: u32, history: &MemberHistory, then: Duration) -> Arc<MemberState> {
        let fresh = MemberState::fresh(node, weight);
        let circuit = history.circuit.as_ref().map(|circuit| Circuit::resumed(circuit, then)).unwrap_or_default();
        let penalty = history.penalty.as_ref().map(|penalty| Penalty::resumed(penalty, then)).unwrap_or_default();
        let pace = history.pace.as_ref();
        let estimate = pace.map(|pace| LatencyEstimate { micros: pace.micros, room: pace.room }).unwrap_or_default();
        let held = history.held_ms.map_or(Duration::ZERO, |left| after(then, left, LONGEST_HOLD));
        let when = |seconds: &u64| UNIX_EPOCH.checked_add(Duration::from_secs(*seconds));
        let is_out = circuit.state() != CircuitState::Healthy;
        let is_failing = is_out || circuit.failures() > 0;
        let stats = MemberStats {
            circuit,
            penalty,
            latency: history.latency.as_ref().map(|told| LatencyHistogram::resumed(told, then)).unwrap_or_default(),
            recent: pace.map(|pace| RecentLatencies::resumed(&pace.recent, then)).unwrap_or_default(),
            last: history.last.as_ref().and_then(|(seconds, text)| Some((when(seconds)?, text.clone()))),
        };
        Arc::new(MemberState {
            is_out: is_out.into(),
            is_failing: is_failing.into(),
            held_until: millis(held).into(),
            ramped_from: history.ramped_ms.map_or(0, |age| millis(before(then, age)) + 1).into(),
            penalty: penalty.packed().into(),
            estimate: estimate.packed().into(),
            asked: pace.map_or(0, |pace| millis(before(then, pace.asked_ms))).into(),
            stats: stats.into(),
            ..fresh
        })
    }
}
