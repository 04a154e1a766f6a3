//! URLs of http and https, as people type them and as redirects contain them.
//!
//! The crate `url` parses them by the rules of browsers. This module adds what a server needs: only http and https, an
//! explicit host, a port that can be dialled, and error messages that never repeat a login.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::{Host, ParseError, Position};

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    /// In lower case and in ASCII, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// With its query, without the fragment; never empty.
    pub(super) path: String,
    /// `user:password@` in front of the host.
    pub(super) login: Option<(String, String)>,
    /// The base that redirects are resolved against: without login and fragment.
    base: url::Url,
}

impl Url {
    /// Parses a URL. The error says what is wrong and repeats no password.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        let text = with_escaped_breaks(text);
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("the URL has no scheme: write http://… or https://…".to_owned());
        };
        is_tls(&scheme.to_ascii_lowercase())?;
        Url::of(url::Url::parse(&text), Some(rest))
    }

    /// Resolves a `location` header that an answer from this URL contains.
    pub(super) fn join(&self, location: &str) -> Result<Url, String> {
        let location = with_escaped_breaks(location);
        let absolute = location.split_once("://").filter(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphabetic()));
        Url::of(self.base.join(&location), location.strip_prefix("//").or(absolute.map(|(_, rest)| rest)))
    }

    /// `rest`: the URL's text after `//`, if it has that.
    fn of(parsed: Result<url::Url, ParseError>, rest: Option<&str>) -> Result<Url, String> {
        let authority = rest.map(|rest| rest.split(['/', '\\', '?', '#']).next().unwrap_or_default());
        // `http:///name`: a browser would take the host from the path.
        if authority == Some("") {
            return Err("the URL has no host".to_owned());
        }
        let authority = authority.unwrap_or_default();
        // A slash in a login ends the authority early; then any part of the text may belong to a password.
        let is_public = rest.is_some_and(|rest| rest.rfind('@').is_none_or(|at| at < authority.len()));
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let quoted = |text: &str| if is_public { format!("{text:?}") } else { "as it is written".to_owned() };
        let no_host = || format!("the URL's host {} is not the name of a host", quoted(address));
        let no_port = |port: &str| format!("the URL's port {} is not a number from 1 to 65535", quoted(port));
        let mut base = parsed.map_err(|error| match error {
            ParseError::EmptyHost => "the URL has no host".to_owned(),
            ParseError::InvalidPort => no_port(address.rsplit_once(':').map_or(address, |(_, port)| port)),
            ParseError::InvalidIpv6Address => {
                format!("the URL's host {} is no IPv6 address within brackets", quoted(address))
            }
            _ => no_host(),
        })?;
        let tls = is_tls(base.scheme())?;
        let host = match base.host().ok_or_else(no_host)? {
            Host::Domain(name) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => {
                name.to_owned()
            }
            Host::Domain(_) => return Err(no_host()),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = base.port_or_known_default().filter(|port| *port > 0).ok_or_else(|| no_port("0"))?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (base.username(), base.password());
        let has_login = !user.is_empty() || password.is_some();
        let login = has_login.then(|| (decoded(user), decoded(password.unwrap_or_default())));
        // Fails only for a URL without a host.
        let _ = (base.set_username(""), base.set_password(None));
        base.set_fragment(None);
        let path = base[Position::BeforePath..].to_owned();
        Ok(Url { tls, host, port, path, login, base })
    }

    /// `host:port`, as shown in outcomes.
    pub(super) fn node(&self) -> Arc<str> {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port).into()
    }

    /// True if a login for one URL may be sent to the other.
    pub(super) fn is_same_origin(&self, other: &Url) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }
}

/// The node name of a URL that cannot be parsed: without login, at most 100 characters.
pub(super) fn shown(text: &str) -> Arc<str> {
    let public = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    public.chars().take(100).collect::<String>().into()
}

/// The text with line breaks and tabs percent-encoded. Browsers remove them, which would change a query.
fn with_escaped_breaks(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if !text.contains(['\t', '\n', '\r']) {
        return text.into();
    }
    text.replace('\t', "%09").replace('\n', "%0A").replace('\r', "%0D").into()
}

