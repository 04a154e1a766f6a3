//! What the processes have learnt, kept for those that take their place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ipc::messages::{Learnt, LearntBefore};

/// The longest text that is kept, in octets: a member takes some 100.
const LONGEST: usize = 4 << 20;

/// The latest of each slot that a serving process has said. It outlives the process.
#[derive(Debug, Default)]
pub(super) struct LearntBySlot(BTreeMap<usize, KeptLearnt>);

/// A process has learnt more than is kept.
#[derive(Debug, thiserror::Error)]
#[error("what it has learnt takes {length} octets, where {LONGEST} are the most: it is not handed on")]
pub(super) struct TooMuch {
    length: usize,
}

#[derive(Debug)]
struct KeptLearnt {
    at: Instant,
    learnt: Learnt,
}

impl LearntBySlot {
    /// Keeps it. What is longer than can be handed on is refused, and the last one stays.
    pub(super) fn keep(&mut self, slot: usize, learnt: Learnt, at: Instant) -> Result<(), TooMuch> {
        let length = learnt.members.as_ref().map_or(0, String::len);
        if length > LONGEST {
            return Err(TooMuch { length });
        }
        self.0.insert(slot, KeptLearnt { at, learnt });
        Ok(())
    }

    /// For a new process of this slot: what the last one there has said, or for a new slot the latest of all.
    pub(super) fn for_slot(&self, slot: usize, now: Instant) -> Option<LearntBefore> {
        let kept = self.0.get(&slot).or_else(|| self.0.values().max_by_key(|kept| kept.at))?;
        Some(LearntBefore { age_ms: kept.age_ms(now), learnt: kept.learnt.clone() })
    }

    /// How long ago the process of a slot has said something.
    pub(super) fn age(&self, slot: usize, now: Instant) -> Option<Duration> {
        self.0.get(&slot).map(|kept| now.saturating_duration_since(kept.at))
    }

    /// Forgets slots from this number on.
    pub(super) fn truncate(&mut self, slots: usize) {
        self.0.split_off(&slots);
    }

    /// For another program of this supervisor.
    pub(super) fn all(&self, now: Instant) -> Vec<(usize, LearntBefore)> {
        let told = |kept: &KeptLearnt| LearntBefore { age_ms: kept.age_ms(now), learnt: kept.learnt.clone() };
        self.0.iter().map(|(slot, kept)| (*slot, told(kept))).collect()
    }

    /// What an earlier program of this supervisor has kept.
    pub(super) fn adopted(all: Vec<(usize, LearntBefore)>, now: Instant) -> LearntBySlot {
        let kept = all.into_iter().map(|(slot, LearntBefore { age_ms, learnt })| {
            (slot, KeptLearnt { at: now.checked_sub(Duration::from_millis(age_ms)).unwrap_or(now), learnt })
        });
        LearntBySlot(kept.collect())
    }
}

impl KeptLearnt {
    fn age_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(text: &str) -> Learnt {
        Learnt { members: Some(text.to_owned()) }
    }

    #[test]
    fn a_slot_gets_its_own_and_a_new_one_the_latest() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let mut slots = LearntBySlot::default();
        assert!(slots.for_slot(0, began).is_none());
        slots.keep(0, learnt("old"), began).expect("it is short");
        slots.keep(1, learnt("other"), began + second * 3).expect("it is short");
        slots.keep(0, learnt("new"), began + second * 2).expect("it is short");
        let long = Learnt { members: Some("x".repeat(LONGEST + 1)) };
        assert!(slots.keep(0, long, began + second * 4).is_err());
        let now = began + second * 5;
        let told = |slots: &LearntBySlot, slot| {
            let before = slots.for_slot(slot, now).expect("there is something");
            (before.learnt.members.expect("a text"), before.age_ms)
        };
        assert_eq!(told(&slots, 0), ("new".to_owned(), 3_000));
        assert_eq!(told(&slots, 7), ("other".to_owned(), 2_000));
        let slots_again = LearntBySlot::adopted(slots.all(now), now);
        assert_eq!((told(&slots_again, 0), told(&slots_again, 1)), (told(&slots, 0), told(&slots, 1)));
        slots.truncate(1);
        assert_eq!((slots.age(1, now), slots.age(0, now)), (None, Some(second * 3)));
    }
}
