//! The penalty for failing fast. A member that fails every call in a millisecond never has calls in flight, and would
//! attract all of them.
//!
//! Each failure halves the share of the member's weight that counts; five seconds double it again, and so do about six
//! good answers in a row. So a member that always fails gets about one call in five seconds, whatever the load, and one
//! that fails every twentieth call is not affected.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::history::{before, since};

/// Half-life of the penalty: long compared with a second of errors, short compared with an ejection. It is Linkerd's.
const HALF_LIFE: f64 = 5.0;
/// The penalty of a failure, in halvings of the weight.
const FAILURE: f64 = 1.0;
/// What an answer removes, in halvings: at one failure in seven calls the penalty stays constant.
const ANSWER: f64 = 0.17;
/// The largest penalty: 1/128 of the weight remains.
const DEEPEST: f64 = 7.0;

/// The penalty of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Halvings of the weight at the time `at`.
    halvings: f64,
    at: Duration,
}

/// What a successor is told of a penalty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PenaltyHistory {
    /// Halvings of the weight, so long ago.
    pub halvings: f64,
    /// How long ago that was.
    pub ago_ms: u64,
}

impl Penalty {
    /// As of `now`; `None` without a penalty.
    pub(crate) fn history(&self, now: Duration) -> Option<PenaltyHistory> {
        (!self.is_full()).then(|| PenaltyHistory { halvings: self.halvings, ago_ms: since(self.at, now) })
    }

    /// The penalty that was like this at `then`.
    pub(crate) fn resumed(history: &PenaltyHistory, then: Duration) -> Penalty {
        let halvings = if history.halvings.is_finite() { history.halvings.clamp(0.0, DEEPEST) } else { 0.0 };
        Penalty { halvings, at: before(then, history.ago_ms) }
    }

    /// Records how a call ended.
    pub fn learn(&mut self, is_failure: bool, now: Duration) {
        let change = if is_failure { FAILURE } else { -ANSWER };
        self.halvings = (self.halvings(now) + change).clamp(0.0, DEEPEST);
        self.at = now;
    }

    /// The share of the weight that counts, from 1/128 to 1.
    pub fn share(&self, now: Duration) -> f64 {
        (-self.halvings(now)).exp2()
    }

    /// True without a penalty.
    pub fn is_full(&self) -> bool {
        self.halvings <= 0.0
    }

    fn halvings(&self, now: Duration) -> f64 {
        (self.halvings - now.saturating_sub(self.at).as_secs_f64() / HALF_LIFE).max(0.0)
    }

    /// Packed into the word of one atomic: hundredths of halvings in the high 16 bits, milliseconds of `at` in the low
    /// 48.
    pub(crate) fn packed(self) -> u64 {
        if self.is_full() {
            return 0;
        }
        let hundredths = (self.halvings * 100.0) as u64;
        (hundredths << 48) | (self.at.as_millis() as u64 & 0xFFFF_FFFF_FFFF)
    }

    pub(crate) fn unpacked(packed: u64) -> Penalty {
        let at = Duration::from_millis(packed & 0xFFFF_FFFF_FFFF);
        Penalty { halvings: (packed >> 48) as f64 / 100.0, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_halve_and_answers_and_time_restore() {
        let mut trust = Penalty::default();
        assert_eq!(trust.share(SECOND), 1.0);
        trust.learn(true, SECOND);
        trust.learn(true, SECOND);
        assert_eq!(trust.share(SECOND), 0.25);
        assert_eq!(trust.share(SECOND * 6), 0.5);
        assert_eq!(trust.share(SECOND * 11), 1.0);
        (0..12).for_each(|_| trust.learn(false, SECOND));
        assert!(trust.is_full());
        (0..50).for_each(|_| trust.learn(true, SECOND));
        assert_eq!(trust.share(SECOND), 1.0 / 128.0);
    }

    #[test]
    fn a_failure_in_twenty_is_forgiven_a_failure_in_two_is_not() {
        let share = |every: u32| {
            let mut trust = Penalty::default();
            (1..=1_000).for_each(|nth| trust.learn(nth % every == 0, SECOND));
            trust.share(SECOND)
        };
        assert!(share(20) >= 0.5, "{}", share(20));
        assert!(share(2) < 0.02, "{}", share(2));
    }

    #[test]
    fn one_word_holds_it() {
        let mut trust = Penalty::default();
        assert_eq!(trust.packed(), 0);
        trust.learn(true, SECOND * 100_000);
        assert_eq!(Penalty::unpacked(trust.packed()), trust);
    }
}
