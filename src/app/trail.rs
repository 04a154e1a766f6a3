//! The trail of a request: what it asked, when, of whom and why, and what came.
//!
//! While a request is under way nothing of it is made into text: calls keep the instants and reasons that their
//! outcomes have (`Course`). Only of a request that was slow, failed or came out partial a record is written, into a
//! ring of bounded size. Read in this order:
//!
//! - this file: the notes of a request; `noted`: a call in them;
//! - `keeper`: which requests are kept; `ring`: those that are;
//! - `record`: the notes as a record, for programs and for pages; `discreet`: what never gets into one;
//! - `trace_context`: the trace that a request belongs to; `spans`: a record as spans; `span_queue`: those that wait
//!   for their collector;
//! - [`waterfall`]: the record as a picture; [`server_timing`]: its times for the tools of browsers.

mod discreet;
pub(crate) mod keeper;
pub(crate) mod noted;
pub(crate) mod record;
pub(crate) mod ring;
pub(crate) mod server_timing;
pub(crate) mod span_queue;
mod spans;
pub(crate) mod trace_context;
pub(crate) mod waterfall;

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skitai_actors::Outcome;
use skitai_actors::kit::Rule;

use self::noted::{CallSource, NotedCall, What};
use super::error::Error;
use super::was::{RequestContext, Was};

/// Calls noted for each request: a loop with thousands of calls does not need thousands of notes.
const CALLS: usize = 100;
/// Members noted for each request, over all its calls.
const MEMBERS: usize = 2_000;

/// The notes of one request.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Whether there is somebody who wants them.
    is_wanted: bool,
    /// The answer's status; 0 before.
    status: AtomicU16,
    /// When the answer was made, in microseconds since the request's head was read.
    answered: AtomicU32,
    /// Who has answered, if no route has.
    place: AtomicU8,
    /// The index of the mount by which it was passed on. The page of an error is that of another mount.
    passed_by: usize,
    notes: Mutex<Option<Box<Notes>>>,
}

/// Who answers a request that no rule has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TrailPlace {
    /// Nobody yet, or a route.
    Route,
    /// A folder of the site.
    Files,
    /// A service of actix-web.
    Services,
    /// A member that the request is passed on to.
    Members,
}

#[derive(Clone, Debug, Default)]
struct Notes {
    arguments: Vec<(String, String)>,
    calls: Vec<NotedCall>,
    /// Of all calls.
    members: usize,
    /// Calls beyond [`CALLS`].
    more_calls: usize,
    error: Option<NotedError>,
}

/// The error that a request came to.
#[derive(Clone, Debug)]
struct NotedError {
    status: u16,
    id: Option<String>,
    text: String,
}

/// The index of a call in its request's trail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

impl Trail {
    pub(crate) fn new(is_wanted: bool) -> Trail {
        Trail { is_wanted, ..Trail::default() }
    }

    /// From now on somebody wants the notes: the site is in devel mode.
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// The request is passed on by the mount of this index.
    pub(crate) fn passed_by(&mut self, mount: usize) {
        self.passed_by = mount;
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Notes>>> {
        // Nothing is left half-noted under the lock.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is noted so far.
    fn notes(&self) -> Notes {
        self.lock().as_deref().cloned().unwrap_or_default()
    }

    /// Notes the handler's arguments, for devel mode.
    pub(crate) fn called_with(&self, arguments: Vec<(String, String)>) {
        let arguments = arguments.into_iter().map(|(name, value)| {
            let value = discreet::value(&name, &value);
            (discreet::cut(&name), value)
        });
        self.lock().get_or_insert_default().arguments = arguments.collect();
    }

    /// Notes a call that is made now. `None` if nobody wants it, or there are very many.
    pub(crate) fn call(&self, made: Instant, what: What, rule: Rule, source: CallSource) -> Option<Mark> {
        if !self.is_wanted {
            return None;
        }
        let mut notes = self.lock();
        let notes = notes.get_or_insert_default();
        if notes.calls.len() >= CALLS {
            notes.more_calls += 1;
            return None;
        }
        notes.calls.push(NotedCall::new(made, what, rule, source));
        Some(Mark(notes.calls.len() - 1))
    }

    /// Notes who answers a call after all.
    pub(crate) fn comes_from(&self, mark: Option<Mark>, source: CallSource) {
        self.of_call(mark, |call, _| {
            call.source = source;
            0
        });
    }

    /// Notes outcomes of a call.
    pub(crate) fn came(&self, mark: Option<Mark>, outcomes: &[Outcome]) {
        self.of_call(mark, |call, room| call.came(outcomes, room));
    }

    /// Notes what is left of a call that nobody waits for any more.
    pub(crate) fn abandoned(&self, mark: Mark, mut left: Vec<Outcome>) {
        if !left.is_empty() {
            left.iter_mut().for_each(Outcome::abandon_if_open);
            self.came(Some(mark), &left);
        }
    }

    fn of_call(&self, mark: Option<Mark>, note: impl FnOnce(&mut NotedCall, usize) -> usize) {
        let Some(Mark(index)) = mark else { return };
        let mut notes = self.lock();
        let Some(notes) = notes.as_mut() else { return };
        let room = MEMBERS.saturating_sub(notes.members);
        if let Some(call) = notes.calls.get_mut(index) {
            notes.members += note(call, room);
        }
    }

    /// Notes the error in place of an answer.
    pub(crate) fn failed(&self, error: &Error) {
        // What the client did wrong is the client's to read.
        if self.is_wanted && error.status() >= 500 {
            let text = error.cause().map_or_else(|| error.to_string(), ToString::to_string);
            let (status, id) = (error.status(), error.id().map(|id| id.to_string()));
            let text = discreet::cut(&text);
            self.lock().get_or_insert_default().error = Some(NotedError { status, id, text });
        }
    }

    /// Notes who answers, where no route does.
    pub(crate) fn served_by(&self, place: TrailPlace) {
        self.place.store(place as u8, Relaxed);
    }

    fn place(&self) -> TrailPlace {
        let known = [TrailPlace::Files, TrailPlace::Services, TrailPlace::Members];
        let place = self.place.load(Relaxed);
        known.into_iter().find(|known| *known as u8 == place).unwrap_or(TrailPlace::Route)
    }

    /// Notes the answer, whose body may follow.
    pub(crate) fn answered(&self, begun: Instant, status: u16) {
        if self.is_wanted {
            let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.status.store(status, Relaxed);
            self.answered.store(took.max(1), Relaxed);
        }
    }

    /// Status and time of the answer; `None` before.
    fn answer(&self) -> Option<(u16, Duration)> {
        let took = Duration::from_micros(self.answered.load(Relaxed).into());
        (!took.is_zero()).then(|| (self.status.load(Relaxed), took))
    }
}

impl RequestContext {
    /// Notes the answer of this request, whose body may follow.
    pub(crate) fn answered(&self, status: u16) {
        self.trail.answered(self.request.begun, status);
    }
}

impl Was {
    /// Notes a call that is made now, if somebody wants it. `what` is asked for only then.
    pub(crate) fn note(
        &self,
        made: Instant,
        rule: Rule,
        source: CallSource,
        what: impl FnOnce() -> What,
    ) -> Option<Mark> {
        if self.trail.is_wanted() { self.trail.call(made, what(), rule, source) } else { None }
    }
}
