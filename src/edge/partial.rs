//! Answers from which members are missing: whether the client gets them, and how it learns what is missing.
//!
//! - Where the route or the configuration asks for consent, a partial answer becomes a 503 ([`judged`]).
//! - The header `X-Coverage` is on every reply of a request that made calls, complete or not ([`with_headers`]).
//! - In the body on request, or where the route says so ([`enveloped`]; RPC and streams write the same [`body`] in
//!   places of their own).
//! - The log has a line for what is missing ([`log`]).

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{HeaderName, HeaderValue, VARY};
use bytes::Bytes;
use skitai_actors::{CoverageDetail, coverage};
use skitai_wire::Value;

use crate::app::coverage::prefer::APPLIED;
use crate::app::{Answer, Error, Incomplete, Was};
use crate::config::PartialAnswers;
use crate::observe::log::one_line;

const X_COVERAGE: HeaderName = HeaderName::from_static(coverage::header::NAME);

/// The error in place of an answer that the client does not take; `None` if nothing is missing, or it takes it.
pub(super) fn refusal(was: &Was) -> Option<Error> {
    if !was.coverage.has_gap() || was.allows_partial() {
        return None;
    }
    let may_consent = was.partial_answers() == PartialAnswers::Consent;
    Some(Error::from(Incomplete { report: was.coverage(), may_consent }))
}

/// The handler's answer, or the refusal in its place. A stream is judged at its end.
pub(super) fn judged(was: &Was, answer: Answer) -> Answer {
    match answer {
        Answer::Failed(_) | Answer::Instead(_) | Answer::Streaming(_) | Answer::Later(_) => answer,
        good => match refusal(was) {
            Some(error) => Answer::Failed(error),
            None => good,
        },
    }
}

/// Logs and counts an answer from which something is missing. An error has a line of its own.
pub(crate) fn log(was: &Was) {
    if was.coverage.has_gap() && !was.coverage.is_failed() {
        was.services().counts.partial();
        tracing::warn!(
            request = was.request.id(),
            uri = was.request.uri(),
            "partial answer: {}",
            one_line(&was.coverage().described(CoverageDetail::Names))
        );
    }
}

/// The coverage, for the body of this request's answer.
pub(crate) fn body(was: &Was) -> Value {
    was.coverage.put_in_body();
    was.coverage().to_value(was.coverage_detail())
}

/// The coverage as JSON text, if the answer has it in its body.
pub(crate) fn wanted_json(was: &Was) -> Option<Vec<u8>> {
    was.has_coverage_in_body()
        .then(|| skitai_wire::json::to_vec(&body(was)).expect("numbers and texts can always be written as JSON"))
}

/// A JSON answer with its coverage beside it, if that is wanted.
pub(super) fn enveloped(was: &Was, data: Bytes) -> Bytes {
    was.coverage.vary();
    match wanted_json(was) {
        Some(coverage) => [&b"{\"data\":"[..], &data, b",\"coverage\":", &coverage, b"}"].concat().into(),
        None => data,
    }
}

/// Adds the headers about the coverage of this request, and logs what is missing from a finished answer.
pub(crate) fn with_headers(was: &Was, mut reply: HttpResponse) -> HttpResponse {
    let has_calls = was.coverage.has_calls();
    if has_calls {
        set_header(&mut reply, &was.coverage.header());
        // A stream is not finished yet: its body logs what is missing at its end.
        if !matches!(reply.body().size(), BodySize::Stream) {
            log(was);
        }
    }
    let depends_on_consent = was.partial_answers() == PartialAnswers::Consent;
    if has_calls || was.coverage.is_varied() || depends_on_consent {
        let in_body = was.preferences().coverage_in_body && was.coverage.is_in_body();
        apply(&mut reply, in_body, is_allowed(was));
    }
    reply
}

/// True if the client gets what there is because it said so.
pub(crate) fn is_allowed(was: &Was) -> bool {
    let consents = was.partial_answers() == PartialAnswers::Consent && was.preferences().allow_partial;
    consents && was.coverage.has_gap() && !was.coverage.is_failed()
}

/// Sets `X-Coverage`.
pub(crate) fn set_header(reply: &mut HttpResponse, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        reply.headers_mut().insert(X_COVERAGE, value);
    }
}

/// Names the preferences that were applied, and tells caches that another `Prefer` may get another answer.
pub(crate) fn apply(reply: &mut HttpResponse, in_body: bool, is_allowed: bool) {
    let applied = match (in_body, is_allowed) {
        (true, true) => Some("coverage=body, allow-partial"),
        (true, false) => Some("coverage=body"),
        (false, true) => Some("allow-partial"),
        (false, false) => None,
    };
    if let Some(applied) = applied {
        reply.headers_mut().insert(APPLIED, HeaderValue::from_static(applied));
    }
    let is_prefer = |name: &str| name.trim().eq_ignore_ascii_case("prefer") || name.trim() == "*";
    let says = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.split(',').any(is_prefer));
    if !reply.headers().get_all(VARY).any(says) {
        reply.headers_mut().append(VARY, HeaderValue::from_static("Prefer"));
    }
}
