//! The configuration in force: each key with its value and where that is from. Secrets are masked where it is read.

use super::{PageSource, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;

pub(super) const KEYS: TableSpec = TableSpec {
    id: "config",
    columns: &[
        ColumnSpec("section", "Section", false),
        ColumnSpec("key", "Key", false),
        ColumnSpec("value", "Value", false),
        ColumnSpec("from", "From", false),
    ],
};

/// The most keys that the whole page shows.
const SHOWN: usize = 60;

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let is_whole = source.is_picked() || source.view.word().is_some();
    let (mut rows, mut left_out) = (Vec::new(), 0);
    for (section, keys) in pairs(&source.part["config"]) {
        for (key, told) in pairs(keys) {
            let (value, from) = (words::text(&told["value"]), words::text(&told["from"]));
            if !is_whole && (from == "default" || rows.len() >= SHOWN) {
                left_out += 1;
                continue;
            }
            // Processes of another configuration, while one is replaced by the other.
            let differs = told["value"].as_list().is_some();
            rows.push(PageRow::new(
                format!("{section} {key}"),
                vec![
                    PageCell::code(section),
                    PageCell::code(key),
                    PageCell::code(value).mark_if("warn", differs),
                    PageCell::text(from),
                ],
            ));
        }
    }
    let mut table = PageTable::new(&KEYS, "Keys that are given, and where", rows, source.view);
    if left_out > 0 {
        let text = format!("{} more, with the defaults", words::of(left_out, "key", "keys"));
        table.more = Some(PageCell::text(text).link(source.view.filtered_address("config")));
    }
    Some(PageSection { id: "config", title: "Configuration", tables: vec![table], ..PageSection::default() })
}
