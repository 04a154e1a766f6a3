//! Errors of handlers, and the one table that decides what a client sees of them.
//!
//! Handlers return [`Error`] (`?` converts any `std::error::Error`). The configuration has its own report, and actors
//! answer with outcomes. The text of an error made with [`Error::new`] is for the client. Any other error is an
//! internal fault: its text goes to the log and, in devel mode, to the client.

pub(crate) mod excerpt;
pub(crate) mod failure;
pub(crate) mod incomplete;
pub(crate) mod place;

use std::any::Any;
use std::panic::Location;

use actix_web::http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};
use skitai_actors::CoverageDetail;

use self::incomplete::Incomplete;
use super::args::bind::Faults;
use super::calls::results::AllFailed;
use super::coverage::Audience;
use super::request::id::RequestId;
use super::routing::route::Route;

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error codes over RPC: JSON-RPC 2.0, section 5.1. XML-RPC faults use the same numbers (also found in the
/// "specification for fault code interoperability", rev. 20010516).
pub mod code {
    /// The text is not JSON or XML.
    pub const PARSE: i64 = -32700;
    /// Not a request of the protocol.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No method of this name.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The arguments do not fit.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The handler failed.
    pub const INTERNAL: i64 = -32603;
    /// The first code for errors of the application, downwards; ours are -32000 minus the HTTP status.
    pub const APPLICATION: i64 = -32000;
}

/// The `Retry-After` of an answer that refuses a request under load, in seconds: the smallest that HTTP can express.
pub(crate) const RETRY_AFTER: u32 = 1;

/// An error of a handler, or of a step before it.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    code: i64,
    message: String,
    /// Seconds after which a retry may succeed.
    retry_after: Option<u32>,
    /// The cause, for the log.
    internal: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The cause is about members: clients that may learn their names read it in place of `message`.
    is_of_members: bool,
    /// What is wrong, one by one, if it is several things.
    faults: Option<Box<Faults>>,
    /// Where it was created, or converted by `?`.
    place: &'static Location<'static>,
    /// The handler that failed, once it is known.
    handler: Option<&'static Route>,
    /// The id of its line in the log; `None` until it is logged.
    id: Option<ErrorId>,
    /// The id of the request, if the log has it.
    request: Option<Box<RequestId>>,
}

/// Identifies one error in a page, a header or a fault, and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorId([u8; 6]);

impl ErrorId {
    /// Creates a random id. It reveals nothing about the error or the number of errors.
    pub(crate) fn new() -> ErrorId {
        let mut id = [0; 6];
        // Without random bytes all ids are equal, but errors are still logged.
        let _ = SystemRandom::new().fill(&mut id);
        ErrorId(id)
    }
}

