//! The result cache: answers of clusters and databases that may be reused for a while.
//!
//! There is one [`Store`] per process, shared by its threads, so that an answer fetched by one thread serves all. A hit
//! reads the store directly, because a message would cost more than the look-up. Each thread's [`CacheActor`]
//! represents the store among the actors: it reports the statistics.
//!
//! Two rules make it safe to reuse an answer. The [`CacheKey`] covers everything that could change the answer, the
//! login included, so no user is given another user's result. And only complete answers are stored, in which every
//! member that was asked succeeded. Read in this order:
//!
//! - `key`: what makes two calls the same question;
//! - `store`: which answers are stored, for how long, and which are refused;
//! - `flight`: many callers that miss the same answer, of which one fetches it;
//! - `actor`: the report.

mod actor;
mod flight;
mod key;
mod store;
#[cfg(test)]
mod tests;

pub use actor::CacheActor;
pub use flight::{Begun, Follower, Leader};
pub use key::{CacheKey, KeyBuilder};
pub use store::{NotCached, Stats, Store};
