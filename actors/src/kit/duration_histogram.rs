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

    /// What was counted, by bucket.
    pub fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|at| self.counts[at].load(Relaxed))
    }

    /// What was counted, for a report: `total_us`, and the `buckets` that are not empty. `status::merge` adds them up
    /// by these names.
    pub fn pairs(&self) -> [(&'static str, Value); 2] {
        let total = self.total_us.load(Relaxed).cast_signed();
        [("total_us", Value::Int(total)), ("buckets", buckets(&self.counts()))]
    }
}

/// Counts by bucket as they are reported, without those that are empty.
pub fn buckets(counts: &[u64; BOUNDS.len() + 1]) -> Value {
    let names = BOUNDS.iter().map(|(_, name)| *name).chain([UNBOUNDED]);
    let counts = names.zip(counts).filter(|(_, count)| **count > 0);
    Value::from_pairs(counts.map(|(name, count)| (name, Value::Int(count.cast_signed()))))
}

/// Percentiles of reported buckets in milliseconds, as monitoring estimates them: within a bucket evenly. Of one that
/// lies beyond the last bound it is that bound. None for no count.
pub fn percentiles(buckets: &Value) -> Option<[(&'static str, f64); 3]> {
    let names = BOUNDS.iter().map(|(_, name)| *name).chain([UNBOUNDED]);
    let counts: Vec<f64> = names.map(|name| buckets[name].as_f64().unwrap_or(0.0)).collect();
    let all: f64 = counts.iter().sum();
    if all <= 0.0 {
        return None;
    }
    let of = |share: f64| {
        let (mut before, mut lower) = (0.0, 0.0);
        for ((upper, _), count) in BOUNDS.iter().zip(&counts) {
            let upper = *upper as f64 / 1e3;
            if before + count >= share * all && *count > 0.0 {
                return lower + (upper - lower) * (share * all - before) / count;
            }
            (before, lower) = (before + count, upper);
        }
        lower
    };
    Some([("p50_ms", of(0.5)), ("p95_ms", of(0.95)), ("p99_ms", of(0.99))])
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
    fn a_percentile_lies_within_its_bucket() {
        let histogram = DurationHistogram::default();
        (0..90).for_each(|_| histogram.add(Duration::from_millis(2)));
        (0..10).for_each(|_| histogram.add(Duration::from_millis(200)));
        let [(_, p50), (_, p95), (_, p99)] = percentiles(&buckets(&histogram.counts())).expect("there are a hundred");
        assert!((1.0..=2.5).contains(&p50) && (100.0..=250.0).contains(&p95) && p95 < p99, "{p50} {p95} {p99}");
        (0..9_900).for_each(|_| histogram.add(Duration::from_secs(60)));
        let [(_, p50), ..] = percentiles(&buckets(&histogram.counts())).expect("there are many");
        assert!((p50 - 10_000.0).abs() < 1e-6, "beyond the last bound: {p50}");
        assert_eq!(percentiles(&Value::Nil), None);
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
