//! The operating system's data about this process. Data that it does not provide is omitted.

use std::fs;

use skitai_wire::Value;
use time::OffsetDateTime;

use super::registry::Registry;
use crate::kit::tasks;

/// Ticks of a second in `/proc`: every Linux that there is has this one.
const TICKS: f64 = 100.0;

/// The facts of this process as a tree.
pub(super) fn facts(registry: &Registry) -> Value {
    let number = |number: u64| Value::Int(number.cast_signed());
    let mut pairs = vec![
        ("pid", number(std::process::id().into())),
        ("started_at", Value::DateTime(iso(registry.started.into()))),
        ("uptime_s", number(registry.since.elapsed().as_secs())),
    ];
    // `status` instead of `statm`, because it counts in KiB and needs no page size.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(threads) = field("Threads:") {
        pairs.push(("threads", number(threads)));
    }
    if let Some(kib) = field("VmRSS:") {
        pairs.push(("rss_bytes", number(kib * 1_024)));
    }
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(ticks) = cpu_ticks(&stat) {
        pairs.push(("cpu_s", Value::Double(ticks as f64 / TICKS)));
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    if let Some(limit) = limit.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()) {
        pairs.push(("fds_limit", number(limit)));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Without the descriptor that reads the directory.
        pairs.push(("open_fds", number(open.count().saturating_sub(1) as u64)));
    }
    let tasks = tasks::counts().into_iter().map(|(name, count)| (name, number(count as u64)));
    pairs.push(("tasks", Value::from_pairs(tasks)));
    Value::from_pairs(pairs)
}

/// The time that the processor has worked for this process, for itself and for the system: the fields 14 and 15 of
/// `/proc/self/stat`. They are counted from behind the name, which may have blanks and parentheses in it.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// `2026-11-22T09:30:00Z`
fn iso(at: OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_processor_stands_behind_the_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 4 0 100 1000 10";
        assert_eq!((cpu_ticks(stat), cpu_ticks("7 (a"), cpu_ticks("")), (Some(300), None, None));
        let facts = facts(&Registry::default());
        assert!(facts["cpu_s"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{facts}");
        assert!(facts["fds_limit"].as_i64() >= facts["open_fds"].as_i64(), "{facts}");
    }
}
