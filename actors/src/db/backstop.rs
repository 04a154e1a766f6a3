//! How long the server lets a statement run by itself, for the case that nobody is left to cancel it.
//!
//! Each connection is told once, when it is made: a second more than the member's limit, so that the cancel request,
//! which comes to the moment and tells why, is always first. A statement whose asker has less time is to end sooner
//! also where our process was killed. Its time is rounded up to a power of two of seconds, so that askers with about
//! the same time find on the connection what they need; only where it differs the setting travels with the statement,
//! in the same write.

use std::time::{Duration, Instant};

/// How much longer than it is waited for the server lets a statement run by itself.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// In seconds: the power of two that a server's limit, a number of milliseconds in 32 bits, still holds.
const LONGEST: u64 = 1 << 20;

/// The limit a statement needs on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backstop {
    /// The member's.
    Member,
    /// Less, because its asker waits less.
    Within(Duration),
    /// Whatever is set: it is between others of a transaction or a session.
    Kept,
}

impl Backstop {
    /// For an asker who waits from `now` to `deadline`.
    pub(super) fn of(deadline: Option<Instant>, now: Instant, member_timeout: Duration) -> Backstop {
        let Some(deadline) = deadline else { return Backstop::Member };
        let coarse = coarse(deadline.saturating_duration_since(now));
        if coarse >= member_timeout { Backstop::Member } else { Backstop::Within(coarse + GRACE) }
    }

    /// For a statement whose rows are read as they come. The server counts the time its reader takes, too, so the
    /// member's limit is none here.
    pub(super) fn of_stream(deadline: Option<Instant>, now: Instant) -> Backstop {
        deadline.map_or(Backstop::Member, |deadline| {
            Backstop::Within(coarse(deadline.saturating_duration_since(now)) + GRACE)
        })
    }
}

/// A time in whole seconds, rounded up to a power of two.
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
