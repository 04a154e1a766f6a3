//! The time budget of a request: one absolute deadline, from which every wait and every call to a member is measured.
//!
//! The deadline is the route's own (`#[route("/x", deadline = 2.5)]`) or the server's (`deadline` in `[server]`). A
//! caller with less time says so in [`HEADER`]. The header is relative, because the clocks of two machines differ, and
//! it can only shorten, because a client must not hold a thread longer than the operator allows. Calls to members
//! carry the same header with the time that is left. So a chain of servers gives up from its end: each keeps a reserve
//! to merge and send what it has.

use std::time::{Duration, Instant};

use actix_web::http::header::HeaderName;

/// A duration in seconds: `getswait(secs(2))`, `getwait(secs(0.5))`. Negative and non-finite numbers are zero; more
/// than a hundred years are a hundred years.
pub fn secs(seconds: impl Into<f64>) -> Duration {
    // An instant plus a longer time would overflow.
    const LONGEST: f64 = 100.0 * 365.25 * 86_400.0;
    let seconds = Some(seconds.into()).filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    // Zero rather than a panic in a handler.
    Duration::try_from_secs_f64(seconds.min(LONGEST)).unwrap_or(Duration::ZERO)
}

/// The time for which the sender goes on waiting, in milliseconds.
pub(crate) const HEADER: &str = "x-request-timeout-ms";
/// The same, parsed once: every request is checked for it.
pub(crate) const HEADER_NAME: HeaderName = HeaderName::from_static(HEADER);

/// The part of the time that is reserved to merge and answer: a twentieth.
const RESERVE_PART: u32 = 20;
/// The largest reserve: merging takes milliseconds, however long the wait was.
const RESERVE_MOST: Duration = Duration::from_millis(50);

/// The deadline of a request and its reserve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    reserve: Duration,
}

impl Budget {
    /// Our `own` limit starts when the whole body has arrived (`received`). The limit that the caller `asked` for
    /// starts when the head arrived (`begun`), because the caller has been waiting since then.
    pub(crate) fn new(own: Duration, received: Instant, asked: Option<Duration>, begun: Instant) -> Budget {
        let own = received + own;
        let deadline = match asked.and_then(|asked| begun.checked_add(asked)) {
            Some(asked) => own.min(asked),
            None => own,
        };
        let reserve = (deadline.saturating_duration_since(received) / RESERVE_PART).min(RESERVE_MOST);
        Budget { deadline, reserve }
    }

    /// A budget without any time.
    pub(crate) fn none(now: Instant) -> Budget {
        Budget { deadline: now, reserve: Duration::ZERO }
    }

    /// The instant by which the request must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The instant until which a wait may last.
    pub(crate) fn latest_wait(&self) -> Instant {
        // `checked_sub`, because an Instant cannot be earlier than the machine's start.
        self.deadline.checked_sub(self.reserve).unwrap_or(self.deadline)
    }

    /// The time left for a member that is called `now`, in whole milliseconds, as the header carries it.
    pub(crate) fn remaining_ms(&self, now: Instant) -> u64 {
        let left = self.latest_wait().saturating_duration_since(now);
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The time a caller grants. A header that is not a number of milliseconds is ignored.
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
    fn a_time_too_long_for_the_clock_is_a_very_long_one() {
        assert_eq!([secs(-1), secs(f64::NAN), secs(f64::INFINITY)], [Duration::ZERO; 3]);
        let now = Instant::now();
        for seconds in [1e10, 1e19, 1e300] {
            assert!(secs(seconds) > secs(3_000_000_000_u32), "{seconds}");
            assert!(Budget::new(secs(seconds), now, None, now).deadline() > now + secs(1), "{seconds}");
        }
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
        assert_eq!(budget.remaining_ms(begin + millis(100)), 375);
        assert_eq!(budget.remaining_ms(begin + millis(490)), 0);
    }

    #[test]
    fn a_header_is_milliseconds_or_nothing() {
        assert_eq!(asked(Some(" 450 ")), Some(millis(450)));
        for nonsense in [None, Some(""), Some("-1"), Some("1.5"), Some("soon"), Some("99999999999999999999999")] {
            assert_eq!(asked(nonsense), None, "{nonsense:?}");
        }
    }
}
