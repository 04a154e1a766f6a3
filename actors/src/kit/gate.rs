//! A gate through which so many may go at a time: [`Places`] without anything that is handed from one to the next.

use std::sync::Arc;
use std::time::Instant;

use super::fair_semaphore::{Acquire, FairSemaphore, Owner};
use super::party::Party;

/// Lets so many through at a time.
#[derive(Debug)]
pub(crate) struct Gate {
    places: FairSemaphore<Pass>,
}

/// The right to be through. Dropped, it is the next one's.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    place: usize,
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate { places: FairSemaphore::new(limit) })
    }

    /// Goes through, if nobody has to be waited for.
    pub(crate) fn enter(self: &Arc<Gate>, party: Party) -> Option<Pass> {
        self.places.take(party).map(|place| Pass { gate: self.clone(), place })
    }

    /// The same, at once or behind all who wait, to the end of one's time.
    pub(crate) async fn pass(self: &Arc<Gate>, party: Party, until: Option<Instant>) -> Option<Pass> {
        match self.places.step_up(party) {
            Ok(place) => Some(Pass { gate: self.clone(), place }),
            Err(turn) => Acquire::new(self.clone(), turn, until).await,
        }
    }

    /// How many may be through at a time.
    pub(crate) fn limit(&self) -> usize {
        self.places.limit()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.places.waiting()
    }

    /// Whether nobody is through.
    pub(crate) fn is_idle(&self) -> bool {
        self.places.taken() == 0
    }

    /// Sends somebody away for the sake of this party: the last of one that is more than half of all who wait.
    pub(crate) fn make_room(&self, party: Party) -> bool {
        self.places.make_room(party)
    }
}

impl Owner for Gate {
    type Turn = Pass;
    fn places(&self) -> &FairSemaphore<Pass> {
        &self.places
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(next) = self.gate.places.pass(self.place, || {}) {
            // Should he leave in this very moment, it comes back, is dropped, and so passed on.
            drop(next.send(Pass { gate: self.gate.clone(), place: self.place }));
        }
    }
}
