//! Status and headers of the reply that the handler sets itself.
//!
//! Nothing is allocated before the first of them is set: most replies never use this.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;

use crate::app::error::Error;
use crate::app::reply::Response;

/// Status and headers to send with the handler's return value.
#[derive(Debug, Default)]
pub struct ResponseHead(Mutex<Option<Box<Parts>>>);

/// The values that were set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the connection is closed after this reply.
    pub(crate) closes: bool,
    /// How long the client may keep the reply.
    pub(crate) cached: Option<Duration>,
}

/// Headers about the representation that a success would have sent, besides all of `Content-…`: its metadata and
/// validators (RFC 9110, 8), its age and how long it may be kept (RFC 9111, 5), where it is (RFC 9110, 10.2.2), and
/// what tells a proxy to send a file in its place.
const OF_SUCCESS: [&str; 16] = [
    "accept-ranges",
    "age",
    "digest",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "pragma",
    "refresh",
    "repr-digest",
    "sourcemap",
    "surrogate-control",
    "x-accel-expires",
    "x-accel-redirect",
    "x-sendfile",
];

/// True for a header that would be wrong on an error: a 404 that may be cached for a day, or is saved as `report.csv`.
fn is_of_success(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name.ends_with("cache-control") {
        // What forbids others to keep an answer is true of an error, too, and its loss would tell secrets to caches.
        let value = value.to_ascii_lowercase();
        let forbids = ["no-store", "no-cache", "private"].iter().any(|word| value.contains(word));
        return !forbids || (value.contains("max-age") && !value.contains("no-store"));
    }
    // A policy is about the site, not about the representation.
    let is_content = name.starts_with("content-") && !name.starts_with("content-security-policy");
    is_content || OF_SUCCESS.contains(&&*name)
}

impl ResponseHead {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Parts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut Parts) -> R) -> R {
        change(self.lock().get_or_insert_with(Box::default))
    }

    /// Sets the status, from 200 to 599. The body is still the returned value.
    pub fn reply(&self, status: u16) {
        self.with(|parts| parts.status = Some(status));
    }

    /// Adds a header; there may already be one of the same name. A header that is not valid HTTP is logged and not
    /// sent. Content length, transfer coding and connection headers are set by the server alone.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| parts.headers.push((name.to_owned(), value.into())));
    }

    /// The client may keep the reply for this time, and afterwards asks whether it is still the same.
    ///
    /// A page or data answered with 200 to GET and HEAD gets `Cache-Control: max-age=…` (`private` beside it, if it
    /// sets a cookie) and a weak `ETag` of its body, unless the handler sets its own. A client that has it already is
    /// answered with 304 and no body: the handler has run, but nothing is sent. Of a stream, which is not known
    /// before it is sent, only the time is said; a file has its own tag. Nothing is said of an answer from which
    /// members are missing.
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// #[route("/prices")]
    /// async fn prices(was: Was) -> Vec<f64> {
    ///     was.response.cached(secs(60));
    ///     vec![1.5, 2.5]
    /// }
    /// ```
    pub fn cached(&self, max_age: Duration) {
        self.with(|parts| parts.cached = Some(max_age));
    }

    /// Replaces a header.
    pub fn update(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| {
            parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            parts.headers.push((name.to_owned(), value.into()));
        });
    }

    /// Removes a header.
    pub fn delete(&self, name: &str) {
        self.with(|parts| parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name)));
    }

    /// The first value set for this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let parts = self.lock();
        let found = parts.as_ref()?.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// Whether a header of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Makes an error to return: `return Err(was.response.error(405, ""))`. Without a text it has the text of its
    /// status.
    ///
    /// Otherwise it is [`Error::new`]: the client gets the error's page or, over RPC, a fault.
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

    /// Makes an error to return, and closes the connection after the answer: anything else that the client has sent on
    /// it is not read. For clients that should not come back: `return Err(was.response.abort(403, "not from there"))`.
    #[track_caller]
    #[must_use = "an error is answered when it is returned: `return Err(was.response.abort(403, \"\"))`"]
    pub fn abort(&self, status: u16, why: impl Into<String>) -> Error {
        self.with(|parts| parts.closes = true);
        self.error(status, why)
    }

    /// Makes a reply that redirects the client with 302: `return was.response.redirect("/login")`. For another status:
    /// `Response::new(301).header("location", "/newloc")`.
    #[must_use = "a redirect is sent when it is returned"]
    pub fn redirect(&self, location: impl Into<String>) -> Response {
        Response::redirect(location)
    }

    /// Discards the status: the reply it was set for has failed.
    pub(crate) fn forget_status(&self) {
        if let Some(parts) = self.lock().as_mut() {
            parts.status = None;
        }
    }

    /// Discards what was said of a success: the status, and the headers that describe the representation that is not
    /// sent after all. Called at the moment of the failure, so what teardowns and `on_error` set afterwards stays.
    pub(crate) fn fail(&self) {
        if let Some(parts) = self.lock().as_mut() {
            parts.status = None;
            parts.cached = None;
            parts.headers.retain(|(name, value)| !is_of_success(name, value));
        }
    }

    pub(crate) fn take(&self) -> Option<Box<Parts>> {
        self.lock().take()
    }
}
