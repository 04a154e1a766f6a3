//! The record of a request as spans of OTLP/JSON: one for the request, below it one for each try of each member and
//! each statement. Ids are hexadecimal and whole numbers are texts, as OTLP has it and not as JSON of protobuf would.
//!
//! Names are those of OpenTelemetry's semantic conventions; what these have no name for begins with `skitai.`.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::record::{CallRecord, TrailRecord, TryRecord};
use super::trace_context::{TraceContext, random};
use crate::app::request::Request;

/// `SpanKind` of OTLP.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// `StatusCode` of OTLP.
const ERROR: u8 = 2;

/// The spans of a request, as JSON with commas between them, and their number.
pub(super) fn written(request: &Request, context: &TraceContext, record: &TrailRecord) -> (String, u64) {
    let since = request.begun.elapsed();
    let begun = SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH);
    let begun = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let at = |micros: u32| (begun + u128::from(micros) * 1_000).to_string();
    let whole = SpanWriter { trace: hex(&context.trace), at: &at, context };
    let mut spans = vec![whole.of_request(request, record)];
    for call in &record.calls {
        spans.extend(call.tries.iter().filter_map(|one| whole.of_try(call, one)));
    }
    let count = spans.len() as u64;
    let texts: Vec<String> = spans.iter().map(Value::to_string).collect();
    (texts.join(","), count)
}

/// What all spans of a request have in common.
struct SpanWriter<'r> {
    trace: String,
    /// The time of day, in nanoseconds, of a microsecond of the request.
    at: &'r dyn Fn(u32) -> String,
    context: &'r TraceContext,
}

