//! The status of an instance, in lines for people.

use serde_json::Value;

use crate::observe::log::one_lines;

/// A status as lines for people.
pub(super) fn described(status: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!(
        "{}: {}, process id {}, for {}, generation {}",
        text(&status["name"]),
        text(&status["state"]),
        status["pid"],
        age(&status["seconds"]),
        status["generation"]
    )];
    lines.extend(status["listening"].as_array().into_iter().flatten().map(|address| format!("  on {}", text(address))));
    for process in status["processes"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  process {} (slot {}, generation {}): {}, started {} ago, {} crashes before",
            process["pid"],
            process["slot"],
            process["generation"],
            text(&process["state"]),
            age(&process["seconds"]),
            process["restarts"]
        ));
    }
    for place in status["empty"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  slot {}: no process; another starts in {:.1} s",
            place["slot"],
            place["starts_in_ms"].as_u64().unwrap_or(0) as f64 / 1000.0
        ));
    }
    if let Some(crash) = status["last_crash"].as_str() {
        lines.push(format!("  last crash: {crash}"));
    }
    one_lines(&lines.join("\n"))
}

/// What is wrong, one line for each: members and databases that do not take part, processes that do not answer.
pub(super) fn troubles(tree: Option<&Value>) -> String {
    let Some(tree) = tree else { return "\n  no process has answered what it does".to_owned() };
    let mut lines = Vec::new();
    for (cluster, told) in ["clusters", "databases"].iter().filter_map(|part| tree[*part].as_object()).flatten() {
        for member in told["members"].as_array().into_iter().flatten() {
            // Several where the processes do not agree.
            let words = |value: &Value| match value {
                Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                value => value.as_str().unwrap_or_default().to_owned(),
            };
            let node = words(&member["node"]);
            let operator = &member["operator"];
            if operator.is_object() {
                let why = words(&operator["why"]);
                let since = operator["since"].as_i64().map(moment).unwrap_or_default();
                let why = if why.is_empty() { why } else { format!(" ({why})") };
                let (word, who) = (words(&operator["word"]), words(&operator["who"]));
                lines.push(format!("\n  @{cluster}: {node} is {word} by {who} since {since}{why}"));
            }
            let state = words(&member["state"]);
            if state == "healthy" || state.is_empty() {
                continue;
            }
            let latest = member["since"]
                .as_array()
                .map_or(member["since"].as_i64(), |all| all.iter().filter_map(Value::as_i64).max());
            lines.push(format!(
                "\n  @{cluster}: {node} is {state} since {} ({})",
                latest.map(moment).unwrap_or_default(),
                words(&member["ejected_for"])
            ));
        }
    }
    for process in tree["processes"]["running"].as_array().into_iter().flatten() {
        if process["answered"] == false {
            lines.push(format!("\n  process {} has not answered what it does", process["pid"]));
        }
    }
    lines.iter().map(|line| one_lines(line)).collect()
}

/// A moment of Unix time, in UTC: `2026-11-29T14:03:10Z`.
pub(super) fn moment(seconds: i64) -> String {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

/// A number of seconds, as people say it.
fn age(seconds: &Value) -> String {
    let seconds = seconds.as_u64().unwrap_or(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_in_lines() {
        let status = serde_json::json!({
            "name": "shop", "state": "serving", "pid": 4, "seconds": 3_700, "generation": 2,
            "listening": ["127.0.0.1:5000", "unix:var/web.sock"], "last_crash": "process 9 ended by itself: signal 6",
            "empty": [{"slot": 1, "starts_in_ms": 1_600, "restarts": 5}],
            "processes": [{"pid": 5, "slot": 0, "generation": 2, "state": "serving", "seconds": 59, "restarts": 1}],
        });
        assert_eq!(
            described(&status),
            "shop: serving, process id 4, for 1 h 1 min, generation 2\n  on 127.0.0.1:5000\n  on unix:var/web.sock\n  \
             process 5 (slot 0, generation 2): serving, started 59 s ago, 1 crashes before\n  \
             slot 1: no process; another starts in 1.6 s\n  last crash: process 9 ended by itself: signal 6"
        );
        for (seconds, said) in [(0, "0 s"), (60, "1 min"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h")] {
            assert_eq!(age(&Value::from(seconds)), said);
        }
    }
    #[test]
    fn what_is_wrong_is_told_with_since_and_why() {
        let tree = serde_json::json!({
            "clusters": {"mysearch": {"members": [
                {"node": "10.0.0.1:80", "state": "healthy", "since": 0, "ejected_for": null},
                {"node": "10.0.0.2:80", "state": ["ejected", "healthy"], "since": [1_790_000_000, 5],
                 "ejected_for": "refused"},
            ]}},
            "databases": {"mydb": {"members": [{"node": "a\u{1b}[2J", "state": "probing", "since": 0,
                "ejected_for": "login"}]}},
            "processes": {"running": [{"pid": 5, "answered": true}, {"pid": 6, "answered": false}]},
        });
        assert_eq!(
            troubles(Some(&tree)),
            "\n  @mysearch: 10.0.0.2:80 is ejected, healthy since 2026-09-21T14:13:20Z (refused)\n  \
             @mydb: a\\u{1b}[2J is probing since 1970-01-01T00:00:00Z (login)\n  \
             process 6 has not answered what it does"
        );
        assert_eq!(troubles(Some(&serde_json::json!({}))), "");
        assert!(troubles(None).contains("no process"));
    }
}
