//! The server's own time limit for a statement, in case nothing is left on this side to cancel it.
//!
//! Each connection is given a limit once, when it is made: one second more than the member's limit, so that our cancel
//! request, which is punctual and gives the reason, always comes first. A statement whose caller has less time must end
//! sooner even if our process is killed. Its limit is rounded up to a power of two of seconds, so that callers with
//! about the same time find their limit already set on the connection. Only if it differs does the setting travel with
//! the statement, in the same write.

use std::time::{Duration, Instant};

/// How much longer than its caller waits the server lets a statement run.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// In seconds: the largest power of two that fits the server's limit, which is a 32-bit number of milliseconds.
const LONGEST: u64 = 1 << 20;

/// The server-side limit that a statement needs on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backstop {
    /// The member's limit.
    Member,
    /// A shorter limit, because the caller waits less.
    Within(Duration),
    /// Leave the current setting: the statement belongs to a transaction or a session.
    Kept,
}

impl Backstop {
    /// For a caller that waits from `now` to `deadline`.
    pub(super) fn of(deadline: Option<Instant>, now: Instant, member_timeout: Duration) -> Backstop {
        let Some(deadline) = deadline else { return Backstop::Member };
        let coarse = coarse(deadline.saturating_duration_since(now));
        if coarse >= member_timeout { Backstop::Member } else { Backstop::Within(coarse + GRACE) }
    }

    /// For a statement whose rows are streamed. The server also counts the time the reader takes, so the member's limit
    /// does not cap it here.
    pub(super) fn of_stream(deadline: Option<Instant>, now: Instant) -> Backstop {
        deadline.map_or(Backstop::Member, |deadline| {
            Backstop::Within(coarse(deadline.saturating_duration_since(now)) + GRACE)
        })
    }
}

/// Whole seconds, rounded up to a power of two.
fn coarse(left: Duration) -> Duration {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Duration::from_secs(seconds.clamp(1, LONGEST).next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_rounded_up_and_never_beyond_the_member() {
        let now = Instant::now();
        let of = |millis| Backstop::of(Some(now + Duration::from_millis(millis)), now, Duration::from_secs(10));
        let within = |seconds| Backstop::Within(Duration::from_secs(seconds) + GRACE);
        assert_eq!([of(0), of(1), of(1_000)], [within(1); 3]);
        assert_eq!([of(1_001), of(2_000), of(3_900), of(4_001)], [within(2), within(2), within(4), within(8)]);
        assert_eq!([of(8_001), of(10_000), of(60_000)], [Backstop::Member; 3]);
        assert_eq!(Backstop::of(None, now, GRACE), Backstop::Member);
        let stream = |seconds| Backstop::of_stream(Some(now + Duration::from_secs(seconds)), now);
        assert_eq!([stream(60), stream(u64::from(u32::MAX))], [within(64), within(LONGEST)]);
    }
}
