//! Who waits for a connection, and how one goes from hand to hand.
//!
//! The pool keeps what is idle, makes what is missing, and looks at a connection before it lends it. Under load nothing is
//! idle: all are lent, and one that comes back is the next one's. So the wait is here, in front of the pool, and a
//! connection that comes back while somebody waits goes to the first of them as it is, in the turn of the loop in which it
//! had its last answer. To look at it again would tell nothing new, and the pool's own way (a semaphore, a timer, three
//! readings of the clock) costs more than the statement's bytes do.
//!
//! Everybody who has a connection or makes one has a [`Turn`]; there are as many as the pool may have connections, so
//! nobody ever waits inside of the pool. A turn that is dropped goes to the first who waits: with its connection if there
//! is one, else with the right to make one.

use std::collections::VecDeque;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Timeouts};
use tokio::sync::oneshot;

use super::pool::{Connection, Keeper, Pool};
use super::told;
use crate::db::flight::Failure;
use crate::db::member::Limits;
use crate::kit::alarm::Alarm;
use crate::kit::placed::placed;

/// The pool of one member on this worker, and those who wait for a connection of it.
#[derive(Debug)]
pub(super) struct Queue {
    pool: Pool,
    limits: Limits,
    // A mutex although all is on one thread: a statement that is to be stopped moves into a task, and tasks are `Send`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Turns that somebody has.
    taken: usize,
    /// Connections made before that are not handed on: they have had their time.
    retired: Option<Instant>,
    /// The first is the next. Who has left is closed, and passed over.
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// How many of them have left.
    gone: usize,
}

impl Queue {
    pub(super) fn new(pool: Pool, limits: Limits) -> Arc<Queue> {
        Arc::new(Queue { pool, limits, state: Mutex::default() })
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes connections that nobody has used for `idle`, and those that are older than `lifetime`: idle ones now, the others
    /// when they come back.
    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        self.state().retired = Instant::now().checked_sub(lifetime);
        self.pool.retain(|connection, metrics| connection.idle() < idle && metrics.age() < lifetime);
    }

    /// Whether somebody waits.
    pub(super) fn is_awaited(&self) -> bool {
        let state = self.state();
        state.waiting.len() > state.gone
    }

    /// A connection, `asked` for at that moment: an idle one, a new one, or the next one that comes back.
    pub(super) async fn lend(self: &Arc<Queue>, asked: Instant) -> Result<Loan, Failure> {
        let mut turn = match self.step_up(asked + self.limits.wait) {
            Ok(turn) => turn,
            Err(standing) => standing.await.ok_or_else(|| told::no_permit(self.limits))?,
        };
        if let Some(connection) = &turn.connection {
            let retired = self.state().retired;
            if connection.is_closed() || retired.is_some_and(|before| Object::metrics(connection).created < before) {
                turn.close();
            }
        }
        if turn.connection.is_none() {
            // Boxed: who is handed one has no use for the room.
            turn.connection = Some(placed(|| self.draw()).await?);
        }
        Ok(Loan(turn))
    }

    /// A connection of the pool, idle or new. It is asked by those alone who have a turn, so it never lets them wait.
    async fn draw(&self) -> Result<Object<Keeper>, Failure> {
        let create = Some(self.limits.connect_timeout);
        // What is looked at before a connection is lent has bounds of its own.
        let timeouts = Timeouts { wait: Some(Duration::ZERO), create, recycle: None };
        self.pool.timeout_get(&timeouts).await.map_err(|error| told::checkout(&error, self.limits))
    }

    /// A turn that nobody has, or a place behind all who wait, for so long. There is no such turn while somebody waits: he
    /// would have it.
    fn step_up(self: &Arc<Queue>, until: Instant) -> Result<Turn, Standing> {
        let mut state = self.state();
        if state.taken < self.limits.connections.max(1) {
            state.taken += 1;
            return Ok(Turn { queue: self.clone(), connection: None });
        }
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back(sender);
        Err(Standing { queue: self.clone(), turn: Some(turn), alarm: Alarm::at(until) })
    }

    /// Gives a turn to the first who waits, or back.
    fn pass(self: &Arc<Queue>, mut connection: Option<Object<Keeper>>) {
        // One that is in doubt is left to the pool, which looks at it before it lends it.
        connection = connection.filter(|connection| !connection.is_in_doubt());
        loop {
            let mut state = self.state();
            let Some(next) = state.waiting.pop_front() else {
                // First the connection, then the turn: who has a turn never waits inside of the pool.
                if let Some(mut connection) = connection {
                    connection.rests();
                }
                state.taken -= 1;
                return;
            };
            let is_gone = next.is_closed();
            state.gone = state.gone.saturating_sub(usize::from(is_gone));
            // Neither is woken nor dropped under the lock: a waker may hold whatever it likes.
            drop(state);
            if !is_gone {
                // Should he leave in this very moment, the turn comes back, is dropped, and so passed on.
                drop(next.send(Turn { queue: self.clone(), connection }));
                return;
            }
        }
    }

