//! The routes: how often each is asked, what came of it and how long it took.

use super::{PageSource, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const ROUTES: TableSpec = TableSpec {
    id: "routes",
    columns: &[
        ColumnSpec("route", "Route", false),
        ColumnSpec("rate", "A second", true),
        ColumnSpec("requests", "Requests", true),
        ColumnSpec("errors", "Errors (5xx)", true),
        ColumnSpec("in_flight", "In flight", true),
        ColumnSpec("p50", "p50", true),
        ColumnSpec("p95", "p95", true),
        ColumnSpec("p99", "p99", true),
        ColumnSpec("slowest", "Slowest", true),
    ],
};

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let total = |route: &Value| pairs(&route["requests"]).map(|(_, count)| words::number(count)).sum::<i64>();
    let all: Vec<(&str, &Value)> = pairs(&source.part["routes"]).collect();
    let is_shown = |route: &Value| source.is_picked() || source.view.word().is_some() || total(route) > 0;
    let mut asked: Vec<(&str, &Value)> = all.iter().filter(|(_, route)| is_shown(route)).copied().collect();
    asked.sort_by_key(|(_, route)| std::cmp::Reverse(total(route)));
    let rows = asked.iter().map(|(rule, route)| row(rule, route, total(route))).collect();
    let mut table = PageTable::new(&ROUTES, "By rule, with the times of the last minute", rows, source.view);
    let idle = all.len() - asked.len();
    if idle > 0 {
        let text = format!("{} that nobody has asked for", words::of(idle as i64, "route", "routes"));
        table.more = Some(PageCell::text(text).link(source.view.filtered_address("routes")));
    }
    Some(PageSection { id: "routes", title: "Routes", tables: vec![table], ..PageSection::default() })
}

fn row(rule: &str, route: &Value, total: i64) -> PageRow {
    let recent = &route["recent"];
    let errors = words::number(&route["requests"]["5xx"]);
    let share = words::percent(errors as f64, total as f64);
    // Without a request in the last minute, those of all times.
    let is_recent = recent["buckets"].as_map().is_some_and(|buckets| !buckets.0.is_empty());
    let times = if is_recent { recent } else { &route["durations"] };
    let time = |name: &str| PageCell::millis(words::measure(&times[name]));
    let rate = words::measure(&recent["per_s"]).unwrap_or(0.0);
    PageRow::new(
        rule,
        vec![
            PageCell::code(rule),
            PageCell::of_number(rate, words::rate(rate)),
            PageCell::count(total),
            PageCell::count(errors).note(if errors > 0 { share } else { String::new() }).mark_if("bad", errors > 0),
            PageCell::count(words::number(&route["in_flight"])),
            time("p50_ms"),
            time("p95_ms"),
            time("p99_ms"),
            PageCell::millis(
                words::measure(&times["longest_ms"]).or(words::measure(&route["durations"]["longest_ms"])),
            ),
        ],
    )
}
