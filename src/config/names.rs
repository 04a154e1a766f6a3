//! `server_names`: the names that a site answers to.

use std::fmt;

use super::ini::{Section, Value};
use super::keys;
use super::reading::{Reading, find, parts};
use super::report::Problem;

/// The names of a site; empty where it answers to any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames(Vec<ServerName>);

/// One name, in lower case, without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ServerName {
    /// `example.org`, or an address.
    Exact(String),
    /// `*.example.org`: every name below it, however deep. Without the `*`: `.example.org`.
    Below(String),
}

impl ServerNames {
    /// Whether the site answers to any name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name, without a port, is one of them. `example.org.` is `example.org`.
    pub fn has(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.0.iter().any(|known| match known {
            ServerName::Exact(known) => name.eq_ignore_ascii_case(known),
            ServerName::Below(end) => {
                let at = name.len().checked_sub(end.len()).filter(|at| *at > 0);
                at.is_some_and(|at| name.as_bytes()[at..].eq_ignore_ascii_case(end.as_bytes()))
            }
        })
    }

    /// A name that is one of them in its one form: in lower case, without a dot at its end.
    pub(crate) fn canonical(&self, name: &str) -> Option<String> {
        self.has(name).then(|| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
    }

    /// Those that no certificate has.
    pub(crate) fn beyond(&self, covers: impl Fn(&str) -> bool) -> Vec<String> {
        let is_covered = |name: &ServerName| match name {
            ServerName::Exact(name) => covers(name.trim_matches(['[', ']'])),
            // As any name below it.
            ServerName::Below(end) => covers(&format!("any{end}")),
        };
        self.0.iter().filter(|name| !is_covered(name)).map(|name| ServerNames(vec![name.clone()]).to_string()).collect()
    }

    /// The first one that is a whole name.
    pub fn first(&self) -> Option<&str> {
        self.0.iter().find_map(|name| match name {
            ServerName::Exact(name) => Some(name.as_str()),
            ServerName::Below(_) => None,
        })
    }
}

impl fmt::Display for ServerNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|name| match name {
            ServerName::Exact(name) => name.clone(),
            ServerName::Below(end) => format!("*{end}"),
        });
        f.write_str(&shown.collect::<Vec<_>>().join(", "))
    }
}

/// Reads `server_names`.
pub(super) fn server_names(reading: &mut Reading<'_>, section: Option<&Section>) -> ServerNames {
    let Some(value) = find(section, &keys::SERVER_NAMES) else { return ServerNames::default() };
    let read = parts(&value.text).filter_map(|(text, range)| match name(text) {
        Ok(name) => Some(name),
        Err(expected) => {
            refuse(reading, value, &range, expected);
            None
        }
    });
    ServerNames(read.collect())
}

fn refuse(reading: &mut Reading<'_>, value: &Value, range: &std::ops::Range<usize>, expected: &str) {
    let problem = Problem::error(value.span_of(range), "this is no name for `server_names`").label(expected);
    reading.push(
        problem.help("write `server_names = example.org, *.example.org`; without the line every name is answered"),
    );
}

/// Reads one name; an error says what was expected.
fn name(text: &str) -> Result<ServerName, &'static str> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if text == "*" {
        return Err("every name is answered without this line");
    }
    if text.contains("://") || text.contains('/') {
        return Err("expected a name, without `https://` and without a path");
    }
    let address = text.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(&text);
    if let Ok(address) = address.parse::<std::net::IpAddr>() {
        let written = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        return Ok(ServerName::Exact(written));
    }
    let (name, is_below) = match text.strip_prefix("*.") {
        Some(below) => (below, true),
        None => (text.as_str(), false),
    };
    if name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit())) {
        return Err("expected a name without a port: it holds for every port");
    }
    if name.contains('*') {
        return Err("a `*` stands for whole labels at the start: `*.example.org`");
    }
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_good)
    };
    match name.split('.').all(is_label) {
        true if is_below => Ok(ServerName::Below(format!(".{name}"))),
        true => Ok(ServerName::Exact(name.to_owned())),
        false => Err("expected a name of letters, digits, `-` and `.`; one beyond ASCII is written as `xn--…`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_itself_and_a_star_is_what_is_below() {
        let names = ["Example.org", "*.example.com.", "192.0.2.1", "::1", "[fd00::1]"];
        let names = ServerNames(names.iter().map(|text| name(text).expect("a name")).collect());
        for good in
            ["example.org", "EXAMPLE.ORG.", "a.example.com", "b.a.example.com", "192.0.2.1", "[::1]", "[fd00::1]"]
        {
            assert!(names.has(good), "{good}");
        }
        for bad in
            ["", ".", "a.example.org", "example.com", ".example.com", "badexample.com", "example.org.evil", "192.0.2.2"]
        {
            assert!(!names.has(bad), "{bad}");
        }
        assert_eq!(names.first(), Some("example.org"));
    }

    #[test]
    fn what_is_no_name_is_told_what_was_expected() {
        for (text, expected) in [
            ("*", "without this line"),
            ("https://example.org", "without `https://`"),
            ("example.org:8080", "without a port"),
            ("www.*.org", "whole labels"),
            ("größe.de", "xn--"),
            ("a..b", "letters"),
        ] {
            let why = name(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
