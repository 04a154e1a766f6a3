//! Logs errors of the server or its members, under an id that the client gets, too.

use crate::app::{Answer, Error, ErrorId, Request, Was};
use crate::observe::log::one_line;

/// Logs the error and gives it an id. The client's own mistakes are not logged: the client reads them.
pub(crate) fn log(request: &Request, error: &mut Error) {
    error.set_request(request.request_id());
    if error.status() < 500 && error.cause().is_none() {
        return;
    }
    let request_id = request.id();
    let (id, at) = (ErrorId::new(), error.at());
    let at = at.as_deref().map(tracing::field::display);
    error.set_id(id);
    let (method, uri) = (request.method(), request.uri());
    if let Some(cause) = error.cause().filter(|_| error.is_of_members()) {
        tracing::warn!(%id, request = request_id, method, uri, at, "{} {}", error.status(), one_line(&cause.to_string()));
    } else if let Some(cause) = error.cause() {
        tracing::error!(%id, request = request_id, method, uri, at, "{}", one_line(&cause.to_string()));
    } else {
        let shown = error.to_string();
        tracing::warn!(%id, request = request_id, method, uri, at, "{} {}", error.status(), one_line(&shown));
    }
}

/// Logs the error of a handler's answer, if it is one.
pub(crate) fn logged(was: &Was, mut answer: Answer) -> Answer {
    match &mut answer {
        Answer::Failed(error) => {
            was.coverage.fail();
            error.set_handler(was.definition());
            log(&was.request, error);
            was.trail.failed(error);
        }
        Answer::Instead(instead) => {
            was.coverage.fail();
            instead.error.set_handler(was.definition());
            log(&was.request, &mut instead.error);
            was.trail.failed(&instead.error);
        }
        _ => {}
    }
    answer
}
