//! Deadlines as outcomes: the one place that turns an expired clock of a call into a reason and a message.
//!
//! There are four clocks. The caller's: its own timeout, or the deadline of its request. The member's: its
//! `member_timeout`. The dial's: its `connect_timeout`. And the patience with a stream of rows that is not read.
//!
//! Waits in a queue for a connection are not here: their messages name the settings and the holders of the connections,
//! which only the queues know (`http::origin`, `db`).

use std::sync::Arc;
use std::time::Duration;

use super::{Outcome, Reason};

/// The message when the caller's time ran out first.
pub(crate) const NO_ANSWER: &str = "no answer before the deadline";

/// The reason and message of an expired clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The machine-readable cause.
    pub reason: Reason,
    /// The message for people.
    pub msg: String,
}

impl Expired {
    /// The outcome of this member.
    pub fn outcome(self, node: Arc<str>) -> Outcome {
        Outcome::failed(node, self.reason, self.msg)
    }
}

fn deadline(msg: String) -> Expired {
    Expired { reason: Reason::Deadline, msg }
}

/// The caller's timeout, or its request's deadline, came first.
pub fn caller_deadline() -> Expired {
    deadline(NO_ANSWER.to_owned())
}

/// The caller's time ran out before anything was sent: `what` was missing, for this reason.
pub(crate) fn unsent_at_deadline(reason: Reason, what: &str) -> Expired {
    Expired { reason, msg: format!("{what} before the deadline") }
}

/// The member did not answer within its timeout.
pub(crate) fn member_timeout(limit: Duration) -> Expired {
    deadline(within("no answer", limit))
}

/// The member's timeout came before anything was sent: `what` was missing, for this reason.
pub(crate) fn unsent_in_time(reason: Reason, what: &str, limit: Duration) -> Expired {
    Expired { reason, msg: within(what, limit) }
}

/// A dial took too long: `what` was missing, for this reason.
pub(crate) fn undialled(reason: Reason, what: &str, limit: Duration) -> Expired {
    Expired { reason, msg: format!("{what} within {limit:?}") }
}

/// The database did not answer in time, and its statement was cancelled.
pub(crate) fn cancelled(limit: Duration) -> Expired {
    deadline(format!("{}; the statement was cancelled", within("no answer", limit)))
}

/// The database did not answer in time, on a shared connection, where a cancel could hit another statement.
pub(crate) fn not_cancelled(limit: Duration) -> Expired {
    let what = within("no answer", limit);
    deadline(format!("{what}; on a shared connection nothing is cancelled: the statement may have run, or runs still"))
}

/// The database sent no first or further row of a stream in time.
pub(crate) fn no_row(limit: Duration, had_come: u64) -> Expired {
    let what = if had_come == 0 { "no row" } else { "no further row" };
    deadline(format!("{}; the statement was cancelled", within(what, limit)))
}

/// The reader of a stream took no row for this long.
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
        let parts = |expired: Expired| (expired.reason, expired.msg);
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
                undialled(Reason::ConnectTimeout, "no connection", SECOND),
                Reason::ConnectTimeout,
                "no connection within 1s",
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
            assert_eq!(parts(expired), (reason, msg.to_owned()));
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
