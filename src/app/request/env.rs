//! The request under the names of CGI and WSGI, for code that expects those.
//!
//! It is made on demand, from the request alone: it contains nothing of the process's environment. In CGI two headers
//! (`X-A` and `X_A`) get the same name; here they cannot, because headers with a `_` are left out. So is `Proxy`,
//! because `HTTP_PROXY` is where many programs look for their own proxy.

use std::borrow::Cow;

use actix_web::http::header;
use serde::{Serialize, Serializer};

use crate::app::Request;
use crate::app::was::{Face, RequestContext};

/// Names and values of one request, sorted by name: see [`RequestContext::env`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env(Vec<(Cow<'static, str>, String)>);

impl Env {
    /// The value of this name, such as `HTTP_USER_AGENT`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl Serialize for Env {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl RequestContext {
    /// Returns the request under the names of CGI (RFC 3875) and WSGI:
    ///
    /// | name | value |
    /// | --- | --- |
    /// | `REQUEST_METHOD`, `REQUEST_URI`, `QUERY_STRING` | as sent; no query is an empty one |
    /// | `SCRIPT_NAME`, `PATH_INFO` | the path of the app's mount (empty at `/`), and the path below it, decoded |
    /// | `CONTENT_TYPE`, `CONTENT_LENGTH` | as sent, if they were sent |
    /// | `REMOTE_ADDR` | the client's address, also behind [trusted proxies](crate::app::Request::get_remote_addr); empty for a client at a Unix socket |
    /// | `REMOTE_PORT` | the client's port, if it is known |
    /// | `SERVER_NAME`, `SERVER_PORT` | the host of the request, else the first of `server_names`, else the address of this server; its port, or the one that the client asked for if this server has Unix sockets alone |
    /// | `SERVER_PROTOCOL`, `SERVER_SOFTWARE` | such as `HTTP/1.1` and `Skitai/0.1.0` |
    /// | `GATEWAY_INTERFACE` | `CGI/1.1`; over RPC `XMLRPC/2.0` or `JSONRPC/2.0` |
    /// | `wsgi.url_scheme`, `REQUEST_SCHEME` | `http` or `https`, [as the client asked](crate::app::Request::scheme) |
    /// | `HTTPS` | `on`, if the client used TLS |
    /// | `SSL_CLIENT_S_DN` | the subject of the client's [certificate](crate::app::Request::client_certificate), if it has shown one |
    /// | `HTTP_…` | the other headers, such as `HTTP_USER_AGENT`; several of one name joined by `, `, cookies by `; ` |
    pub fn env(&self) -> Env {
        let request = &self.request;
        let server = &self.services().site.server;
        let mut pairs: Vec<(Cow<'static, str>, String)> = Vec::with_capacity(16 + request.headers.len());
        let mut tell = |name: &'static str, value: String| pairs.push((Cow::Borrowed(name), value));
        let mount = self.mount_path();
        let path = request.path();
        // Compared in the same form as mounts: `/te%73t` is `/test`.
        let canonical = crate::app::routing::pattern::canonical(path);
        let below = canonical.strip_prefix(mount).unwrap_or(&canonical);
        tell("REQUEST_METHOD", request.method().to_owned());
        tell("REQUEST_URI", request.uri().to_owned());
        tell("QUERY_STRING", request.query().to_owned());
        tell("SCRIPT_NAME", mount.to_owned());
        tell("PATH_INFO", percent_encoding::percent_decode_str(below).decode_utf8_lossy().into_owned());
        if let Some(kind) = request.get_header("content-type") {
            tell("CONTENT_TYPE", kind.to_owned());
        }
        if let Some(length) = request.get_header("content-length") {
            tell("CONTENT_LENGTH", length.to_owned());
        }
        if let Some(client) = request.client_addr() {
            let address = client.address();
            tell("REMOTE_ADDR", address.map(|address| address.ip().to_string()).unwrap_or_default());
            if let Some(address) = address.filter(|address| address.port() != 0) {
                tell("REMOTE_PORT", address.port().to_string());
            }
        }
        let in_one_form = |host: &str| server.server_names.canonical(host).unwrap_or_else(|| host.to_owned());
        let host = request.host_name().map(in_one_form);
        let listens = server.listening.tcp();
        let named = || server.server_names.first().map(str::to_owned);
        let own = || listens.and_then(|(ip, _)| ip).map_or_else(|| "localhost".to_owned(), |ip| ip.to_string());
        tell("SERVER_NAME", host.or_else(named).unwrap_or_else(own));
        tell("SERVER_PORT", listens.map_or_else(|| port_asked(request).to_string(), |(_, port)| port.to_string()));
        tell("SERVER_PROTOCOL", format!("HTTP/{}", request.version()));
        tell("SERVER_SOFTWARE", concat!("Skitai/", env!("CARGO_PKG_VERSION")).to_owned());
        let interface = match self.face() {
            Face::Web => "CGI/1.1",
            Face::XmlRpc => "XMLRPC/2.0",
            Face::JsonRpc => "JSONRPC/2.0",
        };
        tell("GATEWAY_INTERFACE", interface.to_owned());
        let scheme = request.scheme();
        tell("wsgi.url_scheme", scheme.to_owned());
        tell("REQUEST_SCHEME", scheme.to_owned());
        if scheme == "https" {
            tell("HTTPS", "on".to_owned());
        }
        if let Some(certificate) = request.client_certificate() {
            tell("SSL_CLIENT_S_DN", certificate.subject().to_owned());
        }
        for name in request.headers.keys() {
            let is_elsewhere = *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH;
            if is_elsewhere || name.as_str() == "proxy" || name.as_str().contains('_') {
                continue;
            }
            let lines: Vec<_> =
                request.headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
            let between = if *name == header::COOKIE { "; " } else { ", " };
            let named = format!("HTTP_{}", name.as_str().replace('-', "_").to_ascii_uppercase());
            pairs.push((Cow::Owned(named), lines.join(between)));
        }
        pairs.sort_unstable();
        Env(pairs)
    }
}

/// The port that the client asked for: that of `Host`, else the scheme's.
fn port_asked(request: &Request) -> u16 {
    let host = request.host().unwrap_or("");
    let named = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    named.unwrap_or(if request.is_secure() { 443 } else { 80 })
}
