//! The meaning of a failed exchange. The question behind every function: may the call have run?
//!
//! An I/O error alone does not answer it; together with the [`Trace`] of the exchange it does.

use std::io;
use std::time::Duration;

use skitai_wire::http1::Refusal;

use super::dial::{Stage, Trace};
use crate::outcome::deadline::Expired;
use crate::outcome::{Reason, deadline};

/// A failed exchange: the cause, and the text of the system or the origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{msg}")]
pub(crate) struct ExchangeFailure {
    pub(crate) reason: Reason,
    pub(crate) msg: String,
}

impl ExchangeFailure {
    pub(crate) fn new(reason: Reason, msg: impl Into<String>) -> ExchangeFailure {
        ExchangeFailure { reason, msg: msg.into() }
    }

    /// True if the connection broke, whether or not the call may have run.
    pub(super) fn is_broken_connection(&self) -> bool {
        matches!(self.reason, Reason::Reset | Reason::Closed | Reason::Connect)
    }
}

impl From<Expired> for ExchangeFailure {
    fn from(Expired { reason, msg }: Expired) -> ExchangeFailure {
        ExchangeFailure { reason, msg }
    }
}

/// The dial took too long.
pub(super) fn late(stage: Stage, timeout: Duration) -> ExchangeFailure {
    let (reason, what) = match stage {
        Stage::Resolving => (Reason::Dns, "no answer from the name server"),
        Stage::TlsHandshake => (Reason::ConnectTimeout, "the TLS handshake was not done"),
        Stage::Waiting | Stage::Admitted | Stage::Dialling | Stage::Connected => {
            (Reason::ConnectTimeout, "no connection")
        }
    };
    deadline::undialled(reason, what, timeout).into()
}

/// The name has no address.
pub(super) fn unresolved(error: &io::Error) -> ExchangeFailure {
    ExchangeFailure::new(Reason::Dns, error.to_string())
}

/// No connection could be made.
pub(super) fn unconnected(error: &io::Error) -> ExchangeFailure {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::Connect,
    };
    ExchangeFailure::new(reason, error.to_string())
}

/// The handshake failed.
pub(super) fn unsecured(error: &io::Error) -> ExchangeFailure {
    ExchangeFailure::new(Reason::Tls, error.to_string())
}

/// The head of the answer is invalid.
pub(super) fn of_head(refusal: Refusal) -> ExchangeFailure {
    match refusal {
        Refusal::Malformed(why) => ExchangeFailure::new(Reason::Malformed, format!("the answer is not HTTP: {why}")),
        Refusal::TooLarge(why) => ExchangeFailure::new(Reason::TooLarge, format!("the head of the answer: {why}")),
    }
}

/// The body of the answer is invalid.
pub(super) fn of_body(refusal: Refusal) -> ExchangeFailure {
    match refusal {
        Refusal::Malformed(why) => {
            ExchangeFailure::new(Reason::Malformed, format!("the body of the answer is not HTTP: {why}"))
        }
        Refusal::TooLarge(why) => ExchangeFailure::new(Reason::TooLarge, format!("the body of the answer: {why}")),
    }
}

/// The peer closed the connection too early.
pub(super) fn closed(trace: Trace) -> ExchangeFailure {
    if trace.read == 0 && trace.sent {
        ExchangeFailure::new(Reason::Closed, "closed by the member after the request was sent, before an answer")
    } else if trace.read == 0 {
        let written = trace.written;
        ExchangeFailure::new(
            Reason::Closed,
            format!("closed by the member while it was sent the request, after {written} bytes"),
        )
    } else {
        let read = trace.read;
        ExchangeFailure::new(
            Reason::Closed,
            format!("closed by the member in the middle of its answer, after {read} bytes"),
        )
    }
}

/// True if a write failed because the peer hung up, which the reader of the connection will notice too.
pub(super) fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted)
}

/// The connection broke.
pub(super) fn lost(error: &io::Error, trace: Trace) -> ExchangeFailure {
    // TLS reports an end without `close_notify` as `UnexpectedEof`; it is an end all the same.
    if error.kind() == io::ErrorKind::UnexpectedEof && trace.written > 0 {
        return closed(trace);
    }
    // Nothing was sent: the call has certainly not run.
    let reason = if trace.written == 0 { Reason::Connect } else { Reason::Reset };
    ExchangeFailure::new(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::outcome::Course;

    fn begun() -> Trace {
        Trace::of(Course::begun(Instant::now()))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_error_has_its_reason() {
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let sent = Trace { written: 10, ..begun() };
        for (failure, reason) in [
            (unconnected(&io(io::ErrorKind::ConnectionRefused)), Reason::Refused),
            (unconnected(&io(io::ErrorKind::HostUnreachable)), Reason::Connect),
            (unconnected(&io(io::ErrorKind::TimedOut)), Reason::ConnectTimeout),
            (unsecured(&io(io::ErrorKind::InvalidData)), Reason::Tls),
            (late(Stage::Dialling, SECOND), Reason::ConnectTimeout),
            (late(Stage::Resolving, SECOND), Reason::Dns),
            (unresolved(&io(io::ErrorKind::NotFound)), Reason::Dns),
            (closed(sent), Reason::Closed),
            (lost(&io(io::ErrorKind::BrokenPipe), sent), Reason::Reset),
            (lost(&io(io::ErrorKind::BrokenPipe), begun()), Reason::Connect),
            (lost(&io(io::ErrorKind::ConnectionReset), sent), Reason::Reset),
            (lost(&io(io::ErrorKind::UnexpectedEof), sent), Reason::Closed),
            (of_head(Refusal::Malformed(String::new())), Reason::Malformed),
            (of_head(Refusal::TooLarge(String::new())), Reason::TooLarge),
        ] {
            assert_eq!(failure.reason, reason, "{failure}");
        }
    }

    #[test]
    fn only_what_was_not_written_never_ran() {
        let broken = |written| lost(&io::ErrorKind::BrokenPipe.into(), Trace { written, ..begun() });
        assert!(broken(0).reason.never_ran());
        assert!(!broken(1).reason.never_ran());
    }
}