fn is_tls(scheme: &str) -> Result<bool, String> {
    match scheme {
        "http" => Ok(false),
        "https" => Ok(true),
        other => Err(format!("the URL's scheme {other:?} is not http or https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("it is a good URL")
    }

    #[test]
    fn urls_are_taken_apart() {
        let whole = url("HTTPS://a:p%40ss@Example.com:8443/x y?q=ü#part");
        assert_eq!(whole.login, Some(("a".to_owned(), "p@ss".to_owned())));
        assert_eq!((whole.tls, whole.host.as_str(), whole.port), (true, "example.com", 8443));
        assert_eq!(whole.path, "/x%20y?q=%C3%BC");
        assert_eq!((url("http://a").port, url("https://a?b").port, url("http://a:").port), (80, 443, 80));
        assert_eq!(url("https://a?b").path, "/?b");
        assert_eq!(&*url("http://[::1]:81/").node(), "[::1]:81");
        assert_eq!((url("http://@a/").login, url("http://u@a").login), (None, Some(("u".to_owned(), String::new()))));
        assert_eq!(url("http://a/b/./c/../d?e=/../f").path, "/b/d?e=/../f");
        assert_eq!(url(" http://a/b\tc?d\ne ").path, "/b%09c?d%0Ae");
    }

    #[test]
    fn a_host_is_what_will_be_dialled() {
        for (text, host) in [
            ("http://Bücher.example/", "xn--bcher-kva.example"),
            ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
            ("http://%65xample.com/", "example.com"),
            ("http://a_b.example.", "a_b.example."),
            // All spellings of one address, because a filter on hosts must see the address that is dialled.
            ("http://127.1/", "127.0.0.1"),
            ("http://0x7f000001/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://１２７.0.0.1/", "127.0.0.1"),
            ("http://[0:0:0:0:0:0:0:1]/", "::1"),
            // The host ends at a backslash, as in browsers.
            ("http://good.example\\@evil.example/", "good.example"),
        ] {
            assert_eq!(url(text).host, host, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        for (text, word) in [
            ("", "scheme"),
            ("example.com/a", "scheme"),
            ("ftp://a/", "ftp"),
            ("http:///a", "host"),
            ("http://u:secret@/a", "host"),
            ("http://a:99999/", "99999"),
            ("http://a b/", "a b"),
            ("http://a:0/", "\"0\""),
            ("http://a:-1/", "-1"),
            ("http://[::1/", "bracket"),
            ("http://", "no host"),
            ("http://:80/", "no host"),
            ("http:////a/", "no host"),
            ("http://\\a/", "no host"),
            ("http://a%20b/", "name of a host"),
            ("http://a\nb/", "name of a host"),
            ("http://a!b/", "a!b"),
            ("http://a<b/", "name of a host"),
            ("http://300.1.1.1/", "300"),
            ("http://u:secret/x@a/", "port"),
            ("http://u:x@[secret/y@a/", "bracket"),
        ] {
            let error = Url::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(&*shown("http//u:secret@host/x"), "host/x");
    }

    #[test]
    fn locations_are_resolved() {
        let base = url("http://u:p@a:81/b/c/d?q");
        let there = |location: &str| {
            let url = base.join(location).expect("it is a good location");
            format!("{}{}", url.node(), url.path)
        };
        assert_eq!(there("/x?y"), "a:81/x?y");
        assert_eq!(there("x/../y"), "a:81/b/c/y");
        assert_eq!(there("../.."), "a:81/");
        assert_eq!(there("../../../g"), "a:81/g");
        assert_eq!(there("?z"), "a:81/b/c/d?z");
        assert_eq!(there("//h/x"), "h:80/x");
        assert_eq!(there("https://h/x"), "h:443/x");
        assert_eq!(there("/x?u=http://h/../y"), "a:81/x?u=http://h/../y");
        assert_eq!(there("HTTPS://Bücher.example"), "xn--bcher-kva.example:443/");
        assert_eq!(there("#part"), "a:81/b/c/d?q");
        assert_eq!(base.join("/x").expect("good").login, None);
        assert_eq!(base.join("http://v@a:81/x").expect("good").login, Some(("v".to_owned(), String::new())));
        for (location, word) in
            [("javascript:alert(1)", "javascript"), ("///a/", "no host"), ("https:///a", "no host"), ("//a:0/", "port")]
        {
            let error = base.join(location).expect_err(location);
            assert!(error.contains(word), "{location}: {error}");
        }
    }
}
