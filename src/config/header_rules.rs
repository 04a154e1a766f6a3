//! `proxy_request_headers` and `proxy_answer_headers` of `[mount /path]`: what is set, and what is taken away:
//! `X-Tenant: acme, Cache-Control: "no-store, private", -Server`.

use std::fmt;
use std::ops::Range;

use super::ini::Section;
use super::keys::Key;
use super::reading::{Reading, find};
use super::report::Problem;

/// What is done with one header of a message that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Its name, in lower case.
    pub name: String,
    /// What stands there in place of all its lines; `None`: nothing.
    pub value: Option<String>,
}

/// As in a conf.
impl fmt::Display for HeaderRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) if value.contains(',') => write!(f, "{}: \"{value}\"", self.name),
            Some(value) => write!(f, "{}: {value}", self.name),
            None => write!(f, "-{}", self.name),
        }
    }
}

/// Headers that are no rule's, and why.
const OTHERS: [(&str, &str); 15] = [
    ("host", "`proxy_host` says what members get"),
    ("content-length", "it frames the body"),
    ("transfer-encoding", "it frames the body"),
    ("connection", "it is of one connection"),
    ("keep-alive", "it is of one connection"),
    ("proxy-connection", "it is of one connection"),
    ("upgrade", "it is of one connection"),
    ("http2-settings", "it is of one connection"),
    ("te", "it is of one connection"),
    ("trailer", "it is of one connection"),
    ("expect", "it is of one connection"),
    ("via", "it guards against loops"),
    ("x-request-id", "it names the request in all logs"),
    ("x-request-timeout-ms", "it is the time that is left"),
    ("date", "the server writes it"),
];

/// Reads the rules of a key.
pub(super) fn rules(reading: &mut Reading<'_>, section: &Section, key: &Key) -> Vec<HeaderRule> {
    let Some(value) = find(Some(section), key) else { return Vec::new() };
    if reading.refuse_cut(key, value) {
        return Vec::new();
    }
    let mut rules: Vec<HeaderRule> = Vec::new();
    for range in unquoted_parts(&value.text) {
        let span = value.span_of(&range);
        match rule(&value.text[range]) {
            Ok(rule) if rules.iter().any(|other| other.name == rule.name) => {
                let message = format!("`{}` says two things of `{}`", key.name, rule.name);
                reading.push(Problem::error(span, message).label("one of them has to go"));
            }
            Ok(rule) => rules.push(rule),
            Err(why) => {
                let problem = Problem::error(span, format!("this is no rule of `{}`", key.name)).label(why);
                reading.push(problem.help("write `Name: value` to set a header, `-Name` to take it away"));
            }
        }
    }
    rules
}

fn rule(text: &str) -> Result<HeaderRule, String> {
    let (name, value) = match (text.strip_prefix('-'), text.split_once(':')) {
        (Some(name), _) => (name, None),
        (None, Some((name, value))) => (name.trim_end(), Some(value.trim())),
        (None, None) => return Err("expected `Name: value` or `-Name`".to_owned()),
    };
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("this is no name of a header".to_owned());
    }
    let name = name.to_ascii_lowercase();
    if let Some((_, why)) = OTHERS.iter().find(|(other, _)| *other == name) {
        return Err(format!("`{name}` is not for a rule: {why}"));
    }
    let Some(value) = value else { return Ok(HeaderRule { name, value: None }) };
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').ok_or("the closing `\"` is missing")?,
        None => value,
    };
    if value.is_empty() {
        return Err(format!("`{name}` has no value; `-{name}` takes it away"));
    }
    if !value.bytes().all(|octet| (b' '..=b'~').contains(&octet) && octet != b'"') {
        return Err("a value is of visible ASCII, without quotes in it".to_owned());
    }
    Ok(HeaderRule { name, value: Some(value.to_owned()) })
}

/// What stands between commas, but for those between quotes.
fn unquoted_parts(text: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    let ends = text.bytes().enumerate().filter_map(|(at, octet)| {
        is_quoted ^= octet == b'"';
        (octet == b',' && !is_quoted).then_some(at)
    });
    for end in ends.collect::<Vec<_>>().into_iter().chain([text.len()]) {
        let part = &text[start..end];
        let at = start + part.len() - part.trim_start().len();
        parts.push(at..at + part.trim().len());
        start = end + 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_sets_a_header_or_takes_it_away() {
        let shown = |text: &str| rule(text).map(|rule| rule.to_string());
        assert_eq!(shown("X-Tenant: acme").as_deref(), Ok("x-tenant: acme"));
        assert_eq!(shown("-Server").as_deref(), Ok("-server"));
        assert_eq!(
            shown("cache-control: \"no-store, private\"").as_deref(),
            Ok("cache-control: \"no-store, private\"")
        );
        assert_eq!(shown("a:b:c").as_deref(), Ok("a: b:c"));
        for bad in
            ["", "-", "X", ": x", "a b: c", "x:", "x: \"", "x: \"a", "Host: a", "-Content-Length", "Via: 1", "x: ä"]
        {
            assert!(rule(bad).is_err(), "{bad}");
        }
        let text = "a: 1, b: \"2, 3\",-c";
        let parts: Vec<&str> = unquoted_parts(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(parts, ["a: 1", "b: \"2, 3\"", "-c"]);
    }
}
