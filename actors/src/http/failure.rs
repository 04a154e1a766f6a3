//! What an error of awc means. The question behind every line: may the call have run?
//!
//! awc reports a peer that closed after our request with the same variant as a dial that failed, so the variant alone
//! does not answer it; the [`Trace`] of the exchange does.

use std::io;
use std::time::Duration;

use actix_http::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};

use super::dial::{Stage, Trace};
use crate::outcome::Reason;

/// A failed exchange: the cause, and what the system or the origin said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) msg: String,
}

impl Failure {
    pub(crate) fn new(reason: Reason, msg: impl Into<String>) -> Failure {
        Failure { reason, msg: msg.into() }
    }

    /// True where the connection broke, whether or not the call may have run.
    pub(super) fn is_broken_connection(&self) -> bool {
        matches!(self.reason, Reason::Reset | Reason::Closed | Reason::Connect)
    }
}

/// An error before the head of the answer was here.
pub(super) fn of_sending(error: SendRequestError, trace: Trace, timeout: Duration) -> Failure {
    match error {
        SendRequestError::Connect(error) => of_connecting(error, trace, timeout),
        SendRequestError::Send(error) => lost(&error, trace),
        SendRequestError::Response(error) => match error {
            ParseError::Io(error) => lost(&error, trace),
            ParseError::TooLarge => Failure::new(Reason::TooLarge, "the head of the answer is too large"),
            ParseError::Incomplete => closed(trace),
            other => Failure::new(Reason::Malformed, format!("the answer is not HTTP: {other}")),
        },
        // Our own requests are built from checked parts and the clients have no clock of their own: what is left are
        // bugs of ours, and they must not pass for "not sent".
        other => Failure::new(Reason::Internal, other.to_string()),
    }
}

fn of_connecting(error: ConnectError, trace: Trace, timeout: Duration) -> Failure {
    match error {
        // Only said of a connection that was there: the peer closed it instead of answering.
        ConnectError::Disconnected => closed(trace),
        ConnectError::Timeout => {
            let what = match trace.stage {
                Stage::Resolving => {
                    return Failure::new(Reason::Dns, format!("no answer from the name server within {timeout:?}"));
                }
                Stage::Greeting => "the TLS handshake was not done",
                Stage::Waiting | Stage::Admitted | Stage::Dialling | Stage::Connected => "no connection",
            };
            Failure::new(Reason::ConnectTimeout, format!("{what} within {timeout:?}"))
        }
        ConnectError::Resolver(error) => Failure::new(Reason::Dns, error.to_string()),
        ConnectError::NoRecords | ConnectError::Unresolved => Failure::new(Reason::Dns, error.to_string()),
        ConnectError::Io(error) => {
            let reason = if trace.stage == Stage::Greeting { Reason::Tls } else { of_dialling(error.kind()) };
            Failure::new(reason, error.to_string())
        }
        other => Failure::new(Reason::Tls, other.to_string()),
    }
}

fn of_dialling(kind: io::ErrorKind) -> Reason {
    match kind {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::Connect,
    }
}

/// An error while the body of the answer was read.
pub(super) fn of_reading(error: PayloadError, trace: Trace, limit: usize) -> Failure {
    match error {
        PayloadError::Overflow => {
            Failure::new(Reason::TooLarge, format!("the answer is larger than the limit of {limit} bytes"))
        }
        PayloadError::Incomplete(_) => closed(trace),
        PayloadError::Io(error)
            if error.kind() == io::ErrorKind::InvalidInput || error.kind() == io::ErrorKind::InvalidData =>
        {
            Failure::new(Reason::Malformed, format!("the body of the answer is not HTTP: {error}"))
        }
        PayloadError::Io(error) => lost(&error, trace),
        other => Failure::new(Reason::Malformed, other.to_string()),
    }
}

/// The peer closed its side where it should have gone on.
pub(super) fn closed(trace: Trace) -> Failure {
    if trace.read == 0 {
        Failure::new(Reason::Closed, "closed by the member after the request was sent, before an answer")
    } else {
        let read = trace.read;
        Failure::new(Reason::Closed, format!("closed by the member in the middle of its answer, after {read} bytes"))
    }
}

fn lost(error: &io::Error, trace: Trace) -> Failure {
    // A connection that ends in the middle of a head is an "other" error in awc's codec; the socket knows better.
    if trace.eof {
        return closed(trace);
    }
    // Nothing left: the call has certainly not run.
    let reason = if trace.written == 0 { Reason::Connect } else { Reason::Reset };
    Failure::new(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(stage: Stage) -> Trace {
        Trace { stage, dialled: true, ..Trace::default() }
    }

    fn sent() -> Trace {
        Trace { written: 10, ..at(Stage::Connected) }
    }

    #[test]
    fn each_error_has_its_reason_and_status() {
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let connect = |error: ConnectError| SendRequestError::Connect(error);
        let table = [
            (connect(ConnectError::Io(io(io::ErrorKind::ConnectionRefused))), at(Stage::Dialling), Reason::Refused),
            (connect(ConnectError::Io(io(io::ErrorKind::HostUnreachable))), at(Stage::Dialling), Reason::Connect),
            (connect(ConnectError::Io(io(io::ErrorKind::TimedOut))), at(Stage::Dialling), Reason::ConnectTimeout),
            (connect(ConnectError::Io(io(io::ErrorKind::InvalidData))), at(Stage::Greeting), Reason::Tls),
            (connect(ConnectError::Timeout), at(Stage::Dialling), Reason::ConnectTimeout),
            (connect(ConnectError::Timeout), at(Stage::Resolving), Reason::Dns),
            (connect(ConnectError::Resolver("no such name".into())), at(Stage::Resolving), Reason::Dns),
            (connect(ConnectError::Disconnected), sent(), Reason::Closed),
            (SendRequestError::Send(io(io::ErrorKind::BrokenPipe)), sent(), Reason::Reset),
            (SendRequestError::Send(io(io::ErrorKind::BrokenPipe)), at(Stage::Connected), Reason::Connect),
            (SendRequestError::Response(ParseError::Io(io(io::ErrorKind::ConnectionReset))), sent(), Reason::Reset),
            (SendRequestError::Response(ParseError::Header), sent(), Reason::Malformed),
            (SendRequestError::Response(ParseError::TooLarge), sent(), Reason::TooLarge),
        ];
        for (error, trace, reason) in table {
            let said = error.to_string();
            assert_eq!(of_sending(error, trace, SECOND).reason, reason, "{said}");
        }
    }

    #[test]
    fn only_what_was_not_written_never_ran() {
        let broken = |trace| of_sending(SendRequestError::Send(io::ErrorKind::BrokenPipe.into()), trace, SECOND);
        assert!(broken(at(Stage::Connected)).reason.never_ran());
        assert!(!broken(sent()).reason.never_ran());
    }
}
