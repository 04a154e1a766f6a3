//! Reports the result of a statement to the database's health record, which all threads share.
//!
//! Only failures of the database count: no connection, a broken connection, a server that does not answer a cancel
//! request. A slow or refused statement, a deadline and a full pool do not count against it, however many there are.
//! For a healthy database the report costs two atomic loads per statement.

use crate::balance::circuit::{Admitted, CallKind, EjectReason, Judged, judge};
use crate::balance::health::MemberHealth;

use super::flight::StatementFailure;
use crate::outcome::{Reason, Status};

/// Reports one statement's result to member health. A trial that is dropped before its result reports `Neutral`, so
/// that the next call may be the trial.
#[derive(Debug)]
pub(super) struct HealthReport<'m> {
    health: Option<&'m MemberHealth>,
    call: CallKind,
}

impl<'m> HealthReport<'m> {
    /// Asks whether a statement may go to this member; if not, the failure comes before a byte is sent. `call` is set
    /// if the statement was admitted already. Without a health record everything is admitted and nothing is reported.
    pub(super) fn open(
        health: Option<&'m MemberHealth>,
        call: Option<CallKind>,
    ) -> Result<HealthReport<'m>, StatementFailure> {
        let admitted = |call| Ok(HealthReport { health, call });
        match (health, call) {
            (Some(health), None) if health.is_closed() => match health.admit(health.now()) {
                Admitted::Yes => admitted(CallKind::Regular),
                Admitted::Trial => admitted(CallKind::Trial),
                Admitted::No => {
                    let (reason, why) = health.refusal(health.now());
                    Err(StatementFailure::new(reason, why))
                }
            },
            (_, call) => admitted(call.unwrap_or(CallKind::Regular)),
        }
    }

    /// A report for a statement that is admitted and is no trial.
    pub(super) fn of_admitted(health: Option<&'m MemberHealth>) -> HealthReport<'m> {
        HealthReport { health, call: CallKind::Regular }
    }

    /// Whether this statement is a trial, whose result decides about the member.
    pub(super) fn is_trial(&self) -> bool {
        self.call == CallKind::Trial
    }

    /// A connection was made. That decides a trial, because a trial makes a new connection: other statements are
    /// admitted from now on, however long this one takes.
    pub(super) fn connected(&mut self) {
        if self.is_trial() {
            self.send(Judged::Good, "");
        }
    }

    /// Reports the end of the attempt to get a connection, or of the statement.
    pub(super) fn ended<T>(&mut self, result: &Result<T, StatementFailure>) {
        match result {
            Ok(_) => self.send(Judged::Good, ""),
            Err(failure) => self.send(judged(failure), &failure.msg),
        }
    }

    fn send(&mut self, judged: Judged, msg: &str) {
        if let Some(health) = self.health {
            health.record(std::mem::replace(&mut self.call, CallKind::Regular), judged, msg);
        }
    }

    /// Moves the duty to report elsewhere: returns the kind of call, and this report says no more about it.
    pub(super) fn hand_over(&mut self) -> CallKind {
        std::mem::replace(&mut self.call, CallKind::Regular)
    }
}

impl Drop for HealthReport<'_> {
    fn drop(&mut self) {
        if self.is_trial() {
            self.send(Judged::Neutral, "");
        }
    }
}

/// What a failure says about the database, as opposed to the statement.
pub(super) fn judged(failure: &StatementFailure) -> Judged {
    let code = failure.error.as_ref().map(|error| error.code.as_str());
    match (failure.reason, code) {
        (Reason::Login, _) => Judged::Failed(EjectReason::Login),
        (Reason::Connect | Reason::Closed, Some(code)) if is_unavailable(code) => {
            Judged::Failed(EjectReason::Unavailable)
        }
        // The server ended this one connection because of its use, for example after an idle-in-transaction time-out.
        (Reason::Closed, Some(_)) => Judged::Neutral,
        (reason, _) => judge(reason, Status::Error, 0, false),
    }
}

/// SQLSTATEs of a server that serves no client at the moment: 57P01 to 57P03 (it shuts down, has crashed, or starts),
/// 53300 (all connections are taken), and class 08, with which a pooler reports that it cannot reach the server.
fn is_unavailable(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "53300") || code.starts_with("08")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::balance::health::Health;
    use crate::outcome::sql_error::SqlError;
    use crate::spec::{DbMember, DbSpec, Shard};

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
        // 57014: the server itself ended a statement that took too long.
        for code in ["57014", "23505", "53200"] {
            assert_eq!(judged(&failure(Reason::Sql, Some(code))), Judged::Good);
        }
    }

    /// Who leaves decides nothing; but another one must be able to try the member.
    #[test]
    fn a_trial_that_nobody_ended_is_given_back() {
        let member = |name: &str| DbMember { node: name.into(), shard: Shard::Sqlite { path: name.into() }, weight: 1 };
        let mut spec = DbSpec::new("two", vec![member("one"), member("other")]);
        (spec.rules.eject_after, spec.rules.eject_time) = (1, Duration::ZERO);
        let health = Health::of_databases(&spec);
        let asked = || HealthReport::open(Some(health.member(0)), None);
        HealthReport::of_admitted(Some(health.member(0))).ended::<()>(&Err(failure(Reason::Refused, None)));
        for _ in 0..3 {
            let trial = asked().unwrap_or_else(|failure| panic!("{}", failure.msg));
            assert!(trial.is_trial());
            assert!(asked().is_err(), "there is one at a time");
        }
        asked().unwrap_or_else(|failure| panic!("{}", failure.msg)).ended(&Ok(()));
        assert!(asked().is_ok_and(|usual| !usual.is_trial()), "it takes part again");
    }
}
