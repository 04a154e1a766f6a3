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
    last: BTreeMap<Key, Value>,
    gone: BTreeMap<String, Value>,
}

impl Ledger {
    /// Notes what an actor has reported. One whose counters are below what they were has begun anew: what it had
    /// counted before is kept.
    pub(super) fn note(&mut self, heard: &Heard) {
        if !heard.answered {
            return;
        }
        let now = counters(&heard.report);
        let before = self.last.insert((heard.thread, heard.name.clone()), now);
        let now = &self.last[&(heard.thread, heard.name.clone())];
        if let Some(before) = before.filter(|before| has_gone_back(before, now)) {
            self.keep(&heard.name, &before);
        }
    }

    /// Takes the actors that are not there any more to those that are gone.
    pub(super) fn part(&mut self, is_there: impl Fn(usize, &str) -> bool) {
        let parted: Vec<Key> = self.last.keys().filter(|(thread, name)| !is_there(*thread, name)).cloned().collect();
        for key in parted {
            if let Some(counters) = self.last.remove(&key) {
                self.keep(&key.1, &counters);
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
        self.last.get(&(thread, name.to_owned()))
    }

    /// What actors of each name had counted that are gone.
    pub(super) fn gone(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.gone.iter()
    }
}
