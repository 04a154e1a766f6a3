//! Counters of one member on one thread, for the status page.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::balance::health::MemberHealth;
use crate::balance::latency_histogram::LatencyHistogram;
use crate::kit::DurationHistogram;
use crate::outcome::course::Instants;
use crate::outcome::{Course, Outcome, Reason, Status};
use crate::wire::Value;

/// Count, total time and recent latency of one kind of event.
#[derive(Debug)]
struct Times {
    begun: Instant,
    count: Cell<u64>,
    total: Cell<Duration>,
    longest: Cell<Duration>,
    /// All of them, for monitoring.
    durations: DurationHistogram,
    recent: RefCell<LatencyHistogram>,
}

impl Default for Times {
    fn default() -> Times {
        let (count, total, longest, durations, recent) = Default::default();
        Times { begun: Instant::now(), count, total, longest, durations, recent }
    }
}

impl Times {
    fn add(&self, time: Duration, now: Instant) {
        add(&self.count);
        self.durations.add(time);
        self.recent.borrow_mut().learn(time, now.saturating_duration_since(self.begun));
        self.total.set(self.total.get() + time);
        self.longest.set(self.longest.get().max(time));
    }

    fn report(&self) -> Value {
        let millis = |time: Duration| Value::Double(time.as_secs_f64() * 1_000.0);
        let recent = |share| self.recent.borrow().estimate(share).map_or(Value::Nil, millis);
        let told = [
            ("count", Value::Int(self.count.get().cast_signed())),
            ("total_ms", millis(self.total.get())),
            ("longest_ms", millis(self.longest.get())),
            ("p50_ms", recent(0.5)),
            ("p95_ms", recent(0.95)),
            ("p99_ms", recent(0.99)),
        ];
        Value::from_pairs(told.into_iter().chain(self.durations.pairs()))
    }
}

/// How statements ended, where their time went, and the last failure.
#[derive(Debug, Default)]
pub(super) struct StatementCounters {
    ok: Cell<u64>,
    failed: Cell<u64>,
    timed_out: Cell<u64>,
    cancelled: Cell<u64>,
    not_sent: Cell<u64>,
    outstanding: Cell<usize>,
    waits: Times,
    dials: Times,
    queries: Times,
    last_error: RefCell<Option<(Reason, String, SystemTime)>>,
}

fn add(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl StatementCounters {
    /// Counts a statement that begins, here and in the member's shared health. It counts as cancelled if the mark is
    /// dropped before it is given an outcome.
    pub(super) fn begin<'a>(
        &'a self,
        health: Option<&'a MemberHealth>,
        started: Instant,
        course: Rc<Cell<Course>>,
    ) -> RunningStatement<'a> {
        self.outstanding.set(self.outstanding.get() + 1);
        let shared = health.map(|health| (health, health.begun(health.at(started))));
        RunningStatement { counters: self, shared, started, sent: Cell::new(None), course, end: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding.get() == 0
    }

    /// A connection was obtained, or refused, at `now` after this wait. The time to dial is not included.
    pub(super) fn waited(&self, time: Duration, now: Instant) {
        self.waits.add(time, now);
    }

    /// A dial took this long, successful or not.
    pub(super) fn dialled(&self, time: Duration, now: Instant) {
        self.dials.add(time, now);
    }

    /// A statement ended, successfully or not, after this long on its connection.
    pub(super) fn queried(&self, time: Duration, now: Instant) {
        self.queries.add(time, now);
    }

    pub(super) fn statements(&self) -> Value {
        let count = |counter: &Cell<u64>| Value::Int(counter.get().cast_signed());
        Value::from_pairs([
            ("ok", count(&self.ok)),
            ("failed", count(&self.failed)),
            ("timed_out", count(&self.timed_out)),
            ("cancelled", count(&self.cancelled)),
            ("not_sent", count(&self.not_sent)),
            ("outstanding", Value::Int(self.outstanding.get().cast_signed() as i64)),
        ])
    }

    pub(super) fn waits(&self) -> Value {
        self.waits.report()
    }

    pub(super) fn dials(&self) -> Value {
        self.dials.report()
    }

    pub(super) fn queries(&self) -> Value {
        self.queries.report()
    }

    pub(super) fn last_error(&self) -> Value {
        self.last_error.borrow().as_ref().map_or(Value::Nil, |(reason, msg, at)| {
            Value::from_pairs([
                ("reason", Value::String(reason.word().to_owned())),
                ("msg", Value::String(msg.clone())),
                ("at", Value::DateTime(super::types::moment(*at))),
            ])
        })
    }
}

