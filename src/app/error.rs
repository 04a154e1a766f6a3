//! What goes wrong in a handler, and the one table that says what a client sees of it.
//!
//! Which error belongs where: handlers return [`Error`] (any `std::error::Error` becomes one by `?`); the configuration
//! has its own report; actors answer with outcomes, not errors. An error made with [`Error::new`] is meant for the
//! client and its text is shown; any other is an internal fault, whose text goes to the log and, in devel mode, to the
//! client.

pub(crate) mod excerpt;
pub(crate) mod failure;

use std::any::Any;
use std::panic::Location;

use actix_web::http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};

use super::calls::results::AllFailed;

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// JSON-RPC 2.0, section 5.1; XML-RPC faults use the same numbers (the "specification for fault code
/// interoperability", rev. 20010516, has them too).
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
    /// From here down to -32000: errors of the application; ours are -32000 minus the HTTP status.
    pub const APPLICATION: i64 = -32000;
}

/// What a client that came at a full moment is told to wait, in seconds: the least HTTP can say.
pub(super) const RETRY_AFTER: u32 = 1;

/// An error of a handler, or of the way to it.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    code: i64,
    message: String,
    /// Seconds after which asking again may help.
    retry_after: Option<u32>,
    /// What really happened, for the log alone.
    internal: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// Where it was made, or became one by `?`.
    place: &'static Location<'static>,
    /// By which its line in the log is found; none until it is there.
    id: Option<ErrorId>,
}

/// Names one error in a page, a header or a fault, and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorId([u8; 6]);

impl ErrorId {
    /// A new one. It tells nothing of the error or of how many there were.
    pub(crate) fn new() -> ErrorId {
        let mut id = [0; 6];
        // Without random bytes ids are alike, and errors are told nevertheless.
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
    /// An error for the client: an HTTP status from 400 to 599 (another number becomes 500) and a text.
    #[track_caller]
    pub fn new(status: u16, message: impl Into<String>) -> Error {
        let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 400 && status.as_u16() < 600);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (code, message, place) = (code_of(status), message.into(), Location::caller());
        Error { status, code, message, retry_after: None, internal: None, place, id: None }
    }

    /// The same with a code of the application's own over RPC.
    pub fn with_code(mut self, code: i64) -> Error {
        self.code = code;
        self
    }

    /// The same with a `Retry-After` of so many seconds on the web.
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

    /// The fault code over XML-RPC and the error code over JSON-RPC.
    pub fn code(&self) -> i64 {
        self.code
    }

    /// Where it was made, or became one by `?`.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// By which its line in the log is found, once it is there.
    pub fn id(&self) -> Option<ErrorId> {
        self.id
    }

    /// The same error, told in the log under this id.
    pub(crate) fn told_as(&mut self, id: ErrorId) {
        self.id = Some(id);
    }

    /// Seconds after which asking again may help.
    pub(crate) fn retries_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// The text for the client; `devel` shows what really happened, too.
    pub fn shown(&self, devel: bool) -> String {
        match &self.internal {
            Some(internal) if devel => format!("{}: {internal}", self.message),
            _ => self.message.clone(),
        }
    }

    /// What really happened, where that is not what the client reads.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.internal.as_deref()
    }
}

/// The one table from an HTTP status to a code over RPC.
fn code_of(status: StatusCode) -> i64 {
    match status.as_u16() {
        400 | 422 => code::INVALID_PARAMS,
        // 404 of a handler is "no such thing", not "no such method".
        500 => code::INTERNAL,
        other => code::APPLICATION - i64::from(other),
    }
}

// `Error` itself is not a `std::error::Error`: that is what lets `?` turn every such error into it.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Error {
        match (&error as &dyn Any).downcast_ref::<AllFailed>() {
            // Nothing was sent for want of room: the client may ask again, now is not the time.
            Some(all) if all.overloaded() => Error::new(503, error.to_string()).retry_after(RETRY_AFTER),
            // The members' failure, not ours: a gateway's statuses, and every reason.
            Some(all) => Error::new(if all.timed_out() { 504 } else { 502 }, error.to_string()),
            None => Error::internal(error),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Hooks and logs ask what really happened; "Internal Server Error" is for clients.
        match &self.internal {
            Some(internal) => write!(f, "{internal}"),
            None => f.write_str(&self.message),
        }
    }
}

/// What a handler may return as the error of its `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a route",
    note = "return skitai::Result<T>, or an error type that implements std::error::Error + Send + Sync"
)]
pub trait IntoError {
    /// As our error.
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
