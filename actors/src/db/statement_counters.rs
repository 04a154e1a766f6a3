//! Counters of one member on one thread, as the status page shows them.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use crate::balance::health::MemberHealth;
use crate::balance::latency_histogram::LatencyHistogram;
use crate::outcome::{Outcome, Reason, Status};
use crate::wire::Value;

/// How often something was done, how long that took in all, and how long it takes of late.
#[derive(Debug)]
struct Times {
    begun: Instant,
    count: Cell<u64>,
    total: Cell<Duration>,
    longest: Cell<Duration>,
    recent: RefCell<LatencyHistogram>,
}

impl Default for Times {
    fn default() -> Times {
        let (count, total, longest, recent) = Default::default();
        Times { begun: Instant::now(), count, total, longest, recent }
    }
}

impl Times {
    fn add(&self, time: Duration, now: Instant) {
        add(&self.count);
        self.recent.borrow_mut().learn(time, now.saturating_duration_since(self.begun));
        self.total.set(self.total.get() + time);
        self.longest.set(self.longest.get().max(time));
    }

    fn told(&self) -> Value {
        let millis = |time: Duration| Value::Double(time.as_secs_f64() * 1_000.0);
        let recent = |share| self.recent.borrow().estimate(share).map_or(Value::Nil, millis);
        Value::from_pairs([
            ("count", Value::Int(self.count.get().cast_signed())),
            ("total_ms", millis(self.total.get())),
            ("longest_ms", millis(self.longest.get())),
            ("p50_ms", recent(0.5)),
            ("p95_ms", recent(0.95)),
            ("p99_ms", recent(0.99)),
        ])
    }
}

/// How statements ended, what their time went to, and the last failure.
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
    /// A statement begins, here and in what all threads know of its member; it counts as cancelled unless its outcome
    /// is told before the mark is dropped.
    pub(super) fn begin<'a>(&'a self, pulse: Option<&'a MemberHealth>, started: Instant) -> RunningStatement<'a> {
        self.outstanding.set(self.outstanding.get() + 1);
        let shared = pulse.map(|pulse| (pulse, pulse.begun(pulse.at(started))));
        RunningStatement { tally: self, shared, started, sent: Cell::new(None), end: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.outstanding.get() == 0
    }

    /// A connection came (or did not) now, after this long, dialling apart.
    pub(super) fn waited(&self, time: Duration, now: Instant) {
        self.waits.add(time, now);
    }

    /// A connection was made (or was not) in this time.
    pub(super) fn dialled(&self, time: Duration, now: Instant) {
        self.dials.add(time, now);
    }

    /// A statement ended, well or not, after so long on its connection.
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
        self.waits.told()
    }

    pub(super) fn dials(&self) -> Value {
        self.dials.told()
    }

    pub(super) fn queries(&self) -> Value {
        self.queries.told()
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

/// One statement, or conversation, in the counters.
pub(super) struct RunningStatement<'a> {
    tally: &'a StatementCounters,
    /// What all threads know of the member, and how many it had in flight when this one began, itself included.
    shared: Option<(&'a MemberHealth, usize)>,
    started: Instant,
    /// When it went to the database; a conversation never says so, for its length is its owner's affair.
    pub(super) sent: Cell<Option<Instant>>,
    end: Option<End>,
}

/// What is to be learnt of a statement that ended.
struct End {
    at: Instant,
    took: Option<Duration>,
    waited: Option<Duration>,
}

impl RunningStatement<'_> {
    /// It ended so, then; `took`: how long its database and its connection needed.
    pub(super) fn told(mut self, outcome: &Outcome, took: Duration, ended: Instant) {
        let took = self.sent.get().map(|_| took);
        self.end = Some(End {
            at: ended,
            // How fast somebody says no tells nothing of how fast he works.
            took: took.filter(|_| outcome.status == Status::Completed),
            waited: took.filter(|_| outcome.reason == Reason::Deadline),
        });
        add(match outcome.status {
            Status::Completed => &self.tally.ok,
            Status::Timeout => &self.tally.timed_out,
            Status::Error => &self.tally.failed,
            Status::NotConnected => &self.tally.not_sent,
        });
        // That it is ejected is told by its state; this is what it was ejected for.
        if outcome.status != Status::Completed && outcome.reason != Reason::Ejected {
            *self.tally.last_error.borrow_mut() = Some((outcome.reason, outcome.msg.clone(), SystemTime::now()));
        }
    }
}

impl Drop for RunningStatement<'_> {
    fn drop(&mut self) {
        self.tally.outstanding.set(self.tally.outstanding.get() - 1);
        let End { at, took, waited } = self.end.take().unwrap_or_else(|| {
            // The asker left or its deadline passed; the kit dropped us without a word.
            add(&self.tally.cancelled);
            let at = Instant::now();
            End { at, took: None, waited: self.sent.get().map(|_| at - self.started) }
        });
        if let Some((pulse, among)) = self.shared {
            pulse.left(took, waited, among, pulse.at(at));
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
        let told = times.told();
        let millis = |name: &str| told[name].as_f64().expect("there are enough");
        assert_eq!((&told["count"], millis("longest_ms")), (&Value::Int(100), 80.0));
        assert!(millis("p50_ms") <= 0.05 && millis("p95_ms") <= 0.05, "{told}");
        (0..10).for_each(|_| times.add(Duration::from_millis(80), now));
        let told = times.told();
        assert!(told["p95_ms"].as_f64().is_some_and(|p95| (70.0..90.0).contains(&p95)), "{told}");
    }
}
