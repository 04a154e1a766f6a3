//! What the client sent: head, peer and body.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, Uri, Version};
use bytes::Bytes;

/// A request, moved out of actix so that it can travel between threads.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) body: Bytes,
    /// When all of it was here: the deadline runs from then on.
    pub(crate) received: Instant,
    /// When its head was read: its sender waits since then, or longer.
    pub(crate) begun: Instant,
}

impl Request {
    /// One of nobody.
    pub(crate) fn empty(now: Instant) -> Request {
        Request {
            method: Method::GET,
            uri: Uri::default(),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            peer: None,
            body: Bytes::new(),
            received: now,
            begun: now,
        }
    }

    /// The first header of this name, as text. Names are compared without case.
    pub fn get_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers, names in lower case; a value that is not ASCII text is shown as its lossy UTF-8.
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

    /// The target as sent: path and query.
    pub fn uri(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query without its `?`.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or("")
    }

    /// The content type without its parameters, such as `text/xml`.
    pub fn get_content_type(&self) -> Option<&str> {
        let value = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(value.split(';').next().unwrap_or("").trim())
    }

    /// The address of the peer.
    pub fn get_remote_addr(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    /// What the client calls itself.
    pub fn get_user_agent(&self) -> Option<&str> {
        self.get_header("user-agent")
    }

    /// The body, within the server's limit. Empty where it was a multipart form: its parts are arguments.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
