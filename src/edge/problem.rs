//! Errors as `application/problem+json` (RFC 9457), for clients that ask for them.
//!
//! `type` is `about:blank`: the status says what kind of problem it is, and `title` is its phrase (RFC 9457, 4.2.1).
//! There is no `instance`, because an error has no address of its own; its `id` is the one in the log. `code` is the
//! RPC code, which is the application's own where the handler set one.

use actix_web::http::header::HeaderValue;
use bytes::Bytes;
use serde_json::json;
use skitai_wire::Value;

use crate::app::coverage::Audience;
use crate::app::{Error, Failure};

const NAME: &str = "application/problem+json";
pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(NAME);

/// True if a client's `Accept` names problems, and neither pages nor plain JSON more than these. A wildcard asks for
/// none: who knows nothing of problems gets what it always got.
pub(super) fn is_wanted(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    let problem = weight(accept, NAME);
    problem > 0 && problem >= weight(accept, "application/json") && problem > weight(accept, "text/html")
}

/// The weight of a media type that the header names, in thousandths (RFC 9110, 12.4.2); 0 if it does not.
fn weight(accept: &str, name: &str) -> u16 {
    let of = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(name) {
            return None;
        }
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(q.map_or(1_000, |q| q.trim().parse().map_or(0, thousandths)))
    };
    accept.split(',').filter_map(of).max().unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to 0 to 1000 before")]
fn thousandths(q: f32) -> u16 {
    if q.is_finite() { (q.clamp(0.0, 1.0) * 1_000.0).round() as u16 } else { 0 }
}

/// The document.
pub(super) fn of(error: &Error, failure: &Failure, reader: Audience, coverage: Option<&Value>) -> Bytes {
    let mut problem = json!({
        "type": "about:blank",
        "title": failure.reason,
        "status": failure.status,
        "detail": failure.message,
        "code": error.code(),
    });
    if error.faults().len() > 1 {
        problem["errors"] = error.faults().iter().map(|fault| json!({ "detail": fault })).collect();
    }
    if let Some(id) = &failure.id {
        problem["id"] = id.as_str().into();
        if reader.devel {
            problem["at"] = error.at().into();
        }
    }
    if let Some(coverage) = coverage {
        problem["coverage"] = json!(coverage);
    }
    problem.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_for_who_names_them_and_prefers_nothing_else() {
        for (accept, wanted) in [
            ("application/problem+json", true),
            ("Application/Problem+JSON; q=0.1", true),
            ("application/json, application/problem+json", true),
            ("application/problem+json;q=0.5, application/json;q=0.4, */*;q=0.9", true),
            ("application/problem+json;charset=utf-8;q=1.000", true),
            ("application/problem+json;q=0.5, application/json", false),
            ("application/problem+json;q=0", false),
            ("application/problem+json;q=nonsense", false),
            ("application/problem+json;q=NaN", false),
            ("application/problem+json, text/html", false),
            ("text/html,application/xhtml+xml,application/problem+json;q=0.9,*/*;q=0.8", false),
            ("application/problem+json, text/html;q=0.2", true),
            ("application/*, */*", false),
            ("application/problem+jsonx", false),
            ("", false),
        ] {
            assert_eq!(is_wanted(Some(accept)), wanted, "{accept}");
        }
        assert!(!is_wanted(None));
    }
}
