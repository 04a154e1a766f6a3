//! The seats of a pool at the server: a connection has one from before its dial until the server has closed it.
//!
//! So there are never more connections at the server than seats, even while one is closed and another is opened: the
//! server counts a connection until its process there has ended. Whoever would dial meanwhile waits for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

use crate::db::budget::Share;
use crate::kit::tasks;

/// How long a dial that was given up may still have a process at the server.
const GIVEN_UP: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Seats {
    share: Share,
    /// Seats that are taken.
    open: AtomicUsize,
    /// A seat is free, or there are more of them.
    freed: Notify,
}

/// One seat. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    /// The dial is under way: if it is given up, the server learns it a moment later.
    is_dialling: bool,
}

impl Seats {
    pub(super) fn new(share: Share) -> Arc<Seats> {
        Arc::new(Seats { share, open: AtomicUsize::new(0), freed: Notify::new() })
    }

    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    /// The number of connections, those included that are being opened and closed.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Takes a seat for a dial. All are taken only while connections are being closed, which takes a moment.
    pub(super) async fn take(self: &Arc<Seats>) -> Seat {
        loop {
            let freed = self.freed.notified();
            let open = self.open.load(Relaxed);
            // All users are on one thread: see `FairSemaphore`.
            if open < self.share.seats() {
                self.open.store(open + 1, Relaxed);
                return Seat { seats: self.clone(), is_dialling: true };
            }
            freed.await;
        }
    }

    /// There may be more of them.
    pub(super) fn grown(&self) {
        self.freed.notify_waiters();
    }

    fn free(&self) {
        let open = self.open.fetch_sub(1, Relaxed) - 1;
        self.share.ended(open);
        self.freed.notify_waiters();
    }
}

impl Seat {
    /// The dial has ended.
    pub(super) fn dialled(&mut self) {
        self.is_dialling = false;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.is_dialling => {
                let later = Seat { seats: self.seats.clone(), is_dialling: false };
                runtime.spawn(tasks::named("dials that were given up", async move {
                    tokio::time::sleep(GIVEN_UP).await;
                    drop(later);
                }));
            }
            _ => self.seats.free(),
        }
    }
}
