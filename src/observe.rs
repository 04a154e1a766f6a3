//! Observation for operators: the log, the access log, counters, panics in one line each, and the watchdog of the
//! threads.

pub(crate) mod access;
pub(crate) mod counts;
pub(crate) mod log;
pub(crate) mod panics;
pub(crate) mod watchdog;
