//! A complete answer, and what it comes to: a value, a fault, a page, or an HTTP code that carries no RPC answer.

use std::sync::Arc;

use awc::http::StatusCode;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use bytes::Bytes;
use skitai_wire::{Value, jsonrpc, xmlrpc};

use super::failure::Failure;
use super::gunzip::gunzip;
use super::prepared::Prepared;
use super::request::Decode;
use crate::outcome::{Outcome, Reason};

/// How much of an error page's first line is shown in a message, in characters.
const FIRST_LINE: usize = 200;

/// A whole answer of an origin.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Names in lower case. Not filled for a good RPC answer: nobody reads them, and they are most of its allocations.
    pub(crate) headers: Vec<(String, String)>,
    body: Bytes,
    decode: Decode,
}

impl Answer {
    pub(super) fn new(code: u16, headers: &HeaderMap, body: Bytes, request: &Prepared) -> Answer {
        let decode = request.decode;
        let is_wanted = matches!(decode, Decode::Http | Decode::Rest) || code != 200;
        let headers = if is_wanted { headers.iter().map(shown).collect() } else { Vec::new() };
        Answer { code, headers, body, decode }
    }

    /// True where less came than was announced.
    pub(super) fn is_cut_short(&self, headers: &HeaderMap, request: &Prepared, eof: bool) -> bool {
        if request.is_head || matches!(self.code, 100..=199 | 204 | 304) {
            return false;
        }
        // A body without an announced end goes to the end of the connection, by the rules.
        let is_framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        // The codec reads no further than the end of a whole body: if it met the end of the connection, it wanted more.
        is_framed && eof
    }

    /// Unpacks the body where it came as we said it may. What it came like is no longer told then.
    pub(super) async fn unpack(
        &mut self,
        headers: &HeaderMap,
        request: &Prepared,
        limit: usize,
    ) -> Result<(), Failure> {
        let is_packed = |value: &HeaderValue| {
            let word = value.as_bytes().trim_ascii();
            word.eq_ignore_ascii_case(b"gzip") || word.eq_ignore_ascii_case(b"x-gzip")
        };
        if !request.may_be_packed || self.body.is_empty() || !headers.get(CONTENT_ENCODING).is_some_and(is_packed) {
            return Ok(());
        }
        // Boxed: most calls have no use for its room.
        self.body = Box::pin(gunzip(&self.body, limit)).await?.into();
        self.headers.retain(|(name, _)| *name != CONTENT_ENCODING.as_str() && *name != CONTENT_LENGTH.as_str());
        Ok(())
    }

    /// The first header of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The outcome it comes to. `latency` and `attempts` are the caller's to fill.
    pub(crate) fn into_outcome(mut self, node: Arc<str>) -> Outcome {
        let mut outcome = match self.decode {
            Decode::Http => self.page(node),
            Decode::Rest if self.is_json() => self.json(node),
            Decode::Rest => self.page(node),
            Decode::XmlRpc | Decode::JsonRpc if self.code != 200 => self.refused(node),
            Decode::XmlRpc => match xmlrpc::parse_response(&self.body, &skitai_wire::Limits::default()) {
                Ok(Ok(value)) => Outcome::completed(node, value),
                Ok(Err(fault)) => fault_of(node, fault.code, fault.message),
                Err(error) => Outcome::failed(node, Reason::Malformed, error.to_string()),
            },
            Decode::JsonRpc => match jsonrpc::parse_response(&self.body, &skitai_wire::Limits::default()) {
                Ok(Ok(value)) => Outcome::completed(node, value),
                Ok(Err(error)) => Outcome { data: error.data.into(), ..fault_of(node, error.code, error.message) },
                Err(error) => Outcome::failed(node, Reason::Malformed, error.to_string()),
            },
        };
        outcome.code = self.code;
        outcome.headers = self.headers;
        outcome
    }

    fn page(&mut self, node: Arc<str>) -> Outcome {
        let body = Vec::from(std::mem::take(&mut self.body));
        let data = match Text::of(self.header(CONTENT_TYPE.as_str()).unwrap_or_default()) {
            None => Value::Bytes(body),
            Some(text) => text.decode(body).map_or_else(Value::Bytes, Value::String),
        };
        self.completed(node, data)
    }

