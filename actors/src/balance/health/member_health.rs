//! One member as the whole process sees it, and what its cluster has in common.
//!
//! The end of an exchange takes the one lock of its member; an ejection takes, within it, the one of the places. Nobody
//! takes them the other way round.
//!
//! - `report`: what it tells of itself.

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

/// What outlives a change of the members.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub(crate) name: Arc<str>,
    pub(crate) epoch: Instant,
    pub(crate) rules: Rules,
    pub(crate) has_checks: bool,
    /// Whether anybody looks at how fast the members are.
    learns: bool,
    /// When the next ejected member may have its trial call, in milliseconds.
    pub(crate) due: AtomicU64,
    pub(crate) places: Mutex<Ejections>,
    pub(crate) budget: Mutex<RetryBudget>,
    pub(crate) retries: AtomicU64,
    pub(crate) hedges: AtomicU64,
    pub(crate) denied: AtomicU64,
}

/// The present members, and how many of them may be out at once.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    pub(crate) most: usize,
    pub(crate) vitals: Box<[Arc<MemberState>]>,
    /// The how-many-eth members these are.
    pub(crate) generation: u64,
}

impl Ejections {
    /// Counted and not kept: a member that leaves takes its ejection with it.
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

    /// Members of so many that may be out at once.
    pub(crate) fn most_out(&self, count: usize) -> usize {
        let share = count * self.rules.max_ejected as usize / 100;
        // The last member is never ejected: a slow answer is better than none.
        share.min(count.saturating_sub(1))
    }
}

/// The atomics mirror what a choice needs of the rest.
#[derive(Debug)]
pub(crate) struct MemberState {
    pub(crate) node: Arc<str>,
    weight: u32,
    /// The same for the same member, so that no two draw alike.
    salt: u64,
    outstanding: AtomicUsize,
    is_out: AtomicBool,
    /// The last call that said anything of it failed: a good one is news.
    is_failing: AtomicBool,
    held_until: AtomicU64,
    /// The milliseconds of its readmission and 1; 0 for none.
    ramped_from: AtomicU64,
    trust: AtomicU64,
    pace: AtomicU64,
    /// When it was asked last, in milliseconds.
    asked: AtomicU64,
    known: Mutex<MemberStats>,
}

impl MemberState {
    /// Healthy, nothing known of its pace. `joined`: when it came to a cluster that was at work.
    pub(crate) fn new(member: &Member, joined: Option<Duration>) -> Arc<MemberState> {
        MemberState::at(member.node.clone(), member.weight, joined)
    }

    /// The same of a member that is not of HTTP.
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
    /// Of the last failure or check that counted against it.
    last: Option<(SystemTime, String)>,
}

/// One member: to be asked before a call to it, and told what became of it.
#[derive(Clone, Debug)]
pub struct MemberHealth {
    pub(crate) common: Arc<ClusterState>,
    pub(crate) vital: Arc<MemberState>,
}

impl MemberHealth {
    /// The time since the cluster's health was made.
    pub fn now(&self) -> Duration {
        self.common.epoch.elapsed()
    }

    /// The same for a moment that somebody has read off the clock already.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.common.epoch)
    }

    /// True for the same member.
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

    /// It fades from the moment it was asked last, not from the answer: so one call at a time finds out whether a
    /// member that was left alone is quick again.
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

    /// When its ejection ends, and whether its trial call is under way.
    pub(crate) fn trial(&self) -> (Duration, bool) {
        let known = self.known();
        (known.verdict.until(), known.verdict.is_on_trial())
    }

    /// Asks whether a call may go to this very member.
    pub fn admit(&self, now: Duration) -> Admitted {
        if !self.vital.is_out() {
            return Admitted::Yes;
        }
        self.judged(now, |verdict, ground| verdict.admit(ground))
    }

    /// Why this member is not asked, in words.
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

    /// A call begins. How many are in flight now, this one included.
    pub fn begun(&self, now: Duration) -> usize {
        self.vital.asked.store(millis(now), Relaxed);
        self.vital.outstanding.fetch_add(1, Relaxed) + 1
    }

    /// A call ended; every [`begun`](MemberHealth::begun) one does, once: here, or by [`left`](MemberHealth::left).
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
            // A trial that decided nothing: the next call may try.
            self.common.due.fetch_min(millis(self.known().verdict.until()), Relaxed);
        }
    }

    /// A statement ended, one of `among` in flight. What it says of its database's health comes by
    /// [`told`](MemberHealth::told), once or more often: a statement has a connection to tell of, and then itself.
    pub(crate) fn left(&self, took: Option<Duration>, waited: Option<Duration>, among: usize, now: Duration) {
        self.vital.outstanding.fetch_sub(1, Relaxed);
        if self.common.learns && (took.is_some() || waited.is_some()) {
            self.learn(&mut self.known(), (took, waited), among, now);
        }
    }

    /// How long an answer took, or how long none came.
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

    /// What the end of a statement, or of its dial, says of its database. It costs a healthy one a glance.
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

    /// Whether it is left out now.
    pub(crate) fn is_out(&self) -> bool {
        self.vital.is_out()
    }

    /// The member asked to be left alone for this long.
    pub fn hold(&self, time: Duration, now: Duration) {
        self.vital.held_until.fetch_max(millis(now + time.min(LONGEST_HOLD)), Relaxed);
    }

    /// Takes in an active check; the error is what the member or the system said.
    pub fn checked(&self, result: Result<(), String>, now: Duration) {
        let is_passed = result.is_ok();
        if let Err(msg) = result {
            self.known().last = Some((SystemTime::now(), msg));
        }
        self.judged(now, |verdict, ground| ((), verdict.checked(is_passed, ground)));
    }

    /// The time within which 95 of 100 answers of this member came.
    pub fn p95(&self) -> Option<Duration> {
        self.known().latency.quantile(0.95)
    }

    /// Runs an act of the state machine and does what follows from a change.
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
                // Taken before the lock is given back, so that no other counts the same place.
                vital.is_out.store(true, Relaxed);
            }
            is_free
        };
        // Thrown by the few acts that need them.
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
                // It begins with a clean slate: a tenth of the weight is caution enough.
                known.trust = Penalty::default();
                vital.trust.store(0, Relaxed);
                tracing::info!(cluster, node, reason = why.word(), "the member is readmitted");
            }
        }
        answer
    }

    fn known(&self) -> MutexGuard<'_, MemberStats> {
        // Nothing of ours panics under this lock; were it to, the figures are still figures.
        self.vital.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
