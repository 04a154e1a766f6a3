//! The time a request has: one absolute deadline, from which every wait and every call to a member is measured.
//!
//! It is the route's own (`#[route("/x", deadline = 2.5)]`) or the server's (`deadline` in `[server]`). A caller who
//! has less says so in [`HEADER`]: relative, because clocks of two machines differ, and able only to shorten, because
//! no client may hold a thread longer than its operator allows. Calls to members carry the same header with what is
//! left, so that a chain of servers gives up from its end: each keeps a reserve to merge what it has and answer with
//! it.

use std::time::{Duration, Instant};

use actix_web::http::header::HeaderName;

/// A time in seconds: `getswait(secs(2))`, `getwait(secs(0.5))`.
pub fn secs(seconds: impl Into<f64>) -> Duration {
    // A negative or absurd number waits not at all rather than panicking in a handler.
    Duration::try_from_secs_f64(seconds.into()).unwrap_or(Duration::ZERO)
}

/// How long the sender goes on waiting, in milliseconds.
pub(crate) const HEADER: &str = "x-request-timeout-ms";
/// The same, ready to be looked up: every request is asked for it.
pub(crate) const HEADER_NAME: HeaderName = HeaderName::from_static(HEADER);

/// The part of the time that is kept to merge and answer: a twentieth.
const RESERVE_PART: u32 = 20;
/// It is never more than this: merging takes milliseconds, however long the wait was.
const RESERVE_MOST: Duration = Duration::from_millis(50);

/// When a request must be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    reserve: Duration,
}

impl Budget {
    /// What we give runs from when the request was `received` whole; what its caller `asked` for from when it `begun`,
    /// for the sending of the body is a part of the caller's wait.
    pub(crate) fn new(own: Duration, received: Instant, asked: Option<Duration>, begun: Instant) -> Budget {
        let own = received + own;
        let deadline = match asked.and_then(|asked| begun.checked_add(asked)) {
            Some(asked) => own.min(asked),
            None => own,
        };
        let reserve = (deadline.saturating_duration_since(received) / RESERVE_PART).min(RESERVE_MOST);
        Budget { deadline, reserve }
    }

    /// No time at all.
    pub(crate) fn none(now: Instant) -> Budget {
        Budget { deadline: now, reserve: Duration::ZERO }
    }

    /// The instant by which the request must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The instant until which a wait may last.
    pub(crate) fn latest_wait(&self) -> Instant {
        // An Instant may not reach further back than the machine's start.
        self.deadline.checked_sub(self.reserve).unwrap_or(self.deadline)
    }

    /// What a member called `now` may be told, in whole milliseconds.
    pub(crate) fn told(&self, now: Instant) -> u64 {
        let left = self.latest_wait().saturating_duration_since(now);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The time a caller gives; what is no number of milliseconds says nothing.
pub(crate) fn asked(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_caller_can_only_shorten() {
        let begin = Instant::now();
        let deadline = |asked| Budget::new(millis(1000), begin, asked, begin).deadline() - begin;
        assert_eq!(deadline(None), millis(1000));
        assert_eq!(deadline(Some(millis(300))), millis(300));
        assert_eq!(deadline(Some(millis(3_600_000))), millis(1000));
        assert_eq!(deadline(Some(Duration::MAX)), millis(1000));
        assert_eq!(deadline(Some(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn the_callers_clock_runs_while_the_body_is_read_and_ours_does_not() {
        let begun = Instant::now();
        let received = begun + millis(200);
        let deadline = |asked| Budget::new(millis(1000), received, asked, begun).deadline() - received;
        assert_eq!(deadline(None), millis(1000));
        assert_eq!(deadline(Some(millis(500))), millis(300));
    }

    #[test]
    fn a_twentieth_is_kept_and_never_more_than_fifty_milliseconds() {
        let begin = Instant::now();
        let wait = |own| Budget::new(own, begin, None, begin).latest_wait() - begin;
        assert_eq!(wait(millis(500)), millis(475));
        assert_eq!(wait(millis(30_000)), millis(29_950));
        let budget = Budget::new(millis(500), begin, None, begin);
        assert_eq!(budget.told(begin + millis(100)), 375);
        assert_eq!(budget.told(begin + millis(490)), 0);
    }

    #[test]
    fn a_header_is_milliseconds_or_nothing() {
        assert_eq!(asked(Some(" 450 ")), Some(millis(450)));
        for nonsense in [None, Some(""), Some("-1"), Some("1.5"), Some("soon"), Some("99999999999999999999999")] {
            assert_eq!(asked(nonsense), None, "{nonsense:?}");
        }
    }
}
