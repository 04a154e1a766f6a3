//! The other processes of the instance, as far as the status needs them. How they are reached is the server's.

use futures_util::future::BoxFuture;
use skitai_wire::Value;

use super::snapshot::Snapshot;

/// Asks the other processes of the instance.
pub trait Siblings: Send + Sync {
    /// Asks all of them for their snapshots, of the part that the filter selects. The answer comes within the time,
    /// whoever is silent.
    fn ask(&self, filter: Option<String>, within: std::time::Duration) -> BoxFuture<'static, FromSiblings>;

    /// Notes what this process has counted, before it is shown whole: no counter that was seen there goes back if it is
    /// killed.
    fn note(&self, snapshot: &Snapshot);
}

/// What the others have answered.
#[derive(Clone, Debug, Default)]
pub struct FromSiblings {
    /// The processes, this one included.
    pub processes: Vec<Sibling>,
    /// What processes had counted that have ended: a tree of counters.
    pub ended: Value,
    /// How many have ended.
    pub ended_count: u64,
    /// How many of these did not say what they had counted at last: up to a second of it may be missing.
    pub killed_count: u64,
    /// What the supervisor says of itself; its lines of the log among it.
    pub supervisor: Value,
    /// What did not work, if something did not.
    pub problem: Option<String>,
}

/// One process of the instance.
#[derive(Clone, Debug, Default)]
pub struct Sibling {
    /// Its process id.
    pub pid: u32,
    /// What its supervisor says of it: slot, generation, state, restarts.
    pub about: Value,
    /// What it answered. Of the asked process itself, nothing.
    pub snapshot: Option<Snapshot>,
    /// What it had counted when it said so for the last time, if it did not answer: a tree of counters.
    pub counted: Value,
}
