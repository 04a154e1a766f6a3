//! `trail`: the records of slow, failed and partial requests of a running instance, in lines for people.

use serde_json::Value;

use super::shown::moment;
use crate::observe::log::one_line;

/// A list of records, newest first.
pub(super) fn listed(records: &[Value]) -> String {
    if records.is_empty() {
        return "no request was slow, failed or partial (the keys `slow` and `trace_ring` say what is kept)".to_owned();
    }
    let lines: Vec<String> = records.iter().map(|record| one_line(&head(record)).into_owned()).collect();
    lines.join("\n")
}

/// The whole record of one request.
pub(super) fn whole(record: &Value) -> String {
    let mut lines = vec![head(record)];
    if let Some(error) = record["error"].as_object() {
        lines.push(format!("  {} {}", error["status"], text(&error["text"])));
    }
    for call in record["calls"].as_array().into_iter().flatten() {
        let source = match text(&call["source"]) {
            "cache" => format!(", from the result cache, {} ms old", call["age_ms"]),
            "equal_call" => ", from an equal call that was under way".to_owned(),
            _ => String::new(),
        };
        let at = millis(&call["at_us"]);
        lines.push(format!("  {at} ms: {}, {} of {} ok{source}", text(&call["what"]), call["ok"], call["asked"]));
        for one in call["tries"].as_array().into_iter().flatten() {
            let message = Some(text(&one["message"])).filter(|message| !message.is_empty());
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            let (at, took) = (millis(&one["at_us"]), millis(&one["took_us"]));
            let (node, reason, why) = (text(&one["node"]), text(&one["reason"]), text(&one["why"]));
            lines.push(format!("    {at} ms + {took} ms: {node} {reason}{message} ({why})"));
            let parts = one["parts"].as_array().into_iter().flatten();
            let parts: Vec<String> =
                parts.map(|part| format!("{} {}", text(&part["name"]), millis(&part["us"]))).collect();
            if !parts.is_empty() {
                lines.push(format!("      {}", parts.join(", ")));
            }
        }
        if call["more"].as_u64().is_some_and(|more| more > 0) {
            lines.push(format!("    and {} more, which answered well and sooner", call["more"]));
        }
    }
    // What members say must not write lines of its own.
    let lines: Vec<String> = lines.iter().map(|line| one_line(line).into_owned()).collect();
    lines.join("\n")
}

fn head(record: &Value) -> String {
    let when = moment(record["at"].as_f64().unwrap_or_default() as i64);
    let gap = match record["missing"].as_u64() {
        None | Some(0) => String::new(),
        Some(missing) => format!(", {missing} of {} missing", record["asked"]),
    };
    let (why, method, path) = (text(&record["why"]), text(&record["method"]), text(&record["path"]));
    let (status, ms, id) = (&record["status"], &record["ms"], text(&record["id"]));
    format!("{when} {id} {why}: {method} {path}: {status} after {ms} ms{gap}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn millis(micros: &Value) -> f64 {
    micros.as_f64().unwrap_or_default() / 1e3
}
