//! The result cache: answers of clusters and databases that may be given out again for a while.
//!
//! There is one [`Store`] per process, shared by its threads, because what one thread fetched serves them all. A hit
//! reads it directly: a message would cost more than the look-up. Each thread's [`CacheActor`] answers for the store
//! towards the rest of the house: it reports the statistics and carries out [`Forget`].
//!
//! Two rules make a cached answer a safe one. The [`Key`] holds everything that could change the answer, the login
//! included, so no user is served another's result. And only a complete answer is kept: every asked member gave a good
//! one. Read in this order:
//!
//! - `key`: what distinguishes one question from another;
//! - `store`: what is kept, how long, what was refused and why;
//! - `flight`: many askers of one missing answer, one of whom goes to fetch it;
//! - `actor`: the messages.

mod actor;
mod flight;
mod key;
mod store;
#[cfg(test)]
mod tests;

pub use actor::{CacheActor, Forget, Forgot, slots};
pub use flight::{Begun, Follower, Leader};
pub use key::{CacheKey, KeyBuilder};
pub use store::{NotCached, Stats, Store};
