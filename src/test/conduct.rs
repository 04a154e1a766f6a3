//! The behaviour of a fake member: canned answers, latency and errors, which a test may change at any time; and the
//! calls it received.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skitai_wire::Value;

/// A call that a fake member received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedCall {
    /// The method; for a page, its path.
    pub method: String,
    /// The parameters in order; named parameters of JSON-RPC are a single map.
    pub params: Vec<Value>,
}

/// Computes an answer.
pub(super) type Answering = Arc<dyn Fn(&[Value]) -> Value + Send + Sync>;

/// The answer of a method.
#[derive(Clone)]
pub(super) enum Canned {
    Value(Value),
    Fault(i64, String),
    Computed(Answering),
}

/// A page: status and text.
pub(super) type Page = (u16, String);

/// The answers to give, and the calls received.
#[derive(Default)]
pub(super) struct ConductState {
    pub(super) methods: HashMap<String, Canned>,
    pub(super) pages: HashMap<String, Page>,
    pub(super) latency: Duration,
    pub(super) error_rate: f64,
    /// The accumulated error rate: when it reaches 1, the next answer is an error.
    owed: f64,
    pub(super) calls: Vec<ReceivedCall>,
    pub(super) is_stopped: bool,
}

/// One member's behaviour, shared with its threads.
#[derive(Default)]
pub(super) struct Conduct {
    state: Mutex<ConductState>,
    stopped: Condvar,
}

impl Conduct {
    pub(super) fn lock(&self) -> MutexGuard<'_, ConductState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the member's latency, or until the member is stopped.
    pub(super) fn take_time(&self) {
        let mut state = self.lock();
        let until = Instant::now() + state.latency;
        while !state.is_stopped {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.stopped.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.stopped.notify_all();
    }
}

impl ConductState {
    /// Records a call and returns whether it must fail. Errors are spread evenly: at a rate of 0.25 every fourth call
    /// fails.
    pub(super) fn note(&mut self, call: ReceivedCall) -> bool {
        self.calls.push(call);
        self.owed += self.error_rate;
        // A sum of many fractions may be slightly below a whole number.
        let fails = self.owed > 1.0 - 1e-9;
        if fails {
            self.owed -= 1.0;
        }
        fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_evenly_at_their_rate() {
        let failures = |rate: f64, calls: usize| {
            let mut state = ConductState { error_rate: rate, ..ConductState::default() };
            (0..calls).filter(|_| state.note(ReceivedCall { method: "m".to_owned(), params: Vec::new() })).count()
        };
        assert_eq!((failures(0.0, 100), failures(1.0, 100)), (0, 100));
        assert_eq!((failures(0.25, 100), failures(0.1, 100)), (25, 10));
    }
}
