//! Latency quantiles of a member over the recent past.
//!
//! The buckets of the histogram grow by a ninth, so a quantile is exact to ±10 %. The counts are halved after every ten
//! seconds of use, so the last half minute outweighs all earlier time.

use std::time::Duration;

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

impl LatencyHistogram {
    /// Records an answer.
    pub fn learn(&mut self, took: Duration, now: Duration) {
        if now.saturating_sub(self.halved) >= HALVE {
            self.halve();
            self.halved = now;
        }
        if self.total > u32::MAX / 2 {
            self.halve();
        }
        self.counts[bucket(took)] += ONE;
        self.total += ONE;
    }

    /// The time within which this share (0 to 1) of the answers came; `None` while there are fewer than 20.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        self.place(share).map(upper_end)
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
        let rank = f64::from(self.total) * share;
        let mut seen = 0.0;
        let index = self.counts.iter().position(|count| {
            seen += f64::from(*count);
            seen >= rank
        });
        Some(index.unwrap_or(BUCKETS - 1))
    }

    fn halve(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
        self.total = self.counts.iter().sum();
    }
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
