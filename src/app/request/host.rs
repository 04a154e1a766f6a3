//! The name by which a client asks: that of the target if it has one, else `Host`. A site with `server_names` has
//! judged it before its handler runs; the reader of heads has judged its form.

use std::net::IpAddr;

use super::Request;
use crate::app::was::RequestContext;

impl Request {
    /// The host that the client asked for, with its port if it named one: `example.org:8443`. Where the configuration
    /// has `server_names`, it is one of them. `None` over HTTP/1.0, where a client need not say it.
    pub fn host(&self) -> Option<&str> {
        self.get_header("host").filter(|host| !host.is_empty())
    }

    /// The same without the port.
    pub fn host_name(&self) -> Option<&str> {
        self.host().map(name_of)
    }
}

/// The name of `name:port`.
pub(crate) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a name can be no other's: an address, or one that resolves to this machine alone.
pub(crate) fn is_of_this_machine(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(name);
    let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || lower == "localhost" || lower.ends_with(".localhost")
}

impl RequestContext {
    /// Where this site is for the client: `https://example.org`, without a path. A name that is one of `server_names`
    /// is in lower case and without a dot at its end, however the client wrote it. Where the client did not say for
    /// whom it asks, the first of `server_names`, else the address that the server listens on.
    pub fn base_url(&self) -> String {
        let server = &self.services().site.server;
        let scheme = self.request.scheme();
        if let Some(host) = self.request.host() {
            // Addresses that are kept, compared or cached have one form of a name that was judged.
            return match server.server_names.canonical(name_of(host)) {
                Some(name) => format!("{scheme}://{name}{}", &host[name_of(host).len()..]),
                None => format!("{scheme}://{host}"),
            };
        }
        match (server.server_names.first(), server.listening.tcp()) {
            (Some(name), _) => format!("{scheme}://{name}"),
            (None, Some((Some(IpAddr::V6(ip)), port))) => format!("{scheme}://[{ip}]:{port}"),
            (None, Some((Some(ip), port))) => format!("{scheme}://{ip}:{port}"),
            (None, Some((None, port))) => format!("{scheme}://localhost:{port}"),
            (None, None) => format!("{scheme}://localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_port() {
        for (host, name) in [("a", "a"), ("a:80", "a"), ("a:", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]")] {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn names_of_this_machine() {
        for own in ["localhost", "LocalHost.", "a.localhost", "127.0.0.1", "[::1]", "192.0.2.7"] {
            assert!(is_of_this_machine(own), "{own}");
        }
        for other in ["example.org", "localhost.evil.example", "127.0.0.1.nip.io", "alocalhost", ""] {
            assert!(!is_of_this_machine(other), "{other}");
        }
    }
}
