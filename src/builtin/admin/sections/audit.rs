//! What operators have done, and what was refused to them: the end of the audit log.

use super::{PageSource, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const ACTS: TableSpec = TableSpec {
    id: "audit",
    columns: &[
        ColumnSpec("time", "Time (UTC)", false),
        ColumnSpec("who", "Who", false),
        ColumnSpec("what", "What", false),
        ColumnSpec("outcome", "Outcome", false),
    ],
};

/// The most that the whole page shows.
const SHOWN: usize = 10;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let acts = &source.part["audit"];
    let count = acts.len();
    if count == 0 {
        return None;
    }
    let is_whole = source.is_picked() || source.view.word().is_some();
    let shown = if is_whole { count } else { SHOWN.min(count) };
    let rows = pairs(acts).take(shown).map(|(id, act)| row(id, act)).collect();
    let mut table = PageTable::new(&ACTS, "What operators have done, the newest first", rows, source.view);
    if shown < count {
        table.more = Some(PageCell::text(format!("all {count}")).link(source.view.filtered_address("audit")));
    }
    Some(PageSection { id: "audit", title: "Operators", tables: vec![table], ..PageSection::default() })
}

fn row(id: &str, act: &Value) -> PageRow {
    let what = [words::text(&act["action"]), words::text(&act["on"])].join(" ");
    // `2026-11-29T16:13:17.123Z`
    let time = words::text(&act["at"]).chars().take(19).collect::<String>().replace('T', " ");
    let mark = match act["outcome"].as_str() {
        Some("done" | "begun") => "good",
        _ => "bad",
    };
    PageRow::new(
        id,
        vec![
            PageCell::text(time),
            PageCell::text(who(act)),
            PageCell::text(what.trim()).note(words::text(&act["why"])),
            PageCell::text(words::text(&act["outcome"])).mark(mark).note(words::text(&act["text"])),
        ],
    )
}

/// `admin from 127.0.0.1`, `user id 0 by a command`
fn who(act: &Value) -> String {
    match act["by"].as_str() {
        Some("command") => format!("user id {} by a command", words::text(&act["uid"])),
        Some("app") => "the app".to_owned(),
        _ => {
            let user = act["user"].as_str().unwrap_or("somebody");
            format!("{user} from {}", act["from"].as_str().unwrap_or("nowhere"))
        }
    }
}

/// What became of the act with this id, as the audit log has it: an address alone is no proof.
pub(in crate::builtin::admin) fn outcome_of(status: &Value, id: &str) -> Option<String> {
    let act = status["audit"].get(id)?;
    Some(format!("{}: {}", words::text(&act["outcome"]), words::text(&act["text"])))
}