/// One statement or conversation in the counters.
pub(super) struct RunningStatement<'a> {
    counters: &'a StatementCounters,
    /// The member's shared health, and how many statements it had in flight when this one began, itself included.
    shared: Option<(&'a MemberHealth, usize)>,
    started: Instant,
    /// When the statement went to the database. A conversation never sets it, because the handler decides its length.
    pub(super) sent: Cell<Option<Instant>>,
    /// How it goes, for its record.
    pub(super) course: Rc<Cell<Course>>,
    end: Option<StatementTimes>,
}

/// What is recorded of a statement that ended.
struct StatementTimes {
    at: Instant,
    took: Option<Duration>,
    waited: Option<Duration>,
}

impl RunningStatement<'_> {
    /// The connection is there, and the statement is sent.
    pub(super) fn sends(&self, since: Instant) {
        self.sent.set(Some(since));
        self.course.update(|mut course| {
            course.mark_at_once(Instants::Sent);
            course
        });
    }

    /// Records the outcome at `ended`. `took` is the time that the database and the connection needed.
    pub(super) fn ended(mut self, outcome: &Outcome, took: Duration, ended: Instant) {
        let took = self.sent.get().map(|_| took);
        self.end = Some(StatementTimes {
            at: ended,
            // The time of a failure says nothing about the speed of successful work.
            took: took.filter(|_| outcome.status == Status::Completed),
            waited: took.filter(|_| outcome.reason == Reason::Deadline),
        });
        add(match outcome.status {
            Status::Completed => &self.counters.ok,
            Status::Timeout => &self.counters.timed_out,
            Status::Error => &self.counters.failed,
            Status::NotConnected => &self.counters.not_sent,
        });
        // The member's state already shows that it is ejected; keep the error that led to it.
        if outcome.status != Status::Completed && !matches!(outcome.reason, Reason::Ejected | Reason::Drained) {
            *self.counters.last_error.borrow_mut() = Some((outcome.reason, outcome.msg.clone(), SystemTime::now()));
        }
    }
}

impl Drop for RunningStatement<'_> {
    fn drop(&mut self) {
        self.counters.outstanding.set(self.counters.outstanding.get() - 1);
        let StatementTimes { at, took, waited } = self.end.take().unwrap_or_else(|| {
            // Dropped without an outcome: the caller left or its deadline passed.
            add(&self.counters.cancelled);
            let at = Instant::now();
            StatementTimes { at, took: None, waited: self.sent.get().map(|_| at - self.started) }
        });
        if let Some((health, among)) = self.shared {
            health.left(took, waited, among, health.at(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_were_none_count_as_all_others_do() {
        let (times, now) = (Times::default(), Instant::now());
        (0..99).for_each(|_| times.add(Duration::ZERO, now));
        times.add(Duration::from_millis(80), now);
        let told = times.report();
        let millis = |name: &str| told[name].as_f64().expect("there are enough");
        assert_eq!((&told["count"], millis("longest_ms")), (&Value::Int(100), 80.0));
        assert!(millis("p50_ms") <= 0.05 && millis("p95_ms") <= 0.05, "{told}");
        (0..10).for_each(|_| times.add(Duration::from_millis(80), now));
        let told = times.report();
        assert!(told["p95_ms"].as_f64().is_some_and(|p95| (70.0..90.0).contains(&p95)), "{told}");
    }
}
