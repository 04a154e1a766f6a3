//! What the client sent: head, peer address and body.

pub(crate) mod act_token;
pub(crate) mod admin_login;
pub(crate) mod admin_throttle;
pub(crate) mod basic_login;
pub(crate) mod builder;
pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod csrf;
pub(crate) mod env;
pub(crate) mod host;
pub(crate) mod id;
pub(crate) mod neighbours;
pub(crate) mod response;
pub(crate) mod session;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri, Version};
use bytes::Bytes;
use skitai_actors::kit::Party;
use tokio::sync::OnceCell;

use self::basic_login::LoginVerdict;
use self::client::RequestClient;
use self::id::RequestId;
use crate::config::TrustedProxies;
use crate::connection::Peer;
use crate::tls::client::{ClientCertificate, TlsClient};

/// A request, moved out of actix so that it can be sent to another thread.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// `None` for a request that came over no network, or whose client left before it could be asked for.
    pub(crate) peer: Option<Peer>,
    /// What the handshake said, if the connection speaks TLS.
    pub(crate) tls: Option<Arc<TlsClient>>,
    pub(crate) body: Bytes,
    /// When the whole request had arrived: the server's own limit starts here.
    pub(crate) received: Instant,
    /// When its head had been read: the client has been waiting at least since then.
    pub(crate) begun: Instant,
    /// Proxies whose forwarding headers we trust; none if unset.
    pub(crate) proxies: Option<Arc<TrustedProxies>>,
    /// The CSRF token of a multipart form; that of any other form is in the body.
    pub(crate) form_token: Option<Box<str>>,
    /// The path of the route, where it is not the target's own.
    pub(crate) route_path: OnceLock<Arc<str>>,
    /// The key for fair shares: all calls made for this request, and for its copies, count as one party.
    pub(crate) party: Party,
    /// What became of its login as `admin` or `viewer`, once it is asked for. The calls of a batch have one.
    pub(crate) login: OnceLock<Arc<OnceCell<LoginVerdict>>>,
    /// It stands for a call of a batch that is not the first.
    pub(crate) is_further_call: bool,
    /// The id, once it is needed.
    pub(crate) id: OnceLock<Box<RequestId>>,
}

/// The parts of a request's target, each with its leading delimiter.
pub type SplitUri<'r> = (&'r str, Option<&'r str>, Option<&'r str>, Option<&'r str>);

impl Request {
    /// A request without head, peer or body.
    pub(crate) fn empty(now: Instant) -> Request {
        Request {
            method: Method::GET,
            uri: Uri::default(),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            peer: None,
            tls: None,
            body: Bytes::new(),
            received: now,
            begun: now,
            // Set once the thread's `Services` are known.
            proxies: None,
            form_token: None,
            route_path: OnceLock::new(),
            party: Party::ALONE,
            login: OnceLock::new(),
            is_further_call: false,
            id: OnceLock::new(),
        }
    }

    /// Whether its login as `admin` was judged.
    pub(crate) fn is_judged(&self) -> bool {
        self.login.get().is_some_and(|login| login.get().is_some())
    }

    /// The first header of this name, as text. Names are case-insensitive.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers, names in lower case. A value that is not ASCII is converted as lossy UTF-8.
    pub fn get_headers(&self) -> impl Iterator<Item = (&str, std::borrow::Cow<'_, str>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
    }

    /// The method in lower case: `get`, `post`.
    pub fn command(&self) -> String {
        self.method.as_str().to_ascii_lowercase()
    }

