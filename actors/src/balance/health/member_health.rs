//! The state of one member as all threads see it, and the state that a cluster's members share.
//!
//! The end of an exchange locks its member; an ejection then also locks the places. The locks are never taken in the
//! other order.
//!
//! - `report`: the member's part of the status page.

mod report;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{CallEnd, FULL_WEIGHT, LONGEST_HOLD, NEVER, millis};
use crate::balance::circuit::{
    Admitted, CallKind, Change, Circuit, CircuitContext, CircuitState, EjectReason, Judged, ramp,
};
use crate::balance::latency_estimate::{LatencyEstimate, RecentLatencies};
use crate::balance::latency_histogram::LatencyHistogram;
use crate::balance::penalty::Penalty;
use crate::balance::pick::{Candidate, Dice, hash};
use crate::balance::retry_budget::RetryBudget;
use crate::spec::{Member, Rules};

pub(crate) use report::unix;

/// The state of a cluster that survives a change of its members.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub(crate) name: Arc<str>,
    pub(crate) epoch: Instant,
    pub(crate) rules: Rules,
    pub(crate) has_checks: bool,
    /// Whether latency is recorded.
    learns: bool,
    /// When the next trial call of an ejected member is due, in milliseconds.
    pub(crate) due: AtomicU64,
    pub(crate) places: Mutex<Ejections>,
    pub(crate) budget: Mutex<RetryBudget>,
    pub(crate) retries: AtomicU64,
    pub(crate) hedges: AtomicU64,
    pub(crate) denied: AtomicU64,
}

/// The present members, and how many of them may be ejected at once.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    pub(crate) most: usize,
    pub(crate) vitals: Box<[Arc<MemberState>]>,
    /// Generation number of this member list.
    pub(crate) generation: u64,
}

impl Ejections {
    /// Counted on demand, so that a member that leaves takes its ejection with it.
    pub(crate) fn out(&self) -> usize {
        self.vitals.iter().filter(|vital| vital.is_out()).count()
    }
}

impl ClusterState {
    pub(crate) fn new(name: &Arc<str>, rules: Rules, has_checks: bool, learns: bool) -> Arc<ClusterState> {
        Arc::new(ClusterState {
            name: name.clone(),
            epoch: Instant::now(),
            rules,
            has_checks,
            learns,
            due: AtomicU64::new(NEVER),
            places: Mutex::default(),
            budget: Mutex::default(),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        })
    }

    pub(crate) fn places(&self) -> MutexGuard<'_, Ejections> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of `count` members may be ejected at once.
    pub(crate) fn most_out(&self, count: usize) -> usize {
        let share = count * self.rules.max_ejected as usize / 100;
        // The last member is never ejected: a slow answer is better than none.
        share.min(count.saturating_sub(1))
    }
}

/// The state of one member. The atomics mirror the locked part, for lock-free choices.
#[derive(Debug)]
pub(crate) struct MemberState {
    pub(crate) node: Arc<str>,
    weight: u32,
    /// A hash of the name: members that are ejected at the same moment draw different jitter.
    salt: u64,
    outstanding: AtomicUsize,
    is_out: AtomicBool,
    /// The last call that was judged at all failed, so a good one changes the state.
    is_failing: AtomicBool,
    held_until: AtomicU64,
    /// Its readmission in milliseconds, plus 1; 0 for none.
    ramped_from: AtomicU64,
    trust: AtomicU64,
    pace: AtomicU64,
    /// When it was last called, in milliseconds.
    asked: AtomicU64,
    known: Mutex<MemberStats>,
}

impl MemberState {
    /// A healthy member without latency samples. `joined`: when it joined a cluster at work.
    pub(crate) fn new(member: &Member, joined: Option<Duration>) -> Arc<MemberState> {
        MemberState::at(member.node.clone(), member.weight, joined)
    }

    pub(crate) fn at(node: Arc<str>, weight: u32, joined: Option<Duration>) -> Arc<MemberState> {
        Arc::new(MemberState {
            salt: hash(&[node.as_bytes()]),
            node,
            weight,
            outstanding: AtomicUsize::new(0),
            is_out: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            held_until: AtomicU64::new(0),
            ramped_from: AtomicU64::new(joined.map_or(0, |now| millis(now) + 1)),
            trust: AtomicU64::new(0),
            pace: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            known: Mutex::default(),
        })
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
    verdict: Circuit,
    trust: Penalty,
    latency: LatencyHistogram,
    recent: RecentLatencies,
    /// Time and text of the last failure or failed check that counted against it.
    last: Option<(SystemTime, String)>,
}

/// One member: consulted before a call, informed of the result.
#[derive(Clone, Debug)]
pub struct MemberHealth {
    pub(crate) common: Arc<ClusterState>,
    pub(crate) vital: Arc<MemberState>,
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
        Arc::ptr_eq(&self.vital, &other.vital)
    }

