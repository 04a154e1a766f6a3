//! What the actors of this process have counted, those included that have ended or do not answer at the moment.

use std::collections::BTreeMap;

use skitai_wire::Value;

use super::counters::{counters, has_gone_back, of_its_own};
use super::merge::merged;
use super::snapshot::Heard;

/// An actor, by its thread and its name.
type Key = (usize, String);

/// The counters that were heard last of each actor, and those of actors that are gone, by name.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last: BTreeMap<Key, Noted>,
    gone: BTreeMap<String, Value>,
}

/// What was noted, and by which snapshot.
#[derive(Debug)]
struct Noted {
    snapshot: u64,
    counters: Value,
}

impl Ledger {
    /// Notes what an actor has reported to a snapshot. One whose counters are below what they were has begun anew: what
    /// it had counted before is kept. Snapshots have numbers in the order in which they began to ask: one that waited
    /// for a slow actor may be late with what the others said, and has nothing to note of them any more.
    ///
    /// `is_there` is false for an actor that has been withdrawn meanwhile: what it says may be in `gone` already.
    pub(super) fn note(&mut self, heard: &Heard, snapshot: u64, is_there: bool) {
        let key = (heard.thread, heard.name.clone());
        let before = self.last.get(&key);
        let is_late = before.map_or(!is_there, |before| before.snapshot > snapshot);
        if !heard.answered || is_late {
            return;
        }
        let counters = counters(&heard.report);
        let begun = before.filter(|before| has_gone_back(&before.counters, &counters));
        if let Some(before) = begun.map(|before| before.counters.clone()) {
            self.keep(&heard.name, &before);
        }
        self.last.insert(key, Noted { snapshot, counters });
    }

    /// Takes the actors that are not there any more to those that are gone.
    pub(super) fn part(&mut self, is_there: impl Fn(usize, &str) -> bool) {
        let parted: Vec<Key> = self.last.keys().filter(|(thread, name)| !is_there(*thread, name)).cloned().collect();
        for key in parted {
            if let Some(noted) = self.last.remove(&key) {
                self.keep(&key.1, &noted.counters);
            }
        }
    }

    fn keep(&mut self, name: &str, counters: &Value) {
        let own = of_its_own(counters);
        let gone = self.gone.entry(name.to_owned()).or_default();
        *gone = merged(&[gone, &own]);
    }

    /// What an actor had counted when it answered for the last time.
    pub(super) fn last(&self, thread: usize, name: &str) -> Option<&Value> {
        Some(&self.last.get(&(thread, name.to_owned()))?.counters)
    }

    /// What actors of each name had counted that are gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.gone.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(thread: usize, calls: i64) -> Heard {
        let report = Value::from_pairs([("calls", Value::Int(calls)), ("open", Value::Int(3))]);
        Heard { thread, name: "cluster:a".to_owned(), answered: true, report, gauges: Value::Nil }
    }

    /// All that was ever counted, those included that are gone.
    fn sum(ledger: &Ledger) -> i64 {
        let of = |value: &Value| value.get("calls").and_then(Value::as_i64).unwrap_or(0);
        ledger.last.values().map(|noted| of(&noted.counters)).chain(ledger.gone().map(|(_, value)| of(value))).sum()
    }

    #[test]
    fn what_begins_anew_goes_on_and_what_is_late_is_no_new_beginning() {
        let mut ledger = Ledger::default();
        ledger.note(&heard(0, 10), 1, true);
        ledger.note(&heard(0, 20), 3, true);
        ledger.note(&heard(0, 15), 2, true);
        assert_eq!(sum(&ledger), 20, "the second snapshot waited for another actor");
        ledger.note(&heard(0, 4), 4, true);
        assert_eq!(sum(&ledger), 24, "the actor began anew");
        ledger.note(&heard(1, 100), 5, true);
        ledger.part(|thread, _| thread == 1);
        assert_eq!(sum(&ledger), 124);
        ledger.note(&heard(0, 4), 4, false);
        assert_eq!(sum(&ledger), 124, "it is among those that are gone");
        let silent = Heard { answered: false, ..heard(1, 0) };
        ledger.note(&silent, 6, true);
        assert_eq!(ledger.last(1, "cluster:a"), Some(&Value::from_pairs([("calls", Value::Int(100))])));
    }
}
