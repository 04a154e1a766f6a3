//! A gate that a bounded number of calls may pass at a time: a [`FairSemaphore`] whose permits carry no resource.

use std::sync::Arc;
use std::time::Instant;

use super::fair_semaphore::{Acquire, FairSemaphore, Owner};
use super::party::Party;

/// Bounds the number of calls inside.
#[derive(Debug)]
pub(crate) struct Gate {
    places: FairSemaphore<Pass>,
}

/// The permit to be inside. Dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    place: usize,
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate { places: FairSemaphore::new(limit.max(1)) })
    }

    /// Enters, if a place is free.
    pub(crate) fn enter(self: &Arc<Gate>, party: Party) -> Option<Pass> {
        self.places.take(party).map(|place| Pass { gate: self.clone(), place })
    }

    /// Enters at once or after all waiters; `None` at the deadline `until`, or if the waiter was removed.
    pub(crate) async fn pass(self: &Arc<Gate>, party: Party, until: Option<Instant>) -> Option<Pass> {
        match self.places.acquire(party) {
            Ok(place) => Some(Pass { gate: self.clone(), place }),
            Err(receiver) => Acquire::new(self.clone(), receiver, until).await,
        }
    }

    /// How many calls may be inside.
    pub(crate) fn limit(&self) -> usize {
        self.places.limit()
    }

    /// Changes how many calls may be inside, at least one. If there are more, waiters enter at once.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL's connections are shared out"))]
    pub(crate) fn set_limit(self: &Arc<Gate>, limit: usize) {
        for (place, next) in self.places.set_limit(limit.max(1)) {
            drop(next.send(Pass { gate: self.clone(), place }));
        }
    }

    /// The number of waiters.
    pub(crate) fn waiting(&self) -> usize {
        self.places.waiting()
    }

    /// True if no call is inside.
    pub(crate) fn is_idle(&self) -> bool {
        self.places.taken() == 0
    }

    /// Removes a waiter in favour of this party: see [`FairSemaphore::make_room`].
    pub(crate) fn make_room(&self, party: Party) -> bool {
        self.places.make_room(party)
    }
}

impl Owner for Gate {
    type Permit = Pass;
    fn places(&self) -> &FairSemaphore<Pass> {
        &self.places
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(next) = self.gate.places.pass(self.place, || {}) {
            // If the waiter leaves at this moment, `send` returns the pass; dropping it passes it on.
            drop(next.send(Pass { gate: self.gate.clone(), place: self.place }));
        }
    }
}
