//! The status actor: one per process; it asks every other actor what it knows and makes one tree of the answers.
//!
//! Actors live once per thread, a reader thinks in clusters and databases: so the trees of one name are merged, and
//! what each thread said is kept beside (`by_thread`). An actor that does not answer in time is shown as such; a status
//! page that leaves out what hangs is of no use on the day it is needed. Read in this order:
//!
//! - `registry`: who is asked;
//! - `actor`: the question, the asking, the tree;
//! - `merge`: many threads' trees to one;
//! - `wanted`: the filter and the spellings it takes;
//! - `process`: what the operating system knows of us.

mod actor;
mod merge;
mod process;
mod registry;
#[cfg(test)]
mod tests;
mod wanted;

pub use actor::{Ask, StatusActor, ask, slots};
pub use registry::Registry;
