//! What the workers of a process know together of a cluster's members: one [`Health`] per cluster, made once and given
//! to the actor of every worker and to the prober.
//!
//! A choice reads atomics only. The end of an exchange takes the one lock of its member, never another's; no lock is
//! held across an await. All times are counted from the making of the [`Health`], so a simulation can pass its own.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skitai_wire::Value;

use super::budget::Budget;
use super::latency::{Ewma, Latency};
use super::pick::{Candidate, Dice};
use super::trust::Trust;
use super::verdict::{Admitted, Call, Change, EjectReason, Ground, Judged, State, Verdict, ramp};
use crate::spec::{ClusterSpec, Rules};

/// The weight in force of a healthy, trusted member of weight 1. Its parts are the tenth of a slow start of the 128th of
/// deep distrust, which must not be 0.
pub const FULL_WEIGHT: u32 = 1_280;

/// The longest time a member may ask to be left alone. Linkerd's.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// No time at all, in milliseconds.
const NEVER: u64 = u64::MAX;

/// The members of one cluster as the whole process sees them.
#[derive(Debug)]
pub struct Health {
    name: Arc<str>,
    epoch: Instant,
    rules: Rules,
    has_checks: bool,
    /// Members that may be out at once.
    places: usize,
    out: AtomicUsize,
    /// When the next ejected member may have its trial call, in milliseconds.
    due: AtomicU64,
    vitals: Box<[Vital]>,
    budget: Mutex<Budget>,
    retries: AtomicU64,
    hedges: AtomicU64,
    denied: AtomicU64,
}

/// One member. The atomics mirror what a choice needs of the rest.
#[derive(Debug)]
struct Vital {
    node: Arc<str>,
    weight: u32,
    outstanding: AtomicUsize,
    is_out: AtomicBool,
    held_until: AtomicU64,
    /// The milliseconds of its readmission and 1; 0 for none.
    ramped_from: AtomicU64,
    trust: AtomicU64,
    ewma: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    verdict: Verdict,
    trust: Trust,
    latency: Latency,
    ewma: Ewma,
    /// Of the last failure or check that counted against it.
    last: Option<(SystemTime, String)>,
}

