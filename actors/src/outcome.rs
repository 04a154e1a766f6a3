//! The result of asking one member, and of asking all: the vocabulary that clusters and databases share.
//!
//! [`Status`] describes the exchange (did it take place?), [`Outcome::is_ok`] the answer (was it good?). [`Reason`] is
//! the machine-readable cause; `msg` is the text of the member or of the system. When a clock ran out, [`deadline`]
//! supplies both.

pub(crate) mod columns;
pub mod course;
pub mod coverage;
mod data;
pub mod deadline;
mod slot;
pub(crate) mod sql_error;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use columns::{Column, Columns};
pub use course::{Course, EndedBy, Try};
pub use coverage::{ClusterCoverage, Coverage, CoverageDetail, CoverageReport, Leaves, MissingMember};
pub use data::Data;
pub use sql_error::SqlError;

#[cfg(feature = "postgres")]
pub(crate) use data::LazyRows;

/// How far the exchange came. Serialized as its number; the numbers are those of the Python server Skitai.
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
    /// A good answer of a member that reported a gap of its own: what is missing is missing below it.
    Partial,
    /// Nothing was sent: the actor's queue is full.
    NotAdmitted,
    /// Nothing was sent: the actor panicked repeatedly and pauses before it is tried again.
    ActorFailed,
    /// Nothing was sent: no connection became free within the wait.
    NoPermit,
    /// Nothing was sent: the member is ejected, after failures or by an operator.
    Ejected,
    /// Nothing was sent: an operator lets the member end what it has, and keeps new calls from it.
    Drained,
    /// The configuration has no cluster of this name.
    Undeclared,
    /// The call could not be encoded: the protocol has no form for an argument, or the target is not a valid address.
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
    /// The reader left a stream's rows unread for too long; the statement was cancelled.
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
    /// Our actor failed during the call: the member may have run it.
    Internal,
}

impl Reason {
    /// The word used in logs, on the status page and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Ok => "ok",
            Reason::Partial => "partial",
            Reason::NotAdmitted => "not_admitted",
            Reason::ActorFailed => "actor_failed",
            Reason::NoPermit => "no_permit",
            Reason::Ejected => "ejected",
            Reason::Drained => "drained",
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

    /// The status that this cause implies.
    pub fn status(self) -> Status {
        match self {
            Reason::Ok | Reason::Partial => Status::Completed,
            Reason::NotAdmitted
            | Reason::ActorFailed
            | Reason::NoPermit
            | Reason::Ejected
            | Reason::Drained
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

    /// True when we sent nothing for lack of capacity on our side: a retry a little later may succeed.
    pub fn is_overload(self) -> bool {
        matches!(self, Reason::NotAdmitted | Reason::NoPermit | Reason::ActorFailed)
    }

    /// True when the member has certainly not executed the call, so another member may be asked.
    pub fn never_ran(self) -> bool {
        self.status() == Status::NotConnected
    }
}

/// The result of asking one member.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The member as configured, without secrets: `host:port`, or `host:port/db` for a database.
    pub node: Arc<str>,
    /// How far the exchange came.
    pub status: Status,
    /// The machine-readable cause.
    pub reason: Reason,
    /// The HTTP code of the answer; 0 without an answer, and for a database.
    pub code: u16,
    /// The text of the member or the system: a fault's text, an SQL error, an I/O error. Empty for a good answer.
    pub msg: String,
    /// The code of a fault or of a JSON-RPC error.
    pub fault: Option<i64>,
    /// The answer: a decoded RPC value, the rows of a statement (a list of maps), or a page's text or bytes.
    pub data: Data,
    /// Rows that a statement inserted, updated, deleted or returned, as the database counts them. `None` for anything
    /// but a completed statement.
    pub affected: Option<u64>,
    /// The columns of a statement's result, even when it has no rows. `None` for anything but a completed statement
    /// that returns rows.
    pub columns: Option<Columns>,
    /// The database's error in its parts, if the database refused the statement.
    pub sql_error: Option<Arc<SqlError>>,
    /// Headers of an HTTP answer, names in lower case. Empty for a database.
    pub headers: Vec<(String, String)>,
    /// Time from the call to this outcome.
    pub latency: Duration,
    /// How many members were tried, this one included; 0 if none was.
    pub attempts: u32,
    /// What the member reported of its own calls, if it asked others for its answer.
    pub coverage: Option<Arc<CoverageReport>>,
    /// The member's index in its cluster, counted from 0. `None` while a call to one member has not chosen one yet.
    pub index: Option<u32>,
    /// True where the client of the request may not learn addresses: the outcome is then serialized without them.
    pub is_masked: bool,
    /// How the last try went, instant by instant. `None` if nothing was tried, and of what the result cache had kept.
    pub course: Option<Course>,
    /// The tries before it, and those that it outran. Empty for most calls.
    pub tries: Vec<Try>,
}

impl Outcome {
    /// An empty slot as the caller opens it: not sent. It has no message; whatever closes the slot adds one.
    pub fn unsent(node: Arc<str>) -> Outcome {
        Outcome::new(node, Reason::NotAdmitted, String::new(), Data::default())
    }

