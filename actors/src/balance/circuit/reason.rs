//! What an outcome says about its member, and the causes of state changes in words, for the log and the status page.

use crate::outcome::{Reason, Status};

/// A failure that counts against a member.
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
    /// The connection was closed before an answer.
    Closed,
    /// An HTTP code that says that the server is broken.
    ServerError,
    /// Not one byte within the member's timeout.
    Silent,
    /// A database refused the login or its own name: it refuses every caller.
    Login,
    /// A database that accepts no connection now: it starts, shuts down, or has no connection left.
    Unavailable,
    /// The active checks failed.
    CheckFailed,
}

impl EjectReason {
    const ALL: [EjectReason; 11] = [
        EjectReason::Refused,
        EjectReason::ConnectTimeout,
        EjectReason::Unreachable,
        EjectReason::Tls,
        EjectReason::Reset,
        EjectReason::Closed,
        EjectReason::ServerError,
        EjectReason::Silent,
        EjectReason::Login,
        EjectReason::Unavailable,
        EjectReason::CheckFailed,
    ];

    /// The reason of this word; `None` for a word of another build.
    pub(super) fn named(word: &str) -> Option<EjectReason> {
        EjectReason::ALL.into_iter().find(|reason| reason.word() == word)
    }

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
    /// An operator has restored it.
    Restored,
}

impl ReadmitReason {
    /// The reason of this word.
    pub(super) fn named(word: &str) -> Option<ReadmitReason> {
        [ReadmitReason::Answered, ReadmitReason::ChecksPassed, ReadmitReason::Restored]
            .into_iter()
            .find(|reason| reason.word() == word)
    }

    /// The word used in logs and on the status page.
    pub fn word(self) -> &'static str {
        match self {
            ReadmitReason::Answered => "answered",
            ReadmitReason::ChecksPassed => "checks_passed",
            ReadmitReason::Restored => "restored",
        }
    }
}

/// What an outcome says about the health of the member, as opposed to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The member works.
    Good,
    /// A failure that counts against the member.
    Failed(EjectReason),
    /// Nothing: the caller, our own limits or the call caused it.
    Neutral,
}

/// Judges an outcome. `was_silent`: the member had its full time and sent not one byte of an answer.
pub fn judge(reason: Reason, status: Status, code: u16, was_silent: bool) -> Judged {
    match reason {
        Reason::Ok
        | Reason::Partial
        | Reason::Fault
        | Reason::TooLarge
        | Reason::Sql
        | Reason::Login
        | Reason::FilterPanic => Judged::Good,
        Reason::HttpStatus => match (status, code) {
            // A page: the code says that the server is broken.
            (Status::Completed, 500..) => Judged::Failed(EjectReason::ServerError),
            // An RPC call: many servers send a method's error with 500; a gateway's code means that no server is behind
            // it.
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
        | Reason::Drained
        | Reason::Undeclared
        | Reason::Unsendable
        | Reason::Malformed
        | Reason::Internal => Judged::Neutral,
    }
}