impl std::fmt::Display for ErrorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Error {
    /// An error for the client: an HTTP status from 400 to 599 (any other number becomes 500) and a text.
    #[track_caller]
    pub fn new(status: u16, message: impl Into<String>) -> Error {
        let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 400 && status.as_u16() < 600);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (code, message, place) = (code_of(status), message.into(), Location::caller());
        let (retry_after, internal, is_of_members, faults) = (None, None, false, None);
        let (handler, id, request) = (None, None, None);
        Error { status, code, message, retry_after, internal, is_of_members, faults, place, handler, id, request }
    }

    /// Arguments that do not fit.
    pub(crate) fn of_faults(faults: Faults) -> Error {
        let mut made = Error::new(400, faults.to_string());
        made.faults = Some(Box::new(faults));
        made
    }

    /// What is wrong, one by one; empty if `message` alone says it.
    pub(crate) fn faults(&self) -> &[String] {
        self.faults.as_ref().map_or(&[], |faults| &faults.0)
    }

    /// Sets an application code for RPC.
    pub fn with_code(mut self, code: i64) -> Error {
        self.code = code;
        self
    }

    /// Sets a `Retry-After` of this many seconds, for web clients.
    pub fn retry_after(mut self, seconds: u32) -> Error {
        self.retry_after = Some(seconds);
        self
    }

    /// An internal fault: the text is for the log.
    #[track_caller]
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let mut made = Error::new(500, "Internal Server Error");
        made.internal = Some(error.into());
        made
    }

    /// The HTTP status on the web.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The fault code over XML-RPC, the error code over JSON-RPC.
    pub fn code(&self) -> i64 {
        self.code
    }

    /// Where it was created, or converted by `?`.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The id of its line in the log, once it is logged.
    pub fn id(&self) -> Option<ErrorId> {
        self.id
    }

    /// Names the handler that failed; a request without a route has none.
    pub(crate) fn set_handler(&mut self, route: &'static Route) {
        self.handler = Some(route).filter(|route| !route.file.is_empty());
    }

    /// Sets the id under which the error was logged.
    pub(crate) fn set_id(&mut self, id: ErrorId) {
        self.id = Some(id);
    }

    /// Sets the id of the request.
    pub(crate) fn set_request(&mut self, id: &RequestId) {
        self.request = Some(Box::new(id.clone()));
    }

    /// The id of the request, by which the logs have it, if they do.
    pub(crate) fn request(&self) -> Option<&str> {
        self.request.as_deref().map(RequestId::as_str)
    }

    /// Seconds after which a retry may succeed.
    pub(crate) fn retries_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// A failure of members, with the text for clients that may not learn their names.
    #[track_caller]
    fn of_members(status: u16, message: String, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        let mut made = Error::new(status, message);
        made.internal = Some(Box::new(cause));
        made.is_of_members = true;
        made
    }

    /// The text for the client; with `devel` it includes the cause.
    pub fn shown(&self, devel: bool) -> String {
        self.shown_to(Audience::stranger(devel))
    }

    /// The text for this reader.
    pub(crate) fn shown_to(&self, reader: Audience) -> String {
        match &self.internal {
            Some(cause) if self.is_of_members && reader.detail == CoverageDetail::Names => cause.to_string(),
            Some(cause) if !self.is_of_members && reader.devel => format!("{}: {cause}", self.message),
            _ => self.message.clone(),
        }
    }

    /// True if members failed, and not this server.
    pub(crate) fn is_of_members(&self) -> bool {
        self.is_of_members
    }

    /// The cause, if it differs from the text for the client.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.internal.as_deref()
    }
}

/// The one table from an HTTP status to an RPC code.
fn code_of(status: StatusCode) -> i64 {
    match status.as_u16() {
        400 | 422 => code::INVALID_PARAMS,
        // A 404 of a handler means "no such thing", not "no such method".
        500 => code::INTERNAL,
        other => code::APPLICATION - i64::from(other),
    }
}

// `Error` itself is not a `std::error::Error`: otherwise `?` could not convert every such error into it.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Error {
        let any = &error as &dyn Any;
        if let Some(all) = any.downcast_ref::<AllFailed>() {
            return of_failed(all.clone());
        }
        match any.downcast_ref::<Incomplete>() {
            Some(incomplete) => {
                let text = incomplete.described(CoverageDetail::Positions);
                Error::of_members(503, text, incomplete.clone())
            }
            None => Error::internal(error),
        }
    }
}

/// The members failed, not this server: the statuses of a gateway, but for statements, which are ours.
#[track_caller]
fn of_failed(all: AllFailed) -> Error {
    let text = all.described(CoverageDetail::Positions);
    // Our queues were full and nothing was sent: the client may retry.
    if all.overloaded() {
        return Error::of_members(503, text, all).retry_after(RETRY_AFTER);
    }
    if all.refused_by_databases() {
        let status = if all.violates_integrity() { 409 } else { 500 };
        return Error::of_members(status, "the database refused the statement".to_owned(), all);
    }
    Error::of_members(if all.timed_out() { 504 } else { 502 }, text, all)
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Hooks and logs need the cause; "Internal Server Error" is for clients.
        match &self.internal {
            Some(internal) => write!(f, "{internal}"),
            None => f.write_str(&self.message),
        }
    }
}

/// A type that a handler may use as the error of its `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a route",
    note = "return skitai::Result<T>, or an error type that implements std::error::Error + Send + Sync"
)]
pub trait IntoError {
    /// Converts to [`Error`].
    #[track_caller]
    fn into_error(self) -> Error;
}

impl<E> IntoError for E
where
    Error: From<E>,
{
    #[track_caller]
    fn into_error(self) -> Error {
        Error::from(self)
    }
}

#[cfg(test)]
mod tests;
