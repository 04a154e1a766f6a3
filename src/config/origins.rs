//! CORS and security headers of `[mount /path]`: which other sites' scripts may read its answers, and what browsers are
//! told of its pages.

use std::fmt;
use std::time::Duration;

use super::ini::{Section, Value};
use super::keys;
use super::keys::Key;
use super::reading::{Reading, find, parts};
use super::report::Problem;
use super::values;

/// Which scripts of other sites may read the answers of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Their origins.
    pub origins: Origins,
    /// Whether they may send cookies and logins.
    pub credentials: bool,
    /// The methods that they may use.
    pub methods: Vec<String>,
    /// The headers that they may send; `None` for any.
    pub headers: Option<Vec<String>>,
    /// Headers that they may read, beside those of the server.
    pub exposed: Vec<String>,
    /// How long a browser may keep what it was told.
    pub max_age: Duration,
}

/// Origins: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// `*`.
    Any,
    /// These; one that begins with `https://*.` is every host below it.
    These(Vec<String>),
}

impl Origins {
    /// Whether an origin, as a browser sends it, is one of them.
    pub fn has(&self, origin: &str) -> bool {
        match self {
            Origins::Any => true,
            Origins::These(known) => known.iter().any(|known| match known.split_once("://*.") {
                None => known.eq_ignore_ascii_case(origin),
                Some((scheme, end)) => origin.split_once("://").is_some_and(|(of, host)| {
                    let below = host.len().checked_sub(end.len() + 1).filter(|at| *at > 0);
                    let is_below = below.is_some_and(|at| {
                        host.as_bytes()[at] == b'.' && host.as_bytes()[at + 1..].eq_ignore_ascii_case(end.as_bytes())
                    });
                    of.eq_ignore_ascii_case(scheme) && is_below && !host.contains('/')
                }),
            }),
        }
    }
}

/// What is sent with every answer of a mount, unless the app has set it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrowserRules {
    /// The usual headers against sniffing, framing and leaking addresses; `None` if the conf says nothing.
    pub usual: Option<bool>,
    /// `Content-Security-Policy`.
    pub content_security_policy: Option<String>,
    /// `Permissions-Policy`.
    pub permissions_policy: Option<String>,
}

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

impl fmt::Display for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origins {
            Origins::Any => write!(f, "{} = *", keys::CORS_ORIGINS.name)?,
            Origins::These(these) => write!(f, "{} = {}", keys::CORS_ORIGINS.name, these.join(", "))?,
        }
        if self.credentials { write!(f, " {} = yes", keys::CORS_CREDENTIALS.name) } else { Ok(()) }
    }
}

/// Reads the keys of CORS; `None` if no origins are given.
pub(super) fn cors(reading: &mut Reading<'_>, section: &Section) -> Option<Cors> {
    let at = Some(section);
    let (credentials, asked) = reading.flag(at, &keys::CORS_CREDENTIALS);
    let methods = words(reading, section, &keys::CORS_METHODS);
    let headers = words(reading, section, &keys::CORS_HEADERS);
    let exposed = words(reading, section, &keys::CORS_EXPOSE).unwrap_or_default();
    let max_age = values::duration(reading.number(at, &keys::CORS_MAX_AGE));
    let Some(value) = find(at, &keys::CORS_ORIGINS).filter(|value| !value.text.is_empty()) else {
        for key in [&keys::CORS_CREDENTIALS, &keys::CORS_METHODS, &keys::CORS_HEADERS, &keys::CORS_EXPOSE] {
            if let Some(value) = find(at, key) {
                let problem =
                    Problem::error(value.span(), format!("`{}` has no effect without `cors_origins`", key.name));
                reading
                    .push(problem.label("nobody may read anything").help("write `cors_origins = https://app.example`"));
            }
        }
        return None;
    };
    let origins = origins(reading, value);
    if let (true, Some(asked)) = (credentials, asked) {
        let why = match &origins {
            Origins::Any => Some("every site could act in the name of whoever has a cookie here"),
            Origins::These(these) if these.iter().any(|origin| origin == "null") => {
                Some("`null` is the origin of any sandboxed frame and of local files")
            }
            Origins::These(_) => None,
        };
        if let Some(why) = why {
            let problem = Problem::error(asked.span(), "`cors_credentials` needs origins that are named").label(why);
            reading.push(problem.help("name the origins in `cors_origins`, or write `cors_credentials = no`"));
        }
    }
    let methods = methods.unwrap_or_else(|| METHODS.map(str::to_owned).to_vec());
    let methods = methods.into_iter().map(|method| method.to_ascii_uppercase()).collect();
    Some(Cors { origins, credentials, methods, headers, exposed, max_age })
}

