//! The actor kit: the only module that names actix, so that actix can be replaced in one place.
//!
//! actix gives us a mailbox, a home for state on one thread and an address that any thread may hold. It does not bound
//! `send`, does not survive a panic, does not stop work whose caller has left, and has no deadlines. The kit adds
//! exactly these. Read in this order:
//!
//! - [`gather`]: one call: an actor fills its slots, a handler waits for them; `slots`: the slots themselves;
//! - [`rule`]: the completion rule, which decides when enough answers have arrived;
//! - `placed`: builds a future in its box;
//! - [`party`]: identifies the calls of one request; `fair_semaphore`: shares scarce permits among parties; `gate`: a
//!   fair semaphore whose permits carry no resource of their own;
//! - `race`: ends a call's work;
//! - [`actor_host`]: the state behind an address; a panic rebuilds the state and keeps the address; `restarts`: limits
//!   how often;
//! - [`actor_ref`]: the address: admission, counters, `ask`;
//! - [`report`]: an actor's report on itself; `duration_histogram`: durations in it; [`tasks`]: the background tasks by
//!   name.
//!
//! The life of a call: the caller opens one slot per expected answer, prefilled with "not sent", and sends the message
//! with a deadline. The actor's `answer` returns a future; the kit spawns it on the actor's thread and races it against
//! the deadline and against the caller's departure. Whatever ends the call, every slot then holds a true statement:
//! nothing hangs and nothing is silently empty.

pub mod actor_host;
pub mod actor_ref;
mod duration_histogram;
pub(crate) mod fair_semaphore;
pub(crate) mod gate;
pub mod gather;
pub mod party;
pub(crate) mod placed;
pub(crate) mod race;
pub mod report;
mod restarts;
pub mod rule;
mod slots;
mod sync;
pub mod tasks;

pub use actor_host::Answers;
pub use actor_ref::{ActorRef, Admission};
pub use duration_histogram::{BOUNDS, DurationHistogram, UNBOUNDED, buckets, percentiles};
pub use gather::{OnArrival, Replies, Responder};
pub use party::Party;
pub use report::{Gauges, Report, Reporter};
pub use rule::{Arrived, Rule};
pub use slots::{Missed, Slot};

#[cfg(test)]
mod tests;
