//! What is mounted where, and what registered objects say of themselves.

use super::{PageSource, items, pairs};
use crate::builtin::admin::table::{ColumnSpec, PageCell, PageRow, PageSection, PageTable, TableSpec};
use crate::builtin::admin::words;
use crate::prelude::*;

pub(super) const MOUNTS: TableSpec = TableSpec {
    id: "mounts",
    columns: &[
        ColumnSpec("path", "Path", false),
        ColumnSpec("what", "What is there", false),
        ColumnSpec("routes", "Routes", true),
        ColumnSpec("folders", "Folders", false),
    ],
};

pub(super) const OBJECTS: TableSpec = TableSpec {
    id: "objects",
    columns: &[ColumnSpec("object", "Object", false), ColumnSpec("status", "What it says", false)],
};

pub(super) fn section(source: &PageSource<'_>) -> Option<PageSection> {
    let mounts = pairs(&source.part["apps"]).map(|(path, mount)| mount_row(path, mount));
    let mut tables = vec![PageTable::new(&MOUNTS, "Mounts", mounts.collect(), source.view)];
    let objects = pairs(&source.part["objects"]).map(|(name, told)| {
        let link = source.view.filtered_address(&format!("objects:{name}"));
        PageRow::new(name, vec![PageCell::code(name).link(link), PageCell::code(told.to_string())])
    });
    tables.push(PageTable::new(&OBJECTS, "Registered objects", objects.collect(), source.view));
    tables.retain(|table| !table.is_empty());
    Some(PageSection { id: "apps", title: "Apps and objects", tables, ..PageSection::default() })
}

fn mount_row(path: &str, mount: &Value) -> PageRow {
    let folders: Vec<String> = items(&mount["folders"]).map(words::text).collect();
    let what = match (mount["members_of"].as_str(), mount["app"].as_str()) {
        (Some(cluster), _) => PageCell::code(cluster).note("passed on to members"),
        (None, Some(app)) => {
            let own = if mount["own"].as_bool() == Some(true) { "the server's own" } else { "an app" };
            let sessions = if mount["sessions"].as_bool() == Some(true) { ", with sessions" } else { "" };
            PageCell::code(app).note(format!("{own}{sessions}"))
        }
        (None, None) => PageCell::text("files"),
    };
    let routes =
        if mount["routes"].is_nil() { PageCell::unknown() } else { PageCell::count(words::number(&mount["routes"])) };
    PageRow::new(path, vec![PageCell::code(path), what, routes, PageCell::code(folders.join(", "))])
}
