//! Proxies: the mounts that lead to clusters, and the forward proxy.

use super::instance::{REFUSED, refused};
use super::{PageSource, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageFact, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const PASSED: TableSpec = TableSpec {
    id: "passed",
    columns: &[
        ColumnSpec("path", "Path", false),
        ColumnSpec("cluster", "Passed on to", false),
        ColumnSpec("requests", "Requests", true),
        ColumnSpec("errors", "Errors (5xx)", true),
        ColumnSpec("in_flight", "In flight", true),
        ColumnSpec("p95", "p95", true),
    ],
};

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let passed = pairs(&source.part["apps"]).filter_map(|(path, mount)| Some((path, mount["members_of"].as_str()?)));
    let rows = passed.map(|(path, cluster)| passed_row(path, cluster, &source.tree["routes"])).collect();
    let mut tables = vec![PageTable::new(&PASSED, "Requests that are passed on to members", rows, source.view)];
    let proxy = &source.part["forward_proxy"];
    let rows = refused(&proxy["refused"]);
    let caption = "What the forward proxy has refused";
    tables.push(PageTable::named(&REFUSED, "proxy-refused".to_owned(), caption, rows, source.view));
    tables.retain(|table| !table.is_empty());
    let facts = if proxy.is_nil() { Vec::new() } else { facts(proxy) };
    let is_empty = tables.is_empty() && facts.is_empty();
    (!is_empty).then_some(PageSection { id: "proxies", title: "Proxies", lead: None, facts, tables })
}

fn passed_row(path: &str, cluster: &str, routes: &Value) -> PageRow {
    let route = &routes[format!("{}/*", path.trim_end_matches('/')).as_str()];
    let requests = pairs(&route["requests"]).map(|(_, count)| words::number(count)).sum();
    let name = cluster.trim_start_matches('@').split('/').next().unwrap_or_default();
    PageRow::new(
        path,
        vec![
            PageCell::code(path),
            PageCell::code(format!("@{name}")),
            PageCell::count(requests),
            PageCell::count(words::number(&route["requests"]["5xx"])),
            PageCell::count(words::number(&route["in_flight"])),
            PageCell::millis(words::measure(&route["durations"]["p95_ms"])),
        ],
    )
}

/// What the forward proxy does.
fn facts(proxy: &Value) -> Vec<PageFact> {
    let number = |told: &Value| words::number(told);
    let open = |told: &Value| {
        PageCell::count(number(&told["open"])).note(format!("open, {} in all", words::count(number(&told["opened"]))))
    };
    let failed = PageCell::count(number(&proxy["failed"])).note(format!(
        "{} timed out, {} too large",
        words::count(number(&proxy["timed_out"])),
        words::count(number(&proxy["too_large"]))
    ));
    vec![
        PageFact::new("Requests of the proxy", PageCell::count(number(&proxy["requests"]))),
        PageFact::new("Tunnels", open(&proxy["tunnels"])),
        PageFact::new("Exchanges", open(&proxy["exchanges"])),
        PageFact::new("To clients", PageCell::bytes(number(&proxy["sent"]["to_clients"]))),
        PageFact::new("To hosts", PageCell::bytes(number(&proxy["sent"]["to_hosts"]))),
        PageFact::new("Failed", failed),
    ]
}