    pub(crate) fn candidate(&self, now: Duration, wants_pace: bool) -> Candidate {
        let vital = &*self.vital;
        Candidate {
            weight: self.weight(now),
            outstanding: vital.outstanding.load(Relaxed),
            pace: if wants_pace { self.pace(now) } else { LatencyEstimate::default() },
            is_out: vital.is_out() || vital.held_until.load(Relaxed) > millis(now),
            is_barred: false,
        }
    }

    /// The estimate fades from the last call, not from the last answer: so an idle member gets one call at a time to
    /// find out whether it is fast again.
    fn pace(&self, now: Duration) -> LatencyEstimate {
        let idle = millis(now).saturating_sub(self.vital.asked.load(Relaxed));
        LatencyEstimate::unpacked(self.vital.pace.load(Relaxed)).faded(Duration::from_millis(idle))
    }

    fn weight(&self, now: Duration) -> u32 {
        let mut weight = FULL_WEIGHT;
        let ramped_from = self.vital.ramped_from.load(Relaxed);
        if ramped_from > 0 {
            let age = now.saturating_sub(Duration::from_millis(ramped_from - 1));
            weight = weight * ramp(age, self.common.rules.slow_start) / 100;
        }
        let trust = self.vital.trust.load(Relaxed);
        if trust > 0 {
            weight = (f64::from(weight) * Penalty::unpacked(trust).share(now)) as u32;
        }
        weight.max(1).saturating_mul(self.vital.weight)
    }

    /// When its ejection ends, and whether its trial call is in flight.
    pub(crate) fn trial(&self) -> (Duration, bool) {
        let known = self.known();
        (known.verdict.until(), known.verdict.is_on_trial())
    }

    /// Decides whether a call may go to this member.
    pub fn admit(&self, now: Duration) -> Admitted {
        if !self.vital.is_out() {
            return Admitted::Yes;
        }
        self.judged(now, |verdict, ground| verdict.admit(ground))
    }

    /// The reason for not calling this member, in words.
    pub fn explain(&self, now: Duration) -> String {
        let known = self.known();
        let (verdict, why) = (&known.verdict, known.verdict.why().map_or("failures", EjectReason::word));
        let age = now.saturating_sub(verdict.since()).as_secs_f64();
        let last = known.last.as_ref().map(|(_, msg)| format!(" ({msg})")).unwrap_or_default();
        match verdict.state() {
            CircuitState::Ejected => {
                let left = verdict.until().saturating_sub(now).as_secs_f64();
                format!("not sent: the member was ejected {age:.1} s ago: {why}{last}; tried again in {left:.1} s")
            }
            CircuitState::Probing | CircuitState::Healthy => {
                format!("not sent: the member was ejected: {why}{last}; it has to prove itself first")
            }
        }
    }

    /// Records that a call begins. Returns the calls in flight, this one included.
    pub fn begun(&self, now: Duration) -> usize {
        self.vital.asked.store(millis(now), Relaxed);
        self.vital.outstanding.fetch_add(1, Relaxed) + 1
    }

    /// Records the end of a call. Every [`begun`](MemberHealth::begun) is followed by exactly one `ended` or
    /// `left`.
    pub fn ended(&self, ended: &CallEnd<'_>, now: Duration) {
        let vital = &*self.vital;
        vital.outstanding.fetch_sub(1, Relaxed);
        {
            let mut known = self.known();
            self.learn(&mut known, (ended.took, ended.waited), ended.among, now);
            let is_failure = ended.is_refusal || matches!(ended.judged, Judged::Failed(_));
            if is_failure || (ended.judged == Judged::Good && !known.trust.is_full()) {
                known.trust.learn(is_failure, now);
                vital.trust.store(known.trust.packed(), Relaxed);
            }
            if matches!(ended.judged, Judged::Failed(_)) {
                known.last = Some((SystemTime::now(), ended.msg.to_owned()));
            }
        }
        self.judged(now, |verdict, ground| ((), verdict.call_ended(ended.call, ended.judged, ground)));
        if ended.call == CallKind::Trial {
            // If the trial decided nothing, the next call may be the trial.
            self.common.due.fetch_min(millis(self.known().verdict.until()), Relaxed);
        }
    }

    /// Records the end of a statement, one of `among` in flight. Its verdict about the database comes through
    /// [`told`](MemberHealth::told), once or more often: for the connection, and for the statement.
    pub(crate) fn left(&self, took: Option<Duration>, waited: Option<Duration>, among: usize, now: Duration) {
        self.vital.outstanding.fetch_sub(1, Relaxed);
        if self.common.learns && (took.is_some() || waited.is_some()) {
            self.learn(&mut self.known(), (took, waited), among, now);
        }
    }

