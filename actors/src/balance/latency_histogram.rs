//! Latency quantiles of a member over the recent past.
//!
//! The buckets of the histogram grow by a ninth, so a quantile is exact to ±10 %. The counts are halved after every ten
//! seconds, so the last half minute outweighs all earlier time; but what is known is kept down to the weight of some
//! twenty answers, or a member that is asked once a second would never be known.
//!
//! A member that is seldom asked has the whole cluster's histogram as a prior.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::history::{before, since};

/// Buckets per doubling.
const FINENESS: f64 = 8.0;
/// The upper end of the first bucket.
const FIRST_MICROS: f64 = 50.0;
/// From 50 µs to 100 s are 21 doublings.
const BUCKETS: usize = 170;
/// Time between two halvings of the counts.
const HALVE: Duration = Duration::from_secs(10);
/// The count of one answer. More than 1, so that halving does not lose single answers.
const ONE: u32 = 16;
/// Answers needed for a quantile: with fewer, the 95th percentile is a guess.
const ENOUGH: u32 = 20;
/// The most that one bucket of a history is believed to count: all of them together leave room for further answers.
const MOST: u32 = u32::MAX / 2 / BUCKETS as u32;
/// The weight of a prior, in answers; decision 0022 compares 20, 50 and 100. A member slower than the others is known
/// after six answers, which are more than a twentieth of all. One that is quicker is known late, and until then its
/// hedges come later than they need to.
const PRIOR: u32 = 100;

/// The answers of one member.
#[derive(Clone)]
pub struct LatencyHistogram {
    counts: Box<[u32; BUCKETS]>,
    total: u32,
    halved: Duration,
}

impl Default for LatencyHistogram {
    fn default() -> LatencyHistogram {
        LatencyHistogram { counts: Box::new([0; BUCKETS]), total: 0, halved: Duration::ZERO }
    }
}

impl std::fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LatencyHistogram").field("p50", &self.quantile(0.5)).finish_non_exhaustive()
    }
}

/// What a successor is told of a histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistogramHistory {
    /// The buckets that are not empty: index and count.
    pub counts: Vec<(usize, u32)>,
    /// How long ago they were halved.
    pub halved_ms: u64,
}

impl LatencyHistogram {
    /// As of `now`; `None` without an answer.
    pub(crate) fn history(&self, now: Duration) -> Option<HistogramHistory> {
        let counts: Vec<_> = self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        (!counts.is_empty()).then(|| HistogramHistory { counts, halved_ms: since(self.halved, now) })
    }

    /// The histogram that was like this at `then`.
    pub(crate) fn resumed(history: &HistogramHistory, then: Duration) -> LatencyHistogram {
        let mut latency = LatencyHistogram { halved: before(then, history.halved_ms), ..LatencyHistogram::default() };
        for (index, told) in &history.counts {
            if let Some(count) = latency.counts.get_mut(*index) {
                *count = (*told).min(MOST);
            }
        }
        latency.total = latency.counts.iter().sum();
        latency
    }

    /// Records an answer.
    pub fn learn(&mut self, took: Duration, now: Duration) {
        self.fade(now);
        if self.total > u32::MAX / 2 {
            self.halve();
        }
        self.counts[bucket(took)] += ONE;
        self.total += ONE;
    }

    /// Halves the counts once for every ten seconds that are over, down to the weight of some twenty answers.
    pub(crate) fn fade(&mut self, now: Duration) {
        let age = now.saturating_sub(self.halved);
        if age < HALVE {
            return;
        }
        self.halved = now;
        for _ in 0..age.as_secs() / HALVE.as_secs() {
            if self.total < 2 * ENOUGH * ONE {
                break;
            }
            self.halve();
        }
    }

    /// The time within which this share (0 to 1) of the answers came; `None` while there are fewer than 20.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        self.place(share).map(upper_end)
    }

    /// As [`quantile`](Self::quantile), as if there had been a hundred answers more, spread as those of `prior`: with
    /// few answers of its own a member has nearly the quantile of the prior, with many its own. Without any it has
    /// none: nobody knows yet whether it answers at all.
    pub(crate) fn quantile_with(&self, prior: &LatencyHistogram, share: f64) -> Option<Duration> {
        if prior.total < ENOUGH * ONE || self.total == 0 {
            return self.quantile(share);
        }
        let weight = f64::from(PRIOR * ONE) / f64::from(prior.total);
        let counts = self.counts.iter().zip(prior.counts.iter());
        let mixed = counts.map(|(own, others)| f64::from(*own) + f64::from(*others) * weight);
        Some(upper_end(at_rank(mixed, f64::from(self.total + PRIOR * ONE) * share)))
    }

    /// As [`quantile`](Self::quantile), for display: the middle of the bucket, exact to ±5 %. `quantile` itself is
    /// never too short.
    pub fn estimate(&self, share: f64) -> Option<Duration> {
        let below = 0.5_f64.exp2().powf(1.0 / FINENESS);
        self.place(share).map(|index| upper_end(index).div_f64(below))
    }

    /// The index of the quantile's bucket.
    fn place(&self, share: f64) -> Option<usize> {
        if self.total < ENOUGH * ONE {
            return None;
        }
        let counts = self.counts.iter().map(|count| f64::from(*count));
        Some(at_rank(counts, f64::from(self.total) * share))
    }

    fn halve(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
        self.total = self.counts.iter().sum();
    }
}

