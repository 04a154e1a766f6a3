//! The restart limit of an actor, as pure code over a clock that is passed in.
//!
//! After a single panic the state is rebuilt and only that call fails. An actor that panics repeatedly would spin, fill
//! the log and answer no call. So after [`MOST`] restarts within [`WITHIN`] the actor is failed: calls are refused at
//! once, and it is tried again after a pause. A panic soon after a pause fails it again, for twice the time; [`WITHIN`]
//! without a panic resets the pause.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts allowed within [`WITHIN`] (the usual 5 in 10 s of supervision trees).
pub(super) const MOST: usize = 5;
/// The window in which restarts are counted.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// The first pause. Long enough not to spin, short enough that a user's second attempt finds the actor back.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, so that an operator who fixes the cause does not wait long.
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// What a panic leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartDecision {
    /// Rebuild the state at once.
    Restart,
    /// Fail the actor until this moment.
    Fail(Instant),
}

/// The recent restarts of one actor.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    recent: VecDeque<Instant>,
    /// The last pause and its end; `None` for an actor that was not failed lately.
    pause: Option<(Duration, Instant)>,
}

impl Restarts {
    /// Records a panic at `now`.
    pub(super) fn panicked(&mut self, now: Instant) -> RestartDecision {
        if let Some((last, end)) = self.pause {
            if now < end + WITHIN {
                return self.fail(now, (last * 2).min(PAUSE_MOST));
            }
            self.pause = None;
        }
        while self.recent.front().is_some_and(|first| now.duration_since(*first) >= WITHIN) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > MOST { self.fail(now, PAUSE) } else { RestartDecision::Restart }
    }

    fn fail(&mut self, now: Instant, pause: Duration) -> RestartDecision {
        self.recent.clear();
        self.pause = Some((pause, now + pause));
        RestartDecision::Fail(now + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, millis: u64) -> Instant {
        begin + Duration::from_millis(millis)
    }

    #[test]
    fn the_sixth_restart_in_ten_seconds_fails_the_actor() {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        for k in 0..5 {
            assert_eq!(restarts.panicked(at(begin, k * 1000)), RestartDecision::Restart);
        }
        assert_eq!(restarts.panicked(at(begin, 9_999)), RestartDecision::Fail(at(begin, 10_999)));
    }

    #[test]
    fn panics_that_are_rare_never_fail_it() {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        for k in 0..100 {
            assert_eq!(restarts.panicked(at(begin, k * 2001)), RestartDecision::Restart, "panic {k}");
        }
    }

    #[test]
    fn pauses_grow_to_a_minute_and_a_quiet_time_clears_it() {
        let (begin, mut restarts) = (Instant::now(), Restarts::default());
        let mut now = begin;
        for _ in 0..MOST {
            restarts.panicked(now);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let end = now + Duration::from_secs(seconds);
            assert_eq!(restarts.panicked(now), RestartDecision::Fail(end));
            // Tried again at the end of the pause; it panics at once.
            now = end;
        }
        now += WITHIN;
        assert_eq!(restarts.panicked(now), RestartDecision::Restart);
    }
}
