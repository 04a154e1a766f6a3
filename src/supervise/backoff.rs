//! When a process that ended is started again.

use std::time::{Duration, Instant};

/// The wait after the first crash; each further one doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A process that lived so long has not crashed in a row with the one before.
const QUIET: Duration = Duration::from_secs(60);
/// So many crashes in a row are a loop: waits of some 100 seconds in all.
pub(super) const LOOP: u32 = 10;

/// The crashes of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    /// Crashes in a row.
    pub(super) crashes: u32,
}

impl Backoff {
    /// Counts the end of a process that lived so long, and returns when the next one is to start.
    pub(super) fn crashed(&mut self, lived: Duration, now: Instant) -> Instant {
        if lived >= QUIET {
            self.crashes = 0;
        }
        self.crashes += 1;
        let doubled = FIRST.saturating_mul(1 << (self.crashes - 1).min(16));
        now + doubled.min(LONGEST)
    }

    /// Whether the slot crashes again and again.
    pub(super) fn is_loop(&self) -> bool {
        self.crashes >= LOOP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_quiet_minute() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let mut wait = |lived: u64| (backoff.crashed(Duration::from_secs(lived), now) - now).as_millis();
        let waits: Vec<_> = (0..11).map(|_| wait(1)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(wait(59), 30_000);
        assert_eq!((wait(60), wait(0)), (100, 200));
        assert!(!backoff.is_loop());
        for _ in 0..1_000 {
            backoff.crashed(Duration::ZERO, now);
        }
        assert!(backoff.is_loop());
    }
}