/// How a call to a member ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What it was.
    pub call: Call,
    /// What it says of the member.
    pub judged: Judged,
    /// The member refused the work, quickly or not: it is to get less of it.
    pub is_refusal: bool,
    /// How long a good answer took, or would have taken longer yet; `None` where none came.
    pub took: Option<Duration>,
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
    pub fn new(spec: &ClusterSpec) -> Arc<Health> {
        let count = spec.members.len();
        let share = count * spec.rules.max_ejected as usize / 100;
        let vitals = spec.members.iter().map(|member| Vital {
            node: member.node.clone(),
            weight: member.weight,
            outstanding: AtomicUsize::new(0),
            is_out: AtomicBool::new(false),
            held_until: AtomicU64::new(0),
            ramped_from: AtomicU64::new(0),
            trust: AtomicU64::new(0),
            ewma: AtomicU64::new(0),
            known: Mutex::default(),
        });
        Arc::new(Health {
            name: spec.name.clone(),
            epoch: Instant::now(),
            rules: spec.rules,
            has_checks: spec.check.is_some(),
            // The last member is never ejected: a slow answer is better than none.
            places: share.min(count.saturating_sub(1)),
            out: AtomicUsize::new(0),
            due: AtomicU64::new(NEVER),
            vitals: vitals.collect(),
            budget: Mutex::default(),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        })
    }

    /// The time since it was made.
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// What a choice is to know of a member.
    pub fn candidate(&self, index: usize, now: Duration, wants_micros: bool) -> Candidate {
        let vital = &self.vitals[index];
        Candidate {
            weight: self.weight(vital, now),
            outstanding: vital.outstanding.load(Relaxed),
            micros: if wants_micros { Ewma::unpacked(vital.ewma.load(Relaxed), now).micros(now) } else { 0 },
            is_out: vital.is_out.load(Relaxed) || vital.held_until.load(Relaxed) > millis(now),
            is_barred: false,
        }
    }

    fn weight(&self, vital: &Vital, now: Duration) -> u32 {
        let mut weight = FULL_WEIGHT;
        let ramped_from = vital.ramped_from.load(Relaxed);
        if ramped_from > 0 {
            let age = now.saturating_sub(Duration::from_millis(ramped_from - 1));
            weight = weight * ramp(age, self.rules.slow_start) / 100;
        }
        let trust = vital.trust.load(Relaxed);
        if trust > 0 {
            weight = (f64::from(weight) * Trust::unpacked(trust).share(now)) as u32;
        }
        weight.max(1).saturating_mul(vital.weight)
    }

    /// A member whose trial call is due. What becomes of that call must be told by [`ended`](Health::ended).
    pub fn due(&self, now: Duration) -> Option<usize> {
        if millis(now) < self.due.load(Relaxed) {
            return None;
        }
        // Emptied before the members are looked at: what one enters meanwhile is not lost.
        self.due.store(NEVER, Relaxed);
        let mut found = None;
        for (index, vital) in self.vitals.iter().enumerate().filter(|(_, vital)| vital.is_out.load(Relaxed)) {
            let until = self.known(vital).verdict.until();
            if found.is_none() && until <= now && self.admit(index, now) == Admitted::Trial {
                found = Some(index);
            } else if !self.known(vital).verdict.is_on_trial() {
                self.due.fetch_min(millis(until), Relaxed);
            }
        }
        found
    }

    /// Asks whether a call may go to this very member.
    pub fn admit(&self, index: usize, now: Duration) -> Admitted {
        let vital = &self.vitals[index];
        if !vital.is_out.load(Relaxed) {
            return Admitted::Yes;
        }
        self.judged(index, now, |verdict, ground| {
            let (admitted, change) = verdict.admit(ground);
            (admitted, change)
        })
    }

    /// Why this member is not asked, in words.
    pub fn explain(&self, index: usize, now: Duration) -> String {
        let known = self.known(&self.vitals[index]);
        let (verdict, why) = (&known.verdict, known.verdict.why().map_or("failures", EjectReason::word));
        let age = now.saturating_sub(verdict.since()).as_secs_f64();
        let last = known.last.as_ref().map(|(_, msg)| format!(" ({msg})")).unwrap_or_default();
        match verdict.state() {
            State::Ejected => {
                let left = verdict.until().saturating_sub(now).as_secs_f64();
                format!("not sent: the member was ejected {age:.1} s ago: {why}{last}; tried again in {left:.1} s")
            }
            State::Probing | State::Healthy => {
                format!("not sent: the member was ejected: {why}{last}; it has to prove itself first")
            }
        }
    }

    /// A call begins.
    pub fn begun(&self, index: usize) {
        self.vitals[index].outstanding.fetch_add(1, Relaxed);
    }

    /// A call ended; every [`begun`](Health::begun) one does, once.
    pub fn ended(&self, index: usize, ended: &Ended<'_>, now: Duration) {
        let vital = &self.vitals[index];
        vital.outstanding.fetch_sub(1, Relaxed);
        {
            let mut known = self.known(vital);
            if let Some(took) = ended.took {
                known.latency.learn(took, now);
                known.ewma.learn(took, now);
                vital.ewma.store(known.ewma.packed(), Relaxed);
            }
            let is_failure = ended.is_refusal || matches!(ended.judged, Judged::Failed(_));
            if is_failure || (ended.judged == Judged::Good && !known.trust.is_full()) {
                known.trust.learn(is_failure, now);
                vital.trust.store(known.trust.packed(), Relaxed);
            }
            if matches!(ended.judged, Judged::Failed(_)) {
                known.last = Some((SystemTime::now(), ended.msg.to_owned()));
            }
        }
        self.judged(index, now, |verdict, ground| ((), verdict.call_ended(ended.call, ended.judged, ground)));
        if ended.call == Call::Trial {
            // A trial that decided nothing: the next call may try.
            self.due.fetch_min(millis(self.known(vital).verdict.until()), Relaxed);
        }
    }

    /// The member asked to be left alone for this long.
    pub fn hold(&self, index: usize, time: Duration, now: Duration) {
        self.vitals[index].held_until.fetch_max(millis(now + time.min(LONGEST_HOLD)), Relaxed);
    }

    /// Takes in an active check; the error is what the member or the system said.
    pub fn checked(&self, index: usize, result: Result<(), String>, now: Duration) {
        let is_passed = result.is_ok();
        if let Err(msg) = result {
            self.known(&self.vitals[index]).last = Some((SystemTime::now(), msg));
        }
        self.judged(index, now, |verdict, ground| ((), verdict.checked(is_passed, ground)));
    }

    /// Counts a caller's request that may need extra ones.
    pub fn deposit(&self, now: Duration) {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).deposit(now);
    }

    /// Takes an extra request from the budget; false if it is used up.
    pub fn withdraw(&self, extra: Extra, now: Duration) -> bool {
        let is_granted = self.budget.lock().unwrap_or_else(PoisonError::into_inner).withdraw(now);
        let counter = match (is_granted, extra) {
            (false, _) => &self.denied,
            (true, Extra::Retry) => &self.retries,
            (true, Extra::Hedge) => &self.hedges,
        };
        counter.fetch_add(1, Relaxed);
        is_granted
    }

    /// The time within which 95 of 100 answers of this member came.
    pub fn p95(&self, index: usize) -> Option<Duration> {
        self.known(&self.vitals[index]).latency.quantile(0.95)
    }

    /// Extra requests so far: retries and hedges.
    pub fn extra(&self) -> u64 {
        self.retries.load(Relaxed) + self.hedges.load(Relaxed)
    }

    /// What the cluster as a whole has to tell.
    pub(super) fn report(&self) -> Value {
        let number = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        Value::from_pairs([
            ("out", Value::Int(self.out.load(Relaxed) as i64)),
            ("out_at_most", Value::Int(self.places as i64)),
            ("retries", number(&self.retries)),
            ("hedges", number(&self.hedges)),
            ("extra_denied", number(&self.denied)),
        ])
    }

    /// What is known of one member.
    pub(super) fn report_of(&self, index: usize, now: Duration) -> Value {
        let vital = &self.vitals[index];
        let known = self.known(vital);
        let verdict = &known.verdict;
        let number = |number: u64| Value::Int(number.cast_signed());
        let word = |word: Option<&str>| word.map_or(Value::Nil, |word| Value::String(word.to_owned()));
        let millis_of =
            |share| known.latency.quantile(share).map_or(Value::Nil, |time| Value::Double(time.as_secs_f64() * 1e3));
        let unix = |at: SystemTime| number(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        let since = SystemTime::now() - now.saturating_sub(verdict.since());
        let last_failure = known.last.as_ref().map_or(Value::Nil, |(when, msg)| {
            Value::from_pairs([
                ("reason", word(verdict.why().map(EjectReason::word))),
                ("msg", Value::String(msg.clone())),
                ("when", unix(*when)),
            ])
        });
        Value::from_pairs([
            ("state", Value::String(verdict.state().word().to_owned())),
            ("since", unix(since)),
            ("ejected_for", word(verdict.why().filter(|_| verdict.state() != State::Healthy).map(EjectReason::word))),
            ("readmitted_for", word(verdict.readmitted().map(|(_, why)| why.word()))),
            ("failures_in_a_row", number(verdict.failures().into())),
            ("ejections", number(verdict.ejections())),
            ("spared", number(verdict.spared())),
            ("last_failure", last_failure),
            ("held_for_s", number(vital.held_until.load(Relaxed).saturating_sub(millis(now)).div_ceil(1_000))),
            ("outstanding", number(vital.outstanding.load(Relaxed) as u64)),
            ("weight_in_force", Value::Double(f64::from(self.weight(vital, now)) / f64::from(FULL_WEIGHT))),
            ("p50_ms", millis_of(0.5)),
            ("p95_ms", millis_of(0.95)),
            ("p99_ms", millis_of(0.99)),
        ])
    }

    /// Runs an act of the state machine and does what follows from a change.
    fn judged<T>(
        &self,
        index: usize,
        now: Duration,
        act: impl FnOnce(&mut Verdict, &mut Ground<'_>) -> (T, Option<Change>),
    ) -> T {
        let vital = &self.vitals[index];
        let mut take_place =
            || self.out.fetch_update(Relaxed, Relaxed, |out| (out < self.places).then_some(out + 1)).is_ok();
        let dice = Dice::seeded(now.as_nanos() as u64 ^ index as u64);
        let mut draw = |limit| dice.below(limit);
        let mut ground = Ground {
            rules: &self.rules,
            has_checks: self.has_checks,
            now,
            take_place: &mut take_place,
            draw: &mut draw,
        };
        let mut known = self.known(vital);
        let (answer, change) = act(&mut known.verdict, &mut ground);
        let Some(change) = change else { return answer };
        let (cluster, node, msg) = (&*self.name, &*vital.node, known.last.as_ref().map_or("", |last| last.1.as_str()));
        match change {
            Change::Ejected { why, time } => {
                vital.is_out.store(true, Relaxed);
                if !self.has_checks {
                    self.due.fetch_min(millis(known.verdict.until()), Relaxed);
                }
                tracing::warn!(cluster, node, reason = why.word(), "the member is ejected for {time:.1?}: {msg}");
            }
            Change::Spared(why) => {
                let places = self.places;
                let reason = why.word();
                tracing::warn!(cluster, node, reason, "the member fails but stays: at most {places} may be out: {msg}");
            }
            Change::Probing => tracing::debug!(cluster, node, "the member has to prove itself"),
            Change::Readmitted(why) => {
                vital.is_out.store(false, Relaxed);
                vital.ramped_from.store(millis(now) + 1, Relaxed);
                self.out.fetch_sub(1, Relaxed);
                // It begins with a clean slate: a tenth of the weight is caution enough.
                known.trust = Trust::default();
                vital.trust.store(0, Relaxed);
                tracing::info!(cluster, node, reason = why.word(), "the member is readmitted");
            }
        }
        answer
    }

    fn known<'a>(&self, vital: &'a Vital) -> MutexGuard<'a, Known> {
        // Nothing of ours panics under this lock; were it to, the figures are still figures.
        vital.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}
