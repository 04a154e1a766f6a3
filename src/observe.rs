//! Observation for operators: the log, the access log, counters of all and by route, and panics in one line each.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod log;
pub(crate) mod log_files;
pub(crate) mod panics;
pub(crate) mod plain_file;
pub(crate) mod route_counts;
pub(crate) mod seldom;