    fn is_json(&self) -> bool {
        let kind = self.header(CONTENT_TYPE.as_str()).unwrap_or_default().split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        !self.body.is_empty() && (kind == "application/json" || kind.ends_with("+json"))
    }

    fn json(&self, node: Arc<str>) -> Outcome {
        match skitai_wire::json::parse_value(&self.body) {
            Ok(value) => self.completed(node, value),
            Err(error) => Outcome::failed(node, Reason::Malformed, format!("{}: {error}", self.status_line())),
        }
    }

    fn completed(&self, node: Arc<str>, data: Value) -> Outcome {
        let mut outcome = Outcome::completed(node, data);
        if !(200..300).contains(&self.code) {
            // Completed, for an answer came; but the reason must not say that it was a good one.
            outcome.reason = Reason::HttpStatus;
            outcome.msg = self.status_line();
        }
        outcome
    }

    /// The first line of the body says what the member has to complain of.
    fn refused(&self, node: Arc<str>) -> Outcome {
        let text = String::from_utf8_lossy(&self.body);
        let first: String = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default()
            .chars()
            .take(FIRST_LINE)
            .collect();
        let status = self.status_line();
        let msg = if first.is_empty() { status } else { format!("{status}: {first}") };
        Outcome::failed(node, Reason::HttpStatus, msg)
    }

    fn status_line(&self) -> String {
        let usual = StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason()).unwrap_or_default();
        format!("HTTP {} {usual}", self.code).trim_end().to_owned()
    }
}

fn shown((name, value): (&awc::http::header::HeaderName, &awc::http::header::HeaderValue)) -> (String, String) {
    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn fault_of(node: Arc<str>, code: i64, message: String) -> Outcome {
    Outcome { fault: Some(code), ..Outcome::failed(node, Reason::Fault, message) }
}

/// How the bytes of a text are to be read. Anything else stays bytes: guessing would give silently wrong letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Utf8,
    Latin1,
}

impl Text {
    fn of(content_type: &str) -> Option<Text> {
        let lower = content_type.to_ascii_lowercase();
        let mut parts = lower.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let is_text = kind.starts_with("text/")
            || kind.ends_with("+json")
            || kind.ends_with("+xml")
            || matches!(
                kind,
                "application/json"
                    | "application/json-rpc"
                    | "application/xml"
                    | "application/javascript"
                    | "application/x-ndjson"
                    | "application/x-www-form-urlencoded"
            );
        let charset = parts.find_map(|part| part.strip_prefix("charset=")).map(|name| name.trim_matches('"'));
        match charset {
            _ if !is_text => None,
            None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => Some(Text::Utf8),
            Some("iso-8859-1" | "latin-1" | "latin1") => Some(Text::Latin1),
            Some(_) => None,
        }
    }

    /// The text, or the bytes back where they are none.
    fn decode(self, body: Vec<u8>) -> Result<String, Vec<u8>> {
        match self {
            Text::Utf8 => String::from_utf8(body).map_err(std::string::FromUtf8Error::into_bytes),
            Text::Latin1 => Ok(body.into_iter().map(char::from).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_says_so_and_is_so() {
        let text = |kind: &str, body: &[u8]| Text::of(kind).and_then(|text| text.decode(body.to_vec()).ok());
        assert_eq!(text("text/html; charset=UTF-8", "ü".as_bytes()), Some("ü".to_owned()));
        assert_eq!(text("text/plain; charset=\"iso-8859-1\"", b"\xfc"), Some("ü".to_owned()));
        assert_eq!(text("application/vnd.api+json", b"{}"), Some("{}".to_owned()));
        assert_eq!(text("text/plain", b"\xfc"), None);
        assert_eq!(text("text/plain; charset=euc-kr", b"a"), None);
        assert_eq!(text("image/png", b"a"), None);
        assert_eq!(text("", b"a"), None);
    }
}
