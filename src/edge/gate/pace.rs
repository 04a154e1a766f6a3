//! The arithmetic of a token bucket, as GCRA: of a bucket one number is kept, the instant at which it will be full
//! again. A bucket that is full is like one that never was, so what is full can be forgotten. Pure: the clock is the
//! caller's.

use std::time::Duration;

use crate::config::Rate;

/// How a bucket is filled and how much it holds. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// The time in which one token comes.
    each: u64,
    /// The tokens that it holds.
    burst: u64,
}

/// What came of taking a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Whether there was one.
    pub(super) is_admitted: bool,
    /// How many are left.
    pub(super) left: u64,
    /// When the bucket is full, from now.
    pub(super) full_in: Duration,
    /// When there is one again, from now; nothing if there is one left.
    pub(super) next_in: Duration,
}

impl Pace {
    /// The share that one of so many processes has of a rate.
    pub(super) fn of(rate: &Rate, processes: usize) -> Pace {
        let processes = processes.max(1) as u64;
        let per = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        Pace { each: (per / rate.count.max(1)).saturating_mul(processes), burst: rate.burst.div_ceil(processes).max(1) }
    }

    /// Takes a token at `now` from a bucket that will be full at `full_at`, and returns when it will be full then.
    pub(super) fn take(self, full_at: u64, now: u64) -> (u64, Taken) {
        let missing = full_at.saturating_sub(now);
        // The bucket has a token if it lacks at most all but one.
        let most = self.each.saturating_mul(self.burst - 1);
        let is_admitted = missing <= most;
        let missing = if is_admitted { missing.saturating_add(self.each) } else { missing };
        let room = self.each.saturating_mul(self.burst).saturating_sub(missing);
        let taken = Taken {
            is_admitted,
            left: room / self.each.max(1),
            full_in: Duration::from_nanos(missing),
            next_in: Duration::from_nanos(missing.saturating_sub(most)),
        };
        (now.saturating_add(missing), taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::RateKey;

    const SECOND: u64 = 1_000_000_000;

    fn pace(count: u64, burst: u64, processes: usize) -> Pace {
        Pace::of(&Rate { count, per: Duration::from_secs(1), burst, by: RateKey::Address }, processes)
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let pace = pace(2, 3, 1);
        let mut full_at = 0;
        let mut take = |now| {
            let (then, taken) = pace.take(full_at, now);
            full_at = then;
            (taken.is_admitted, taken.left, taken.next_in.as_millis())
        };
        let now = 7 * SECOND;
        assert_eq!([take(now), take(now), take(now)], [(true, 2, 0), (true, 1, 0), (true, 0, 500)]);
        assert_eq!(take(now), (false, 0, 500));
        assert_eq!(take(now + SECOND / 4), (false, 0, 250));
        assert_eq!(take(now + SECOND / 2), (true, 0, 500));
        assert_eq!(take(now + 9 * SECOND), (true, 2, 0));
    }

    #[test]
    fn processes_share_a_rate() {
        assert_eq!(pace(10, 10, 4), Pace { each: SECOND * 4 / 10, burst: 3 });
        assert_eq!(pace(1, 1, 4), Pace { each: SECOND * 4, burst: 1 });
    }

    proptest! {
        /// Whatever the instants, no more are admitted in any time than its tokens and the burst.
        #[test]
        fn never_more_than_the_rate(
            count in 1u64..50, burst in 1u64..20, steps in proptest::collection::vec(0u64..SECOND, 1..200)
        ) {
            let pace = pace(count, burst, 1);
            let (mut now, mut full_at, mut admitted) = (SECOND, 0, 0);
            for step in steps {
                now += step;
                let (then, taken) = pace.take(full_at, now);
                full_at = then;
                admitted += u64::from(taken.is_admitted);
                prop_assert!(admitted <= burst + (now - SECOND) / pace.each + 1);
                prop_assert_eq!(taken.left == 0, taken.next_in > Duration::ZERO || taken.left == 0);
            }
        }
    }
}
