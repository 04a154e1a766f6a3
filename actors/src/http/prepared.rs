//! A [`Request`] in awc's words: checked and converted once per call, then shared by every member.

use std::borrow::Cow;

use awc::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use awc::http::uri::PathAndQuery;
use bytes::Bytes;

use super::request::{Decode, Encoding, Method, Request};

/// How long the sender goes on waiting, in milliseconds.
const TIME_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Cloning a path, a name or a value counts a reference; nothing is parsed or copied per member.
pub(crate) struct Prepared {
    pub(super) method: awc::http::Method,
    pub(super) path: PathAndQuery,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) decode: Decode,
    /// In bytes, where that is less than the origin's limit.
    pub(super) max_answer: Option<usize>,
    /// The answer may come packed, because we said so.
    pub(super) may_be_packed: bool,
    /// Asking twice does no harm.
    pub(crate) is_idempotent: bool,
    /// An empty body is not announced as one of length 0.
    pub(super) is_bodyless: bool,
    /// The answer to it has no body, whatever its headers say.
    pub(super) is_head: bool,
}

impl Prepared {
    /// Checks the path and the headers; the error says which one cannot be sent.
    pub(crate) fn new(request: Request) -> Result<Prepared, String> {
        let may_be_packed = request.encoding == Some(Encoding::Gzip) && !request.has_header("accept-encoding");
        let Request { method, mut path, headers, body, decode, max_answer, left, encoding: _, idempotent, key: _ } =
            request;
        if !path.starts_with('/') {
            path.to_mut().insert(0, '/');
        }
        let path = match path {
            Cow::Borrowed(path) => Bytes::from_static(path.as_bytes()),
            Cow::Owned(path) => Bytes::from(path),
        };
        let path = PathAndQuery::from_maybe_shared(path)
            .map_err(|error| format!("the path cannot be sent: {error}; encode spaces and other signs as %XX"))?;
        // Room for those that are ours: the time left, the type of the body, and how the answer may come.
        let mut converted = Vec::with_capacity(headers.len() + 2 + usize::from(may_be_packed));
        let (mut typed, mut timed) = (false, false);
        for (name, value) in headers {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("the header name {name:?} cannot be sent: it is not a token of HTTP"))?;
            let value = HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| {
                format!("the value of the header {name:?} cannot be sent: it holds a control character")
            })?;
            // How the body is framed and which host is meant follows from what is sent, never from the caller.
            if parsed == HOST || parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING || parsed == CONNECTION {
                continue;
            }
            typed |= parsed == CONTENT_TYPE;
            timed |= parsed == TIME_LEFT;
            converted.push((parsed, value));
        }
        if let Some(left) = left.filter(|_| !timed) {
            converted.push((TIME_LEFT, HeaderValue::from(left)));
        }
        match decode {
            Decode::XmlRpc if !typed => converted.push((CONTENT_TYPE, HeaderValue::from_static("text/xml"))),
            Decode::JsonRpc if !typed => {
                converted.push((CONTENT_TYPE, HeaderValue::from_static("application/json-rpc")));
            }
            Decode::XmlRpc | Decode::JsonRpc | Decode::Http | Decode::Rest => {}
        }
        if may_be_packed {
            converted.push((ACCEPT_ENCODING, HeaderValue::from_static("gzip")));
        }
        let is_bodyless = method.is_safe() || method == Method::Delete;
        let is_head = method == Method::Head;
        let method = match method {
            Method::Get => awc::http::Method::GET,
            Method::Head => awc::http::Method::HEAD,
            Method::Post => awc::http::Method::POST,
            Method::Put => awc::http::Method::PUT,
            Method::Patch => awc::http::Method::PATCH,
            Method::Delete => awc::http::Method::DELETE,
            Method::Options => awc::http::Method::OPTIONS,
        };
        Ok(Prepared {
            method,
            path,
            headers: converted,
            body,
            decode,
            max_answer,
            may_be_packed,
            is_idempotent: idempotent,
            is_bodyless,
            is_head,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_named() {
        let error = |request: Request| Prepared::new(request).err().expect("it cannot be sent");
        assert!(error(Request::get("/a b")).contains("path"));
        assert!(error(Request::get("/").header("a b", "c")).contains("\"a b\""));
        assert!(error(Request::get("/").header("x-a", "1\r\nx-b: 2")).contains("\"x-a\""));
    }

    #[test]
    fn framing_headers_of_the_caller_are_not_sent() {
        let request = Request::xmlrpc("rpc2?a=1", "<x/>").header("Host", "evil").header("Content-Length", "9");
        let prepared = Prepared::new(request).expect("it is a good request");
        assert_eq!(prepared.path.as_str(), "/rpc2?a=1");
        assert_eq!(prepared.headers, [(CONTENT_TYPE, HeaderValue::from_static("text/xml"))]);
    }
}
