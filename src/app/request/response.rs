//! The reply's status and headers, where the handler wants others than the usual ones.
//!
//! Nothing is allocated until the first of them is set: most replies never touch this.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;

use crate::app::error::Error;
use crate::app::reply::Response;

/// Status and headers to be sent with whatever the handler returns.
#[derive(Debug, Default)]
pub struct ResponseHead(Mutex<Option<Box<Parts>>>);

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    /// The connection ends with this reply.
    pub(crate) closes: bool,
}

impl ResponseHead {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Parts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut Parts) -> R) -> R {
        change(self.lock().get_or_insert_with(Box::default))
    }

    /// Sets the status, from 200 to 599; the returned value is still the body.
    pub fn reply(&self, status: u16) {
        self.with(|parts| parts.status = Some(status));
    }

    /// Adds a header; one of the same name may be there already. What is not valid HTTP is told in the log and not
    /// sent; length, transfer coding and connection are the server's own.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| parts.headers.push((name.to_owned(), value.into())));
    }

    /// Replaces a header.
    pub fn update(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| {
            parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            parts.headers.push((name.to_owned(), value.into()));
        });
    }

    /// Takes a header away.
    pub fn delete(&self, name: &str) {
        self.with(|parts| parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name)));
    }

    /// The first value set for this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let parts = self.lock();
        let found = parts.as_ref()?.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// True when a header of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// An error to return: `return Err(was.response.error(405, ""))`. Without a text it has the words of its status.
    ///
    /// The same as [`Error::new`], but for the words: the client sees the error's page or, over RPC, a fault.
    #[track_caller]
    #[must_use = "an error is answered when it is returned: `return Err(was.response.error(405, \"\"))`"]
    pub fn error(&self, status: u16, why: impl Into<String>) -> Error {
        let mut why = why.into();
        if why.is_empty() {
            let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
            words.unwrap_or("Error").clone_into(&mut why);
        }
        Error::new(status, why)
    }

    /// The same, and the connection is closed behind the answer: what the client has sent on it meanwhile is not read.
    /// For those one does not want to hear of again: `return Err(was.response.abort(403, "not from there"))`.
    #[track_caller]
    #[must_use = "an error is answered when it is returned: `return Err(was.response.abort(403, \"\"))`"]
    pub fn abort(&self, status: u16, why: impl Into<String>) -> Error {
        self.with(|parts| parts.closes = true);
        self.error(status, why)
    }

    /// A reply that sends the client elsewhere with 302: `return was.response.redirect("/login")`. For another status:
    /// `Response::new(301).header("location", "/newloc")`.
    #[must_use = "a redirect is sent when it is returned"]
    pub fn redirect(&self, location: impl Into<String>) -> Response {
        Response::redirect(location)
    }

    /// Takes back what status was set: what it was set for has failed.
    pub(crate) fn forget_status(&self) {
        if let Some(parts) = self.lock().as_mut() {
            parts.status = None;
        }
    }

    pub(crate) fn take(&self) -> Option<Box<Parts>> {
        self.lock().take()
    }
}
