//! The operating system's data about this process. Data that it does not provide is omitted.

use std::fs;

use skitai_wire::Value;
use time::OffsetDateTime;

use super::registry::Registry;
use crate::kit::tasks;

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
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Without the descriptor that reads the directory.
        pairs.push(("open_fds", number(open.count().saturating_sub(1) as u64)));
    }
    let tasks = tasks::counts().into_iter().map(|(name, count)| (name, number(count as u64)));
    pairs.push(("tasks", Value::from_pairs(tasks)));
    Value::from_pairs(pairs)
}

/// `2026-11-22T09:30:00Z`
fn iso(at: OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}
