//! Maps errors of PostgreSQL and its driver to reasons and messages, and decides whether the connection is still
//! usable.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use deadpool::managed::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};

use crate::db::flight::StatementFailure;
use crate::db::member::MemberLimits;
use crate::outcome::sql_error::SqlError;
use crate::outcome::{Reason, deadline};

/// The SQLSTATE of a write that the server takes in no transaction, or not in this one.
const READ_ONLY: &str = "25006";

/// True if a write was refused because the server, or the transaction, is read-only.
pub(super) fn is_read_only(failure: &StatementFailure) -> bool {
    failure.error.as_ref().is_some_and(|error| error.code == READ_ONLY)
}

/// An error with all its causes: tokio-postgres prints only the outermost one, which names no cause.
pub(super) fn chain(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return server_text(db);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}

/// `SQLSTATE message (position N; hint …; detail …)`
fn server_text(error: &DbError) -> String {
    let mut notes = Vec::new();
    match error.position() {
        Some(ErrorPosition::Original(position)) => notes.push(format!("position {position}")),
        Some(ErrorPosition::Internal { position, .. }) => notes.push(format!("position {position} of inner text")),
        None => {}
    }
    notes.extend(error.hint().map(|hint| format!("hint {hint}")));
    notes.extend(error.detail().map(|detail| format!("detail {detail}")));
    // Here the server names the parameter of a wrong type: "unnamed portal parameter $2 = '…'".
    notes.extend(error.where_().filter(|place| place.contains("parameter $")).map(str::to_owned));
    if error.routine() == Some("exec_parse_message") && error.code().code() == "42601" {
        notes.push("send the statements one by one, in .tx(..) where they belong together".to_owned());
    }
    let text = format!("{} {}", error.code().code(), error.message());
    if notes.is_empty() { text } else { format!("{text} ({})", notes.join("; ")) }
}

fn parts(error: &DbError) -> SqlError {
    let position = match error.position() {
        Some(ErrorPosition::Original(position)) => Some(*position),
        Some(ErrorPosition::Internal { .. }) | None => None,
    };
    SqlError {
        code: error.code().code().to_owned(),
        message: error.message().to_owned(),
        position,
        parameter: error.where_().and_then(parameter),
        detail: error.detail().map(str::to_owned),
        hint: error.hint().map(str::to_owned),
        constraint: error.constraint().map(str::to_owned),
    }
}

/// The number of the parameter that does not fit, from `unnamed portal parameter $2`.
fn parameter(place: &str) -> Option<u32> {
    let (_, number) = place.split_once("portal parameter $")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// No connection was obtained. Whatever the cause, no statement has been sent.
pub(super) fn checkout(error: &PoolError<Error>, limits: MemberLimits) -> StatementFailure {
    let error_parts = match error {
        PoolError::Backend(error) => error.as_db_error(),
        _ => None,
    };
    let (reason, msg) = match error {
        PoolError::Timeout(TimeoutType::Wait) => return no_permit(limits, limits.connections),
        PoolError::Timeout(TimeoutType::Create) => {
            return deadline::undialled(Reason::ConnectTimeout, "no connection", limits.connect_timeout).into();
        }
        PoolError::Timeout(TimeoutType::Recycle) => {
            (Reason::Connect, "a pooled connection gave no sign of life".to_owned())
        }
        PoolError::Backend(error) => (dialled(error), chain(error)),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            (Reason::NoPermit, error.to_string())
        }
    };
    StatementFailure { reason, msg, error: error_parts.map(|db| Arc::new(parts(db))) }
}

/// All connections are lent, and none was returned in time. `limit`: how many of them this thread may use now.
pub(super) fn no_permit(MemberLimits { connections, wait, .. }: MemberLimits, limit: usize) -> StatementFailure {
    let msg = if limit < connections {
        format!(
            "no connection was free within {wait:?}: this thread may use {limit} of its {connections} now, because \
             another process of this instance still has connections; they are given back by the process that leaves"
        )
    } else {
        format!(
            "no connection was free within {wait:?}: all {connections} of this thread are in use; allow more \
             connections, or make the statements shorter"
        )
    };
    StatementFailure::new(Reason::NoPermit, msg)
}

/// Why a dial failed.
fn dialled(error: &Error) -> Reason {
    if let Some(db) = error.as_db_error() {
        let code = db.code().code();
        return if code.starts_with("28") || code == "3D000" { Reason::Login } else { Reason::Connect };
    }
    if error.to_string().contains("TLS handshake") {
        return Reason::Tls;
    }
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) else {
        // The driver's own errors: no password configured although one is wanted, an unknown login method, a timeout.
        let text = error.to_string();
        return if text.contains("timeout") || text.contains("timed out") {
            Reason::ConnectTimeout
        } else if text.contains("password") || text.contains("authentication") || text.contains("configuration") {
            Reason::Login
        } else {
            Reason::Connect
        };
    };
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        // The standard library has no error kind for this; this is its own prefix to the resolver's text.
        _ if cause.to_string().contains("failed to lookup address") => Reason::Dns,
        _ => Reason::Connect,
    }
}

/// Why a statement failed after it was sent, and whether its connection is still usable.
pub(super) fn statement(error: &Error) -> (StatementFailure, bool) {
    if let Some(db) = error.as_db_error() {
        let msg = server_text(db);
        // FATAL ends the connection: an administrator's command, or a crash of another backend.
        return if matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
            let msg = format!("{msg}; the statement may have run");
            (StatementFailure { reason: Reason::Closed, msg, error: Some(Arc::new(parts(db))) }, false)
        } else {
            // A server that has become a standby refuses every write on the connections it had before.
            let usable = db.code().code() != READ_ONLY;
            (StatementFailure { reason: Reason::Sql, msg, error: Some(Arc::new(parts(db))) }, usable)
        };
    }
    let io = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let reason = match io {
        Some(io::ErrorKind::UnexpectedEof) => Reason::Closed,
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Reason::Malformed,
        Some(_) => Reason::Reset,
        None if error.is_closed() => Reason::Closed,
        None => Reason::Malformed,
    };
    (StatementFailure::new(reason, format!("{}; the statement may have run", chain(error))), false)
}

/// True if the statement was refused before execution because of a name or plan that the connection kept: 26000
/// (unknown prepared statement), 42P05 (the name is taken), 0A000 from the plan cache (the tables changed).
pub(super) fn is_stale_name(error: &Error) -> bool {
    let stale_plan = |db: &DbError| db.code().code() == "0A000" && db.routine() == Some("RevalidateCachedQuery");
    is_lost_name(error) || error.as_db_error().is_some_and(stale_plan)
}

/// The statement ran, but its rows cannot be read: looking up a column's type needs prepared names, which a pooler
/// loses.
pub(super) fn unread(error: &Error) -> StatementFailure {
    let msg = format!(
        "the statement has run, but a column's type is none of PostgreSQL's own and cannot be looked up behind a pooler \
         ({}); cast the column, as in `state::text`",
        chain(error)
    );
    StatementFailure::new(Reason::Malformed, msg)
}

/// True if prepared names do not last because a pooler moves statements between server connections.
pub(super) fn is_lost_name(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| matches!(db.code().code(), "26000" | "42P05"))
}