    /// The method as sent.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// `1.1`, `1.0` or `2.0`.
    pub fn version(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2.0",
            _ => "1.1",
        }
    }

    /// The target as sent: path and query. Over RPC that is the path of the endpoint.
    pub fn uri(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// The path by which the route is called on the web, still percent-encoded, but without needless escapes: a client
    /// that sends `/%61dmin` calls `/admin`.
    ///
    /// Over RPC it is the same path, made from the rule and the call's own arguments (`/company/555/Skitai%20Corp`); a
    /// placeholder without an argument stays as in the rule (`/company/<int:cid>/<cname>`). So a hook that tests the
    /// path tests it for all three ways to call a route. [`uri`](Request::uri) has what was sent.
    pub fn path(&self) -> &str {
        match self.route_path.get() {
            Some(path) => path,
            None => self.uri.path(),
        }
    }

    /// The query without its `?`.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or("")
    }

    /// The target in four parts, each with its leading delimiter: path, `;params`, `?query`, `#fragment`. A missing
    /// part is `None`. Browsers send no fragment.
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// #[route("/where")]
    /// async fn place(was: Was) -> String {
    ///     let (path, params, query, _fragment) = was.request.split_uri(); // of /a;v=1?b=2: "/a", ";v=1", "?b=2"
    ///     format!("{path} {params:?} {query:?}")
    /// }
    /// ```
    pub fn split_uri(&self) -> SplitUri<'_> {
        split(self.uri())
    }

    /// The content type without its parameters, such as `text/xml`.
    pub fn get_content_type(&self) -> Option<&str> {
        let value = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(value.split(';').next().unwrap_or("").trim()).filter(|kind| !kind.is_empty())
    }

    /// The first half of the content type: `text` of `text/xml`.
    pub fn get_main_type(&self) -> Option<&str> {
        let kind = self.get_content_type()?;
        Some(kind.split_once('/').map_or(kind, |(main, _)| main.trim_end()))
    }

    /// The second half of the content type: `xml` of `text/xml; charset=utf-8`.
    pub fn get_sub_type(&self) -> Option<&str> {
        Some(self.get_content_type()?.split_once('/')?.1.trim_start())
    }

    /// The address of the client: the peer's, or, if the peer is one of `trusted_proxies`, the address that the proxies
    /// forwarded. `None` for a client at a Unix socket, for which no trusted proxy gave an address.
    pub fn get_remote_addr(&self) -> Option<IpAddr> {
        self.client()?.address.address().map(|address| address.ip())
    }

    /// The address at the other end of the connection: the client's, or the last proxy's. `None` at a Unix socket.
    pub fn get_peer_addr(&self) -> Option<IpAddr> {
        self.peer?.address().map(|peer| peer.ip().to_canonical())
    }

    /// Whether the client is on this machine: it is at a loopback address or a Unix socket, and the request did not
    /// come through a proxy (it has none of `Forwarded`, `X-Forwarded-…` and `X-Real-IP`), or through trusted proxies
    /// alone that say so. A proxy that sets no such header cannot be noticed.
    pub fn is_local(&self) -> bool {
        self.client().is_some_and(|client| client.is_here)
    }

    /// Whether the client used TLS: to this server, or, if a trusted proxy says so with `X-Forwarded-Proto` or
    /// `Forwarded`, to the proxy.
    pub fn is_secure(&self) -> bool {
        match &self.proxies {
            Some(_) => self.client().is_some_and(|client| client.is_secure),
            None => self.tls.is_some(),
        }
    }

    /// The certificate that the client has shown in the handshake with this server, for which one of the authorities in
    /// `client_ca` vouches. `None` without `client_ca`, and for a client without one where certificates are optional.
    /// Behind a proxy it is the proxy's.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.tls.as_ref()?.certificate.as_ref()
    }

    /// `https` or `http`, as the client used it.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    /// For the log: the client, with port 0 if no proxy gave its port.
    pub(crate) fn client_addr(&self) -> Option<Peer> {
        self.client().map(|client| client.address)
    }

    fn client(&self) -> Option<RequestClient> {
        static NOBODY: TrustedProxies = TrustedProxies { networks: Vec::new(), unix: false, header: None };
        let trusted = self.proxies.as_deref().unwrap_or(&NOBODY);
        Some(client::client_over(self.peer?, self.tls.is_some(), &self.headers, trusted))
    }

    /// The header `User-Agent`.
    pub fn get_user_agent(&self) -> Option<&str> {
        self.get_header("user-agent")
    }

    /// The body, within the server's limit. Empty for a multipart form: its parts are arguments.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

fn split(target: &str) -> SplitUri<'_> {
    // From the last part to the first: each ends at the delimiter of the next.
    let (rest, fragment) = cut(target, '#');
    let (rest, query) = cut(rest, '?');
    let (path, params) = cut(rest, ';');
    (path, params, query, fragment)
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.find(at) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_four_parts() {
        assert_eq!(split("/a"), ("/a", None, None, None));
        assert_eq!(split("/a;v=1?b=;2#c?d"), ("/a", Some(";v=1"), Some("?b=;2"), Some("#c?d")));
        assert_eq!(split("/a?"), ("/a", None, Some("?"), None));
        assert_eq!(split("/a?b=/;c"), ("/a", None, Some("?b=/;c"), None));
        assert_eq!(split("*"), ("*", None, None, None));
    }
}
