//! What to send, in types free of awc: made by the callers, shared by all members of a fan-out.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use skitai_wire::jsonrpc;

use super::trace_parent::TraceParent;
use crate::spec::Encoding;

/// The HTTP methods a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads a resource.
    Get,
    /// Reads only the head of the answer.
    Head,
    /// Sends a body; may change the resource.
    Post,
    /// Stores the body at the path.
    Put,
    /// Changes a part of what is at the path.
    Patch,
    /// Removes what is at the path.
    Delete,
    /// Asks which methods the path supports.
    Options,
}

impl Method {
    /// The name in the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }

    /// True if HTTP defines the method as safe, so that repeating it is harmless.
    pub fn is_safe(self) -> bool {
        match self {
            Method::Get | Method::Head | Method::Options => true,
            Method::Post | Method::Put | Method::Patch | Method::Delete => false,
        }
    }
}

/// How the answer's body is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decode {
    /// An XML-RPC answer: a value or a fault. A value with an HTTP code other than 2xx is an error.
    XmlRpc,
    /// A JSON-RPC answer: a value or an error. A value with an HTTP code other than 2xx is an error.
    JsonRpc {
        /// The id of the call. An answer with another id is not its answer.
        id: u64,
    },
    /// A page: text or bytes, whatever the code.
    Http,
    /// A page whose body is parsed as JSON: a value, whatever the code. Invalid JSON is an error.
    Rest,
}

/// One request. Its body is shared, not copied, among the members it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with its query, percent-encoded. Empty means `/`.
    pub path: Cow<'static, str>,
    /// The caller's headers. Headers of framing, `host`, `connection` and `expect` are ignored; an RPC call without
    /// `content-type` gets one.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// How the answer is decoded.
    pub decode: Decode,
    /// The largest answer accepted, in bytes. `None` or a larger value: the origin's limit.
    pub max_answer: Option<usize>,
    /// How long the caller waits for the answer, in milliseconds; sent as `x-request-timeout-ms` unless `headers` has
    /// one.
    pub left: Option<u64>,
    /// The accepted encoding of the answer; `None`: the cluster's setting. A caller's `accept-encoding` header
    /// overrides it, and then the answer is not decompressed.
    pub encoding: Option<Encoding>,
    /// Repeating the request is harmless. Default: true for GET, HEAD and OPTIONS. Only such a call may be retried or
    /// hedged.
    pub idempotent: bool,
    /// The key for `balance = hash`; `None`: path and body.
    pub key: Option<Box<str>>,
    /// The trace that the call belongs to. A caller's `traceparent` header overrides it.
    pub trace: Option<TraceParent>,
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<Cow<'static, str>>, body: Bytes, decode: Decode) -> Request {
        let idempotent = method.is_safe() && matches!(decode, Decode::Http | Decode::Rest);
        Request {
            method,
            path: path.into(),
            headers: Vec::new(),
            body,
            decode,
            max_answer: None,
            left: None,
            encoding: None,
            idempotent,
            key: None,
            trace: None,
        }
    }

    /// An XML-RPC call; `body` is the whole `<methodCall>` document.
    pub fn xmlrpc(path: impl Into<Cow<'static, str>>, body: impl Into<Bytes>) -> Request {
        Request::new(Method::Post, path, body.into(), Decode::XmlRpc)
    }

    /// A JSON-RPC call; `body` is the whole request object with the id `id`: see [`next_id`].
    pub fn jsonrpc(path: impl Into<Cow<'static, str>>, id: u64, body: impl Into<Bytes>) -> Request {
        Request::new(Method::Post, path, body.into(), Decode::JsonRpc { id })
    }

    /// A GET of a page.
    pub fn get(path: impl Into<Cow<'static, str>>) -> Request {
        Request::new(Method::Get, path, Bytes::new(), Decode::Http)
    }

    /// A POST of a form with these names and values, in this order.
    pub fn form(path: impl Into<Cow<'static, str>>, fields: &[(String, String)]) -> Request {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            push_form_encoded(&mut body, name);
            body.push('=');
            push_form_encoded(&mut body, value);
        }
        Request::new(Method::Post, path, body.into(), Decode::Http)
            .header("content-type", "application/x-www-form-urlencoded")
    }

    /// A request with an optional JSON body; the answer is decoded as JSON.
    pub fn rest(method: Method, path: impl Into<Cow<'static, str>>, body: Option<Vec<u8>>) -> Request {
        let has_body = body.is_some();
        let request = Request::new(method, path, body.unwrap_or_default().into(), Decode::Rest);
        let request = request.header("accept", "application/json");
        if has_body { request.header("content-type", "application/json") } else { request }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Marks the request as harmless to repeat.
    #[must_use]
    pub fn idempotent(mut self) -> Request {
        self.idempotent = true;
        self
    }

    /// Sets the key for `balance = hash`.
    #[must_use]
    pub fn key(mut self, key: impl Into<Box<str>>) -> Request {
        self.key = Some(key.into());
        self
    }

    /// The body without the JSON-RPC id, so that equal calls have equal questions.
    pub fn question(&self) -> &[u8] {
        match self.decode {
            Decode::JsonRpc { id } => jsonrpc::without_id(&self.body, id),
            Decode::XmlRpc | Decode::Http | Decode::Rest => &self.body,
        }
    }

    /// True if the caller set this header; `name` in any case.
    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header.0.eq_ignore_ascii_case(name))
    }

    /// Adds the header of Basic authentication.
    #[must_use]
    pub fn login(self, user: &str, password: &str) -> Request {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        self.header("authorization", format!("Basic {encoded}"))
    }
}

/// An id for a JSON-RPC call, unique in this process. Below 2^53, so that servers with doubles keep it exact.
pub fn next_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) % (1 << 53) + 1
}

/// Appends text in the encoding of HTML forms: a space is `+`; only the bytes that the URL standard lists stay as they
/// are.
fn push_form_encoded(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(byte.into()),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(HEX[usize::from(byte >> 4)].into());
                out.push(HEX[usize::from(byte & 15)].into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_as_browsers_do() {
        let fields = [("a b".to_owned(), "1&2=ü".to_owned()), ("c".to_owned(), "*-._~+".to_owned())];
        let request = Request::form("/x", &fields);
        assert_eq!(&request.body[..], b"a+b=1%262%3D%C3%BC&c=*-._%7E%2B");
        assert_eq!(request.headers, [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())]);
    }

    #[test]
    fn a_login_is_a_basic_authorization() {
        let request = Request::get("/").login("Aladdin", "open sesame");
        assert_eq!(request.headers, [("authorization".to_owned(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned())]);
    }
}