    /// One who waited has left. Where nothing comes back for long they would pile up.
    fn left(&self) {
        let mut state = self.state();
        state.gone += 1;
        if state.gone > state.waiting.len() / 2 {
            let (gone, waiting) = std::mem::take(&mut state.waiting).into_iter().partition(oneshot::Sender::is_closed);
            (state.waiting, state.gone) = (waiting, 0);
            // Not under the lock, as above.
            drop(state);
            drop::<VecDeque<_>>(gone);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half-done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits, until it is his turn, or in vain.
struct Standing {
    queue: Arc<Queue>,
    /// `None` once it was his turn.
    turn: Option<oneshot::Receiver<Turn>>,
    alarm: Alarm,
}

impl Future for Standing {
    type Output = Option<Turn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Turn>> {
        let Some(turn) = &mut self.turn else { return Poll::Ready(None) };
        match Pin::new(turn).poll(context) {
            Poll::Ready(turn) => {
                self.turn = None;
                Poll::Ready(turn.ok())
            }
            Poll::Pending => Pin::new(&mut self.alarm).poll(context).map(|()| None),
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        turn.close();
        // A turn that came meanwhile is dropped, and so passed on.
        if turn.try_recv().is_err() {
            self.queue.left();
        }
    }
}

/// The right to one of the pool's connections, and the connection once it is there. Dropped, it is the next one's.
#[derive(Debug)]
struct Turn {
    queue: Arc<Queue>,
    connection: Option<Object<Keeper>>,
}

impl Turn {
    /// Closes the connection.
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.pass(self.connection.take());
    }
}

/// A connection while it is lent. Dropped, it is lent to the next, or rests in the pool.
#[derive(Debug)]
pub(in crate::db) struct Loan(Turn);

impl Loan {
    /// Takes it out of the pool and closes it.
    pub(super) fn close(mut self) {
        self.0.close();
    }

    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.queue.is_awaited()
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.0.connection.as_ref().map_or(Duration::ZERO, |connection| Object::metrics(connection).age())
    }
}

impl Deref for Loan {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.0.connection.as_ref().expect("a loan has its connection until it is closed, which takes it")
    }
}

#[cfg(test)]
mod tests {
    use deadpool::Runtime;
    use futures_util::FutureExt;

    use super::super::dial::Dialer;
    use super::*;
    use crate::outcome::Reason;
    use crate::spec::DbTls;

    /// One for so many connections to a server that is not there.
    fn queue(connections: usize) -> Arc<Queue> {
        let wait = Duration::from_secs(1);
        let timeout = Duration::from_secs(5);
        let limits =
            Limits { connections, wait, connect_timeout: timeout, member_timeout: timeout, statement_timeout: false };
        let mut config = tokio_postgres::Config::new();
        // Nobody listens on the port of tcpmux.
        config.host("127.0.0.1").port(1).user("nobody");
        let dialer = Arc::new(Dialer::new("127.0.0.1", 1, &DbTls::Off, None, None));
        let pool = Pool::builder(Keeper { config, dialer }).max_size(connections).runtime(Runtime::Tokio1);
        Queue::new(pool.build().expect("a pool with a runtime is complete"), limits)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn free(queue: &Arc<Queue>) -> Option<Turn> {
        queue.step_up(soon()).ok()
    }

    fn stand(queue: &Arc<Queue>) -> Standing {
        queue.step_up(soon()).expect_err("all turns are taken")
    }

    fn lend(queue: &Arc<Queue>) -> impl Future<Output = Result<Loan, Failure>> {
        queue.lend(Instant::now())
    }

    #[tokio::test]
    async fn a_turn_goes_to_the_first_who_still_waits() {
        let queue = queue(2);
        let (one, other) = (free(&queue), free(&queue));
        assert!(one.is_some() && other.is_some() && free(&queue).is_none());
        assert!(!queue.is_awaited());
        let (left, first, second) = (stand(&queue), stand(&queue), stand(&queue));
        drop(left);
        assert!(queue.is_awaited());
        drop(one);
        let mut second = second;
        assert!((&mut second).now_or_never().is_none());
        let first = first.await;
        drop(first);
        let second = second.await;
        assert!(!queue.is_awaited());
        drop((second, other));
        assert_eq!(queue.state().taken, 0);
    }

    #[tokio::test]
    async fn a_turn_nobody_fetched_is_not_lost() {
        let queue = queue(1);
        let turn = free(&queue);
        let (leaves, stays) = (stand(&queue), stand(&queue));
        drop(turn);
        // The turn is his, and he never looks.
        drop(leaves);
        drop(stays.await);
        assert_eq!(queue.state().taken, 0);
        assert!(free(&queue).is_some());
    }

    #[tokio::test]
    async fn who_leaves_leaves_no_trace() {
        let queue = queue(1);
        let turn = free(&queue);
        let stays = stand(&queue);
        for _ in 0..1_000 {
            drop(stand(&queue));
        }
        assert!(queue.state().waiting.len() < 4, "{}", queue.state().waiting.len());
        drop(turn);
        drop(stays.await);
    }

    #[tokio::test]
    async fn who_finds_no_server_leaves_the_try_to_the_next() {
        let queue = queue(1);
        let all = futures_util::future::join_all((0..5).map(|_| lend(&queue))).await;
        for one in all {
            assert_eq!(one.expect_err("nobody listens there").reason, Reason::Refused);
        }
        assert_eq!(queue.state().taken, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_so() {
        let queue = queue(1);
        let _turn = free(&queue);
        let failure = lend(&queue).await.expect_err("there is one turn, and it is taken");
        assert_eq!(failure.reason, Reason::NoPermit);
        assert!(failure.msg.starts_with("no connection was free within 1s: all 1 of this worker"), "{}", failure.msg);
        assert!(!queue.is_awaited());
    }
}
