//! `Server-Timing` (W3C): how long a request and its calls took, for the tools of browsers. In devel mode and for the
//! user `admin`: it names clusters and methods.

use std::fmt::Write as _;

use super::noted::NotedCall;
use super::record::{described, micros};
use crate::app::was::RequestContext;

/// The header.
pub(crate) const NAME: &str = "server-timing";
/// Calls that are named. What tools show of a header has an end, too.
const CALLS: usize = 20;
/// Characters of a description.
const LETTERS: usize = 80;

/// The value for this request; `None` for a client that may not learn it.
pub(crate) fn value(request: &RequestContext) -> Option<String> {
    if !request.trail.is_wanted() || !request.learns_times() {
        return None;
    }
    let (_, took) = request.trail.answer()?;
    let mut value = format!("total;dur={:.1}", took.as_secs_f64() * 1e3);
    let notes = request.trail.notes();
    for call in notes.calls.iter().take(CALLS) {
        entry(&mut value, call);
    }
    Some(value)
}

fn entry(value: &mut String, call: &NotedCall) {
    let (_, what, target) = described(&call.what);
    let took = call.until.map(|until| f64::from(micros(until - call.made)) / 1e3);
    // Writing to a String cannot fail.
    let _ = write!(value, ", {}", token(&target));
    if let Some(took) = took {
        let _ = write!(value, ";dur={took:.1}");
    }
    let _ = write!(value, ";desc={}", quoted(&what));
}

/// A name as a token (RFC 9110, 5.6.2).
fn token(name: &str) -> String {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let name: String = name.trim_start_matches('@').chars().map(|c| if is_token(c) { c } else { '_' }).collect();
    if name.is_empty() { "call".to_owned() } else { name }
}

/// A text as a quoted string (RFC 9110, 5.6.4), of visible ASCII.
fn quoted(text: &str) -> String {
    let letters = text.chars().take(LETTERS).map(|letter| if matches!(letter, ' '..='~') { letter } else { '?' });
    let mut quoted = String::from("\"");
    for letter in letters {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}

impl RequestContext {
    /// Whether the client may learn how long calls took. The login is not asked for where nothing else needs it: an
    /// app's own user `admin` would count as a wrong guess.
    fn learns_times(&self) -> bool {
        self.shows_devel() || ((self.request.is_judged() || self.coverage.has_calls()) && self.is_known_admin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_and_texts_are_quoted() {
        assert_eq!(token("@my search"), "my_search");
        assert_eq!(token("http://127.0.0.1:5000"), "http___127.0.0.1_5000");
        assert_eq!(token("@"), "call");
        assert_eq!(quoted("say \"ü\"\r\n\\"), "\"say \\\"?\\\"??\\\\\"");
        assert_eq!(quoted(&"x".repeat(500)).len(), LETTERS + 2);
    }
}
