//! The request header `Prefer` (RFC 7240): `Prefer: coverage=body, allow-partial`.

use actix_web::http::header::{HeaderMap, HeaderName};

/// The request header; the answer names what was applied in `Preference-Applied`.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header of the answer.
pub(crate) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The preferences that are known here; all others are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) allow_partial: bool,
    pub(crate) coverage_in_body: bool,
}

impl Preferences {
    /// Reads all header lines. The first occurrence of a preference counts (RFC 7240, 2).
    pub(crate) fn of(headers: &HeaderMap) -> Preferences {
        let (mut allow, mut place) = (None, None);
        for line in headers.get_all(PREFER).filter_map(|line| line.to_str().ok()) {
            for (name, value) in pairs(line) {
                if name.eq_ignore_ascii_case("allow-partial") {
                    // The form without a value, and the one that says no.
                    allow.get_or_insert(value.is_empty() || value.eq_ignore_ascii_case("true") || value == "?1");
                } else if name.eq_ignore_ascii_case("coverage") {
                    place.get_or_insert(value.eq_ignore_ascii_case("body"));
                }
            }
        }
        Preferences { allow_partial: allow.unwrap_or_default(), coverage_in_body: place.unwrap_or_default() }
    }
}

/// Name and value of each preference, without its parameters.
fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    split_outside_quotes(line).map(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        (name.trim(), value.trim().trim_matches('"'))
    })
}

/// The parts between commas that are not within a quoted string.
fn split_outside_quotes(line: &str) -> impl Iterator<Item = &str> {
    let (mut in_quotes, mut is_escaped) = (false, false);
    line.split(move |letter: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            '\\' if in_quotes && !was_escaped => is_escaped = true,
            '"' if !was_escaped => in_quotes = !in_quotes,
            _ => {}
        }
        letter == ',' && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> (bool, bool) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, HeaderValue::try_from(*line).expect("a header"));
        }
        let Preferences { allow_partial, coverage_in_body } = Preferences::of(&headers);
        (allow_partial, coverage_in_body)
    }

    #[test]
    fn preferences_are_read_from_any_line_in_any_form() {
        for (lines, expected) in [
            (&[][..], (false, false)),
            (&["allow-partial"], (true, false)),
            (&["coverage=body"], (false, true)),
            (&["respond-async, wait=10", "Coverage = \"body\" ; x=1, Allow-Partial"], (true, true)),
            (&["allow-partial=false"], (false, false)),
            (&["allow-partial;why=\"a, coverage=body\""], (true, false)),
            (&["note=\"a\\\", allow-partial\""], (false, false)),
            (&["coverage=header", "coverage=body"], (false, false)),
            (&["coverage", "xallow-partial", "=,;\"", ""], (false, false)),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
    }
}
