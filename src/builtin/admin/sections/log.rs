//! The last lines of the log, of all processes, the newest first.

use super::{PageSource, items};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const LINES: TableSpec = TableSpec {
    id: "log",
    columns: &[
        ColumnSpec("time", "Time", false),
        ColumnSpec("level", "Level", false),
        ColumnSpec("process", "Process", true),
        ColumnSpec("line", "Line", false),
    ],
};

/// The most lines that the whole page shows.
const SHOWN: usize = 20;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let is_whole = source.is_picked() || source.view.word().is_some();
    let at = |line: &Value| words::number(&line["at_ms"]);
    let mut lines: Vec<&Value> = items(&source.part["log"]).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(at(line)));
    let all = lines.len();
    let shown = if is_whole { all } else { SHOWN.min(all) };
    let rows = lines.into_iter().take(shown).map(|line| {
        let (level, process) = (words::text(&line["level"]), words::number(&line["process"]));
        let mark = match level.as_str() {
            "error" => "bad",
            "warn" => "warn",
            _ => "idle",
        };
        PageRow::new(
            format!("{process} {} {}", at(line), words::text(&line["nth"])),
            vec![
                PageCell::moment(Some(at(line) / 1_000), source.now),
                PageCell::text(level).mark(mark),
                PageCell::of_number(process as f64, process.to_string()),
                PageCell::line(words::text(&line["text"])),
            ],
        )
    });
    let mut table = PageTable::new(&LINES, "The last lines, the newest first", rows.collect(), source.view);
    if shown < all {
        table.more = Some(PageCell::text(format!("all {all} that are kept")).link(source.view.filtered_address("log")));
    }
    Some(PageSection { id: "log", title: "Log", tables: vec![table], ..PageSection::default() })
}