impl SpanWriter<'_> {
    fn of_request(&self, request: &Request, record: &TrailRecord) -> Value {
        let short = &record.short;
        let (path, query) =
            short.path.split_once('?').map_or((&*short.path, None), |(path, query)| (path, Some(query)));
        let mut attributes = Attributes::default();
        attributes.text("http.request.method", &short.method);
        attributes.text("http.route", &short.route);
        attributes.text("url.scheme", request.scheme());
        attributes.text("url.path", path);
        attributes.maybe("url.query", query);
        attributes.number("http.response.status_code", short.status.into());
        attributes.text("network.protocol.version", request.version());
        if let Some((host, port)) = request.get_header("host").map(host_and_port) {
            attributes.text("server.address", host);
            attributes.maybe_number("server.port", port);
        }
        attributes.text("skitai.request_id", &short.id);
        attributes.maybe("skitai.reason", short.why);
        if short.asked > 0 {
            attributes.number("skitai.coverage.asked", short.asked as i64);
            attributes.number("skitai.coverage.missing", short.missing as i64);
        }
        let is_failed = short.status >= 500;
        if is_failed {
            attributes.text("error.type", &short.status.to_string());
        }
        let answers = record.calls.iter().filter(|call| call.source != "members").map(|call| {
            let mut attributes = Attributes::default();
            attributes.text("skitai.call", &call.what);
            if let Some(age) = call.age_ms {
                attributes.0.push(json!({ "key": "skitai.age_ms", "value": { "doubleValue": age } }));
            }
            json!({ "name": call.source, "timeUnixNano": (self.at)(call.at_us), "attributes": attributes.0 })
        });
        let events: Vec<Value> = answers.collect();
        let name = match short.route.starts_with('/') {
            true => format!("{} {}", short.method, short.route),
            false => short.method.clone(),
        };
        let message = record.error.as_ref().map(|error| error.text.as_str()).unwrap_or_default();
        let mut span = self.span(&name, SERVER, (0, record.total_us), attributes);
        span["spanId"] = Value::from(format!("{:016x}", self.context.span));
        if let Some(parent) = self.context.parent {
            span["parentSpanId"] = Value::from(format!("{parent:016x}"));
        }
        if let Some(state) = &self.context.state {
            span["traceState"] = Value::from(&**state);
        }
        span["events"] = Value::from(events);
        if is_failed {
            span["status"] = json!({ "code": ERROR, "message": message });
        }
        span
    }

    /// `None` for a member that was not tried: what is ejected, or was answered by the cache.
    fn of_try(&self, call: &CallRecord, one: &TryRecord) -> Option<Value> {
        let ended = one.ended?;
        let mut attributes = Attributes::default();
        let name = match &call.subject {
            Subject::Method { protocol, method } => {
                attributes.text("rpc.system.name", protocol);
                attributes.text("rpc.method", method);
                method.clone()
            }
            Subject::Path { method } => {
                attributes.text("http.request.method", method);
                (*method).to_owned()
            }
            Subject::Statement { system, text, verb } => {
                attributes.text("db.system.name", system);
                attributes.maybe("db.query.text", text.as_deref());
                attributes.text("db.operation.name", verb);
                format!("{verb} {}", call.target)
            }
        };
        let (address, database) = one.node.split_once('/').map_or((&*one.node, None), |(at, name)| (at, Some(name)));
        match &call.subject {
            // A file is no address.
            Subject::Statement { system: "sqlite", .. } => attributes.text("db.namespace", &one.node),
            _ => {
                let (host, port) = host_and_port(address);
                attributes.text("server.address", host);
                attributes.maybe_number("server.port", port);
                attributes.maybe("db.namespace", database);
            }
        }
        if one.code > 0 {
            attributes.number("http.response.status_code", one.code.into());
        }
        if !one.is_ok {
            attributes.text("error.type", one.reason);
        }
        attributes.text("skitai.target", &call.target);
        attributes.text("skitai.reason", one.reason);
        attributes.text("skitai.why", &one.why);
        attributes.maybe("skitai.cause", one.cause);
        attributes.maybe("skitai.picked", one.picked);
        attributes.text("skitai.ended_by", ended);
        attributes.maybe("skitai.unrepeated", one.unrepeated);
        for part in &one.parts {
            attributes.number(&format!("skitai.part.{}_us", part.name), part.us.into());
        }
        let mut span = self.span(&name, CLIENT, (one.at_us, one.at_us.saturating_add(one.took_us)), attributes);
        // What the member was told is its parent.
        let id = if one.span == 0 { random().max(1) } else { one.span };
        span["spanId"] = Value::from(format!("{id:016x}"));
        span["parentSpanId"] = Value::from(format!("{:016x}", self.context.span));
        if !one.is_ok {
            span["status"] = json!({ "code": ERROR, "message": one.message });
        }
        Some(span)
    }

    fn span(&self, name: &str, kind: u8, (from, to): (u32, u32), Attributes(attributes): Attributes) -> Value {
        json!({
            "traceId": self.trace,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": (self.at)(from),
            "endTimeUnixNano": (self.at)(to),
            // The low bits are those of `traceparent`.
            "flags": u32::from(self.context.is_sampled),
            "attributes": attributes,
        })
    }
}

/// What a call is about, in the words of the semantic conventions.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Method {
        protocol: &'static str,
        method: String,
    },
    Path {
        method: &'static str,
    },
    Statement {
        system: &'static str,
        /// `None` for one that was put together at run time.
        text: Option<String>,
        verb: String,
    },
}

/// Attributes of OTLP.
#[derive(Default)]
struct Attributes(Vec<Value>);

impl Attributes {
    fn text(&mut self, key: &str, value: &str) {
        self.0.push(json!({ "key": key, "value": { "stringValue": value } }));
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn number(&mut self, key: &str, value: i64) {
        self.0.push(json!({ "key": key, "value": { "intValue": value.to_string() } }));
    }

    fn maybe_number(&mut self, key: &str, value: Option<u16>) {
        if let Some(value) = value {
            self.number(key, value.into());
        }
    }
}

/// `host:port`, without the brackets of an address of IPv6.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (text, None),
    };
    (host.trim_matches(['[', ']']), port)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_parts() {
        for (text, parts) in [
            ("127.0.0.1:80", ("127.0.0.1", Some(80))),
            ("[::1]:80", ("::1", Some(80))),
            ("::1", ("::1", None)),
            ("example.org", ("example.org", None)),
        ] {
            assert_eq!(host_and_port(text), parts, "{text}");
        }
    }
}
