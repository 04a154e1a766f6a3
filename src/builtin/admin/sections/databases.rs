//! Databases: which take part, and what their pools of connections do.

use super::members::{last_error, state, takes_part};
use super::{PageSource, items, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const DATABASES: TableSpec = TableSpec {
    id: "databases",
    columns: &[
        ColumnSpec("cluster", "Cluster", false),
        ColumnSpec("members", "Take part", true),
        ColumnSpec("statements", "Statements", true),
        ColumnSpec("failed", "Failed", true),
        ColumnSpec("connections", "Connections", true),
        ColumnSpec("wait", "p95 of waits", true),
        ColumnSpec("query", "p95 of statements", true),
        ColumnSpec("ejections", "Ejections", true),
    ],
};

pub(super) const POOLS: TableSpec = TableSpec {
    id: "pools",
    columns: &[
        ColumnSpec("database", "Database", false),
        ColumnSpec("state", "State", false),
        ColumnSpec("since", "Since", true),
        ColumnSpec("open", "Open", true),
        ColumnSpec("in_use", "In use", true),
        ColumnSpec("wait", "Wait, p95", true),
        ColumnSpec("dial", "Dial, p95", true),
        ColumnSpec("query", "Statement, p95", true),
        ColumnSpec("statements", "Statements", true),
        ColumnSpec("failed", "Failed", true),
        ColumnSpec("holders", "Held by", false),
        ColumnSpec("error", "Last error", false),
    ],
};

/// As of clusters: up to so many are shown one by one.
const FEW: usize = 24;
const SHOWN: usize = 5;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let ad_hoc = &source.part["adhoc-db"];
    let mut databases: Vec<(&str, &Value)> = pairs(&source.part["databases"]).collect();
    if !ad_hoc["members"].is_empty() {
        databases.push(("adhoc-db", ad_hoc));
    }
    if databases.is_empty() {
        return None;
    }
    let rows = databases.iter().map(|(name, told)| database_row(name, told, source)).collect();
    let mut tables =
        vec![PageTable::new(&DATABASES, "Clusters of databases, and how many take part", rows, source.view)];
    let in_all: usize = databases.iter().map(|(_, told)| told["members"].len()).sum();
    let is_whole = source.is_picked() || in_all <= FEW || source.view.word().is_some();
    for (name, told) in databases {
        let (all, most) = (told["members"].len(), if is_whole { usize::MAX } else { SHOWN });
        let is_shown = |member: &&Value| is_whole || !takes_part(member) || is_full(member);
        let rows: Vec<PageRow> =
            items(&told["members"]).filter(is_shown).take(most).map(|member| pool_row(name, member, source)).collect();
        let (count, id) = (rows.len(), format!("db-{name}"));
        let mut table = PageTable::named(&POOLS, id, format!("Pools of {}", shown(name)), rows, source.view);
        if count < all {
            let link = source.view.filtered_address(&filter(name));
            table.more = Some(PageCell::text(format!("all {all} databases of {}", shown(name))).link(link));
        }
        if !table.is_empty() {
            tables.push(table);
        }
    }
    Some(PageSection { id: "databases", title: "Databases", tables, ..PageSection::default() })
}

/// Whether a pool has as many connections as it may have, and all of them are in use.
pub(in crate::builtin::admin) fn is_full(member: &Value) -> bool {
    let limit = words::number(&member["connections"]["limit"]);
    limit > 0 && words::number(&member["in_use"]) >= limit
}

fn shown(name: &str) -> String {
    if name == "adhoc-db" { "databases of no cluster".to_owned() } else { format!("@{name}") }
}

fn filter(name: &str) -> String {
    if name == "adhoc-db" { name.to_owned() } else { format!("db:{name}") }
}

fn database_row(name: &str, told: &Value, source: &PageSource<'_>) -> PageRow {
    let all = told["members"].len();
    let out = items(&told["members"]).filter(|member| !takes_part(member)).count();
    let sum = |part: &str, names: &[&str]| -> i64 {
        let of = |member: &Value| names.iter().map(|name| words::number(&member[part][*name])).sum::<i64>();
        items(&told["members"]).map(of).sum()
    };
    let slowest = |part: &str| {
        let of = items(&told["members"]).filter_map(|member| words::measure(&member[part]["p95_ms"]));
        PageCell::millis(of.reduce(f64::max))
    };
    let (open, limit) = (sum("connections", &["open"]), sum("connections", &["limit"]));
    PageRow::new(
        name,
        vec![
            PageCell::code(shown(name)).link(source.view.filtered_address(&filter(name))),
            PageCell::of_number((all - out) as f64, format!("{} of {all}", all - out)).mark(if out == 0 {
                "good"
            } else {
                "bad"
            }),
            PageCell::count(sum("statements", STATEMENTS)),
            PageCell::count(sum("statements", FAILED)),
            PageCell::count(open).note(format!("of {}", words::count(limit))).bar(open, limit),
            slowest("waits"),
            slowest("queries"),
            PageCell::count(items(&told["members"]).map(|member| words::number(&member["ejections"])).sum()),
        ],
    )
}

const STATEMENTS: &[&str] = &["ok", "failed", "timed_out", "cancelled"];
const FAILED: &[&str] = &["failed", "timed_out", "not_sent"];

fn pool_row(cluster: &str, member: &Value, source: &PageSource<'_>) -> PageRow {
    let now = source.now;
    let node = words::text(&member["node"]);
    let connections = &member["connections"];
    let (open, limit) = (words::number(&connections["open"]), words::number(&connections["limit"]));
    let in_use = words::number(&member["in_use"]);
    let time = |part: &str| PageCell::millis(words::measure(&member[part]["p95_ms"]));
    let sum = |names: &[&str]| names.iter().map(|name| words::number(&member["statements"][*name])).sum();
    PageRow::new(
        node.clone(),
        vec![
            PageCell::code(node).note(words::text(&member["kind"])),
            state(cluster, member, source),
            PageCell::moment(words::latest(&member["since"]), now),
            PageCell::count(open).note(format!("of {}", words::count(limit))),
            PageCell::count(in_use).bar(in_use, limit).mark_if("bad", is_full(member)),
            time("waits"),
            time("dials"),
            time("queries"),
            PageCell::count(sum(STATEMENTS)),
            PageCell::count(sum(FAILED)),
            PageCell::text(holders(&member["holders"])),
            last_error(member, now),
        ],
    )
}

/// Who holds connections, the longest first.
fn holders(told: &Value) -> String {
    let mut held: Vec<(f64, String)> = Vec::new();
    flat(told, &mut |holder| {
        let seconds = words::measure(&holder["seconds"]).unwrap_or(0.0);
        let (by, statement) = (words::text(&holder["by"]), words::text(&holder["statement"]));
        held.push((seconds, format!("{by} for {}: {statement}", words::millis(seconds * 1_000.0))));
    });
    held.sort_by(|one, other| other.0.total_cmp(&one.0));
    held.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ")
}

/// What threads say differently is a list of their lists.
fn flat(told: &Value, each: &mut impl FnMut(&Value)) {
    match told {
        Value::List(items) => items.iter().for_each(|item| flat(item, each)),
        Value::Map(_) => each(told),
        _ => {}
    }
}
