//! Counters of what the edge did, shared by the workers of the process.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use skitai_wire::Value;

/// Requests by what came of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    /// By the first digit of the status: 1xx to 5xx.
    classes: [AtomicU64; 5],
    rpc: AtomicU64,
    rpc_errors: AtomicU64,
    panics: AtomicU64,
}

impl Counts {
    pub(crate) fn request(&self, status: u16) {
        self.requests.fetch_add(1, Relaxed);
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|class| self.classes.get(class)) {
            class.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn rpc(&self, failed: bool) {
        self.rpc.fetch_add(1, Relaxed);
        self.rpc_errors.fetch_add(u64::from(failed), Relaxed);
    }

    pub(crate) fn panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn tree(&self) -> Value {
        let count = |counter: &AtomicU64| Value::Int(counter.load(Relaxed).cast_signed());
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let mut pairs = vec![("requests", count(&self.requests))];
        pairs.extend(classes.into_iter().zip(&self.classes).map(|(name, counter)| (name, count(counter))));
        pairs.extend([
            ("rpc_calls", count(&self.rpc)),
            ("rpc_errors", count(&self.rpc_errors)),
            ("panics", count(&self.panics)),
        ]);
        Value::from_pairs(pairs)
    }
}
