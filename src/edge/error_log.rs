//! Errors that are ours or our members' in the log, under an id that the client is told, too.

use crate::app::{Answer, Error, ErrorId, Request, Was};
use crate::observe::log::one_line;

/// Writes the error's line, and gives the error its id. What the client did wrong is the client's to read.
pub(crate) fn log(request: &Request, error: &mut Error) {
    if error.status() < 500 && error.cause().is_none() {
        return;
    }
    let (id, at) = (ErrorId::new(), error.place());
    error.told_as(id);
    let (method, uri) = (request.method(), request.uri());
    if let Some(cause) = error.cause() {
        tracing::error!(%id, method, uri, %at, "{}", one_line(&cause.to_string()));
    } else {
        let shown = error.shown(true);
        tracing::warn!(%id, method, uri, %at, "{} {}", error.status(), one_line(&shown));
    }
}

/// The answer of a handler, its error logged.
pub(crate) fn logged(was: &Was, mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Failed(error) => log(&was.request, error),
        Answer::Instead(instead) => log(&was.request, &mut instead.error),
        _ => {}
    }
    answer
}
