//! The record that devel mode keeps of one request, for its detailed error page: the arguments, and every call with its
//! outcomes. Outside devel mode nothing is recorded.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use skitai_actors::Outcome;

/// Calls recorded per request: a loop with thousands of calls does not need a page of thousands.
const CALLS: usize = 100;
/// Characters shown of one argument or message.
const LETTERS: usize = 200;

/// The record of one request.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<TraceRecord>);

#[derive(Debug, Default)]
struct TraceRecord {
    arguments: Vec<(String, String)>,
    calls: Vec<Traced>,
}

/// A recorded call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Traced {
    /// Its target and method.
    what: String,
    /// When it was made, in milliseconds since the request's head was read.
    at: f64,
    /// When its handler stopped waiting, in the same unit; `None` if it never waited.
    until: Option<f64>,
    outcomes: Vec<Member>,
}

#[derive(Clone, Debug, Serialize)]
struct Member {
    node: String,
    reason: &'static str,
    is_ok: bool,
    code: u16,
    milliseconds: f64,
    attempts: u32,
    message: String,
}

/// The index of a call in its request's trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Trace {
    fn lock(&self) -> MutexGuard<'_, TraceRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the handler's arguments. Values that may be secret are not recorded.
    pub(crate) fn called_with(&self, arguments: Vec<(String, String)>) {
        let discreet = |(name, value): (String, String)| {
            let lower = name.to_lowercase();
            let is_secret = ["password", "passwd", "secret", "token", "apikey", "api_key"];
            let is_secret = is_secret.iter().any(|word| lower.contains(word));
            (cut(&name), if is_secret { "(hidden)".to_owned() } else { cut(&value) })
        };
        self.lock().arguments = arguments.into_iter().map(discreet).collect();
    }

    /// Records a call.
    pub(super) fn call(&self, what: &str, since: Instant) -> Option<Mark> {
        let mut record = self.lock();
        let mark = Mark(record.calls.len());
        (mark.0 < CALLS).then(|| {
            record.calls.push(Traced {
                what: cut(what),
                at: milliseconds(since.elapsed()),
                until: None,
                outcomes: Vec::new(),
            });
            mark
        })
    }

    /// Records its outcomes, or some of them.
    pub(super) fn came(&self, mark: Mark, outcomes: &[Outcome], since: Instant) {
        let members = outcomes.iter().map(|outcome| Member {
            node: outcome.node.to_string(),
            reason: outcome.reason.word(),
            is_ok: outcome.is_ok(),
            code: outcome.code,
            milliseconds: milliseconds(outcome.latency),
            attempts: outcome.attempts,
            message: cut(&outcome.msg),
        });
        let mut record = self.lock();
        if let Some(call) = record.calls.get_mut(mark.0) {
            call.outcomes.extend(members);
            call.until = Some(milliseconds(since.elapsed()));
        }
    }

    /// The arguments, and the calls in the order they were made.
    pub(crate) fn recorded(&self) -> (Vec<(String, String)>, Vec<Traced>) {
        let record = self.lock();
        (record.arguments.clone(), record.calls.clone())
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
