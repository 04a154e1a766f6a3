//! A [`Request`] as bytes: checked and encoded once per call, then shared by every member.

use std::borrow::Cow;

use bytes::Bytes;
use skitai_wire::http1;
use skitai_wire::http1::UnsendableHead;

use super::request::{Decode, Method, Request};
use super::trace_parent;
use super::trace_parent::TraceParent;
use crate::kit::Party;
use crate::spec::Encoding;

/// How long the sender will wait for the answer, in milliseconds.
const TIME_LEFT: &str = "x-request-timeout-ms";

/// Headers that a caller cannot set: framing, host and connection follow from what is sent. `expect`, because we never
/// wait for a `100 Continue`.
const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "expect"];

/// Up to this many bytes, head and body are sent in one write.
const TOGETHER: usize = 16 * 1024;

pub(crate) struct PreparedRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    pub(super) body: Bytes,
    /// The request line; `fields` holds every header except `host`.
    request_line: Vec<u8>,
    fields: Vec<u8>,
    pub(super) decode: Decode,
    /// In bytes, if less than the origin's limit.
    pub(super) max_answer: Option<usize>,
    /// The caller has an `accept-encoding` of its own, and wants pages as they come.
    pub(super) takes_packed: bool,
    /// Repeating the request is harmless.
    pub(crate) is_idempotent: bool,
    /// The method has no body, so that an empty one is not announced by `content-length: 0`.
    pub(super) is_bodyless: bool,
    /// The trace that the call belongs to, of which every exchange has a span.
    trace: Option<TraceParent>,
    /// The request that the call belongs to.
    pub(crate) party: Party,
}

impl PreparedRequest {
    /// Checks the path and the headers; the error names the invalid one.
    pub(crate) fn new(request: Request) -> Result<PreparedRequest, UnsendableHead> {
        let takes_packed = request.has_header("accept-encoding");
        let asks_for_gzip = request.encoding == Some(Encoding::Gzip) && !takes_packed;
        let trace = request.trace.filter(|_| !request.has_header(trace_parent::NAME));
        let Request { method, path, headers, body, decode, max_answer, left, idempotent, .. } = request;
        // The fragment is never sent.
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let lower = |(name, value): (String, String)| (Cow::Owned(name.to_ascii_lowercase()), value);
        let mut headers: Vec<(Cow<'static, str>, String)> =
            headers.into_iter().map(lower).filter(|header| !OURS.contains(&&*header.0)).collect();
        // Of several content types, the last wins: the caller's own comes after the default.
        if let Some(last) = headers.iter().rposition(|header| header.0 == "content-type") {
            let mut nth = 0..;
            headers.retain(|header| nth.next() == Some(last) || header.0 != "content-type");
        }
        let mut add = |name: &'static str, value: &dyn Fn() -> String| {
            if !headers.iter().any(|header| header.0 == name) {
                headers.push((name.into(), value()));
            }
        };
        if let Some(left) = left {
            add(TIME_LEFT, &|| left.to_string());
        }
        match decode {
            Decode::XmlRpc => add("content-type", &|| "text/xml".to_owned()),
            Decode::JsonRpc { .. } => add("content-type", &|| "application/json-rpc".to_owned()),
            Decode::Http | Decode::Rest => {}
        }
        if asks_for_gzip {
            add("accept-encoding", &|| "gzip".to_owned());
        }
        let is_bodyless = method.is_safe() || method == Method::Delete;
        let (mut request_line, mut fields) = (Vec::with_capacity(path.len() + 32), Vec::with_capacity(160));
        http1::write_request_line(&mut request_line, method.as_str(), &path)?;
        if !(body.is_empty() && is_bodyless) {
            http1::write_length(&mut fields, body.len());
        }
        for (name, value) in &headers {
            http1::write_field(&mut fields, name, value.as_bytes())?;
        }
        Ok(PreparedRequest {
            method,
            path,
            headers,
            body,
            request_line,
            fields,
            decode,
            max_answer,
            takes_packed,
            is_idempotent: idempotent,
            is_bodyless,
            trace,
            party: Party::ALONE,
        })
    }

    /// The span of an exchange; 0 if the call belongs to no trace.
    pub(crate) fn span_of(&self, member: Option<u32>, attempt: u32) -> u64 {
        self.trace.as_ref().map_or(0, |trace| trace.span(member, attempt))
    }

    /// What the member of an exchange is told of the trace.
    pub(super) fn trace_parent(&self, span: u64) -> Option<[u8; 55]> {
        self.trace.as_ref().filter(|_| span != 0).map(|trace| trace.value(span))
    }

    /// The bytes for one member, whose `host` header is given as a whole line; and the body, if it is too large to be
    /// copied behind the head.
    pub(super) fn octets(&self, host: &[u8], span: u64) -> (Vec<u8>, Bytes) {
        const TRACED: usize = trace_parent::NAME.len() + 2 + 55 + 2;
        let head = self.request_line.len() + host.len() + self.fields.len() + TRACED + 2;
        let is_small = head + self.body.len() <= TOGETHER;
        let mut octets = Vec::with_capacity(if is_small { head + self.body.len() } else { head });
        for part in [&self.request_line[..], host, &self.fields] {
            octets.extend_from_slice(part);
        }
        if let Some(value) = self.trace_parent(span) {
            for part in [trace_parent::NAME.as_bytes(), b": ", &value, b"\r\n"] {
                octets.extend_from_slice(part);
            }
        }
        octets.extend_from_slice(b"\r\n");
        if is_small {
            octets.extend_from_slice(&self.body);
            return (octets, Bytes::new());
        }
        (octets, self.body.clone())
    }

    /// The answer has no body, whatever its headers say.
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::Head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_named() {
        let error = |request: Request| PreparedRequest::new(request).err().expect("it cannot be sent").to_string();
        assert!(error(Request::get("/a b")).contains("path"));
        assert!(error(Request::get("/").header("a b", "c")).contains("\"a b\""));
        assert!(error(Request::get("/").header("x-a", "1\r\nx-b: 2")).contains("\"x-a\""));
    }

    #[test]
    fn what_is_ours_is_not_the_callers() {
        let request = Request::form("x", &[("a".to_owned(), "1".to_owned())]);
        let forged = OURS.iter().fold(request, |request, name| request.header(name.to_uppercase(), "9"));
        let prepared = PreparedRequest::new(forged.header("Content-Type", "text/csv")).expect("it can be sent");
        let (octets, rest) = prepared.octets(b"host: a\r\n", 0);
        let expected = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-type: text/csv\r\n\r\na=1";
        assert_eq!((octets, rest.len()), (expected.as_bytes().to_vec(), 0));
    }
}
