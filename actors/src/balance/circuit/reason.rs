//! What an outcome says of its member, and the words for why a member's state changed. Log and status share them.

use crate::outcome::{Reason, Status};

/// What counts against a member's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EjectReason {
    /// The port is closed.
    Refused,
    /// No connection in time.
    ConnectTimeout,
    /// No route, or no address for its name.
    Unreachable,
    /// No TLS handshake.
    Tls,
    /// The connection broke under a call.
    Reset,
    /// The connection was closed instead of an answer.
    Closed,
    /// An HTTP code that says the server is broken.
    ServerError,
    /// Not a byte within the member's timeout.
    Silent,
    /// A database refused the login or its own name: whoever comes is refused.
    Login,
    /// A database that takes nobody now: it starts, it shuts down, or all of its connections are taken.
    Unavailable,
    /// The active checks were not passed.
    CheckFailed,
}

impl EjectReason {
    /// The word used in logs and on the status page.
    pub fn word(self) -> &'static str {
        match self {
            EjectReason::Refused => "refused",
            EjectReason::ConnectTimeout => "connect_timeout",
            EjectReason::Unreachable => "unreachable",
            EjectReason::Tls => "tls",
            EjectReason::Reset => "reset",
            EjectReason::Closed => "closed",
            EjectReason::ServerError => "server_error",
            EjectReason::Silent => "silent",
            EjectReason::Login => "login",
            EjectReason::Unavailable => "unavailable",
            EjectReason::CheckFailed => "check_failed",
        }
    }
}

/// Why a member takes part again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadmitReason {
    /// Its trial call was answered.
    Answered,
    /// It passed the active checks.
    ChecksPassed,
}

impl ReadmitReason {
    /// The word used in logs and on the status page.
    pub fn word(self) -> &'static str {
        match self {
            ReadmitReason::Answered => "answered",
            ReadmitReason::ChecksPassed => "checks_passed",
        }
    }
}

/// What an outcome says of the member's health, not of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is there and answers.
    Good,
    /// It counts against it.
    Failed(EjectReason),
    /// It says nothing: the caller, our own limits or the call are to blame.
    Neutral,
}

/// Judges an outcome. `was_silent`: the member had its whole time and not a byte of an answer came.
pub fn judge(reason: Reason, status: Status, code: u16, was_silent: bool) -> Judged {
    match reason {
        Reason::Ok | Reason::Fault | Reason::TooLarge | Reason::Sql | Reason::Login | Reason::FilterPanic => {
            Judged::Good
        }
        Reason::HttpStatus => match (status, code) {
            // A page: the server says of itself that it is broken.
            (Status::Completed, 500..) => Judged::Failed(EjectReason::ServerError),
            // An RPC call: many servers answer a method's error with 500; a gateway's code means nobody is behind it.
            (_, 502..=504) => Judged::Failed(EjectReason::ServerError),
            _ => Judged::Good,
        },
        Reason::Refused => Judged::Failed(EjectReason::Refused),
        Reason::ConnectTimeout => Judged::Failed(EjectReason::ConnectTimeout),
        Reason::Dns | Reason::Connect => Judged::Failed(EjectReason::Unreachable),
        Reason::Tls => Judged::Failed(EjectReason::Tls),
        Reason::Reset => Judged::Failed(EjectReason::Reset),
        Reason::Closed => Judged::Failed(EjectReason::Closed),
        Reason::Deadline if was_silent => Judged::Failed(EjectReason::Silent),
        Reason::Deadline
        | Reason::Cancelled
        | Reason::Unread
        | Reason::NotAdmitted
        | Reason::ActorFailed
        | Reason::NoPermit
        | Reason::Ejected
        | Reason::Undeclared
        | Reason::Unsendable
        | Reason::Malformed
        | Reason::Internal => Judged::Neutral,
    }
}
