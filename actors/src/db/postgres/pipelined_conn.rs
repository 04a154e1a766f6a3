//! A connection that several statements share.
//!
//! Statements are sent one behind the other without waiting, and answered in that order. None can be cancelled here: a
//! cancel request stops whatever the server runs at that moment, which may be another caller's statement. A caller that
//! gives up cannot withdraw its statement. The answer is discarded when it arrives; an empty query queued behind it
//! shows when that was.
//!
//! While statements are on it, this is an ordinary connection on loan from the pool. After the last one it is returned.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::PooledConn;
use super::{StatementShared, discard};
use crate::db::flight::{StatementEnd, StatementFailure};
use crate::db::{LIFETIME, Query};
use crate::kit::tasks;
use crate::outcome::Reason;

/// If the oldest statement has been here longer than this (queueing included), new statements go elsewhere, because
/// they would wait behind it. The limit is far above the time of a statement that is worth pipelining, and far below a
/// delay that a user notices.
const HEAD_LIMIT: Duration = Duration::from_millis(50);
/// A connection that is never empty would never be returned. At this interval it is checked whether others wait for the
/// connection, or whether it has reached its maximum age; if so, it accepts no more statements.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One shared connection.
pub(in crate::db) struct PipelinedConn {
    /// How long to wait for the answer of an abandoned statement.
    patience: Duration,
    // A mutex, although all runs on one thread: the wait for an abandoned answer is a spawned task, which must be
    // `Send`.
    state: Mutex<PipelinedState>,
}

struct PipelinedState {
    /// `None` once the last statement has left.
    shared: Option<Arc<StatementShared>>,
    /// In the order of sending. A statement that ends in the middle leaves a gap until those before it have ended.
    queue: VecDeque<Option<Waiting>>,
    /// The number of the first statement in the queue.
    first: u64,
    in_flight: usize,
    /// Accepts no more statements.
    is_leaving: bool,
    /// The connection is closed instead of returned.
    closes: bool,
    /// The loss of the connection has been reported to member health.
    is_reported: bool,
    looked: Instant,
}

struct Waiting {
    since: Instant,
    query: Arc<Query>,
}

impl PipelinedConn {
    pub(super) fn on(conn: PooledConn, patience: Duration) -> PipelinedConn {
        let state = PipelinedState {
            shared: Some(Arc::new(StatementShared { conn, stop: AtomicBool::new(false) })),
            queue: VecDeque::new(),
            first: 0,
            in_flight: 0,
            is_leaving: false,
            closes: false,
            is_reported: false,
            looked: Instant::now(),
        };
        PipelinedConn { patience, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, PipelinedState> {
        // No state is left half-updated under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a statement; `None` if new statements have to go elsewhere.
    pub(super) fn join(self: &Arc<PipelinedConn>, query: &Arc<Query>, now: Instant) -> Option<Ticket> {
        let mut state = self.state();
        let shared = state.open(now)?.clone();
        let number = state.first + state.queue.len() as u64;
        state.queue.push_back(Some(Waiting { since: now, query: query.clone() }));
        state.in_flight += 1;
        Some(Ticket { pipelined: self.clone(), shared: Some(shared), number, was_sent: false })
    }

    /// Whether the last statement has left.
    pub(super) fn is_over(&self) -> bool {
        self.state().shared.is_none()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// The oldest statement, and since when it is here.
    pub(super) fn head(&self) -> Option<(Instant, Arc<Query>)> {
        self.state().queue.iter().flatten().next().map(|head| (head.since, head.query.clone()))
    }

    /// Removes a statement. `is_well`: its answer is complete. If not, the connection is closed after the statements
    /// that are still on it.
    fn left(&self, number: u64, is_well: bool) {
        let mut state = self.state();
        let place = usize::try_from(number - state.first).unwrap_or(usize::MAX);
        if let Some(waiting) = state.queue.get_mut(place) {
            *waiting = None;
        }
        while let Some(None) = state.queue.front() {
            state.queue.pop_front();
            state.first += 1;
        }
        state.in_flight -= 1;
        state.is_leaving |= !is_well;
        state.closes |= !is_well;
        let last = if state.in_flight == 0 { state.shared.take() } else { None };
        let closes = state.closes;
        // Returning the connection wakes the next waiter; not under the lock.
        drop(state);
        if let Some(shared) = last.filter(|_| closes) {
            discard(shared);
        }
    }
}

impl PipelinedState {
    /// The connection, if one more statement may join.
    fn open(&mut self, now: Instant) -> Option<&Arc<StatementShared>> {
        let head = self.queue.front().and_then(Option::as_ref);
        if self.is_leaving || head.is_some_and(|head| now > head.since + HEAD_LIMIT) {
            return None;
        }
        let shared = self.shared.as_ref()?;
        if now > self.looked + LOOK_EVERY {
            self.looked = now;
            self.is_leaving = shared.conn.is_awaited() || shared.conn.age() > LIFETIME;
        }
        self.is_leaving |= shared.conn.is_closed();
        if self.is_leaving { None } else { Some(shared) }
    }
}

/// A statement's entry on a shared connection. If it is dropped before its end, the entry stays until the unwanted
/// answer has arrived.
pub(in crate::db) struct Ticket {
    pipelined: Arc<PipelinedConn>,
    /// `None` once the statement has ended.
    shared: Option<Arc<StatementShared>>,
    number: u64,
    pub(super) was_sent: bool,
}

impl Ticket {
    pub(super) fn shared(&self) -> &Arc<StatementShared> {
        self.shared.as_ref().expect("only its end takes it")
    }

    /// Ends the entry. True if the result should be reported to member health: the loss of a connection is one event,
    /// so only the first of its statements reports it.
    pub(in crate::db) fn ended(mut self, ended: &StatementEnd) -> bool {
        let is_lost = matches!(&ended.result, Err(StatementFailure { reason: Reason::Closed | Reason::Reset, .. }));
        let is_news = !is_lost || !std::mem::replace(&mut self.pipelined.state().is_reported, true);
        self.shared = None;
        self.pipelined.left(self.number, ended.reusable);
        is_news
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let (pipelined, number) = (self.pipelined.clone(), self.number);
        let runtime = tokio::runtime::Handle::try_current();
        // Not `actix_rt::spawn`: this is a drop, and that call panics while the thread's task set is being torn down.
        let Some(runtime) = runtime.ok().filter(|_| self.was_sent) else {
            drop(shared);
            pipelined.left(number, !self.was_sent);
            return;
        };
        runtime.spawn(tasks::named("answers that nobody wants", async move {
            // Answered after everything sent before it. The server's own time limit makes sure that the answer comes;
            // without such a limit the connection is given up after `patience`.
            let passed = tokio::time::timeout(pipelined.patience, shared.conn.check_connection()).await;
            drop(shared);
            pipelined.left(number, matches!(passed, Ok(Ok(()))));
        }));
    }
}
