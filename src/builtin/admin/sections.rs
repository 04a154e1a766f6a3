//! The sections of the page, one file for each: from the status to facts and tables.
//!
//! To add one: a file here with a function that makes its [`PageSection`], a line in [`SECTIONS`] with the parts of the
//! status that it is of, and its tables in [`TABLES`], by whose columns an address sorts them.

mod actors;
mod apps;
pub(super) mod audit;
pub(super) mod certificates;
mod configuration;
pub(super) mod databases;
pub(super) mod instance;
mod log;
pub(super) mod members;
mod minutes;
mod proxies;
mod routes;
mod stores;
mod trail;

use super::table::{PageSection, TableSpec};
use super::view::PageView;
use crate::prelude::*;

/// What a section is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSource<'t> {
    /// The whole status.
    pub(super) tree: &'t Value,
    /// The part of it that the reader picked: all of it if he picked none.
    pub(super) part: &'t Value,
    pub(super) view: &'t PageView,
    /// The moment of the status, in seconds since 1970.
    pub(super) now: i64,
    /// Whether the reader may act.
    pub(super) may_act: bool,
    /// Keys of the configuration that have changed and wait for a restart.
    pub(super) restart_needed: &'t [String],
}

/// Makes a section; `None` if there is nothing to show.
type MakeSection = fn(&PageSource<'_>) -> Option<PageSection>;

/// All sections in their order, with the parts of the status that each is of.
const SECTIONS: [(&[&str], MakeSection); 13] = [
    (
        &["about", "process", "processes", "threads", "requests", "connections", "queue", "held", "history"],
        instance::section,
    ),
    (&["routes"], routes::section),
    (&["trail"], trail::section),
    (&["clusters"], members::section),
    (&["databases", "adhoc-db"], databases::section),
    (&["cache", "cachefs", "sessions", "web"], stores::section),
    (&["forward_proxy", "apps"], proxies::section),
    (&["actors", "others"], actors::section),
    (&["apps", "objects"], apps::section),
    (&["certificates"], certificates::section),
    (&["audit"], audit::section),
    (&["config"], configuration::section),
    (&["log"], log::section),
];

/// All tables that an address can sort.
pub(super) const TABLES: [&TableSpec; 18] = [
    &instance::PROCESSES,
    &instance::REFUSED,
    &routes::ROUTES,
    &trail::TRAIL,
    &members::CLUSTERS,
    &members::MEMBERS,
    &databases::DATABASES,
    &databases::POOLS,
    &stores::ORIGINS,
    &proxies::PASSED,
    &actors::ACTORS,
    &actors::TASKS,
    &apps::MOUNTS,
    &apps::OBJECTS,
    &certificates::CERTIFICATES,
    &audit::ACTS,
    &configuration::KEYS,
    &log::LINES,
];

/// The sections that the reader wants to see.
pub(super) fn all(source: &PageSource<'_>) -> Vec<PageSection> {
    let is_wanted = |parts: &[&str]| parts.iter().any(|part| !source.part[*part].is_nil());
    SECTIONS.iter().filter(|(parts, _)| is_wanted(parts)).filter_map(|(_, section)| section(source)).collect()
}

impl PageSource<'_> {
    /// Whether the reader picked a part, of which he then sees everything.
    pub(super) fn is_picked(&self) -> bool {
        self.view.filter.is_some()
    }
}

/// The things of a map by name, in their order.
pub(super) fn pairs(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    map.as_map().into_iter().flat_map(|map| map.iter())
}

/// The items of a list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_list().unwrap_or_default().iter()
}

/// Whether a report says that not every thread has answered.
pub(super) fn is_silent(report: &Value) -> bool {
    report["answered"].as_bool() == Some(false)
}
