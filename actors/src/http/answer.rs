//! Turns a complete answer into an outcome: a value, a fault, a page, or an HTTP code that carries no RPC answer.

use std::borrow::Cow;
use std::sync::Arc;

use awc::http::StatusCode;
use bytes::Bytes;
use skitai_wire::{Limits, Value, charset, json, jsonrpc, xmlrpc};

use super::arrival::Whole;
use super::body_form::{BodyForm, Packing};
use super::failure::ExchangeFailure;
use super::gunzip::gunzip;
use super::prepared::PreparedRequest;
use super::request::Decode;
use crate::outcome::{CoverageReport, Outcome, Reason, coverage};

/// How many characters of an error page's first line a message shows.
const FIRST_LINE: usize = 200;

/// A complete answer of an origin.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Names in lower case. Of a good RPC answer `x-coverage` alone: the others are not read, and would be most of its
    /// allocations.
    pub(crate) headers: Vec<(String, String)>,
    body: Bytes,
    /// The label of the body's charset.
    charset: Option<Cow<'static, str>>,
    decode: Decode,
}

impl Answer {
    /// Unpacks a body that is gzip, asked for or not, and removes the headers that describe the packed form. A body in
    /// another coding is an error that names it. Pages stay as they came for a caller that chose the codings itself.
    pub(super) async fn unpacked(
        whole: Whole,
        request: &PreparedRequest,
        limit: usize,
    ) -> Result<Answer, ExchangeFailure> {
        let Whole { code, fields, form: BodyForm { packing, charset }, body, .. } = whole;
        let mut answer = Answer { code, headers: fields, body, charset, decode: request.decode };
        let stays = match request.decode {
            Decode::Http => request.takes_packed,
            Decode::Rest => request.takes_packed && !answer.is_json(),
            Decode::XmlRpc | Decode::JsonRpc { .. } => false,
        };
        if stays || answer.body.is_empty() {
            return Ok(answer);
        }
        match packing {
            Packing::None => {}
            Packing::Gzip => {
                answer.body = Box::pin(gunzip(&answer.body, limit)).await?.into();
                answer.headers.retain(|(name, _)| name != "content-encoding" && name != "content-length");
            }
            Packing::Unread(coding) => return Err(answer.unread(&coding)),
        }
        Ok(answer)
    }

    /// The failure of a body that nobody here can unpack.
    fn unread(&self, coding: &str) -> ExchangeFailure {
        let reason = if self.is_good() { Reason::Malformed } else { Reason::HttpStatus };
        let status = self.status_line();
        let msg = format!("{status}: the answer is packed as {coding}, which is not read here; send gzip or none");
        ExchangeFailure::new(reason, msg)
    }

    /// The first header of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The outcome of this answer. The caller sets `latency` and `attempts`.
    pub(crate) fn into_outcome(mut self, node: Arc<str>) -> Outcome {
        let mut beside = Value::Nil;
        let mut outcome = match self.decode {
            Decode::Http => self.page(node),
            Decode::Rest if self.is_json() => self.json(node),
            Decode::Rest => self.page(node),
            Decode::XmlRpc => {
                match xmlrpc::parse_response_in(self.charset.as_deref(), &self.body, &Limits::default()) {
                    // Some servers report it twice: a fault, and an HTTP code of failure.
                    Ok(Err(fault)) => fault_of(node, fault.code, fault.message),
                    Ok(Ok(value)) if self.is_good() => Outcome::completed(node, value),
                    Ok(Ok(value)) => Outcome { data: value.into(), ..self.refused(node) },
                    Err(_) if self.code != 200 => self.refused(node),
                    Err(error) => self.malformed(node, &error),
                }
            }
            Decode::JsonRpc { id } => match self
                .json_text()
                .and_then(|text| jsonrpc::parse_response(&text, &Limits::default()))
            {
                // A gateway's error body may look like an error of JSON-RPC, but lacks the `jsonrpc` member and our id.
                Ok(response) if !(self.is_good() || response.is_marked || response.has_id(id)) => self.refused(node),
                Ok(mut response) => {
                    beside = std::mem::take(&mut response.coverage);
                    match response.to_call(id) {
                        Ok(Err(error)) => {
                            Outcome { data: error.data.into(), ..fault_of(node, error.code, error.message) }
                        }
                        Err(error) => Outcome::failed(node, Reason::Malformed, error.to_string()),
                        Ok(Ok(value)) if self.is_good() => Outcome::completed(node, value),
                        Ok(Ok(value)) => Outcome { data: value.into(), ..self.refused(node) },
                    }
                }
                Err(_) if self.code != 200 => self.refused(node),
                Err(error) => self.malformed(node, &error),
            },
        };
        outcome.code = self.code;
        let report = self.report(&outcome.data, &beside);
        outcome.headers = self.headers;
        match report {
            Some(report) => outcome.with_report(report),
            None => outcome,
        }
    }

    /// What the member reported of its own calls: `beside` the result of JSON-RPC, in an envelope, in the last line of
    /// NDJSON, else in the header, which names no member.
    fn report(&self, data: &Value, beside: &Value) -> Option<CoverageReport> {
        let in_body = match (self.decode, data) {
            (Decode::JsonRpc { .. }, _) if !beside.is_nil() => CoverageReport::from_value(beside),
            (Decode::Rest, Value::Map(_)) => CoverageReport::from_envelope(data),
            (Decode::Rest | Decode::Http, Value::String(text)) => match self.kind().as_str() {
                "application/x-ndjson" => CoverageReport::from_last_line(text),
                "text/event-stream" => CoverageReport::from_end_event(text),
                _ => None,
            },
            _ => None,
        };
        in_body.or_else(|| self.reported_in_head())
    }

