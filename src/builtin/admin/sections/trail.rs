//! The requests whose course is kept: slow, failed and partial ones, each with a page of its own.

use super::{PageSource, items};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;

pub(super) const TRAIL: TableSpec = TableSpec {
    id: "trail",
    columns: &[
        ColumnSpec("time", "Time", false),
        ColumnSpec("request", "Request", false),
        ColumnSpec("why", "Why", false),
        ColumnSpec("status", "Status", true),
        ColumnSpec("took", "Took", true),
        ColumnSpec("missing", "Missing", true),
    ],
};

/// The most that the whole page shows.
const SHOWN: usize = 10;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let kept = &source.part["trail"];
    let is_whole = source.is_picked() || source.view.word().is_some();
    let shown = if is_whole { kept.len() } else { SHOWN.min(kept.len()) };
    let rows = items(kept).take(shown).map(|request| {
        let (id, why) = (words::text(&request["id"]), words::text(&request["why"]));
        let mark = if why == "failed" { "bad" } else { "warn" };
        let (asked, missing) = (words::number(&request["asked"]), words::number(&request["missing"]));
        let what = format!("{} {}", words::text(&request["method"]), words::text(&request["path"]));
        PageRow::new(
            id.clone(),
            vec![
                PageCell::moment(words::latest(&request["at"]), source.now),
                PageCell::code(what).link(format!("/status/trail/{id}")).note(id),
                PageCell::text(why).mark(mark),
                PageCell::count(words::number(&request["status"])),
                PageCell::millis(words::measure(&request["ms"])),
                PageCell::of_number(
                    missing as f64,
                    if asked > 0 { format!("{missing} of {asked}") } else { String::new() },
                ),
            ],
        )
    });
    let mut table = PageTable::new(&TRAIL, "Requests that were slow, failed or partial", rows.collect(), source.view);
    if shown < kept.len() {
        table.more = Some(
            PageCell::text(format!("all {} that are kept", kept.len())).link(source.view.filtered_address("trail")),
        );
    }
    Some(PageSection { id: "trail", title: "Why, per request", tables: vec![table], ..PageSection::default() })
}
