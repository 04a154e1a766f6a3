//! Conditional requests (RFC 9110, 13): whether a client has already what it asks for.

use std::borrow::Cow;
use std::time::SystemTime;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::app::Request;

/// The conditions of a request, and the range that it asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_unmodified_since: Option<String>,
    if_modified_since: Option<String>,
    if_range: Option<String>,
    range: Option<String>,
}

/// What is compared with the conditions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'v> {
    /// As it is sent: in quotes, with `W/` before it if it is weak.
    pub(super) etag: &'v str,
    pub(super) modified: Option<SystemTime>,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Holds,
    /// The client has it already: 304.
    NotModified,
    /// It is not what the client takes it for: 412.
    Fails,
}

impl Conditions {
    /// Those of a request that reads; any other has none here.
    pub(super) fn of(request: &Request) -> Conditions {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Conditions::default();
        }
        let text = |name: HeaderName| all(&request.headers, &name);
        Conditions {
            if_match: text(header::IF_MATCH),
            if_none_match: text(header::IF_NONE_MATCH),
            if_unmodified_since: text(header::IF_UNMODIFIED_SINCE),
            if_modified_since: text(header::IF_MODIFIED_SINCE),
            if_range: text(header::IF_RANGE),
            // Of HEAD it means nothing (RFC 9110, 14.2).
            range: if request.method == Method::GET { text(header::RANGE) } else { None },
        }
    }

    /// Judges them in the order of RFC 9110, 13.2.2. A date that is none counts as not given.
    pub(super) fn judge(&self, of: Validators<'_>) -> Condition {
        if let Some(tags) = &self.if_match {
            if !has_tag(tags, of.etag, false) {
                return Condition::Fails;
            }
        } else if let (Some(since), Some(modified)) = (date(self.if_unmodified_since.as_deref()), of.modified)
            && whole_seconds(modified) > whole_seconds(since)
        {
            return Condition::Fails;
        }
        if let Some(tags) = &self.if_none_match {
            return if has_tag(tags, of.etag, true) { Condition::NotModified } else { Condition::Holds };
        }
        match (date(self.if_modified_since.as_deref()), of.modified) {
            (Some(since), Some(modified)) if whole_seconds(modified) <= whole_seconds(since) => Condition::NotModified,
            _ => Condition::Holds,
        }
    }

    /// The range that is asked for, unless it was to be one of something else (`If-Range`).
    pub(super) fn range(&self, of: Validators<'_>) -> Option<&str> {
        let range = self.range.as_deref()?;
        let Some(condition) = self.if_range.as_deref() else { return Some(range) };
        let is_same = if condition.starts_with('"') || condition.starts_with("W/") {
            // Two weak ones may have different octets.
            !condition.starts_with("W/") && condition.trim() == of.etag
        } else {
            date(Some(condition)).is_some_and(|since| of.modified.map(whole_seconds) == Some(whole_seconds(since)))
        };
        is_same.then_some(range)
    }
}

/// All lines of a header as one; `None` if there is none, or if it is no text.
fn all(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name);
    let mut text = Cow::Borrowed(lines.next()?.to_str().ok()?);
    for line in lines {
        text = Cow::Owned(format!("{text}, {}", line.to_str().ok()?));
    }
    Some(text.into_owned())
}

fn date(text: Option<&str>) -> Option<SystemTime> {
    httpdate::parse_http_date(text?.trim()).ok()
}

/// A date of HTTP has no smaller part.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whether a list of tags has this one. A list that cannot be read on ends there.
fn has_tag(list: &str, etag: &str, weakly: bool) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let is_strong = !etag.starts_with("W/");
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let is_weak = rest.starts_with("W/");
        let Some(opened) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"') else { return false };
        let Some(end) = opened.find('"') else { return false };
        let is_same = opened[..end] == bare(etag)[1..bare(etag).len() - 1];
        if is_same && (weakly || (is_strong && !is_weak)) {
            return true;
        }
        rest = &opened[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn judged(headers: &[(&str, &str)], etag: &str) -> Condition {
        let at = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let conditions = Conditions {
            if_match: at("if-match"),
            if_none_match: at("if-none-match"),
            if_unmodified_since: at("if-unmodified-since"),
            if_modified_since: at("if-modified-since"),
            ..Conditions::default()
        };
        // Files have parts of a second, dates of HTTP do not.
        let modified = date(Some(AT)).map(|at| at + Duration::from_millis(300));
        conditions.judge(Validators { etag, modified })
    }

    #[test]
    fn conditions_are_judged_in_their_order() {
        use Condition::{Fails, Holds, NotModified};
        for (headers, expected) in [
            (&[][..], Holds),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "\"b\", W/\"a\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"b\"")], Holds),
            (&[("if-none-match", "a")], Holds),
            (&[("if-none-match", "\"a")], Holds),
            (&[("if-none-match", ",,\t\"x,y\",\"a\"")], NotModified),
            (&[("if-match", "\"a\"")], Holds),
            (&[("if-match", "W/\"a\"")], Fails),
            (&[("if-match", "nonsense")], Fails),
            (&[("if-modified-since", AT)], NotModified),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], Holds),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("if-modified-since", "yesterday")], Holds),
            (&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], Fails),
            (&[("if-unmodified-since", AT)], Holds),
            (&[("if-unmodified-since", "32 Nov")], Holds),
            // A tag is worth more than a date.
            (&[("if-none-match", "\"b\""), ("if-modified-since", AT)], Holds),
            (&[("if-match", "\"a\""), ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], Holds),
        ] {
            assert_eq!(judged(headers, "\"a\""), expected, "{headers:?}");
        }
        assert_eq!(judged(&[("if-match", "\"a\"")], "W/\"a\""), Fails);
        assert_eq!(judged(&[("if-none-match", "\"a\"")], "W/\"a\""), NotModified);
    }

    #[test]
    fn a_range_is_one_of_what_the_client_has() {
        let modified = date(Some(AT));
        let ranged = |condition: &str, etag: &str| {
            let range = Some("bytes=0-1".to_owned());
            let conditions = Conditions { if_range: Some(condition.to_owned()), range, ..Conditions::default() };
            conditions.range(Validators { etag, modified }).is_some()
        };
        assert!(ranged("\"a\"", "\"a\"") && ranged(AT, "\"a\""));
        for condition in ["\"b\"", "W/\"a\"", "Sun, 06 Nov 1994 08:49:38 GMT", "then", ""] {
            assert!(!ranged(condition, "\"a\""), "{condition}");
        }
        assert!(!ranged("W/\"a\"", "W/\"a\""));
    }
}
