//! Certificates, and until when they are good.

use std::collections::BTreeMap;

use super::{PageSource, items};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const CERTIFICATES: TableSpec = TableSpec {
    id: "certificates",
    columns: &[
        ColumnSpec("file", "File", false),
        ColumnSpec("names", "Names", false),
        ColumnSpec("expires", "Expires", true),
        ColumnSpec("issuer", "Issuer", false),
        ColumnSpec("serial", "Serial number", false),
    ],
};

/// A certificate that has fewer days left is told among what is wrong.
pub(in crate::builtin::admin) const SOON: i64 = 14;

/// The certificates by their files. After a renewal the process that is behind tells the truth of the site.
pub(in crate::builtin::admin) fn by_file(told: &Value) -> Vec<&Value> {
    let mut oldest = BTreeMap::<String, &Value>::new();
    for certificate in items(told) {
        let known = oldest.entry(words::text(&certificate["file"])).or_insert(certificate);
        if words::number(&certificate["expires_at"]) < words::number(&known["expires_at"]) {
            *known = certificate;
        }
    }
    oldest.into_values().collect()
}

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let rows = by_file(&source.part["certificates"]).into_iter().map(|certificate| {
        let (file, days) = (words::text(&certificate["file"]), words::number(&certificate["days_left"]));
        let names: Vec<String> = items(&certificate["names"]).map(words::text).collect();
        PageRow::new(
            file.clone(),
            vec![
                PageCell::code(file),
                PageCell::text(names.join(", ")),
                PageCell::of_number(
                    words::number(&certificate["expires_at"]) as f64,
                    words::text(&certificate["expires"]),
                )
                .note(format!("{} left", words::of(days, "day", "days")))
                .mark(if days < SOON { "bad" } else { "good" }),
                PageCell::text(words::text(&certificate["issuer"])),
                PageCell::code(words::text(&certificate["serial"])),
            ],
        )
    });
    let table = PageTable::new(&CERTIFICATES, "Certificates", rows.collect(), source.view);
    Some(PageSection { id: "certificates", title: "Certificates", tables: vec![table], ..PageSection::default() })
}
