//! What a statement's way says of its database's health, told to all threads of the process.
//!
//! Only what lies with the database counts: no connection, a connection that broke, a server that does not even hear a
//! cancel request. A slow statement, a refused one, a deadline and a full pool say nothing against it, whatever their
//! number. For a healthy database a statement costs two loads of atomics.

use crate::balance::circuit::{Admitted, CallKind, EjectReason, Judged, judge};
use crate::balance::health::MemberHealth;

use super::flight::StatementFailure;
use crate::outcome::{Reason, Status};

/// One statement, from its admission to what it told. One that was to decide about its member and is dropped before it
/// did leaves the decision to the next.
#[derive(Debug)]
pub(super) struct HealthReport<'m> {
    pulse: Option<&'m MemberHealth>,
    call: CallKind,
}

impl<'m> HealthReport<'m> {
    /// Asks whether a statement may go to this member; the refusal is a failure without a byte sent. `call`: it was
    /// admitted already, as this. Without a pulse everything is admitted and nothing told.
    pub(super) fn open(
        pulse: Option<&'m MemberHealth>,
        call: Option<CallKind>,
    ) -> Result<HealthReport<'m>, StatementFailure> {
        let admitted = |call| Ok(HealthReport { pulse, call });
        match (pulse, call) {
            (Some(pulse), None) if pulse.is_out() => match pulse.admit(pulse.now()) {
                Admitted::Yes => admitted(CallKind::Usual),
                Admitted::Trial => admitted(CallKind::Trial),
                Admitted::No => Err(StatementFailure::new(Reason::Ejected, pulse.explain(pulse.now()))),
            },
            (_, call) => admitted(call.unwrap_or(CallKind::Usual)),
        }
    }

    /// One that was admitted and is like any other.
    pub(super) fn usual(pulse: Option<&'m MemberHealth>) -> HealthReport<'m> {
        HealthReport { pulse, call: CallKind::Usual }
    }

    /// Whether it decides about the member.
    pub(super) fn is_trial(&self) -> bool {
        self.call == CallKind::Trial
    }

    /// A connection is there. A trial makes its own, so that decides it: however long the statement takes, others may
    /// come.
    pub(super) fn connected(&mut self) {
        if self.is_trial() {
            self.tell(Judged::Good, "");
        }
    }

    /// The end: of the attempt to get a connection, or of the statement.
    pub(super) fn ended<T>(&mut self, result: &Result<T, StatementFailure>) {
        match result {
            Ok(_) => self.tell(Judged::Good, ""),
            Err(failure) => self.tell(judged(failure), &failure.msg),
        }
    }

    fn tell(&mut self, judged: Judged, msg: &str) {
        if let Some(pulse) = self.pulse {
            pulse.told(std::mem::replace(&mut self.call, CallKind::Usual), judged, msg);
        }
    }

    /// Hands the case over to whoever goes on with it: what it is.
    pub(super) fn hand_over(&mut self) -> CallKind {
        std::mem::replace(&mut self.call, CallKind::Usual)
    }
}

impl Drop for HealthReport<'_> {
    fn drop(&mut self) {
        if self.is_trial() {
            self.tell(Judged::Neutral, "");
        }
    }
}

/// What a failure says of the database, and not of the statement.
pub(super) fn judged(failure: &StatementFailure) -> Judged {
    let code = failure.error.as_ref().map(|error| error.code.as_str());
    match (failure.reason, code) {
        (Reason::Login, _) => Judged::Failed(EjectReason::Login),
        (Reason::Connect | Reason::Closed, Some(code)) if is_unavailable(code) => {
            Judged::Failed(EjectReason::Unavailable)
        }
        // It ended this connection alone, for what was done on it: a time-out of an idle transaction, say.
        (Reason::Closed, Some(_)) => Judged::Neutral,
        (reason, _) => judge(reason, Status::Error, 0, false),
    }
}

/// SQLSTATEs of a server that serves nobody at the moment: 57P01 to 57P03 (it shuts down, crashed, starts), 53300 (all
/// connections are taken), and class 08, with which a pooler tells that it does not reach the server.
fn is_unavailable(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "53300") || code.starts_with("08")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outcome::sql_error::SqlError;

    fn failure(reason: Reason, code: Option<&str>) -> StatementFailure {
        let error = code.map(|code| Arc::new(SqlError { code: code.to_owned(), ..SqlError::default() }));
        StatementFailure { reason, msg: String::new(), error }
    }

    #[test]
    fn what_lies_with_the_database_counts_against_it() {
        for (reason, code, why) in [
            (Reason::Refused, None, EjectReason::Refused),
            (Reason::Reset, None, EjectReason::Reset),
            (Reason::ConnectTimeout, None, EjectReason::ConnectTimeout),
            (Reason::Closed, None, EjectReason::Closed),
            (Reason::Login, Some("28P01"), EjectReason::Login),
            (Reason::Closed, Some("57P01"), EjectReason::Unavailable),
            (Reason::Connect, Some("57P03"), EjectReason::Unavailable),
            (Reason::Connect, Some("53300"), EjectReason::Unavailable),
        ] {
            assert_eq!(judged(&failure(reason, code)), Judged::Failed(why), "{reason:?} {code:?}");
        }
    }

    #[test]
    fn what_lies_with_the_statement_or_with_us_does_not() {
        for (reason, code) in [
            (Reason::Deadline, None),
            (Reason::Cancelled, None),
            (Reason::NoPermit, None),
            (Reason::Malformed, None),
            (Reason::Internal, None),
            (Reason::Closed, Some("25P03")),
        ] {
            assert_eq!(judged(&failure(reason, code)), Judged::Neutral, "{reason:?}");
        }
        // 57014 is the server's own end of a statement that took too long.
        for code in ["57014", "23505", "53200"] {
            assert_eq!(judged(&failure(Reason::Sql, Some(code))), Judged::Good);
        }
    }
}
