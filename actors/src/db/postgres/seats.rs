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

/// How long a dial that was given up may still have a process at the server, on a busy machine too.
const GIVEN_UP: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Seats {
    share: Share,
    /// Seats that are taken.
    open: AtomicUsize,
    /// A seat is free, or there are more of them.
    freed: Notify,
}

/// One seat: [`leave`](Seat::leave) frees it. One that is dropped with the task or the thread that had it is not free
/// in this process any more: its socket is closed, and the server learns that a moment later.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    is_free: bool,
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
                return Seat { seats: self.clone(), is_free: false, is_dialling: true };
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
    /// The dial has succeeded, or the server has refused it.
    pub(super) fn dialled(&mut self) {
        self.is_dialling = false;
    }

    /// The server has closed the connection.
    pub(super) fn leave(mut self) {
        self.is_free = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        match tokio::runtime::Handle::try_current() {
            _ if self.is_free || std::thread::panicking() => self.seats.free(),
            Ok(runtime) if self.is_dialling => {
                let later = Seat { seats: self.seats.clone(), is_free: false, is_dialling: false };
                runtime.spawn(tasks::named("dials that were given up", async move {
                    tokio::time::sleep(GIVEN_UP).await;
                    later.leave();
                }));
            }
            #[expect(clippy::disallowed_methods, reason = "with its share gone, all seats would be given back")]
            _ => std::mem::forget(self.seats.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::db::budget::{Budgets, Said};

    /// The seats of a process that may hold two, and what it gives back.
    fn seats() -> (Arc<Seats>, Arc<Budgets>, Arc<Mutex<Vec<Said>>>) {
        let told: Arc<Mutex<Vec<Said>>> = Arc::default();
        let to = told.clone();
        let budgets = Budgets::new(move |_, said| to.lock().expect("whole").push(said));
        let key = (Arc::from("db"), Arc::from("here"));
        let seats = Seats::new(budgets.join(key.clone(), 2));
        budgets.granted(&key, 2);
        (seats, budgets, told)
    }

    #[test]
    fn what_its_task_or_thread_drops_is_not_given_back() {
        let (seats, budgets, told) = seats();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for is_dialling in [false, true] {
            let mut seat = runtime.block_on(seats.take());
            if !is_dialling {
                seat.dialled();
            }
            runtime.spawn(async move {
                std::future::pending::<()>().await;
                seat.leave();
            });
        }
        budgets.leave();
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        drop(seats);
        assert_eq!(*told.lock().expect("whole"), []);
    }

    #[test]
    fn what_is_closed_is_given_back_and_the_leaver_knows_when() {
        let (seats, budgets, told) = seats();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let (mut first, given_up) = (seats.take().await, seats.take().await);
            first.dialled();
            budgets.leave();
            seats.share().lower(0, seats.open());
            let returned = tokio::spawn(async move { budgets.returned().await });
            first.leave();
            drop(given_up);
            tokio::task::yield_now().await;
            assert_eq!(*told.lock().expect("whole"), [Said::Returned(1)]);
            assert!(!returned.is_finished());
            returned.await.expect("it ends");
            assert_eq!(*told.lock().expect("whole"), [Said::Returned(1), Said::Returned(1)]);
        });
    }
}
