//! Observation for operators: the log and its last lines, the access log, counters of all and by route, the figures of
//! the last minutes, and panics in one line each.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod log;
pub(crate) mod log_files;
pub(crate) mod panics;
pub(crate) mod plain_file;
pub(crate) mod recent_figures;
pub(crate) mod recent_lines;
mod recent_routes;
pub(crate) mod route_counts;
pub(crate) mod seldom;
