//! What a fake member does: canned answers, latency and errors, which a test may change while it runs; and what it was
//! asked.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skitai_wire::Value;

/// A call that a fake member received.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedCall {
    /// The method; for a page its path.
    pub method: String,
    /// The parameters in order; named parameters of JSON-RPC are one map.
    pub params: Vec<Value>,
}

/// Computes an answer.
pub(super) type Answering = Arc<dyn Fn(&[Value]) -> Value + Send + Sync>;

/// What a method answers.
#[derive(Clone)]
pub(super) enum Canned {
    Value(Value),
    Fault(i64, String),
    Computed(Answering),
}

/// A page: status and text.
pub(super) type Page = (u16, String);

/// What is to be answered, and what was asked.
#[derive(Default)]
pub(super) struct ConductState {
    pub(super) methods: HashMap<String, Canned>,
    pub(super) pages: HashMap<String, Page>,
    pub(super) latency: Duration,
    pub(super) error_rate: f64,
    /// The part of an error that is due: at 1 the next answer is one.
    owed: f64,
    pub(super) calls: Vec<ReceivedCall>,
    pub(super) is_stopped: bool,
}

/// One member's conduct, shared with the threads that answer for it.
#[derive(Default)]
pub(super) struct Conduct {
    state: Mutex<ConductState>,
    stopped: Condvar,
}

impl Conduct {
    pub(super) fn lock(&self) -> MutexGuard<'_, ConductState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as the member's latency says; at its stop the wait is over.
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
    /// Notes a call and says whether it is to fail. Errors are spread evenly: at a rate of 0.25 every fourth call is
    /// one.
    pub(super) fn note(&mut self, call: ReceivedCall) -> bool {
        self.calls.push(call);
        self.owed += self.error_rate;
        // The sum of many small parts may end a hair below a whole.
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
