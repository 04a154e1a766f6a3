//! The clusters, and their members: all of one that was picked, else those that do not take part.

use super::{PageSource, items, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::{acts, words};
use crate::prelude::*;

pub(super) const CLUSTERS: TableSpec = TableSpec {
    id: "clusters",
    columns: &[
        ColumnSpec("cluster", "Cluster", false),
        ColumnSpec("members", "Take part", true),
        ColumnSpec("calls", "Calls", true),
        ColumnSpec("failed", "Failed", true),
        ColumnSpec("in_flight", "In flight", true),
        ColumnSpec("p95", "p95 of the slowest", true),
        ColumnSpec("retries", "Retries", true),
        ColumnSpec("hedges", "Hedges", true),
        ColumnSpec("partial", "Partial", true),
        ColumnSpec("ejections", "Ejections", true),
    ],
};

pub(super) const MEMBERS: TableSpec = TableSpec {
    id: "members",
    columns: &[
        ColumnSpec("member", "Member", false),
        ColumnSpec("state", "State", false),
        ColumnSpec("since", "Since", true),
        ColumnSpec("calls", "Calls", true),
        ColumnSpec("failed", "Failed", true),
        ColumnSpec("missed", "Missed", true),
        ColumnSpec("in_flight", "In flight", true),
        ColumnSpec("p50", "p50", true),
        ColumnSpec("p95", "p95", true),
        ColumnSpec("p99", "p99", true),
        ColumnSpec("ejections", "Ejections", true),
        ColumnSpec("error", "Last error", false),
    ],
};

/// Up to so many members in all are shown one by one. Of more, those that do not take part.
const FEW: usize = 24;
/// The most members of a cluster that are shown, unless it was picked.
const SHOWN: usize = 5;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let clusters: Vec<(&str, &Value)> = pairs(&source.part["clusters"]).collect();
    if clusters.is_empty() {
        return None;
    }
    let rows = clusters.iter().map(|(name, told)| cluster_row(name, told, source)).collect();
    let mut tables =
        vec![PageTable::new(&CLUSTERS, "Clusters of HTTP members, and how many take part", rows, source.view)];
    let in_all: usize = clusters.iter().map(|(_, told)| told["members"].len()).sum();
    let is_whole = source.is_picked() || in_all <= FEW || source.view.word().is_some();
    for (name, told) in clusters {
        let all = told["members"].len();
        let most = if is_whole { usize::MAX } else { SHOWN };
        let shown = items(&told["members"]).filter(|member| is_whole || !takes_part(member)).take(most);
        let rows: Vec<PageRow> = shown.map(|member| member_row(name, member, source)).collect();
        let (count, id) = (rows.len(), format!("cluster-{name}"));
        let mut table = PageTable::named(&MEMBERS, id, format!("Members of @{name}"), rows, source.view);
        if count < all {
            let link = source.view.filtered_address(&format!("cluster:{name}"));
            table.more = Some(PageCell::text(format!("all {all} members of @{name}")).link(link));
        }
        if !table.is_empty() {
            tables.push(table);
        }
    }
    Some(PageSection { id: "clusters", title: "Clusters", tables, ..PageSection::default() })
}

/// Whether all processes see a member as one that takes part.
pub(in crate::builtin::admin) fn takes_part(member: &Value) -> bool {
    member["operator"].is_nil() && matches!(&*words::text(&member["state"]), "healthy" | "")
}

fn sum(told: &Value, names: &[&str]) -> i64 {
    items(&told["members"]).map(|member| failed(member, names)).sum()
}

fn failed(member: &Value, names: &[&str]) -> i64 {
    names.iter().map(|name| words::number(&member[*name])).sum()
}

const CALLS: &[&str] = &["ok", "failed", "timed_out", "cancelled", "not_connected"];
const FAILED: &[&str] = &["failed", "timed_out", "not_connected"];

fn cluster_row(name: &str, told: &Value, source: &PageSource<'_>) -> PageRow {
    let (all, out) = (told["members"].len(), items(&told["members"]).filter(|member| !takes_part(member)).count());
    let slowest = items(&told["members"]).filter_map(|member| words::measure(&member["p95_ms"])).reduce(f64::max);
    let failed = sum(told, FAILED);
    let state = if out == 0 { "good" } else { "bad" };
    let link = source.view.filtered_address(&format!("cluster:{name}"));
    PageRow::new(
        name,
        vec![
            PageCell::code(format!("@{name}")).link(link),
            PageCell::of_number((all - out) as f64, format!("{} of {all}", all - out)).mark(state),
            PageCell::count(sum(told, CALLS)),
            PageCell::count(failed),
            PageCell::count(sum(told, &["in_flight"])),
            PageCell::millis(slowest),
            PageCell::count(words::number(&told["retries"])),
            PageCell::count(words::number(&told["hedges"])),
            PageCell::count(sum(told, &["partial"])),
            PageCell::count(sum(told, &["ejections"])),
        ],
    )
}

fn member_row(cluster: &str, member: &Value, source: &PageSource<'_>) -> PageRow {
    let now = source.now;
    let node = words::text(&member["node"]);
    let time = |name: &str| PageCell::millis(words::measure(&member[name]));
    PageRow::new(
        node.clone(),
        vec![
            PageCell::code(node),
            state(cluster, member, source),
            PageCell::moment(words::latest(&member["since"]), now),
            PageCell::count(failed(member, CALLS)),
            PageCell::count(failed(member, FAILED)),
            PageCell::count(words::number(&member["missed"])),
            PageCell::count(words::number(&member["in_flight"])),
            time("p50_ms"),
            time("p95_ms"),
            time("p99_ms"),
            PageCell::count(words::number(&member["ejections"])),
            last_error(member, now),
        ],
    )
}

/// What a member does, and why: in words, with a sign, and what may be done about it.
pub(super) fn state(cluster: &str, member: &Value, source: &PageSource<'_>) -> PageCell {
    let acts = if source.may_act { acts::of_member(cluster, member) } else { Vec::new() };
    in_words(member, source.now).acts(acts)
}

fn in_words(member: &Value, now: i64) -> PageCell {
    if let Some(word) = member["operator"]["word"].as_str() {
        let by = words::text(&member["operator"]["who"]);
        let since = words::latest(&member["operator"]["since"]).map(|at| words::moment(at, now)).unwrap_or_default();
        return PageCell::text(word).mark("warn").note(format!("by {by} since {since}"));
    }
    let (state, why) = (words::text(&member["state"]), words::text(&member["ejected_for"]));
    let held = words::number(&member["held_for_s"]);
    match state.as_str() {
        "healthy" | "" if held > 0 => {
            PageCell::text("healthy").mark("warn").note(format!("asked for a pause, {} more", words::span(held)))
        }
        "healthy" | "" => PageCell::text("healthy").mark("good"),
        "probing" => PageCell::text("probing").mark("warn").note(why),
        _ => PageCell::text(state).mark("bad").note(why),
    }
}

/// The last error, with its time. What a member has sent is text like any other.
pub(super) fn last_error(member: &Value, now: i64) -> PageCell {
    let last = if member["last_error"].is_nil() { &member["last_failure"] } else { &member["last_error"] };
    if last.is_nil() {
        return PageCell::unknown();
    }
    let when = match words::latest(&last["when"]) {
        Some(at) => words::moment(at, now),
        // That of a database: `2026-11-29T14:03:10.123Z`.
        None => words::text(&last["at"]).chars().skip(11).take(8).collect(),
    };
    PageCell::text(words::text(&last["msg"])).note([words::text(&last["reason"]), when].join(" "))
}
