//! The state of one member as all threads see it.
//!
//! The end of an exchange locks its member; an ejection then also locks the places. The locks are never taken in the
//! other order. The same holds for the cluster's latencies, which a member with `hedge` locks last.
//!
//! - `report`: the member's part of the status page;
//! - `history`: what the process that takes our place is told of it.

mod history;
mod report;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::aside::AsideState;
use super::cluster_state::ClusterState;
use super::{CallEnd, FULL_WEIGHT, LONGEST_HOLD, millis};
use crate::balance::circuit::{
    Admitted, CallKind, Change, Circuit, CircuitContext, CircuitState, EjectReason, Judged, ramp,
};
use crate::balance::latency_estimate::{LatencyEstimate, RecentLatencies};
use crate::balance::latency_histogram::LatencyHistogram;
use crate::balance::penalty::Penalty;
use crate::balance::pick::{Candidate, Dice, hash};
use crate::spec::Member;

pub(crate) use report::unix;

/// The state of one member. The atomics mirror the locked part, for lock-free choices.
#[derive(Debug)]
pub(crate) struct MemberState {
    pub(crate) node: Arc<str>,
    weight: u32,
    /// A hash of the name: members that are ejected at the same moment draw different jitter.
    salt: u64,
    outstanding: AtomicUsize,
    is_out: AtomicBool,
    /// Calls that did not go to it since it last took part.
    missed: AtomicU64,
    /// The last call that was judged at all failed, so a good one changes the state.
    is_failing: AtomicBool,
    held_until: AtomicU64,
    /// Its readmission in milliseconds, plus 1; 0 for none.
    ramped_from: AtomicU64,
    penalty: AtomicU64,
    estimate: AtomicU64,
    /// When it was last called, in milliseconds.
    asked: AtomicU64,
    /// What an operator has said of it.
    pub(super) aside: AsideState,
    stats: Mutex<MemberStats>,
}

impl MemberState {
    /// A healthy member without latency samples. `joined`: when it joined a cluster at work.
    pub(crate) fn new(member: &Member, joined: Option<Duration>) -> Arc<MemberState> {
        MemberState::at(member.node.clone(), member.weight, joined)
    }

    pub(crate) fn at(node: Arc<str>, weight: u32, joined: Option<Duration>) -> Arc<MemberState> {
        let ramped_from = joined.map_or(0, |now| millis(now) + 1).into();
        Arc::new(MemberState { ramped_from, ..MemberState::fresh(node, weight) })
    }

    fn fresh(node: Arc<str>, weight: u32) -> MemberState {
        MemberState {
            salt: hash(&[node.as_bytes()]),
            node,
            weight,
            outstanding: AtomicUsize::new(0),
            is_out: AtomicBool::new(false),
            missed: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            held_until: AtomicU64::new(0),
            ramped_from: AtomicU64::new(0),
            penalty: AtomicU64::new(0),
            estimate: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            aside: AsideState::default(),
            stats: Mutex::default(),
        }
    }

    pub(crate) fn is_for(&self, member: &Member) -> bool {
        self.node == member.node && self.weight == member.weight
    }

    pub(crate) fn is_out(&self) -> bool {
        self.is_out.load(Relaxed)
    }
}

#[derive(Debug, Default)]
struct MemberStats {
    circuit: Circuit,
    penalty: Penalty,
    latency: LatencyHistogram,
    recent: RecentLatencies,
    /// Time and text of the last failure or failed check that counted against it.
    last: Option<(SystemTime, String)>,
}

/// One member: consulted before a call, informed of the result.
#[derive(Clone, Debug)]
pub struct MemberHealth {
    pub(crate) common: Arc<ClusterState>,
    pub(crate) state: Arc<MemberState>,
}

impl MemberHealth {
    /// The time since the cluster's first [`Health`](super::Health) was made.
    pub fn now(&self) -> Duration {
        self.common.epoch.elapsed()
    }

