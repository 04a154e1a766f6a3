//! What came of asking one member, and of asking them all: the vocabulary every cluster and database shares.
//!
//! [`Status`] speaks of the exchange (did it take place?), [`Outcome::is_ok`] of the answer (was it good?). [`Reason`]
//! is the machine-readable cause; `msg` is what the member or the system really said. Where it was a clock, the words
//! are those of [`deadline`].

pub(crate) mod columns;
mod data;
pub mod deadline;
pub(crate) mod sql_error;

use std::sync::Arc;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use columns::{Column, Columns};
pub use data::Data;
pub use sql_error::SqlError;

#[cfg(feature = "postgres")]
pub(crate) use data::LazyRows;

use crate::kit::{Missed, Slot};

/// How far the exchange came. The numbers are the original's and travel as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Status {
    /// 0: no connection was made or used; the member has not seen the call.
    NotConnected = 0,
    /// 1: the deadline passed, or the answer was no longer wanted.
    Timeout = 1,
    /// 2: the exchange failed, or the answer was an error of the called method or statement.
    Error = 2,
    /// 3: a complete answer came. On plain HTTP any code counts as an answer.
    Completed = 3,
}

/// Why an outcome is what it is. One word per cause; logs, metrics and the status page share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A good answer.
    Ok,
    /// Nothing was sent: refused at the door of the actor (its queue is full).
    NotAdmitted,
    /// Nothing was sent: our own actor panicked again and again and rests before it is tried again.
    ActorFailed,
    /// Nothing was sent: no connection was free within the wait.
    NoPermit,
    /// Nothing was sent: the member is ejected after failures.
    Ejected,
    /// The configuration has no cluster of this name.
    Undeclared,
    /// The call could not be written: an argument has no form in the protocol, or the target is not an address.
    Unsendable,
    /// The host's name has no address.
    Dns,
    /// The port is closed.
    Refused,
    /// The connection could not be made in time.
    ConnectTimeout,
    /// Another failure to connect (unreachable host, no route).
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The database refused the login or the database's name.
    Login,
    /// The deadline passed while waiting.
    Deadline,
    /// A completion rule or the caller's departure made the answer unwanted.
    Cancelled,
    /// Rows came and were not read for too long; the statement was stopped.
    Unread,
    /// The connection was reset or broke after the request was sent: it may have run.
    Reset,
    /// The connection was closed after the request was sent, before an answer: it may have run.
    Closed,
    /// The answer is not what the protocol allows.
    Malformed,
    /// The answer is larger than the limit.
    TooLarge,
    /// The HTTP code is not one that carries an RPC answer.
    HttpStatus,
    /// The called method answered with a fault (XML-RPC) or an error (JSON-RPC).
    Fault,
    /// The database refused the statement.
    Sql,
    /// The caller's filter panicked on this outcome.
    FilterPanic,
    /// Our own actor failed while working on it: it may have run.
    Internal,
}

impl Reason {
    /// The word used in logs, on the status page and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Ok => "ok",
            Reason::NotAdmitted => "not_admitted",
            Reason::ActorFailed => "actor_failed",
            Reason::NoPermit => "no_permit",
            Reason::Ejected => "ejected",
            Reason::Undeclared => "undeclared",
            Reason::Unsendable => "unsendable",
            Reason::Dns => "dns",
            Reason::Refused => "refused",
            Reason::ConnectTimeout => "connect_timeout",
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Login => "login",
            Reason::Deadline => "deadline",
            Reason::Cancelled => "cancelled",
            Reason::Unread => "unread",
            Reason::Reset => "reset",
            Reason::Closed => "closed",
            Reason::Malformed => "malformed",
            Reason::TooLarge => "too_large",
            Reason::HttpStatus => "http_status",
            Reason::Fault => "fault",
            Reason::Sql => "sql",
            Reason::FilterPanic => "filter_panic",
            Reason::Internal => "internal",
        }
    }

    /// The status that belongs to it. `Ok` and plain HTTP answers are completed; everything else follows design 5.2.
    pub fn status(self) -> Status {
        match self {
            Reason::Ok => Status::Completed,
            Reason::NotAdmitted
            | Reason::ActorFailed
            | Reason::NoPermit
            | Reason::Ejected
            | Reason::Undeclared
            | Reason::Unsendable
            | Reason::Dns
            | Reason::Refused
            | Reason::ConnectTimeout
            | Reason::Connect
            | Reason::Tls
            | Reason::Login => Status::NotConnected,
            Reason::Deadline | Reason::Cancelled | Reason::Unread => Status::Timeout,
            Reason::Reset
            | Reason::Closed
            | Reason::Malformed
            | Reason::TooLarge
            | Reason::HttpStatus
            | Reason::Fault
            | Reason::Sql
            | Reason::FilterPanic
            | Reason::Internal => Status::Error,
        }
    }

    /// True where nothing was sent because there was no room for it on our side: asking again a little later may help.
    pub fn is_overload(self) -> bool {
        matches!(self, Reason::NotAdmitted | Reason::NoPermit | Reason::ActorFailed)
    }

    /// True where the member has certainly not executed the call, so it may be given to another.
    pub fn never_ran(self) -> bool {
        self.status() == Status::NotConnected
    }
}

