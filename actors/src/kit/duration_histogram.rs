//! A histogram of durations whose counts only grow, so that monitoring can subtract two looks at it.
//!
//! The bounds are the same for everything that is measured and in every version: histograms of threads, processes and
//! builds can be added up. What was recently, and only that, is the `LatencyHistogram` of a member's health.
//!
//! One thread writes and any thread reads: on the writer's side a count costs a load and a store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use skitai_wire::Value;

/// The upper ends of the buckets: microseconds, and the same in seconds as they are shown. What took longer than the
/// last is in one more bucket, `+Inf`.
pub const BOUNDS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (10_000_000, "10.0"),
];
/// The name of the last bucket.
pub const UNBOUNDED: &str = "+Inf";

/// How long something took, each time.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    /// By bucket, each without those before it.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Of whole numbers: a sum of fractions depends on the order of its parts, and could be less than it was.
    total_us: AtomicU64,
}

impl DurationHistogram {
    /// Counts one. Called by one thread alone, else counts are lost.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        let grow = |counter: &AtomicU64, by: u64| counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
        grow(&self.counts[bucket], 1);
        grow(&self.total_us, micros);
    }

    /// What was counted, for a report: `total_us`, and the `buckets` that are not empty. `status::merge` adds them up
    /// by these names.
    pub fn pairs(&self) -> [(&'static str, Value); 2] {
        let number = |counter: &AtomicU64| counter.load(Relaxed).cast_signed();
        let names = BOUNDS.iter().map(|(_, name)| *name).chain([UNBOUNDED]);
        let counts = names.zip(self.counts.iter().map(number)).filter(|(_, count)| *count > 0);
        let buckets = Value::from_pairs(counts.map(|(name, count)| (name, Value::Int(count))));
        [("total_us", Value::Int(number(&self.total_us))), ("buckets", buckets)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let histogram = DurationHistogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let told = Value::from_pairs(histogram.pairs());
        let buckets = [("0.0005", 2), ("0.001", 1), ("10.0", 1), ("+Inf", 1)];
        let buckets = Value::from_pairs(buckets.map(|(name, count)| (name, Value::Int(count))));
        assert_eq!((&told["total_us"], &told["buckets"]), (&Value::Int(20_001_002), &buckets));
    }

    #[test]
    fn the_words_of_the_bounds_are_the_bounds() {
        for (micros, word) in BOUNDS {
            let seconds: f64 = word.parse().expect("a number");
            assert!((seconds * 1e6 - micros as f64).abs() < 1e-6, "{word}");
            // OpenMetrics writes whole numbers so, and both formats must name one series.
            assert!(word.contains('.'), "{word}");
        }
        assert!(BOUNDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
