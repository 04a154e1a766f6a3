//! The status actor, one per process: it asks every other actor for its report and builds one tree of the answers.
//!
//! Actors exist once per thread, but a reader thinks of clusters and databases. So the reports of one name are merged,
//! and each thread's own report is kept beside them (`by_thread`). An actor that does not answer in time is listed as
//! such, because a status page that omits a hanging actor is useless just when it is needed. Read in this order:
//!
//! - `registry`: the actors to ask;
//! - `actor`: the message, the questions to the actors, the tree;
//! - `merge`: merges the reports of many threads into one;
//! - `wanted`: the filter and its spellings;
//! - `process`: the operating system's data about this process.

mod actor;
mod merge;
mod process;
mod registry;
#[cfg(test)]
mod tests;
mod wanted;

pub use actor::{Ask, StatusActor, ask, slots};
pub use registry::Registry;
