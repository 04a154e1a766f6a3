//! Large bodies: the memory that all of them have together while they come, and their parsing away from the event loop.
//!
//! A client that sends 5 MB and stops before the last octet costs 5 MB until its time is over; a thousand of them would
//! be all memory there is. So bodies that have not come to their end have a common bound (`max_bodies`), and what goes
//! beyond it is refused. And 5 MB of XML or JSON are parsed in a tenth of a second, in which an event loop would serve
//! nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Semaphore;

use crate::app::Error;

/// Bodies above this are parsed on the blocking pool: below it the way there costs as much as the parsing.
pub(crate) const LARGE: usize = 64 * 1024;
/// Seconds after which a client that was refused for want of memory may try again.
const RETRY_AFTER: u32 = 1;

/// What the large bodies of a process share.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Octets of bodies that have not come to their end.
    held: AtomicUsize,
    /// How many are parsed at a time. One processor is left to the event loops.
    parsing: Arc<Semaphore>,
}

impl Bodies {
    pub(crate) fn new(threads: usize) -> Bodies {
        Bodies { held: AtomicUsize::new(0), parsing: Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))) }
    }

    /// Does work on a large body on the blocking pool.
    pub(crate) async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let turn = self.parsing.clone().acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

/// The memory of one body, given back when dropped.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    bodies: Arc<Bodies>,
    octets: usize,
    /// What all may hold together.
    most: usize,
}

impl BodyMemory {
    pub(crate) fn new(bodies: &Arc<Bodies>, most: usize) -> BodyMemory {
        BodyMemory { bodies: bodies.clone(), octets: 0, most }
    }

    /// Where nobody else has a body.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone() -> BodyMemory {
        BodyMemory::new(&Arc::new(Bodies::new(1)), usize::MAX)
    }

    /// For another body of the same request.
    pub(crate) fn another(&self) -> BodyMemory {
        BodyMemory::new(&self.bodies, self.most)
    }

    /// Takes room for more of the body.
    pub(crate) fn grow(&mut self, octets: usize) -> Result<(), Error> {
        let before = self.bodies.held.fetch_add(octets, Relaxed);
        self.octets += octets;
        if before.saturating_add(octets) > self.most {
            let why =
                "the bodies that clients are sending right now fill the memory this server has for them; try again";
            return Err(Error::new(503, why).retry_after(RETRY_AFTER));
        }
        Ok(())
    }

    /// Gives back what is kept elsewhere by now.
    pub(crate) fn clear(&mut self) {
        self.bodies.held.fetch_sub(std::mem::take(&mut self.octets), Relaxed);
    }
}

impl Drop for BodyMemory {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_a_bound_and_give_back_what_they_held() {
        let bodies = Arc::new(Bodies::new(2));
        let (mut first, mut second) = (BodyMemory::new(&bodies, 100), BodyMemory::new(&bodies, 100));
        assert!(first.grow(60).is_ok() && second.grow(40).is_ok());
        assert_eq!(second.grow(1).expect_err("there is no room").status(), 503);
        drop(second);
        assert!(first.grow(40).is_ok() && first.grow(1).is_err());
        first.clear();
        assert!(BodyMemory::new(&bodies, 100).grow(100).is_ok());
        assert_eq!(bodies.held.load(Relaxed), 0);
    }
}