/// What came of asking one member.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The member as configured, without secrets: `host:port`, or `host:port/db` for a database.
    pub node: Arc<str>,
    /// How far the exchange came.
    pub status: Status,
    /// The machine-readable cause.
    pub reason: Reason,
    /// The HTTP code of the answer; 0 where none came or the member is a database.
    pub code: u16,
    /// What the member or the system said: a fault's text, an SQL error, an I/O error. Empty for a good answer.
    pub msg: String,
    /// A fault's or JSON-RPC error's code.
    pub fault: Option<i64>,
    /// The answer: a decoded RPC value, the rows of a statement (a list of maps), or a page's text or bytes.
    pub data: Data,
    /// Rows a statement inserted, updated, deleted or returned, by the database's own count. `None` for anything but a
    /// completed statement.
    pub affected: Option<u64>,
    /// The columns of a statement's rows, also where there are none. `None` for anything but a completed statement that
    /// returns rows.
    pub columns: Option<Columns>,
    /// The database's error in its parts, where it was the database that refused the statement.
    pub sql_error: Option<Arc<SqlError>>,
    /// Headers of an HTTP answer, names in lower case. Empty for a database.
    pub headers: Vec<(String, String)>,
    /// From the call to this outcome.
    pub latency: Duration,
    /// How many members were tried for it, this one included. 0: none was.
    pub attempts: u32,
}

impl Outcome {
    /// A slot as the caller opens it: not sent, by nobody's fault yet. It has no words: whoever closes it says why.
    pub fn unsent(node: Arc<str>) -> Outcome {
        Outcome::told(node, Reason::NotAdmitted, String::new(), Data::default())
    }

    /// A failure with its cause and the true message.
    pub fn failed(node: Arc<str>, reason: Reason, msg: impl Into<String>) -> Outcome {
        Outcome::told(node, reason, msg.into(), Data::default())
    }

    /// A good answer.
    pub fn completed(node: Arc<str>, data: impl Into<Data>) -> Outcome {
        Outcome::told(node, Reason::Ok, String::new(), data.into())
    }

    fn told(node: Arc<str>, reason: Reason, msg: String, data: Data) -> Outcome {
        Outcome {
            node,
            status: reason.status(),
            reason,
            code: 0,
            msg,
            fault: None,
            data,
            affected: None,
            columns: None,
            sql_error: None,
            headers: Vec::new(),
            latency: Duration::ZERO,
            attempts: 0,
        }
    }

    /// True for a complete and good answer: status 3, and on HTTP a 2xx code.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Completed && (self.code == 0 || (200..300).contains(&self.code))
    }
}

impl Serialize for Outcome {
    /// Everything but the headers, which are the member's affair.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Outcome", 9)?;
        fields.serialize_field("node", &*self.node)?;
        fields.serialize_field("status", &(self.status as u8))?;
        fields.serialize_field("reason", self.reason.word())?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("msg", &self.msg)?;
        fields.serialize_field("fault", &self.fault)?;
        fields.serialize_field("data", &self.data)?;
        fields.serialize_field("latency_ms", &(self.latency.as_secs_f64() * 1e3))?;
        fields.serialize_field("attempts", &self.attempts)?;
        fields.end()
    }
}

impl Slot for Outcome {
    fn missed(&mut self, why: Missed) {
        let (reason, msg) = match why {
            // The actor noted why nothing had been sent yet; a deadline does not make it "timed out, may have run".
            Missed::Deadline if self.reason.never_ran() && self.reason != Reason::NotAdmitted => return,
            Missed::Deadline => (Reason::Deadline, deadline::NO_ANSWER),
            Missed::Cancelled => (Reason::Cancelled, "the answer was no longer wanted"),
            Missed::NotAdmitted => (Reason::NotAdmitted, "not sent: too many calls of this cluster are in flight"),
            Missed::Abandoned => (Reason::Internal, "the actor failed while working on this call"),
            Missed::Failed => (Reason::ActorFailed, "not sent: the cluster's actor panicked too often and rests"),
        };
        self.status = reason.status();
        self.reason = reason;
        msg.clone_into(&mut self.msg);
        self.data = Data::default();
    }

    fn filter_failed(&mut self, message: &str) {
        self.reason = Reason::FilterPanic;
        self.status = self.reason.status();
        self.msg = format!("the filter panicked: {message}");
        self.data = Data::default();
    }

    fn is_good(&self) -> bool {
        self.is_ok()
    }
}

/// How many of the asked members answered, and what became of the others. Part of every answer to many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Members asked.
    pub asked: usize,
    /// Good answers.
    pub ok: usize,
    /// Errors, faults, and HTTP answers that are not 2xx.
    pub failed: usize,
    /// Deadlines passed.
    pub timed_out: usize,
    /// No longer wanted.
    pub cancelled: usize,
    /// Never sent or never connected.
    pub not_sent: usize,
}

impl Coverage {
    /// Counts outcomes.
    pub fn of(outcomes: &[Outcome]) -> Coverage {
        let mut coverage = Coverage { asked: outcomes.len(), ..Coverage::default() };
        for outcome in outcomes {
            match outcome.status {
                _ if outcome.is_ok() => coverage.ok += 1,
                _ if outcome.reason == Reason::Cancelled => coverage.cancelled += 1,
                Status::NotConnected => coverage.not_sent += 1,
                Status::Timeout => coverage.timed_out += 1,
                Status::Error | Status::Completed => coverage.failed += 1,
            }
        }
        coverage
    }

    /// True when every asked member gave a good answer. A cluster without members is not covered.
    pub fn is_complete(self) -> bool {
        self.ok == self.asked && self.asked > 0
    }
}

impl std::fmt::Display for Coverage {
    /// `1 of 6 ok (2 failed, 1 timed out, 2 not sent)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ok", self.ok, self.asked)?;
        let rest = [
            (self.failed, "failed"),
            (self.timed_out, "timed out"),
            (self.cancelled, "cancelled"),
            (self.not_sent, "not sent"),
        ];
        let rest: Vec<String> = rest.iter().filter(|part| part.0 > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if rest.is_empty() { Ok(()) } else { write!(f, " ({})", rest.join(", ")) }
    }
}
