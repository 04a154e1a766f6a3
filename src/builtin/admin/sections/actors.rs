//! The actors, those of a name as one, and the background tasks.

use std::collections::BTreeMap;

use super::instance::processes_of;
use super::{PageSource, items, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;

pub(super) const ACTORS: TableSpec = TableSpec {
    id: "actors",
    columns: &[
        ColumnSpec("name", "Actor", false),
        ColumnSpec("state", "State", false),
        ColumnSpec("mailbox", "In its mailbox", true),
        ColumnSpec("handled", "Handled", true),
        ColumnSpec("expired", "Too late", true),
        ColumnSpec("cancelled", "Cancelled", true),
        ColumnSpec("refused", "Refused", true),
        ColumnSpec("panics", "Panics", true),
        ColumnSpec("restarts", "Begun anew", true),
        ColumnSpec("dead", "Dead letters", true),
    ],
};

pub(super) const TASKS: TableSpec =
    TableSpec { id: "tasks", columns: &[ColumnSpec("task", "Task", false), ColumnSpec("count", "Running", true)] };

/// What the actors of one name say together.
#[derive(Default)]
struct Together<'t> {
    threads: i64,
    silent: i64,
    failed: i64,
    numbers: BTreeMap<&'static str, i64>,
    last_panic: Option<&'t str>,
}

const NUMBERS: [&str; 9] =
    ["in_flight", "limit", "done", "expired", "cancelled", "refused", "panics", "restarts", "dead_letters"];

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let mut by_name = BTreeMap::<&str, Together<'_>>::new();
    for actor in items(&source.part["actors"]) {
        let together = by_name.entry(actor["name"].as_str().unwrap_or_default()).or_default();
        together.threads += 1;
        together.silent += i64::from(super::is_silent(actor));
        together.failed += i64::from(actor["state"].as_str() == Some("failed"));
        for name in NUMBERS {
            *together.numbers.entry(name).or_default() += words::number(&actor[name]);
        }
        together.last_panic = actor["last_panic"].as_str().or(together.last_panic);
    }
    let rows = by_name.iter().map(|(name, together)| row(name, together)).collect();
    let mut tasks = BTreeMap::<&str, i64>::new();
    for (name, count) in processes_of(source.tree).flat_map(|process| pairs(&process["tasks"])) {
        *tasks.entry(name).or_default() += words::number(count);
    }
    let tasks =
        tasks.into_iter().map(|(name, count)| PageRow::new(name, vec![PageCell::text(name), PageCell::count(count)]));
    let tables = vec![
        PageTable::new(&ACTORS, "Actors, those of all threads as one", rows, source.view),
        PageTable::new(&TASKS, "Background tasks", tasks.collect(), source.view),
    ];
    Some(PageSection { id: "actors", title: "Actors", tables, ..PageSection::default() })
}

fn row(name: &str, together: &Together<'_>) -> PageRow {
    let number = |name: &str| together.numbers.get(name).copied().unwrap_or(0);
    let Together { threads, silent, failed, .. } = *together;
    let state = match (silent, failed) {
        (0, 0) => {
            PageCell::text("running").mark("good").note(format!("on {}", words::of(threads, "thread", "threads")))
        }
        (0, failed) => PageCell::text("failed").mark("bad").note(format!("on {failed} of {threads} threads")),
        (silent, _) => PageCell::text("does not answer").mark("bad").note(format!("on {silent} of {threads} threads")),
    };
    let counted = |name: &str| PageCell::count(number(name)).mark_if("bad", number(name) > 0);
    let mailbox = PageCell::count(number("in_flight"));
    PageRow::new(
        name,
        vec![
            PageCell::code(name),
            state,
            mailbox.bar(number("in_flight"), number("limit")),
            PageCell::count(number("done")),
            PageCell::count(number("expired")),
            PageCell::count(number("cancelled")),
            PageCell::count(number("refused")),
            counted("panics").note(together.last_panic.unwrap_or_default()),
            counted("restarts"),
            counted("dead_letters"),
        ],
    )
}
