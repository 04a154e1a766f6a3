//! How many threads of the blocking pool wait for the disk. A folder that is slow, such as one of a network, must not
//! take those of handlers, nor those of another folder.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Threads that the folders of one mount may have, for each event loop. The pool has them beside those of handlers.
pub(crate) const DISK_PLACES: usize = 4;
/// Requests that may wait for one of them. With 4 places and a disk that takes 100 ms the last one waits 6 s.
const QUEUE: usize = 256;

/// The places of one mount's folders on one thread.
#[derive(Debug)]
pub(crate) struct Disk {
    places: Arc<Semaphore>,
    /// How long somebody waits for what is read, a place included.
    patience: Duration,
    waiting: Cell<usize>,
}

/// Why something was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("too many requests wait for a slow disk")]
    Busy,
    #[error("the disk does not answer")]
    Late,
    #[error("the server is stopping")]
    Stopping,
}

/// One that waits, until it is dropped.
struct Waiting<'d>(&'d Disk);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Disk {
    pub(super) fn new(patience: Duration) -> Rc<Disk> {
        Rc::new(Disk { places: Arc::new(Semaphore::new(DISK_PLACES)), patience, waiting: Cell::new(0) })
    }

    /// Does something on the pool, unless too many wait for it already.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        if self.waiting.get() >= QUEUE {
            return Err(DiskError::Busy);
        }
        self.run_on(work).await
    }

    /// The same for a reply that has begun, which can no longer be refused.
    pub(super) async fn run_on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        tokio::time::timeout(self.patience, self.done(work)).await.map_err(|_| DiskError::Late)?
    }

    async fn done<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, DiskError> {
        let place = {
            self.waiting.set(self.waiting.get() + 1);
            let _waiting = Waiting(self);
            self.places.clone().acquire_owned().await.map_err(|_| DiskError::Stopping)?
        };
        // The work keeps its place to its end, though the client may have left: nothing can stop a call of the system.
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| DiskError::Stopping)
    }
}
