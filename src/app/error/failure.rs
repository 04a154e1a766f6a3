//! An error as an app's own error page gets it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::Serialize;

use super::Error;
use crate::app::coverage::Audience;
use crate::app::reply::{Answer, Reply};
use crate::app::was::Was;

/// The part of an error that a client may see. A template of the app has it as `{{ status }}`, `{{ reason }}`,
/// `{{ message }}`, `{{ id }}` and `{{ request_id }}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The text of the status, such as `Not Found`.
    pub reason: &'static str,
    /// The text for the client. In devel mode it includes the cause.
    pub message: String,
    /// The id of the line in the log, if the error was logged.
    pub id: Option<String>,
    /// The id of the request: that of `X-Request-Id`.
    pub request_id: Option<String>,
}

impl Failure {
    pub(crate) fn of(error: &Error, reader: Audience) -> Failure {
        let status = error.status();
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let (id, request_id) = (error.id().map(|id| id.to_string()), error.request().map(str::to_owned));
        Failure { status, reason, message: error.shown_to(reader), id, request_id }
    }
}

type Answering = dyn Fn(&Was, &Failure) -> Option<Answer> + Send + Sync;

/// An app's own answer to an error, if it has one.
#[derive(Clone)]
pub(crate) struct OnError(Arc<Answering>);

impl std::fmt::Debug for OnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnError")
    }
}

impl OnError {
    pub(crate) fn new<R: Reply>(answer: impl Fn(&Was, &Failure) -> Option<R> + Send + Sync + 'static) -> OnError {
        OnError(Arc::new(move |was, failure| answer(was, failure).map(|reply| reply.into_answer(was))))
    }

    pub(crate) fn answer(&self, was: &Was, failure: &Failure) -> Option<Answer> {
        (self.0)(was, failure)
    }
}