/// The bucket that holds the answer of this rank.
fn at_rank(mut counts: impl Iterator<Item = f64>, rank: f64) -> usize {
    let mut seen = 0.0;
    let index = counts.position(|count| {
        seen += count;
        seen >= rank
    });
    index.unwrap_or(BUCKETS - 1)
}

fn bucket(took: Duration) -> usize {
    let times = took.as_secs_f64() * (1e6 / FIRST_MICROS);
    // The cast saturates: a time below the first bucket's end has a negative logarithm and becomes 0.
    ((times.log2() * FINENESS).ceil() as usize).min(BUCKETS - 1)
}

fn upper_end(index: usize) -> Duration {
    Duration::from_secs_f64(FIRST_MICROS * (index as f64 / FINENESS).exp2() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn quantiles_are_right_within_a_tenth() {
        let mut latency = LatencyHistogram::default();
        for nth in 1..=1_000 {
            latency.learn(MILLI * nth, SECOND);
        }
        for (share, expected) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = latency.quantile(share).expect("there are enough").as_secs_f64() * 1e3;
            assert!((expected * 0.95..expected * 1.12).contains(&found), "{share}: {found}");
            let estimate = latency.estimate(share).expect("there are enough").as_secs_f64() * 1e3;
            assert!((expected * 0.95..expected * 1.05).contains(&estimate), "{share}: {estimate}");
        }
    }

    #[test]
    fn a_bucket_ends_where_the_next_one_begins() {
        for index in 0..BUCKETS - 1 {
            let (end, nano) = (upper_end(index), Duration::from_nanos(1));
            assert_eq!((bucket(end - nano), bucket(end + nano)), (index, index + 1), "{end:?}");
        }
        assert_eq!([Duration::ZERO, Duration::from_nanos(1)].map(bucket), [0, 0]);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn few_answers_make_no_quantile_and_extremes_fit() {
        let mut latency = LatencyHistogram::default();
        (0..19).for_each(|_| latency.learn(Duration::ZERO, SECOND));
        assert_eq!(latency.quantile(0.5), None);
        latency.learn(Duration::from_secs(86_400), SECOND);
        assert_eq!(latency.quantile(0.5), Some(Duration::from_micros(50)));
        assert!(latency.quantile(1.0).is_some_and(|longest| longest > SECOND * 80));
    }

    fn answers(count: u32, took: Duration) -> LatencyHistogram {
        let mut latency = LatencyHistogram::default();
        (0..count).for_each(|_| latency.learn(took, SECOND));
        latency
    }

    #[test]
    fn the_weight_of_a_prior_is_a_hundred_answers() {
        let prior = answers(10_000, MILLI * 5);
        // Its own answers, how long each took, and its 95th percentile in milliseconds.
        let table = [
            (0, 5, None),
            (1, 5, Some(5)),
            // Few slow ones are within the twentieth that may be late.
            (5, 50, Some(5)),
            (6, 50, Some(50)),
            (1_000, 50, Some(50)),
            (20, 1, Some(5)),
            (1_800, 1, Some(5)),
            (2_000, 1, Some(1)),
        ];
        for (count, took, expected) in table {
            let found = answers(count, MILLI * took).quantile_with(&prior, 0.95);
            assert_eq!(found, expected.map(|millis| upper_end(bucket(MILLI * millis))), "{count} of {took} ms");
        }
        // A prior of a few answers is a guess, too.
        let (few, own) = (answers(19, MILLI * 5), answers(20, MILLI));
        assert_eq!(answers(19, MILLI).quantile_with(&few, 0.95), None);
        assert_eq!(own.quantile_with(&few, 0.95), own.quantile(0.95));
    }

    #[test]
    fn a_member_asked_once_a_second_is_known_and_what_it_was_is_soon_forgotten() {
        let mut latency = LatencyHistogram::default();
        (0..120).for_each(|second| latency.learn(MILLI, SECOND * second));
        assert!(latency.quantile(0.95).is_some());
        (120..180).for_each(|second| latency.learn(MILLI * 50, SECOND * second));
        assert!(latency.quantile(0.5).is_some_and(|p50| p50 > MILLI * 40), "{latency:?}");
        // After an hour of rest, thousands of answers weigh no more than some twenty.
        let mut latency = answers(10_000, SECOND);
        latency.fade(SECOND * 3_600);
        assert!((ENOUGH * ONE..2 * ENOUGH * ONE).contains(&latency.total), "{}", latency.total);
    }

    #[test]
    fn the_past_fades() {
        let mut latency = LatencyHistogram::default();
        (0..1_000).for_each(|_| latency.learn(SECOND, SECOND));
        for tick in 1..=10 {
            (0..100).for_each(|_| latency.learn(MILLI, SECOND * 11 * tick));
        }
        assert!(latency.quantile(0.95).is_some_and(|p95| p95 < MILLI * 2), "{latency:?}");
    }
}
