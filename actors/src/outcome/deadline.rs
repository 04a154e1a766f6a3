//! Time that ran out, as an outcome tells it: the one place that turns a clock into a reason and its words.
//!
//! There are three clocks. The caller's: his own wait, or the deadline of his request. The member's: its
//! `member_timeout`. And that of rows that come as a stream, which nobody takes off.

use std::sync::Arc;
use std::time::Duration;

use super::{Outcome, Reason};

/// What is said where the caller's clock ran out first.
pub(crate) const NO_ANSWER: &str = "no answer before the deadline";

/// Whose clock ran out, in an outcome's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Why there is no answer.
    pub reason: Reason,
    /// The same for people.
    pub msg: String,
}

impl Expired {
    /// The outcome of that member.
    pub fn outcome(self, node: Arc<str>) -> Outcome {
        Outcome::failed(node, self.reason, self.msg)
    }
}

fn deadline(msg: String) -> Expired {
    Expired { reason: Reason::Deadline, msg }
}

/// The caller's wait, or his request's deadline, ended first.
pub fn caller_deadline() -> Expired {
    deadline(NO_ANSWER.to_owned())
}

/// The same while nothing had been sent: `what` was still missing for this reason.
pub(crate) fn unsent_at_deadline(reason: Reason, what: &str) -> Expired {
    Expired { reason, msg: format!("{what} before the deadline") }
}

/// The member had its time.
pub(crate) fn member_timeout(limit: Duration) -> Expired {
    deadline(within("no answer", limit))
}

/// The same while nothing had been sent: `what` was still missing for this reason.
pub(crate) fn unsent_in_time(reason: Reason, what: &str, limit: Duration) -> Expired {
    Expired { reason, msg: within(what, limit) }
}

/// The database had its time, and was told to stop.
pub(crate) fn cancelled(limit: Duration) -> Expired {
    deadline(format!("{}; the statement was cancelled", within("no answer", limit)))
}

/// The database had its time, on a connection where others' statements are behind this one.
pub(crate) fn not_cancelled(limit: Duration) -> Expired {
    let what = within("no answer", limit);
    deadline(format!("{what}; on a shared connection nothing is cancelled: the statement may have run, or runs still"))
}

/// The database had its time for the first row of a stream, or for the next.
pub(crate) fn no_row(limit: Duration, had_come: u64) -> Expired {
    let what = if had_come == 0 { "no row" } else { "no further row" };
    deadline(format!("{}; the statement was cancelled", within(what, limit)))
}

/// Who reads a stream took nothing off it for so long.
pub(crate) fn reader_idle(patience: Duration) -> Expired {
    let msg = format!("its rows were not read for {patience:?}; the statement was cancelled");
    Expired { reason: Reason::Unread, msg }
}

fn within(what: &str, limit: Duration) -> String {
    format!("{what} within the member's timeout of {limit:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_clock_has_its_reason_and_its_words() {
        let told = |expired: Expired| (expired.reason, expired.msg);
        for (expired, reason, msg) in [
            (caller_deadline(), Reason::Deadline, "no answer before the deadline"),
            (
                unsent_at_deadline(Reason::Dns, "not sent: no address"),
                Reason::Dns,
                "not sent: no address before the deadline",
            ),
            (member_timeout(SECOND), Reason::Deadline, "no answer within the member's timeout of 1s"),
            (
                unsent_in_time(Reason::NoPermit, "not sent: none free", SECOND),
                Reason::NoPermit,
                "not sent: none free within the member's timeout of 1s",
            ),
            (
                cancelled(SECOND),
                Reason::Deadline,
                "no answer within the member's timeout of 1s; the statement was cancelled",
            ),
            (
                not_cancelled(SECOND),
                Reason::Deadline,
                "no answer within the member's timeout of 1s; on a shared connection nothing is cancelled: the \
                 statement may have run, or runs still",
            ),
            (
                no_row(SECOND, 0),
                Reason::Deadline,
                "no row within the member's timeout of 1s; the statement was cancelled",
            ),
            (
                no_row(SECOND, 1),
                Reason::Deadline,
                "no further row within the member's timeout of 1s; the statement was cancelled",
            ),
            (reader_idle(SECOND), Reason::Unread, "its rows were not read for 1s; the statement was cancelled"),
        ] {
            assert_eq!(told(expired), (reason, msg.to_owned()));
        }
    }

    #[test]
    fn what_was_not_sent_is_not_timed_out() {
        let outcome = |expired: Expired| expired.outcome("a".into());
        assert_eq!(outcome(member_timeout(SECOND)).status, Status::Timeout);
        let unsent = outcome(unsent_in_time(Reason::NoPermit, "not sent", SECOND));
        assert_eq!((unsent.status, unsent.reason.never_ran()), (Status::NotConnected, true));
    }
}