    /// As [`now`](MemberHealth::now), for a moment that the caller has already read from the clock.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.common.epoch)
    }

    pub(crate) fn is(&self, other: &MemberHealth) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    pub(crate) fn candidate(&self, now: Duration, wants_estimate: bool) -> Candidate {
        let state = &*self.state;
        Candidate {
            weight: self.weight(now),
            outstanding: state.outstanding.load(Relaxed),
            estimate: if wants_estimate { self.estimate(now) } else { LatencyEstimate::default() },
            is_out: state.is_out() || state.held_until.load(Relaxed) > millis(now),
            is_barred: state.aside.is_set(),
        }
    }

    /// The estimate fades from the last call, not from the last answer: so an idle member gets one call at a time to
    /// find out whether it is fast again.
    fn estimate(&self, now: Duration) -> LatencyEstimate {
        let idle = millis(now).saturating_sub(self.state.asked.load(Relaxed));
        LatencyEstimate::unpacked(self.state.estimate.load(Relaxed)).faded(Duration::from_millis(idle))
    }

    fn weight(&self, now: Duration) -> u32 {
        let mut weight = FULL_WEIGHT;
        let ramped_from = self.state.ramped_from.load(Relaxed);
        if ramped_from > 0 {
            let age = now.saturating_sub(Duration::from_millis(ramped_from - 1));
            weight = weight * ramp(age, self.common.rules.slow_start) / 100;
        }
        let penalty = self.state.penalty.load(Relaxed);
        if penalty > 0 {
            weight = (f64::from(weight) * Penalty::unpacked(penalty).share(now)) as u32;
        }
        weight.max(1).saturating_mul(self.state.weight)
    }

    /// When its ejection ends, and whether its trial call is in flight.
    pub(crate) fn trial(&self) -> (Duration, bool) {
        let stats = self.stats();
        (stats.circuit.until(), stats.circuit.is_on_trial())
    }

    /// Decides whether a call may go to this member.
    pub fn admit(&self, now: Duration) -> Admitted {
        if self.state.aside.is_set() {
            return Admitted::No;
        }
        if !self.state.is_out() {
            return Admitted::Yes;
        }
        let admitted = self.judged(now, |circuit, context| circuit.admit(context));
        if admitted == Admitted::No {
            self.state.missed.fetch_add(1, Relaxed);
        }
        admitted
    }

    /// The reason for not calling this member, in words.
    pub fn explain(&self, now: Duration) -> String {
        let stats = self.stats();
        let (circuit, why) = (&stats.circuit, stats.circuit.why().map_or("failures", EjectReason::word));
        let age = now.saturating_sub(circuit.since()).as_secs_f64();
        let last = stats.last.as_ref().map(|(_, msg)| format!(" ({msg})")).unwrap_or_default();
        match circuit.state() {
            CircuitState::Ejected => {
                let left = circuit.until().saturating_sub(now).as_secs_f64();
                format!("not sent: the member was ejected {age:.1} s ago: {why}{last}; tried again in {left:.1} s")
            }
            CircuitState::Probing | CircuitState::Healthy => {
                format!("not sent: the member was ejected: {why}{last}; it has to prove itself first")
            }
        }
    }

    /// Records that a call begins. Returns the calls in flight, this one included.
    pub fn begun(&self, now: Duration) -> usize {
        self.state.asked.store(millis(now), Relaxed);
        self.state.outstanding.fetch_add(1, Relaxed) + 1
    }

    /// An operator's word is taken back, or was none and an ejection is to end: the member takes calls again, few at
    /// first.
    pub(super) fn restore(&self, was_aside: bool, now: Duration) {
        let was_out = self.judged(now, |circuit, context| {
            let change = circuit.restore(context.now);
            (change.is_some(), change)
        });
        if was_aside && !was_out {
            self.ramp_up(&mut self.stats(), now);
            tracing::info!(
                cluster = &*self.common.name,
                node = &*self.state.node,
                "an operator has restored the member"
            );
        }
    }

    /// It takes part again. No penalty: slow start at a tenth of the weight is caution enough.
    fn ramp_up(&self, stats: &mut MemberStats, now: Duration) {
        self.state.ramped_from.store(millis(now) + 1, Relaxed);
        stats.penalty = Penalty::default();
        self.state.penalty.store(0, Relaxed);
    }

    /// Records the end of a call. Every [`begun`](MemberHealth::begun) is followed by exactly one `ended` or
    /// `left`.
    pub fn ended(&self, ended: &CallEnd<'_>, now: Duration) {
        let state = &*self.state;
        state.outstanding.fetch_sub(1, Relaxed);
        {
            let mut stats = self.stats();
            self.learn(&mut stats, (ended.took, ended.waited), ended.among, now);
            let is_failure = ended.is_refusal || matches!(ended.judged, Judged::Failed(_));
            if is_failure || (ended.judged == Judged::Good && !stats.penalty.is_full()) {
                stats.penalty.learn(is_failure, now);
                state.penalty.store(stats.penalty.packed(), Relaxed);
            }
            if matches!(ended.judged, Judged::Failed(_)) {
                stats.last = Some((SystemTime::now(), ended.msg.to_owned()));
            }
        }
        self.decide(ended.call, ended.judged, now);
    }

    /// Lets the circuit breaker know what a call says; of a trial, before or at its end.
    pub(crate) fn decide(&self, call: CallKind, judged: Judged, now: Duration) {
        self.judged(now, |circuit, context| ((), circuit.call_ended(call, judged, context)));
        if call == CallKind::Trial {
            // If the trial decided nothing, the next call may be the trial.
            self.common.due.fetch_min(millis(self.stats().circuit.until()), Relaxed);
        }
    }

    /// Records the end of a statement, one of `among` in flight. Its verdict about the database comes through
    /// [`record`](MemberHealth::record), once or more often: for the connection, and for the statement.
    pub(crate) fn left(&self, took: Option<Duration>, waited: Option<Duration>, among: usize, now: Duration) {
        self.state.outstanding.fetch_sub(1, Relaxed);
        if self.common.learns && (took.is_some() || waited.is_some()) {
            self.learn(&mut self.stats(), (took, waited), among, now);
        }
    }

    fn learn(&self, stats: &mut MemberStats, times: (Option<Duration>, Option<Duration>), among: usize, now: Duration) {
        let estimate = match times {
            (Some(took), _) => {
                stats.latency.learn(took, now);
                if let Some(mut latency) = self.common.latency() {
                    latency.learn(took, now);
                }
                stats.recent.learn(took, among, now)
            }
            (None, Some(waited)) => stats.recent.waited(waited, among, now),
            (None, None) => return,
        };
        self.state.estimate.store(estimate.packed(), Relaxed);
    }

    /// Records what the end of a statement, or of its dial, says about the database. For a healthy database this reads
    /// one atomic.
    pub(crate) fn record(&self, call: CallKind, judged: Judged, msg: &str) {
        let is_news = match judged {
            Judged::Good => self.state.is_failing.load(Relaxed),
            Judged::Failed(_) => true,
            Judged::Neutral => false,
        };
        if !is_news && call == CallKind::Regular {
            return;
        }
        let now = self.now();
        if matches!(judged, Judged::Failed(_)) {
            self.state.is_failing.store(true, Relaxed);
            self.stats().last = Some((SystemTime::now(), msg.to_owned()));
        }
        self.decide(call, judged, now);
        if judged == Judged::Good && self.stats().circuit.failures() == 0 {
            self.state.is_failing.store(false, Relaxed);
        }
    }

    /// The member asked for a pause of this length.
    pub fn hold(&self, time: Duration, now: Duration) {
        self.state.held_until.fetch_max(millis(now + time.min(LONGEST_HOLD)), Relaxed);
    }

    /// Records an active check; the error is the text of the member or the system.
    pub fn checked(&self, result: Result<(), String>, now: Duration) {
        let is_passed = result.is_ok();
        if let Err(msg) = result {
            self.stats().last = Some((SystemTime::now(), msg));
        }
        self.judged(now, |circuit, context| ((), circuit.checked(is_passed, context)));
    }

    /// The 95th percentile of this member's latency, with the cluster's as a prior where it is hedged; `None` while
    /// there are too few answers.
    pub fn p95(&self, now: Duration) -> Option<Duration> {
        let mut stats = self.stats();
        // What it was long ago must not outweigh what the others are now.
        stats.latency.fade(now);
        match self.common.latency() {
            Some(prior) => stats.latency.quantile_with(&prior, 0.95),
            None => stats.latency.quantile(0.95),
        }
    }

    /// Runs a step of the state machine and applies the change.
    fn judged<T>(
        &self,
        now: Duration,
        act: impl FnOnce(&mut Circuit, &mut CircuitContext<'_>) -> (T, Option<Change>),
    ) -> T {
        let (common, state) = (&*self.common, &*self.state);
        let mut take_place = || {
            let ejections = common.ejections();
            let is_free = ejections.has_place();
            if is_free {
                // Set while the lock is held, so that no other member counts the same place.
                state.is_out.store(true, Relaxed);
            }
            is_free
        };
        // Made only if a jitter is drawn.
        let mut dice = None;
        let mut draw =
            |limit| dice.get_or_insert_with(|| Dice::seeded(now.as_nanos() as u64 ^ state.salt)).below(limit);
        let mut context = CircuitContext {
            rules: &common.rules,
            has_checks: common.has_checks,
            now,
            take_place: &mut take_place,
            draw: &mut draw,
        };
        let mut stats = self.stats();
        let (answer, change) = act(&mut stats.circuit, &mut context);
        let Some(change) = change else { return answer };
        let (cluster, node, msg) =
            (&*common.name, &*state.node, stats.last.as_ref().map_or("", |last| last.1.as_str()));
        match change {
            Change::Ejected { why, time } => {
                state.is_out.store(true, Relaxed);
                if !common.has_checks {
                    common.due.fetch_min(millis(stats.circuit.until()), Relaxed);
                }
                tracing::warn!(cluster, node, reason = why.word(), "the member is ejected for {time:.1?}: {msg}");
            }
            Change::Spared(why) => {
                let (reason, most) = (why.word(), common.ejections().most);
                tracing::warn!(cluster, node, reason, "the member fails but stays: at most {most} may be out: {msg}");
            }
            Change::Probing => tracing::debug!(cluster, node, "the member has to prove itself"),
            Change::Readmitted(why) => {
                state.is_out.store(false, Relaxed);
                state.missed.store(0, Relaxed);
                self.ramp_up(&mut stats, now);
                tracing::info!(cluster, node, reason = why.word(), "the member is readmitted");
            }
        }
        answer
    }

    fn stats(&self) -> MutexGuard<'_, MemberStats> {
        // No code of ours panics under this lock; if it did, the counters would still be valid.
        self.state.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
