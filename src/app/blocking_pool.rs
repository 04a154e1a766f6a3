//! The bound of the blocking pool. Tokio's own queue of blocking work has none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use skitai_wire::Value;
use tokio::sync::Notify;

/// Threads for plain `fn` handlers per process.
pub(crate) const THREADS: usize = 32;
/// Handlers that may wait for a thread. Any more get a 503 at once: with 32 threads and 100 ms each, the last in the
/// queue already waits 0.8 s.
const QUEUE: usize = 256;

/// Counts the handlers on the pool and in its queue.
#[derive(Debug, Default)]
pub(crate) struct BlockingPool {
    taken: AtomicUsize,
    given_back: Notify,
}

/// A place on the pool or in its queue, given back when dropped.
#[derive(Debug)]
pub(crate) struct BlockingPermit(Arc<BlockingPool>);

impl BlockingPool {
    /// Takes a place, or returns `None` if pool and queue are full.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<BlockingPermit> {
        if self.taken.fetch_add(1, Relaxed) >= THREADS + QUEUE {
            self.taken.fetch_sub(1, Relaxed);
            return None;
        }
        Some(BlockingPermit(self.clone()))
    }

    /// For the status: how many run and wait, and how many may.
    pub(crate) fn tree(&self) -> Value {
        let taken = self.taken.load(Relaxed).min(THREADS + QUEUE);
        let number = |number: usize| Value::Int(number.cast_signed() as i64);
        Value::from_pairs([
            ("in_use", number(taken.min(THREADS))),
            ("waiting", number(taken.saturating_sub(THREADS))),
            ("limit", number(THREADS)),
            ("max_waiting", number(QUEUE)),
        ])
    }

    /// Waits for a place: for a reply that has begun, which can no longer be refused.
    pub(crate) async fn acquire(self: &Arc<Self>) -> BlockingPermit {
        loop {
            // Registered before the check, so that a place given back in between is not missed.
            let given_back = self.given_back.notified();
            if let Some(permit) = self.try_acquire() {
                return permit;
            }
            given_back.await;
        }
    }
}

impl Drop for BlockingPermit {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_means_refused_until_a_place_is_free() {
        let pool = Arc::new(BlockingPool::default());
        let mut places: Vec<BlockingPermit> =
            (0..THREADS + QUEUE).map(|_| pool.try_acquire().expect("there is room")).collect();
        assert!(pool.try_acquire().is_none());
        places.pop();
        assert!(pool.try_acquire().is_some());
    }

    #[tokio::test]
    async fn a_reply_that_has_begun_waits_for_room() {
        let pool = Arc::new(BlockingPool::default());
        let mut places: Vec<BlockingPermit> =
            (0..THREADS + QUEUE).map(|_| pool.try_acquire().expect("there is room")).collect();
        let mut waiting = Box::pin(pool.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        places.pop();
        waiting.now_or_never().expect("a place was given back");
        // A notification without a waiter must not grant a second place.
        places.push(pool.try_acquire().expect("the one that was waited for"));
        assert!(pool.acquire().now_or_never().is_none());
    }

    use futures_util::FutureExt as _;
}