    fn learn(&self, known: &mut MemberStats, times: (Option<Duration>, Option<Duration>), among: usize, now: Duration) {
        let pace = match times {
            (Some(took), _) => {
                known.latency.learn(took, now);
                known.recent.learn(took, among, now)
            }
            (None, Some(waited)) => known.recent.waited(waited, among, now),
            (None, None) => return,
        };
        self.vital.pace.store(pace.packed(), Relaxed);
    }

    /// Records what the end of a statement, or of its dial, says about the database. For a healthy database this reads
    /// one atomic.
    pub(crate) fn told(&self, call: CallKind, judged: Judged, msg: &str) {
        let is_news = match judged {
            Judged::Good => self.vital.is_failing.load(Relaxed),
            Judged::Failed(_) => true,
            Judged::Neutral => false,
        };
        if !is_news && call == CallKind::Usual {
            return;
        }
        let now = self.now();
        if matches!(judged, Judged::Failed(_)) {
            self.vital.is_failing.store(true, Relaxed);
            self.known().last = Some((SystemTime::now(), msg.to_owned()));
        }
        self.judged(now, |verdict, ground| ((), verdict.call_ended(call, judged, ground)));
        if judged == Judged::Good && self.known().verdict.failures() == 0 {
            self.vital.is_failing.store(false, Relaxed);
        }
        if call == CallKind::Trial {
            self.common.due.fetch_min(millis(self.known().verdict.until()), Relaxed);
        }
    }

    pub(crate) fn is_out(&self) -> bool {
        self.vital.is_out()
    }

    /// The member asked for a pause of this length.
    pub fn hold(&self, time: Duration, now: Duration) {
        self.vital.held_until.fetch_max(millis(now + time.min(LONGEST_HOLD)), Relaxed);
    }

    /// Records an active check; the error is the text of the member or the system.
    pub fn checked(&self, result: Result<(), String>, now: Duration) {
        let is_passed = result.is_ok();
        if let Err(msg) = result {
            self.known().last = Some((SystemTime::now(), msg));
        }
        self.judged(now, |verdict, ground| ((), verdict.checked(is_passed, ground)));
    }

    /// The 95th percentile of this member's latency; `None` while there are too few answers.
    pub fn p95(&self) -> Option<Duration> {
        self.known().latency.quantile(0.95)
    }

    /// Runs a step of the state machine and applies the change.
    fn judged<T>(
        &self,
        now: Duration,
        act: impl FnOnce(&mut Circuit, &mut CircuitContext<'_>) -> (T, Option<Change>),
    ) -> T {
        let (common, vital) = (&*self.common, &*self.vital);
        let mut take_place = || {
            let places = common.places();
            let is_free = places.out() < places.most;
            if is_free {
                // Set while the lock is held, so that no other member counts the same place.
                vital.is_out.store(true, Relaxed);
            }
            is_free
        };
        // Made only if a jitter is drawn.
        let mut dice = None;
        let mut draw =
            |limit| dice.get_or_insert_with(|| Dice::seeded(now.as_nanos() as u64 ^ vital.salt)).below(limit);
        let mut ground = CircuitContext {
            rules: &common.rules,
            has_checks: common.has_checks,
            now,
            take_place: &mut take_place,
            draw: &mut draw,
        };
        let mut known = self.known();
        let (answer, change) = act(&mut known.verdict, &mut ground);
        let Some(change) = change else { return answer };
        let (cluster, node, msg) =
            (&*common.name, &*vital.node, known.last.as_ref().map_or("", |last| last.1.as_str()));
        match change {
            Change::Ejected { why, time } => {
                vital.is_out.store(true, Relaxed);
                if !common.has_checks {
                    common.due.fetch_min(millis(known.verdict.until()), Relaxed);
                }
                tracing::warn!(cluster, node, reason = why.word(), "the member is ejected for {time:.1?}: {msg}");
            }
            Change::Spared(why) => {
                let places = common.places().most;
                let reason = why.word();
                tracing::warn!(cluster, node, reason, "the member fails but stays: at most {places} may be out: {msg}");
            }
            Change::Probing => tracing::debug!(cluster, node, "the member has to prove itself"),
            Change::Readmitted(why) => {
                vital.is_out.store(false, Relaxed);
                vital.ramped_from.store(millis(now) + 1, Relaxed);
                // No penalty after readmission: slow start at a tenth of the weight is caution enough.
                known.trust = Penalty::default();
                vital.trust.store(0, Relaxed);
                tracing::info!(cluster, node, reason = why.word(), "the member is readmitted");
            }
        }
        answer
    }

    fn known(&self) -> MutexGuard<'_, MemberStats> {
        // No code of ours panics under this lock; if it did, the counters would still be valid.
        self.vital.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
