//! URLs of http and https, as people type them and as redirects name them.

use std::sync::Arc;

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    /// In lower case, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// With its query, without the fragment; never empty.
    pub(super) path: String,
    /// `user:password@` in front of the host.
    pub(super) login: Option<(String, String)>,
}

impl Url {
    /// The error says what is wrong with it and repeats no password.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("the URL has no scheme: write http://… or https://…".to_owned());
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => return Err(format!("the URL's scheme {other:?} is not http or https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, address) = match authority.rsplit_once('@') {
            Some((login, address)) => (Some(login_of(login)), address),
            None => (None, authority),
        };
        let (host, port) = split_port(address)?;
        if host.is_empty() {
            return Err("the URL has no host".to_owned());
        }
        let port = match port {
            None if tls => 443,
            None => 80,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err(format!("the URL's port {port:?} is not a number from 1 to 65535")),
            },
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
        if !host.bytes().all(is_name) {
            return Err(format!("{host:?} is not the name of a host (one beyond ASCII is written as xn--…)"));
        }
        Ok(Url { tls, host: host.to_ascii_lowercase(), port, path: path_of(path), login })
    }

    /// `host:port`, as shown in outcomes.
    pub(super) fn node(&self) -> Arc<str> {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port).into()
    }

    /// True where a login for one is a login for the other.
    pub(super) fn is_same_origin(&self, other: &Url) -> bool {
        (self.tls, &self.host, self.port) == (other.tls, &other.host, other.port)
    }

    /// The URL that a `location` header means when it comes from this one (RFC 3986, section 5).
    pub(super) fn join(&self, location: &str) -> Result<Url, String> {
        let location = location.trim();
        let is_absolute = location.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        });
        if is_absolute {
            return Url::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.tls { "https" } else { "http" };
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        let here = self.path.split('?').next().unwrap_or("/");
        let path = if location.is_empty() || location.starts_with('#') {
            self.path.clone()
        } else if location.starts_with('?') {
            format!("{here}{location}")
        } else if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = here.rfind('/').map_or("/", |slash| &here[..=slash]);
            format!("{folder}{location}")
        };
        Ok(Url { path: path_of(&without_dots(&path)), login: None, ..self.clone() })
    }
}

/// What a URL that cannot be taken apart is called in its outcome: no login, not endless.
pub(super) fn shown(text: &str) -> Arc<str> {
    let public = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    public.chars().take(100).collect::<String>().into()
}

fn split_port(address: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = address.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return Err("the URL's address has no closing bracket".to_owned());
        };
        return Ok((host, port.strip_prefix(':').filter(|port| !port.is_empty())));
    }
    match address.split_once(':') {
        Some((host, port)) => Ok((host, Some(port).filter(|port| !port.is_empty()))),
        None => Ok((address, None)),
    }
}

fn login_of(login: &str) -> (String, String) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    (percent_decoded(user), percent_decoded(password))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The path and query as they go over the wire: no fragment, a leading slash, spaces and letters beyond ASCII encoded.
fn path_of(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let mut path = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        path.push('/');
    }
    for byte in text.bytes() {
        if (0x21..0x7f).contains(&byte) && !b"\"<>`".contains(&byte) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// `/a/./b/../c` is `/a/c`. The query is left alone.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
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
            ("http://[::1/", "bracket"),
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
        assert_eq!(base.join("/x").expect("good").login, None);
        assert!(base.join("javascript:alert(1)").is_err());
    }
}
