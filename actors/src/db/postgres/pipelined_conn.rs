//! A connection that several statements share.
//!
//! They are sent one behind the other without waiting, and answered in that order. Nobody can be cancelled here: a
//! cancel request stops whatever the server works on, which may be a neighbour's. Who leaves takes nothing with him;
//! his answer is thrown away by the connection's task when it comes, and an empty query behind it tells when that was.
//!
//! A line is an ordinary connection of the pool while anybody is on it. With the last one it goes back.

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

/// Who has been on the line for so long, others' statements before his included, keeps new ones away: they would wait
/// behind him. Far above what a statement takes that is worth sharing a connection, far below what a user notices.
const HEAD_LIMIT: Duration = Duration::from_millis(50);
/// A line that never runs empty would never be given back. So often it is asked whether somebody waits for its
/// connection, or whether that has had its time: then it takes nobody any more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One shared connection.
pub(in crate::db) struct PipelinedConn {
    /// How long an answer that nobody wants may be on its way.
    patience: Duration,
    // A mutex although all is on one thread: what waits for such an answer is a task, and tasks are `Send`.
    state: Mutex<PipelinedState>,
}

struct PipelinedState {
    /// `None` once nobody is on it any more.
    shared: Option<Arc<StatementShared>>,
    /// As they were sent. Who has left it in the middle of others leaves a gap until they have gone, too.
    queue: VecDeque<Option<Waiting>>,
    /// The number of the first in the queue.
    first: u64,
    in_flight: usize,
    /// Takes nobody any more.
    is_leaving: bool,
    /// Its connection is not to be used again.
    closes: bool,
    /// The connection broke, and somebody said so.
    is_told: bool,
    looked: Instant,
}

struct Waiting {
    since: Instant,
    query: Arc<Query>,
}

impl PipelinedConn {
    pub(super) fn on(loan: PooledConn, patience: Duration) -> PipelinedConn {
        let state = PipelinedState {
            shared: Some(Arc::new(StatementShared { loan, stop: AtomicBool::new(false) })),
            queue: VecDeque::new(),
            first: 0,
            in_flight: 0,
            is_leaving: false,
            closes: false,
            is_told: false,
            looked: Instant::now(),
        };
        PipelinedConn { patience, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, PipelinedState> {
        // Nothing is left half-done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place behind all others; `None` where new statements have to go elsewhere.
    pub(super) fn join(self: &Arc<PipelinedConn>, query: &Arc<Query>, now: Instant) -> Option<Ticket> {
        let mut state = self.state();
        let shared = state.open(now)?.clone();
        let number = state.first + state.queue.len() as u64;
        state.queue.push_back(Some(Waiting { since: now, query: query.clone() }));
        state.in_flight += 1;
        Some(Ticket { line: self.clone(), shared: Some(shared), number, was_sent: false })
    }

    /// Whether anybody is on it.
    pub(super) fn is_over(&self) -> bool {
        self.state().shared.is_none()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// Who is at its head, since when.
    pub(super) fn head(&self) -> Option<(Instant, Arc<Query>)> {
        self.state().queue.iter().flatten().next().map(|head| (head.since, head.query.clone()))
    }

    /// A statement is off the line. `is_well` where its answer is complete; else the connection is closed after those
    /// who are on it still.
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
        // Giving it back wakes whoever waits for it; not under the lock.
        drop(state);
        if let Some(shared) = last.filter(|_| closes) {
            discard(shared);
        }
    }
}

impl PipelinedState {
    /// The connection, if one more statement may go there.
    fn open(&mut self, now: Instant) -> Option<&Arc<StatementShared>> {
        let head = self.queue.front().and_then(Option::as_ref);
        if self.is_leaving || head.is_some_and(|head| now > head.since + HEAD_LIMIT) {
            return None;
        }
        let shared = self.shared.as_ref()?;
        if now > self.looked + LOOK_EVERY {
            self.looked = now;
            self.is_leaving = shared.loan.is_awaited() || shared.loan.age() > LIFETIME;
        }
        self.is_leaving |= shared.loan.is_closed();
        if self.is_leaving { None } else { Some(shared) }
    }
}

/// A statement's place on a line. Dropped before its end, it stays until the answer nobody wants has passed.
pub(in crate::db) struct Ticket {
    line: Arc<PipelinedConn>,
    /// `None` once the statement has ended.
    shared: Option<Arc<StatementShared>>,
    number: u64,
    pub(super) was_sent: bool,
}

impl Ticket {
    pub(super) fn shared(&self) -> &Arc<StatementShared> {
        self.shared.as_ref().expect("only its end takes it")
    }

    /// The statement has ended. True where that is news of the connection, or lies with the statement: that many have
    /// lost the connection they were on is one event, and the first of them tells.
    pub(in crate::db) fn ended(mut self, ended: &StatementEnd) -> bool {
        let is_lost = matches!(&ended.result, Err(StatementFailure { reason: Reason::Closed | Reason::Reset, .. }));
        let is_news = !is_lost || !std::mem::replace(&mut self.line.state().is_told, true);
        self.shared = None;
        self.line.left(self.number, ended.reusable);
        is_news
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let (line, number) = (self.line.clone(), self.number);
        let runtime = tokio::runtime::Handle::try_current();
        // Not actix_rt::spawn: that panics where the thread's task set is being torn down, and this is a drop.
        let Some(runtime) = runtime.ok().filter(|_| self.was_sent) else {
            drop(shared);
            line.left(number, !self.was_sent);
            return;
        };
        runtime.spawn(tasks::named("answers that nobody wants", async move {
            // Answered after all that was sent before it. The server's own limit sees to it that this comes; where it
            // has none, the connection is given up.
            let passed = tokio::time::timeout(line.patience, shared.loan.check_connection()).await;
            drop(shared);
            line.left(number, matches!(passed, Ok(Ok(()))));
        }));
    }
}