fn origins(reading: &mut Reading<'_>, value: &Value) -> Origins {
    if value.text == "*" {
        return Origins::Any;
    }
    let mut these = Vec::new();
    for (text, range) in parts(&value.text) {
        match origin(text) {
            Ok(origin) => these.push(origin),
            Err(expected) => {
                let problem = Problem::error(value.span_of(&range), "this is no origin for `cors_origins`");
                let help = "an origin is scheme, host and port: `https://app.example`, `http://localhost:3000`";
                reading.push(problem.label(expected).help(help));
            }
        }
    }
    Origins::These(these)
}

/// Reads one origin, in the form in which browsers send it.
fn origin(text: &str) -> Result<String, &'static str> {
    if text == "null" {
        return Ok(text.to_owned());
    }
    if text == "*" {
        return Err("`*` stands alone: it is every origin");
    }
    let (scheme, host) = text.split_once("://").ok_or("expected `https://` and a host")?;
    if host.contains(['/', '?', '#', '@']) {
        return Err("an origin has no path, not even a slash");
    }
    if host.strip_prefix("*.").unwrap_or(host).contains('*') || host.is_empty() {
        return Err("a `*` stands for whole labels at the start: `https://*.example.org`");
    }
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    // Browsers leave out the port of the scheme.
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = if usual.is_empty() { &host } else { host.strip_suffix(usual).unwrap_or(&host) };
    Ok(format!("{scheme}://{host}"))
}

/// A list of tokens (RFC 9110, 5.6.2); `*` is a token.
fn words(reading: &mut Reading<'_>, section: &Section, key: &Key) -> Option<Vec<String>> {
    let value = find(Some(section), key)?;
    let is_token =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let mut words = Vec::new();
    for (text, range) in parts(&value.text) {
        if is_token(text) {
            words.push(text.to_owned());
        } else {
            let problem = Problem::error(value.span_of(&range), format!("this is no word for `{}`", key.name));
            reading.push(problem.label("expected names with commas between them"));
        }
    }
    Some(words)
}

/// Reads the keys of security headers.
pub(super) fn browser_rules(reading: &mut Reading<'_>, section: &Section) -> BrowserRules {
    let (usual, given) = reading.flag(Some(section), &keys::SECURITY_HEADERS);
    let mut text = |key: &Key| {
        let value = find(Some(section), key).filter(|value| !value.text.is_empty())?;
        if reading.refuse_cut(key, value) {
            return None;
        }
        if value.text.chars().any(|char| !(' '..='~').contains(&char)) {
            let problem = Problem::error(value.span(), format!("this is no value for `{}`", key.name));
            reading.push(problem.label("expected visible ASCII"));
            return None;
        }
        Some(value.text.clone())
    };
    BrowserRules {
        usual: given.map(|_| usual),
        content_security_policy: text(&keys::CONTENT_SECURITY_POLICY),
        permissions_policy: text(&keys::PERMISSIONS_POLICY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_itself_and_a_star_is_what_is_below() {
        let written = ["https://App.example:443", "http://localhost:3000", "https://*.example.org", "null"];
        let origins = Origins::These(written.iter().map(|text| origin(text).expect("an origin")).collect());
        for good in ["https://app.example", "http://localhost:3000", "https://a.b.example.org", "null"] {
            assert!(origins.has(good), "{good}");
        }
        for bad in [
            "http://app.example",
            "https://app.example:8443",
            "https://example.org",
            "https://.example.org",
            "https://badexample.org",
            "http://a.example.org",
            "https://a.example.org.evil",
            "https://evil/.example.org/",
            "",
        ] {
            assert!(!origins.has(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_origin_says_what_was_expected() {
        for (text, expected) in [
            ("app.example", "`https://`"),
            ("https://app.example/", "no path"),
            ("*", "stands alone"),
            ("https://a.*.example", "whole labels"),
        ] {
            assert!(origin(text).expect_err(text).contains(expected), "{text}");
        }
    }
}
