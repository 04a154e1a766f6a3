//! The status actor, one per process: it asks every other actor for its report and builds one tree of the answers.
//!
//! Actors exist once per thread, and an instance may have several processes, but a reader thinks of clusters and
//! databases. So the reports of one name are merged, and each thread's own report is kept beside them (`by_thread`). An
//! actor or a process that does not answer in time is listed as such, because a status page that omits what hangs is
//! useless just when it is needed; what it had counted before stays in the sums. Read in this order:
//!
//! - `registry`: the actors to ask;
//! - `actor`: the messages, the questions to the actors; `ledger`: what they had counted before;
//! - `snapshot`: what one process knows; `siblings`: the others of the instance;
//! - `tree`: what is shown; `merge`: many reports as one; `counters`: what of a report outlives who reported it;
//! - `wanted`: the filter and its spellings;
//! - `process`: the operating system's data about this process.

mod actor;
mod counters;
mod ledger;
mod merge;
mod process;
mod registry;
mod siblings;
mod snapshot;
#[cfg(test)]
mod tests;
mod tree;
mod wanted;

pub use actor::{Ask, AskSnapshot, Beside, Recall, StatusActor, ask, ask_for_sums, counted, slots, snapshot};
pub use counters::counters;
pub use merge::merged;
pub use registry::Registry;
pub use siblings::{FromSiblings, Sibling, Siblings};
pub use snapshot::Snapshot;
pub use wanted::{part, parts};
