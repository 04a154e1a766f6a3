//! Which member is asked next, and which takes part at all: what HTTP clusters and databases have in common.
//!
//! - pure code, without clock, socket or thread: [`verdict`] (does a member take part?), [`penalty`] (how much of its
//!   weight is in force?), [`latency`] (how fast was it?), [`pace`] (how soon will it answer?), [`pick`] (which member
//!   next?), [`retry_budget`] (may one more request be sent?);
//! - [`health`]: what these say of the members, shared by all threads.

pub mod circuit;
pub mod health;
pub mod latency_estimate;
pub mod latency_histogram;
pub mod penalty;
pub mod pick;
pub mod retry_budget;

pub use health::Health;
