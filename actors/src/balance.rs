//! The choice of a member and its health: the common part of HTTP clusters and databases.
//!
//! - pure code, without clock, socket or thread: [`circuit`] (the circuit breaker: does a member take part?),
//!   [`penalty`] (how much of its weight counts after failures?), [`latency_histogram`] (quantiles of its latency),
//!   [`latency_estimate`] (its expected latency), [`pick`] (which member is next?), [`retry_budget`] (is one more
//!   request allowed?);
//! - [`health`]: the state of all members, shared by the threads;
//! - [`operator`]: what an operator says of a member, beside its health;
//! - [`history`]: what of it a process hands on to the one that takes its place.

pub mod circuit;
pub mod health;
pub mod history;
pub mod latency_estimate;
pub mod latency_histogram;
pub mod operator;
pub mod penalty;
pub mod pick;
pub mod retry_budget;

pub use health::Health;
