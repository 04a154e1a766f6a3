//! Large bodies: a memory limit for all of them together while they arrive, and parsing away from the event loop.
//!
//! A client that sends 5 MB and stops before the last octet costs 5 MB until its timeout; a thousand such clients would
//! take all memory. So incomplete bodies have a common limit (`max_bodies`), and what exceeds it is refused. And
//! parsing 5 MB of XML or JSON takes a tenth of a second, in which an event loop would serve no other request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Semaphore;

use crate::app::Error;

/// Bodies above this, in octets, are parsed on the blocking pool: below it the transfer costs as much as the parsing.
pub(crate) const LARGE: usize = 64 * 1024;
/// `Retry-After` in seconds for a client that was refused because memory was short.
const RETRY_AFTER: u32 = 1;

/// The shared limits for large bodies of a process.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Octets of incomplete bodies.
    held: AtomicUsize,
    /// Limits how many are parsed at a time. One processor is left to the event loops.
    parsing: Arc<Semaphore>,
}

impl Bodies {
    pub(crate) fn new(threads: usize) -> Bodies {
        Bodies { held: AtomicUsize::new(0), parsing: Arc::new(Semaphore::new(threads.saturating_sub(1).max(1))) }
    }

    /// Works on a large body on the blocking pool.
    pub(crate) async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let permit = self.parsing.clone().acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

/// The memory of one body, returned when dropped.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    bodies: Arc<Bodies>,
    octets: usize,
    /// The limit for all together.
    most: usize,
}

impl BodyMemory {
    pub(crate) fn new(bodies: &Arc<Bodies>, most: usize) -> BodyMemory {
        BodyMemory { bodies: bodies.clone(), octets: 0, most }
    }

    /// For tests and the fuzzer: the memory of a body without others.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone() -> BodyMemory {
        BodyMemory::new(&Arc::new(Bodies::new(1)), usize::MAX)
    }

    /// The memory of another body of the same request.
    pub(crate) fn another(&self) -> BodyMemory {
        BodyMemory::new(&self.bodies, self.most)
    }

    /// Reserves memory for more of the body.
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

    /// Returns the memory of data that has been moved elsewhere.
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