    /// A failure with its cause and its message.
    pub fn failed(node: Arc<str>, reason: Reason, msg: impl Into<String>) -> Outcome {
        Outcome::new(node, reason, msg.into(), Data::default())
    }

    /// A good answer.
    pub fn completed(node: Arc<str>, data: impl Into<Data>) -> Outcome {
        Outcome::new(node, Reason::Ok, String::new(), data.into())
    }

    fn new(node: Arc<str>, reason: Reason, msg: String, data: Data) -> Outcome {
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
            coverage: None,
            index: None,
            is_masked: false,
            course: None,
            tries: Vec::new(),
        }
    }

    /// The same outcome without its answer and headers, for a record.
    pub fn without_data(&self) -> Outcome {
        Outcome {
            node: self.node.clone(),
            msg: self.msg.clone(),
            coverage: self.coverage.clone(),
            sql_error: self.sql_error.clone(),
            data: Data::default(),
            columns: None,
            headers: Vec::new(),
            tries: self.tries.clone(),
            ..*self
        }
    }

    /// The caller no longer waits for this outcome, because it has left or has let the call go.
    pub fn abandon(&mut self) {
        self.reason = Reason::Cancelled;
        self.status = self.reason.status();
        "nobody waits for the answer any more".clone_into(&mut self.msg);
        self.end_courses(EndedBy::Departure);
    }

    /// The same, unless it is an answer or has another end.
    pub fn abandon_if_open(&mut self) {
        let is_open = self.course.map_or(self.reason == Reason::NotAdmitted, |course| course.ended == EndedBy::Nobody);
        if is_open {
            self.abandon();
        }
    }

    /// The outcome of an exchange whose answer has begun, as it would be if it ended now.
    #[must_use]
    pub fn answering(mut self, node: &Arc<str>, code: u16) -> Outcome {
        self.node = node.clone();
        self.code = code;
        self.reason = if (200..300).contains(&code) || code == 101 { Reason::Ok } else { Reason::HttpStatus };
        self.status = Status::Completed;
        self.msg = String::new();
        self.end_courses(EndedBy::Answer);
        self
    }

    /// Ends what goes on of it. The clock is read only if there is something.
    pub(super) fn end_courses(&mut self, by: EndedBy) {
        let courses = self.course.iter_mut().chain(self.tries.iter_mut().map(|other| &mut other.course));
        let mut now = None;
        for course in courses.filter(|course| course.ended == EndedBy::Nobody) {
            course.end(by, *now.get_or_insert_with(Instant::now));
        }
    }

    /// Adds what the member reported of its own calls. A gap there makes a good answer a partial one.
    pub(crate) fn with_report(mut self, report: CoverageReport) -> Outcome {
        if self.is_ok() && report.has_gap() {
            self.reason = Reason::Partial;
            self.msg = format!("the member's answer is incomplete: {report}");
        }
        self.coverage = Some(Arc::new(report));
        self
    }

    /// True for a complete and good answer: status 3, and on HTTP a 2xx code, or a 101 that was asked for.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Completed && (matches!(self.code, 0 | 101) || (200..300).contains(&self.code))
    }

    /// True for a good answer whose member reported no gap of its own.
    pub fn is_whole(&self) -> bool {
        self.is_ok() && self.reason != Reason::Partial
    }

    /// The leaves below this member, as it reported them; a member that reported nothing is one leaf.
    pub(crate) fn leaves(&self) -> Leaves {
        match &self.coverage {
            Some(report) if self.is_ok() => report.leaves(),
            Some(report) => Leaves { ok: 0, ..report.leaves() },
            None => Leaves { asked: 1, ok: usize::from(self.is_ok()) },
        }
    }

    /// What a client that may not learn addresses sees in place of the node: `[1]`.
    pub fn position(&self) -> String {
        self.index.map_or_else(|| "[?]".to_owned(), |index| format!("[{index}]"))
    }
}

impl Serialize for Outcome {
    /// Serializes everything but the headers, `affected`, `columns` and `sql_error`. A [masked](Outcome::is_masked)
    /// outcome has its index in brackets as `node`, an empty `msg`, no time, and data of a good answer alone.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (node, msg, latency, detail) = match self.is_masked {
            false => (Cow::Borrowed(&*self.node), self.msg.as_str(), Some(self.latency), CoverageDetail::Names),
            true => (Cow::Owned(self.position()), "", None, CoverageDetail::Positions),
        };
        let mut fields = serializer.serialize_struct("Outcome", 10)?;
        fields.serialize_field("node", &node)?;
        fields.serialize_field("status", &(self.status as u8))?;
        fields.serialize_field("reason", self.reason.word())?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("msg", msg)?;
        fields.serialize_field("fault", &self.fault)?;
        // The data of a failure is what the member says of itself: an error's details, a page.
        let data = if self.is_masked && !self.is_ok() { &Data::default() } else { &self.data };
        fields.serialize_field("data", data)?;
        fields.serialize_field("latency_ms", &latency.map(|latency| latency.as_secs_f64() * 1e3))?;
        fields.serialize_field("attempts", &self.attempts)?;
        fields.serialize_field("coverage", &self.coverage.as_ref().map(|report| report.to_value(detail)))?;
        fields.end()
    }
}
