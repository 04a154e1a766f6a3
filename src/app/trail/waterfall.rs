//! A record as a picture: bars on one line of time, drawn by the server, whole without a script.
//!
//! The status page and the error page of devel mode include the same component. A record that comes from another
//! process is JSON, so it is drawn from JSON.

use serde_json::{Value, json};

use super::record::TrailRecord;
use crate::app::was::RequestContext;

/// The component, for the templates that include it.
pub(crate) const COMPONENT: &str = include_str!("../../../templates/status/waterfall.html");
/// Its name in their Tera.
pub(crate) const NAME: &str = "waterfall.html";

/// The width of a picture, in units of its own.
const WIDTH: f64 = 1000.0;
/// What has no length of its own is still to be seen.
const LEAST: f64 = 1.5;

/// The request as it is now, drawn: what the component takes as `trail`.
pub(crate) fn of(request: &RequestContext) -> Value {
    let record = serde_json::to_value(TrailRecord::of(request, None, false)).unwrap_or_default();
    drawn(record)
}

/// A record with the places of its bars.
pub(crate) fn drawn(mut record: Value) -> Value {
    let total = record["total_us"].as_f64().unwrap_or_default().max(1.0);
    let place = |thing: &mut Value, length: &str| {
        let number = |name: &str| thing[name].as_f64().unwrap_or_default();
        let (at, length) = (number("at_us") / total * WIDTH, number(length) / total * WIDTH);
        let x = at.clamp(0.0, WIDTH - LEAST);
        thing["x"] = rounded(x);
        thing["w"] = rounded(length.max(LEAST).min(WIDTH - x));
    };
    for call in record["calls"].as_array_mut().into_iter().flatten() {
        let until = call["until_us"].as_f64().or(call["at_us"].as_f64()).unwrap_or_default();
        call["us"] = json!(until - call["at_us"].as_f64().unwrap_or_default());
        call["ms"] = milliseconds(&call["us"]);
        call["at_ms"] = milliseconds(&call["at_us"]);
        place(call, "us");
        for one in call["tries"].as_array_mut().into_iter().flatten() {
            one["ms"] = milliseconds(&one["took_us"]);
            one["at_ms"] = milliseconds(&one["at_us"]);
            place(one, "took_us");
            for part in one["parts"].as_array_mut().into_iter().flatten() {
                part["ms"] = milliseconds(&part["us"]);
                place(part, "us");
            }
        }
    }
    record["total_ms"] = milliseconds(&record["total_us"]);
    record
}

fn milliseconds(micros: &Value) -> Value {
    json!(micros.as_f64().unwrap_or_default() / 1e3)
}

fn rounded(units: f64) -> Value {
    json!((units * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Value {
        let text = r#"{
            "id": "abc", "at": 1.0, "method": "GET", "path": "/a<b", "route": "/a", "status": 502, "ms": 20.0,
            "why": "failed", "asked": 1, "missing": 1, "total_us": 20000, "error": null, "arguments": [],
            "more_calls": 0,
            "calls": [{
                "what": "search of @c", "target": "@c", "kind": "call", "rule": "all", "at_us": 1000,
                "until_us": 11000, "source": "members", "age_ms": null, "asked": 1, "ok": 0, "more": 0,
                "tries": [{
                    "node": "127.0.0.1:1", "index": 0, "reason": "refused", "is_ok": false, "code": 0,
                    "message": "<no>", "is_given": true, "cause": "first", "picked": "all", "why": "all are asked",
                    "unrepeated": null, "ended": "answer", "is_dialled": true, "is_reconnected": false,
                    "passed_over": 0, "late_ms": null, "at_us": 1000, "took_us": 10000,
                    "parts": [
                        {"name": "queue", "at_us": 1000, "us": 2000}, {"name": "connect", "at_us": 3000, "us": 8000}
                    ]
                }]
            }]
        }"#;
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn bars_lie_where_their_time_was() {
        let drawn = drawn(record());
        let parts = &drawn["calls"][0]["tries"][0]["parts"];
        assert_eq!((&parts[0]["x"], &parts[0]["w"]), (&json!(50.0), &json!(100.0)));
        assert_eq!((&parts[1]["x"], &parts[1]["w"]), (&json!(150.0), &json!(400.0)));
    }
}