    #[inline]
    fn reported_in_head(&self) -> Option<CoverageReport> {
        let mut lines =
            self.headers.iter().filter(|header| header.0 == coverage::header::NAME).map(|header| &*header.1);
        let first = lines.next()?;
        // Lines of a List are joined by a comma (RFC 9110, 5.3).
        let whole = lines.fold(first.to_owned(), |joined, line| joined + ", " + line);
        CoverageReport::from_header(&whole)
    }

    /// The media type of the body, in lower case and without parameters.
    fn kind(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    }

    fn page(&mut self, node: Arc<str>) -> Outcome {
        let body = Vec::from(std::mem::take(&mut self.body));
        let data = match is_text(&self.kind()) {
            false => Value::Bytes(body),
            true => text_of(body, self.charset.as_deref()).map_or_else(Value::Bytes, Value::String),
        };
        self.completed(node, data)
    }

    fn is_json(&self) -> bool {
        !self.body.is_empty() && json::is_type(self.header("content-type").unwrap_or_default())
    }

    /// The body as the text of JSON, whatever its type is called.
    fn json_text(&self) -> Result<Cow<'_, [u8]>, skitai_wire::Error> {
        json::text_in(&self.body, self.charset.as_deref())
    }

    fn json(&self, node: Arc<str>) -> Outcome {
        match self.json_text().and_then(|text| json::parse_value(&text)) {
            Ok(value) => self.completed(node, value),
            Err(error) => self.malformed(node, &error),
        }
    }

    fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }

    fn completed(&self, node: Arc<str>, data: Value) -> Outcome {
        let mut outcome = Outcome::completed(node, data);
        if !self.is_good() {
            // The status stays completed, because an answer came; the reason must not say that it was a good one.
            outcome.reason = Reason::HttpStatus;
            outcome.msg = self.status_line();
        }
        outcome
    }

    /// An HTTP error, with the first line of the body as the member's explanation.
    fn refused(&self, node: Arc<str>) -> Outcome {
        let status = self.status_line();
        let msg = match self.first_line() {
            Some(first) => format!("{status}: {first}"),
            None => status,
        };
        Outcome::failed(node, Reason::HttpStatus, msg)
    }

    /// What is no document of the protocol that was spoken: a page of a proxy or of another service, most often, which
    /// its first line shows.
    fn malformed(&self, node: Arc<str>, error: &skitai_wire::Error) -> Outcome {
        let begins = match self.first_line() {
            Some(first) => format!("the body begins with `{first}`"),
            None => "the body is empty".to_owned(),
        };
        Outcome::failed(node, Reason::Malformed, format!("{}: {error}; {begins}", self.status_line()))
    }

    /// The first line of the body that is not blank, cut, without characters that would break a line of the log.
    fn first_line(&self) -> Option<String> {
        // A character has at most four bytes; what is far behind the beginning need not be looked at.
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4 * FIRST_LINE)]);
        let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(first.chars().take(FIRST_LINE).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
    }

    fn status_line(&self) -> String {
        let reason = StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason()).unwrap_or_default();
        format!("HTTP {} {reason}", self.code).trim_end().to_owned()
    }
}

fn fault_of(node: Arc<str>, code: i64, message: String) -> Outcome {
    Outcome { fault: Some(code), ..Outcome::failed(node, Reason::Fault, message) }
}

/// True for the types whose bodies are text. `kind` is in lower case.
fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
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
        )
}

/// The text, or the bytes unchanged if they are invalid in this charset, or it is one that is not read here: guessing
/// would silently give wrong letters.
fn text_of(body: Vec<u8>, label: Option<&str>) -> Result<String, Vec<u8>> {
    let text = match charset::decode(&body, label) {
        Ok(Cow::Owned(text)) => text,
        // Most pages: their octets become the text.
        Ok(Cow::Borrowed(text)) if text.len() == body.len() => {
            return String::from_utf8(body).map_err(std::string::FromUtf8Error::into_bytes);
        }
        Ok(Cow::Borrowed(text)) => text.to_owned(),
        Err(_) => return Err(body),
    };
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_says_so_and_is_so() {
        let text = |kind: &str, body: &[u8]| {
            let (essence, label) = (kind.split(';').next().unwrap_or_default(), charset::of_type(kind));
            is_text(essence).then(|| text_of(body.to_vec(), label).ok()).flatten()
        };
        assert_eq!(text("text/html; charset=UTF-8", "ü".as_bytes()), Some("ü".to_owned()));
        assert_eq!(text("text/plain; charset=\"iso-8859-1\"", b"\xfc"), Some("ü".to_owned()));
        assert_eq!(text("text/plain; charset=windows-1252", b"\x80"), Some("€".to_owned()));
        assert_eq!(text("text/html; charset=euc-kr", b"\xb8\xf0"), Some("모".to_owned()));
        assert_eq!(text("text/csv", b"\xef\xbb\xbfa,b"), Some("a,b".to_owned()));
        assert_eq!(text("application/vnd.api+json", b"{}"), Some("{}".to_owned()));
        assert_eq!(text("text/plain", b"\xfc"), None);
        assert_eq!(text("text/plain; charset=utf-7", b"a"), None);
        assert_eq!(text("text/plain; charset=euc-kr", b"\xb8"), None);
        assert_eq!(text("image/png", b"a"), None);
        assert_eq!(text("", b"a"), None);
    }
}
