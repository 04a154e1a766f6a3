//! What lies beside the clusters: the result cache, session cookies, and requests to any URL.

use super::{PageSource, items, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageFact, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const ORIGINS: TableSpec = TableSpec {
    id: "origins",
    columns: &[
        ColumnSpec("origin", "Origin", false),
        ColumnSpec("calls", "Requests", true),
        ColumnSpec("failed", "Failed", true),
        ColumnSpec("in_flight", "In flight", true),
        ColumnSpec("mean", "Mean", true),
        ColumnSpec("slowest", "Slowest", true),
        ColumnSpec("error", "Last error", false),
    ],
};

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let (cache, sessions, web) = (&source.part["cache"], &source.part["sessions"], &source.part["web"]);
    let mut facts = Vec::new();
    let number = |told: &Value, name: &str| words::number(&told[name]);
    if !cache.is_nil() {
        let (entries, most) = (number(cache, "entries"), number(cache, "max_entries"));
        let (hits, misses) = (number(cache, "hits"), number(cache, "misses"));
        facts.push(PageFact::new(
            "Cached results",
            PageCell::count(entries).note(format!("of {}", words::count(most))).bar(entries, most),
        ));
        facts.push(PageFact::new(
            "Hits of the cache",
            PageCell::text(words::percent(hits as f64, (hits + misses) as f64)).note(format!(
                "{} of {}",
                words::count(hits),
                words::of(hits + misses, "look", "looks")
            )),
        ));
        facts.push(PageFact::new(
            "Waited for another's",
            PageCell::count(number(cache, "followed"))
                .note(format!("{} evicted", words::count(number(cache, "evicted")))),
        ));
    }
    if !sessions.is_nil() {
        let refused: i64 = pairs(&sessions["refused"]).map(|(_, count)| words::number(count)).sum();
        facts.push(PageFact::new(
            "Sessions read",
            PageCell::count(number(sessions, "loaded"))
                .note(format!("{} sealed", words::count(number(sessions, "saved")))),
        ));
        facts.push(PageFact::new("Session cookies refused", PageCell::count(refused)));
    }
    if !web.is_nil() {
        facts.push(PageFact::new("Requests to any URL", PageCell::count(number(web, "asked"))));
    }
    let rows: Vec<PageRow> = items(&web["origins"]).map(|origin| origin_row(origin, source.now)).collect();
    let table = PageTable::new(&ORIGINS, "Servers that were asked by their URL", rows, source.view);
    let tables = if table.is_empty() { Vec::new() } else { vec![table] };
    Some(PageSection { id: "stores", title: "Cache, sessions, URLs", lead: None, facts, tables })
}

fn origin_row(origin: &Value, now: i64) -> PageRow {
    let node = words::text(&origin["node"]);
    let sum = |names: &[&str]| names.iter().map(|name| words::number(&origin[*name])).sum();
    let time = |name: &str| PageCell::millis(words::measure(&origin["latency"][name]));
    PageRow::new(
        node.clone(),
        vec![
            PageCell::code(node),
            PageCell::count(sum(&["ok", "failed", "timed_out", "cancelled", "not_connected"])),
            PageCell::count(sum(&["failed", "timed_out", "not_connected"])),
            PageCell::count(words::number(&origin["in_flight"])),
            time("mean_ms"),
            time("max_ms"),
            super::members::last_error(origin, now),
        ],
    )
}
