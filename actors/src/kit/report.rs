//! An actor's report on itself: counters that the kit keeps for every actor, and a tree that the actor adds on request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use skitai_wire::{Map, Value};

use super::actor_host::now;
use super::gather::Replies;
use super::slots::{Missed, Slot};

/// The message that asks an actor for its report. Every actor answers it.
#[derive(Clone, Copy, Debug)]
pub struct Report;

/// An actor's answer to [`Report`].
#[derive(Clone, Debug)]
pub struct ActorReport(pub Value);

impl ActorReport {
    pub(crate) fn unasked(gauges: &Gauges) -> ActorReport {
        ActorReport(Value::from_pairs([
            ("actor", Value::String(gauges.name().to_owned())),
            ("answered", Value::Bool(false)),
        ]))
    }
}

impl Slot for ActorReport {
    fn missed(&mut self, why: Missed) {
        // An actor that does not answer is listed as such, never left out.
        if let Value::Map(map) = &mut self.0 {
            map.0.push(("missed".into(), Value::String(format!("{why:?}").to_lowercase())));
        }
    }

    fn filter_failed(&mut self, _: &str) {}
}

/// An actor that can be asked for a report.
pub trait Reporter: Send + Sync {
    /// The actor's name.
    fn name(&self) -> String;
    /// Asks the actor for its report, which arrives by `deadline` or is marked as missed.
    fn report(&self, deadline: Instant) -> Replies<ActorReport>;
    /// Its counters, without a message.
    fn gauges(&self) -> Arc<Gauges>;
}

/// How many message types one actor counts separately; further ones are counted with the last.
const KINDS: usize = 8;

/// Counters of one actor.
#[derive(Debug)]
pub struct Gauges {
    name: String,
    limit: usize,
    in_flight: AtomicUsize,
    refused: AtomicU64,
    done: AtomicU64,
    expired: AtomicU64,
    cancelled: AtomicU64,
    panics: AtomicU64,
    restarts: AtomicU64,
    dead_letters: AtomicU64,
    failures: AtomicU64,
    /// When the pause of a failed actor ends, in milliseconds after `opened`; 0 if it never failed.
    failed_until: AtomicU64,
    opened: Instant,
    last_panic: Mutex<String>,
    asked: [OnceLock<(&'static str, AtomicU64)>; KINDS],
}

impl Gauges {
    pub(crate) fn new(name: String, limit: usize) -> Gauges {
        Gauges {
            name,
            limit,
            in_flight: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            done: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failed_until: AtomicU64::new(0),
            opened: now(),
            last_panic: Mutex::new(String::new()),
            asked: [const { OnceLock::new() }; KINDS],
        }
    }

    /// The actor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Messages queued or running.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Messages of this type received so far.
    pub fn asked(&self, kind: &str) -> u64 {
        self.asked
            .iter()
            .filter_map(OnceLock::get)
            .filter(|count| count.0 == kind)
            .map(|count| count.1.load(Relaxed))
            .sum()
    }

    /// Panics so far, of the state and of single calls.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// How often the state was rebuilt.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// True while the actor pauses after too many panics; calls are refused at once.
    pub fn is_failed(&self) -> bool {
        // Checked by every call; the clock is read only for an actor that has failed before.
        let until = self.failed_until.load(Relaxed);
        until > 0 && now() < self.opened + Duration::from_millis(until)
    }

    /// Fails the actor until this moment: calls are refused at once.
    pub fn failed(&self, until: Instant) {
        let millis = until.saturating_duration_since(self.opened).as_millis();
        self.failed_until.store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
        self.failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn dead_letter(&self) {
        self.dead_letters.fetch_add(1, Relaxed);
    }

    /// Admits a message, or returns the reason for refusing it.
    pub(crate) fn enter(&self, kind: &'static str) -> Result<(), Missed> {
        for (index, cell) in self.asked.iter().enumerate() {
            let count = cell.get_or_init(|| (kind, AtomicU64::new(0)));
            if count.0 == kind || index == KINDS - 1 {
                count.1.fetch_add(1, Relaxed);
                break;
            }
        }
        if self.is_failed() {
            self.refused.fetch_add(1, Relaxed);
            return Err(Missed::Failed);
        }
        if self.in_flight.fetch_add(1, Relaxed) >= self.limit {
            self.in_flight.fetch_sub(1, Relaxed);
            self.refused.fetch_add(1, Relaxed);
            return Err(Missed::NotAdmitted);
        }
        Ok(())
    }

    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(crate) fn done(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Relaxed);
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    pub(crate) fn panicked(&self, text: &str) {
        self.panics.fetch_add(1, Relaxed);
        text.clone_into(&mut self.last_panic.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn restarted(&self, text: &str) {
        self.restarts.fetch_add(1, Relaxed);
        self.panicked(text);
    }

    /// The counters as a tree.
    pub fn tree(&self) -> Value {
        let count = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        let asked = self
            .asked
            .iter()
            .filter_map(OnceLock::get)
            .map(|(kind, number)| (Arc::from(*kind), count(number)))
            .collect();
        let state = if self.is_failed() { "failed" } else { "running" };
        let mut pairs = vec![
            ("state", Value::String(state.to_owned())),
            ("asked", Value::Map(Map(asked))),
            ("in_flight", Value::Int(self.in_flight().cast_signed() as i64)),
            ("limit", Value::Int(self.limit.cast_signed() as i64)),
            ("done", count(&self.done)),
            ("expired", count(&self.expired)),
            ("cancelled", count(&self.cancelled)),
            ("refused", count(&self.refused)),
            ("panics", count(&self.panics)),
            ("restarts", count(&self.restarts)),
            ("failures", count(&self.failures)),
            ("dead_letters", count(&self.dead_letters)),
        ];
        let last = self.last_panic.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.is_empty() {
            pairs.push(("last_panic", Value::String(last.clone())));
        }
        Value::from_pairs(pairs)
    }
}
