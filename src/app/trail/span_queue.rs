//! The spans that wait for their collector: bounded by bytes. What has no room is counted and gone, so a collector that
//! hangs costs a counter and nothing else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skitai_wire::Value;
use tokio::sync::Notify;

/// Bytes of spans that wait, in each process.
const LIMIT: usize = 4 << 20;
/// Bytes of one batch, and of spans that wait when it is sent without lingering.
const BATCH: usize = 256 << 10;
/// How long a batch may be filled.
const LINGER: Duration = Duration::from_secs(1);

/// The spans of a process.
#[derive(Debug, Default)]
pub(crate) struct SpanQueue {
    waiting: Mutex<WaitingSpans>,
    /// Something waits.
    filled: Notify,
    /// A batch is full, or nobody shall linger any more.
    due: Notify,
    sent: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct WaitingSpans {
    /// The spans of one request each, as JSON with commas between them, and their number.
    requests: VecDeque<(String, u64)>,
    bytes: usize,
    /// Of the batch that is under way.
    under_way: usize,
}

impl SpanQueue {
    fn lock(&self) -> MutexGuard<'_, WaitingSpans> {
        // No state is left half-updated under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the spans of a request, if there is room.
    pub(super) fn offer(&self, spans: String, count: u64) {
        let bytes = {
            let mut waiting = self.lock();
            if waiting.bytes + waiting.under_way + spans.len() > LIMIT {
                self.dropped.fetch_add(count, Relaxed);
                return;
            }
            waiting.bytes += spans.len();
            waiting.requests.push_back((spans, count));
            waiting.bytes
        };
        self.filled.notify_one();
        if bytes >= BATCH {
            self.due.notify_one();
        }
    }

    /// Waits for a batch: its spans as JSON with commas between them, and their number.
    pub(crate) async fn batch(&self) -> (String, u64) {
        loop {
            if let Some(batch) = self.linger().await {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    async fn linger(&self) -> Option<(String, u64)> {
        let bytes = self.lock().bytes;
        if bytes == 0 {
            return None;
        }
        if bytes < BATCH {
            // Ends early when there is enough, or no time any more.
            let _ = tokio::time::timeout(LINGER, self.due.notified()).await;
        }
        let mut waiting = self.lock();
        let (mut spans, mut count) = (String::new(), 0);
        while let Some((text, of_it)) = waiting.requests.pop_front() {
            if !spans.is_empty() {
                spans.push(',');
            }
            waiting.bytes -= text.len();
            spans += &text;
            count += of_it;
            if spans.len() >= BATCH {
                break;
            }
        }
        waiting.under_way = spans.len();
        (count > 0).then_some((spans, count))
    }

    /// A batch has ended: so many of its spans were taken, so many were not.
    pub(crate) fn ended(&self, sent: u64, dropped: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.dropped.fetch_add(dropped, Relaxed);
        self.lock().under_way = 0;
    }

    /// A post failed, for this reason.
    pub(crate) fn failed(&self, why: String) {
        self.errors.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Nobody lingers over a batch from now on.
    pub(crate) fn hurry(&self) {
        self.due.notify_one();
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_done(&self) -> bool {
        let waiting = self.lock();
        waiting.bytes + waiting.under_way == 0
    }

    /// Gives up what is left, and counts it.
    pub(crate) fn give_up(&self) -> u64 {
        let left: u64 = self.lock().requests.drain(..).map(|(_, count)| count).sum();
        self.lock().bytes = 0;
        self.dropped.fetch_add(left, Relaxed);
        left
    }

    /// Its part of the status.
    pub(crate) fn tree(&self) -> Value {
        let (bytes, waiting) = {
            let waiting = self.lock();
            (waiting.bytes + waiting.under_way, waiting.requests.iter().map(|(_, count)| count).sum::<u64>())
        };
        let number = |number: u64| Value::Int(number.cast_signed());
        let count = |counter: &AtomicU64| number(counter.load(Relaxed));
        let error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Value::from_pairs([
            ("sent", count(&self.sent)),
            ("otlp_dropped", count(&self.dropped)),
            ("errors", count(&self.errors)),
            ("waiting", number(waiting)),
            ("size", number(bytes as u64)),
            ("limit", number(LIMIT as u64)),
            ("said", error.map_or(Value::Nil, Value::from)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_has_no_room_is_counted() {
        let queue = SpanQueue::default();
        (0..100).for_each(|_| queue.offer("x".repeat(100 << 10), 3));
        let told = queue.tree();
        let number = |name: &str| told.get(name).and_then(Value::as_i64).expect("a number");
        assert!(number("size") <= LIMIT as i64, "{told}");
        assert_eq!(number("waiting") + number("otlp_dropped"), 300);
        assert!(number("otlp_dropped") > 150, "{told}");
        // What is under way still takes its room.
        let (batch, count) = queue.batch().now_or_never().expect("there is enough for one");
        assert!(batch.len() >= BATCH && count == 9, "{count}");
        assert!(queue.tree().get("size").and_then(Value::as_i64) >= Some(number("size")));
        queue.ended(count, 0);
        assert!(queue.tree().get("size").and_then(Value::as_i64) < Some(number("size")));
    }
}
