//! The actor kit: the only place that names actix, so that it can be replaced in one place.
//!
//! actix gives us a mailbox, a thread-local home for state and an address that any thread may hold. It does not
//! bound `send`, does not survive a panic, does not stop work whose asker has left, and knows no deadline. The kit
//! adds exactly these. Read in this order:
//!
//! - [`gather`]: the meeting point of one call: slots that an actor fills and a handler waits for; `slots`: their row;
//! - [`rule`]: when enough has arrived;
//! - [`alarm`]: deadlines that are seconds away and hardly ever come;
//! - `together`: the parts of a call, side by side; `placed`: how one is boxed, and when;
//! - [`party`]: whose calls belong together; `places`: how what there is little of is shared out to them; `gate`: the
//!   same where nothing goes from hand to hand;
//! - `race`: what ends a call's work;
//! - [`keep`]: the state behind an address; a panic rebuilds it, the address survives; `restarts`: how often;
//! - [`post`]: the address itself: admission, counters, `ask`;
//! - [`report`]: what an actor tells about itself; [`tasks`]: what else is at work.
//!
//! The life of a call: the asker opens one slot per expected answer, prefilled with "not sent", and posts the
//! message with a deadline. The actor's `answer` returns a future; the kit spawns it on the actor's thread and
//! races it against the deadline and against the asker's departure. Whatever ends first, every slot then holds a
//! truthful item: nothing hangs and nothing is silently empty.

pub mod actor_host;
pub mod actor_ref;
pub mod alarm;
pub(crate) mod fair_semaphore;
pub(crate) mod gate;
pub mod gather;
pub(crate) mod join_all;
pub mod party;
pub(crate) mod placed;
pub(crate) mod race;
pub mod report;
mod restarts;
pub mod rule;
mod slots;
pub mod tasks;

pub use actor_host::Answers;
pub use actor_ref::{ActorRef, Admission};
pub use gather::{OnArrival, Replies, Responder};
pub use party::Party;
pub use report::{Gauges, Report, Reporter};
pub use rule::{Arrived, Rule};
pub use slots::{Missed, Slot};

#[cfg(test)]
mod tests;
