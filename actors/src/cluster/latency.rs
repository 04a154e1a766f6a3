//! How fast a member answers: quantiles of the recent past and a moving average that believes bad news at once.
//!
//! The quantiles come from a histogram whose buckets grow by a ninth, so a quantile is right within a tenth; its counts
//! are halved every ten seconds of use, so the last half minute outweighs all before.

use std::time::Duration;

/// Buckets per doubling.
const FINENESS: f64 = 8.0;
/// The upper end of the first bucket.
const FIRST_MICROS: f64 = 50.0;
/// From 50 µs to 100 s are 21 doublings.
const BUCKETS: usize = 170;
/// How long the counts stay as they are.
const HALVE: Duration = Duration::from_secs(10);
/// One answer. More than 1, so that halving does not lose single answers.
const ONE: u32 = 16;
/// Answers that a quantile needs: below, the 95th of 100 is a guess.
const ENOUGH: u32 = 20;

/// The answers of one member.
#[derive(Clone)]
pub struct Latency {
    counts: Box<[u32; BUCKETS]>,
    total: u32,
    halved: Duration,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { counts: Box::new([0; BUCKETS]), total: 0, halved: Duration::ZERO }
    }
}

impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latency").field("p50", &self.quantile(0.5)).finish_non_exhaustive()
    }
}

impl Latency {
    /// Takes in an answer.
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

    /// The time within which this share of the answers came; `None` while there are too few.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.total < ENOUGH * ONE {
            return None;
        }
        let rank = f64::from(self.total) * share;
        let mut seen = 0.0;
        let index = self.counts.iter().position(|count| {
            seen += f64::from(*count);
            seen >= rank
        });
        Some(upper_end(index.unwrap_or(BUCKETS - 1)))
    }

    fn halve(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
        self.total = self.counts.iter().sum();
    }
}

fn bucket(took: Duration) -> usize {
    let micros = took.as_secs_f64() * 1e6;
    let index = ((micros / FIRST_MICROS).log2() * FINENESS).ceil();
    // Anything below the first is 0: a float becomes the nearest number that fits.
    (index as usize).min(BUCKETS - 1)
}

fn upper_end(index: usize) -> Duration {
    Duration::from_secs_f64(FIRST_MICROS * (index as f64 / FINENESS).exp2() / 1e6)
}

/// The time over which the average forgets. Finagle's.
const DECAY: f64 = 10.0;

/// What an answer is expected to take: an average over time that jumps to a worse answer at once and comes down slowly
/// (peak EWMA), and fades while nobody asks, so that a member is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ewma {
    micros: f64,
    at: Duration,
}

impl Ewma {
    /// Takes in an answer.
    pub fn learn(&mut self, took: Duration, now: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        if micros >= self.micros {
            self.micros = micros;
        } else {
            let old = (-now.saturating_sub(self.at).as_secs_f64() / DECAY).exp();
            self.micros = self.micros * old + micros * (1.0 - old);
        }
        self.at = now;
    }

    /// The expectation in microseconds; 0 for a member nobody knows.
    pub fn micros(&self, now: Duration) -> u64 {
        let idle = now.saturating_sub(self.at).as_secs_f64();
        (self.micros * (-idle / DECAY).exp()) as u64
    }

    /// In one word that an atomic holds: microseconds, up to an hour, above the milliseconds of `at` modulo 49 days.
    pub(super) fn packed(self) -> u64 {
        ((self.micros as u64).min(u64::from(u32::MAX)) << 32) | (self.at.as_millis() as u64 & LOW)
    }

    pub(super) fn unpacked(packed: u64, now: Duration) -> Ewma {
        let now = now.as_millis() as u64;
        // The latest time before now that ends in these bits.
        let at = (now & !LOW) | (packed & LOW);
        let at = if at > now { at.saturating_sub(LOW + 1) } else { at };
        Ewma { micros: (packed >> 32) as f64, at: Duration::from_millis(at) }
    }
}

const LOW: u64 = 0xFFFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn quantiles_are_right_within_a_tenth() {
        let mut latency = Latency::default();
        for nth in 1..=1_000 {
            latency.learn(MILLI * nth, SECOND);
        }
        for (share, expected) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = latency.quantile(share).expect("there are enough").as_secs_f64() * 1e3;
            assert!((expected * 0.95..expected * 1.12).contains(&found), "{share}: {found}");
        }
    }

    #[test]
    fn few_answers_make_no_quantile_and_extremes_fit() {
        let mut latency = Latency::default();
        (0..19).for_each(|_| latency.learn(Duration::ZERO, SECOND));
        assert_eq!(latency.quantile(0.5), None);
        latency.learn(Duration::from_secs(86_400), SECOND);
        assert_eq!(latency.quantile(0.5), Some(Duration::from_micros(50)));
        assert!(latency.quantile(1.0).is_some_and(|longest| longest > SECOND * 80));
    }

    #[test]
    fn the_past_fades() {
        let mut latency = Latency::default();
        (0..1_000).for_each(|_| latency.learn(SECOND, SECOND));
        for tick in 1..=10 {
            (0..100).for_each(|_| latency.learn(MILLI, SECOND * 11 * tick));
        }
        assert!(latency.quantile(0.95).is_some_and(|p95| p95 < MILLI * 2), "{latency:?}");
    }

    #[test]
    fn the_average_jumps_up_and_comes_down() {
        let mut ewma = Ewma::default();
        ewma.learn(MILLI * 10, SECOND);
        assert_eq!(ewma.micros(SECOND), 10_000);
        ewma.learn(MILLI, SECOND * 11);
        let after = ewma.micros(SECOND * 11);
        assert!((4_000..5_000).contains(&after), "{after}");
        ewma.learn(SECOND, SECOND * 11);
        assert_eq!(ewma.micros(SECOND * 11), 1_000_000);
        assert!(ewma.micros(SECOND * 111) < 100);
        assert_eq!(Ewma::unpacked(ewma.packed(), SECOND * 20), ewma);
        // Also after 60 days.
        let late = SECOND * 86_400 * 60;
        ewma.learn(SECOND * 2, late);
        assert_eq!(Ewma::unpacked(ewma.packed(), late + SECOND), ewma);
    }
}
