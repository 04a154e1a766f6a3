//! The token buckets of one limit, in memory of a fixed size however many clients there are.
//!
//! A table of sets, each with a few places, as the cache of a processor has them. A client's key leads to one set; if
//! that is full, the client takes the place of the one that has used the least. Of those who are over their limit none
//! is forgotten before all others of their set are.
//!
//! They are those of one process. What several instances share would stand in a store beside them: it takes the place
//! of [`Buckets::take`], which is asynchronous for that.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::pace::{Pace, Taken};

/// Parts of the table, each behind a lock of its own, so that threads seldom meet.
const PARTS: usize = 64;
/// Sets of a part.
const SETS: usize = 128;
/// Places of a set.
const PLACES: usize = 8;

/// One client's bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    key: u64,
    /// The instant at which it is full, in nanoseconds since the table was made; 0 for a free place.
    full_at: u64,
}

pub(super) struct Buckets {
    pace: Pace,
    /// Keyed at random: a client that could choose its place could choose whom it puts out.
    hasher: RandomState,
    began: Instant,
    parts: Box<[Mutex<Vec<Bucket>>]>,
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Buckets {
    pub(super) fn new(pace: Pace) -> Buckets {
        let part = || Mutex::new(Vec::new());
        Buckets { pace, hasher: RandomState::new(), began: Instant::now(), parts: (0..PARTS).map(|_| part()).collect() }
    }

    /// Takes a token of this client.
    #[expect(clippy::unused_async, reason = "buckets of several instances are asked over a network")]
    pub(super) async fn take(&self, key: impl Hash) -> Taken {
        // One nanosecond on, so that no bucket that is in use looks like a free place.
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        self.take_at(self.hasher.hash_one(key), now)
    }

    fn take_at(&self, key: u64, now: u64) -> Taken {
        // The lowest bits choose the part, the next ones the set.
        let (part, set) = (key as usize % PARTS, key as usize / PARTS % SETS);
        let mut part = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        if part.is_empty() {
            part.resize(SETS * PLACES, Bucket::default());
        }
        let places = &mut part[set * PLACES..][..PLACES];
        let known = places.iter().position(|place| place.key == key && place.full_at > 0);
        let least = || (0..PLACES).min_by_key(|at| places[*at].full_at).unwrap_or(0);
        let at = known.unwrap_or_else(least);
        let full_at = if known.is_some() { places[at].full_at } else { 0 };
        let (full_at, taken) = self.pace.take(full_at, now);
        places[at] = Bucket { key, full_at };
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Rate, RateKey};

    fn buckets(burst: u64) -> Buckets {
        let rate = Rate { count: 1, per: Duration::from_secs(60), burst, by: RateKey::Address };
        Buckets::new(Pace::of(&rate, 1))
    }

    #[test]
    fn each_client_has_its_own() {
        let buckets = buckets(2);
        let take = |key| buckets.take_at(key, 5).is_admitted;
        assert_eq!([take(1), take(1), take(1), take(2), take(2), take(2)], [true, true, false, true, true, false]);
    }

    #[test]
    fn who_is_over_the_limit_stays_known_among_many() {
        let buckets = buckets(2);
        let same_set = |nth: u64| nth * (PARTS * SETS) as u64 + 7;
        while buckets.take_at(same_set(0), 5).is_admitted {}
        for nth in 1..1_000 {
            assert!(buckets.take_at(same_set(nth), 5).is_admitted);
        }
        assert!(!buckets.take_at(same_set(0), 5).is_admitted);
        let held: usize = buckets.parts.iter().map(|part| part.lock().expect("whole").len()).sum();
        assert_eq!(held, SETS * PLACES, "one part is in use, and no more than it has");
    }
}
