//! Who waits for a connection, and how one goes from hand to hand.
//!
//! The pool keeps what is idle, makes what is missing, and looks at a connection before it lends it. Under load nothing
//! is idle: all are lent, and one that comes back is the next one's. So the wait is here, in front of the pool, and a
//! connection that comes back while somebody waits goes to the first of them as it is, in the turn of the loop in which
//! it had its last answer. To look at it again would tell nothing new, and the pool's own way (a semaphore, a timer,
//! three readings of the clock) costs more than the statement's bytes do.
//!
//! Everybody who has a connection or makes one has a [`Turn`]; there are as many as the pool may have connections, so
//! nobody ever waits inside of the pool. A turn that is dropped goes to the next who waits: with its connection if
//! there is one, else with the right to make one. Who that is say the [`Places`]: the first, unless his request has
//! half of the connections already.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Timeouts};

use super::error_map;
use super::pool::{Connection, ConnectionManager, Pool};
use crate::db::flight::StatementFailure;
use crate::db::member::MemberLimits;
use crate::kit::Party;
use crate::kit::fair_semaphore::{Acquire, FairSemaphore, Owner};
use crate::kit::gate::Pass;
use crate::kit::placed::placed;

/// The pool of one member on this thread, and those who wait for a connection of it.
#[derive(Debug)]
pub(super) struct PostgresPool {
    pool: Pool,
    limits: MemberLimits,
    places: FairSemaphore<ConnPermit>,
    /// Connections made before that are not handed on: they have had their time.
    retired: Mutex<Option<Instant>>,
}

impl PostgresPool {
    pub(super) fn new(pool: Pool, limits: MemberLimits) -> Arc<PostgresPool> {
        Arc::new(PostgresPool {
            pool,
            limits,
            places: FairSemaphore::new(limits.connections),
            retired: Mutex::default(),
        })
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes connections that nobody has used for `idle`, and those that are older than `lifetime`: idle ones now, the
    /// others when they come back.
    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_sub(lifetime);
        self.pool.retain(|connection, metrics| connection.idle() < idle && metrics.age() < lifetime);
    }

    /// Whether somebody waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.places.waiting() > 0
    }

    /// The same for nobody's request.
    pub(super) async fn lend(self: &Arc<PostgresPool>, asked: Instant) -> Result<PooledConn, StatementFailure> {
        self.lend_to(Party::ALONE, asked).await
    }

    /// A connection, `asked` for at that moment: an idle one, a new one, or the next one that comes back.
    pub(super) async fn lend_to(
        self: &Arc<PostgresPool>,
        party: Party,
        asked: Instant,
    ) -> Result<PooledConn, StatementFailure> {
        let mut turn = match self.step_up(party, asked + self.limits.wait) {
            Ok(turn) => turn,
            Err(standing) => standing.await.ok_or_else(|| error_map::no_permit(self.limits))?,
        };
        if let Some(connection) = &turn.connection {
            let retired = *self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            if connection.is_closed() || retired.is_some_and(|before| Object::metrics(connection).created < before) {
                turn.close();
            }
        }
        if turn.connection.is_none() {
            turn.connection = Some(placed(|| self.draw()).await?);
        }
        Ok(PooledConn { turn, share: None })
    }

    /// A connection of the pool, idle or new. It is asked by those alone who have a turn, so it never lets them wait.
    async fn draw(&self) -> Result<Object<ConnectionManager>, StatementFailure> {
        let create = Some(self.limits.connect_timeout);
        // What is looked at before a connection is lent has bounds of its own.
        let timeouts = Timeouts { wait: Some(Duration::ZERO), create, recycle: None };
        self.pool.timeout_get(&timeouts).await.map_err(|error| error_map::checkout(&error, self.limits))
    }

    /// A turn that nobody has, or a place behind all who wait, for so long.
    fn step_up(self: &Arc<PostgresPool>, party: Party, until: Instant) -> Result<ConnPermit, Acquire<PostgresPool>> {
        match self.places.step_up(party) {
            Ok(place) => Ok(ConnPermit { queue: self.clone(), place, connection: None }),
            Err(turn) => Err(Acquire::new(self.clone(), turn, Some(until))),
        }
    }

    /// Gives a turn to the next who waits, or back.
    fn pass(self: &Arc<PostgresPool>, place: usize, mut connection: Option<Object<ConnectionManager>>) {
        // One that is in doubt is left to the pool, which looks at it before it lends it.
        connection = connection.filter(|connection| !connection.is_in_doubt());
        let next = self.places.pass(place, || {
            // First the connection, then the turn: who has a turn never waits inside of the pool.
            if let Some(mut connection) = connection.take() {
                connection.rests();
            }
        });
        if let Some(next) = next {
            // Should he leave in this very moment, the turn comes back, is dropped, and so passed on.
            drop(next.send(ConnPermit { queue: self.clone(), place, connection }));
        }
    }
}

impl Owner for PostgresPool {
    type Turn = ConnPermit;
    fn places(&self) -> &FairSemaphore<ConnPermit> {
        &self.places
    }
}

/// The right to one of the pool's connections, and the connection once it is there. Dropped, it is the next one's.
#[derive(Debug)]
pub(super) struct ConnPermit {
    queue: Arc<PostgresPool>,
    place: usize,
    connection: Option<Object<ConnectionManager>>,
}

impl ConnPermit {
    /// Closes the connection.
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Drop for ConnPermit {
    fn drop(&mut self) {
        self.queue.pass(self.place, self.connection.take());
    }
}

/// A connection while it is lent. Dropped, it is lent to the next, or rests in the pool.
#[derive(Debug)]
pub(in crate::db) struct PooledConn {
    turn: ConnPermit,
    /// Of rows as they come: the right to one of the connections that streams may have.
    share: Option<Pass>,
}

impl PooledConn {
    /// It counts among those that streams have, until it comes back.
    pub(in crate::db) fn of_stream(mut self, share: Option<Pass>) -> PooledConn {
        self.share = share;
        self
    }

    /// Takes it out of the pool and closes it.
    pub(super) fn close(mut self) {
        self.turn.close();
    }

    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.turn.queue.is_awaited()
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.turn.connection.as_ref().map_or(Duration::ZERO, |connection| Object::metrics(connection).age())
    }
}

impl Deref for PooledConn {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.turn.connection.as_ref().expect("a loan has its connection until it is closed, which takes it")
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
    fn queue(connections: usize) -> Arc<PostgresPool> {
        let wait = Duration::from_secs(1);
        let timeout = Duration::from_secs(5);
        let limits = MemberLimits {
            connections,
            streams: 1,
            wait,
            connect_timeout: timeout,
            member_timeout: timeout,
            statement_timeout: false,
        };
        let mut config = tokio_postgres::Config::new();
        // Nobody listens on the port of tcpmux.
        config.host("127.0.0.1").port(1).user("nobody");
        let dialer = Arc::new(Dialer::new("127.0.0.1", 1, &DbTls::Off, None, None));
        let pool = Pool::builder(ConnectionManager { config, dialer }).max_size(connections).runtime(Runtime::Tokio1);
        PostgresPool::new(pool.build().expect("a pool with a runtime is complete"), limits)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn free(queue: &Arc<PostgresPool>) -> Option<ConnPermit> {
        queue.step_up(Party::ALONE, soon()).ok()
    }

    fn stand(queue: &Arc<PostgresPool>) -> Acquire<PostgresPool> {
        queue.step_up(Party::ALONE, soon()).expect_err("all turns are taken")
    }

    fn lend(queue: &Arc<PostgresPool>) -> impl Future<Output = Result<PooledConn, StatementFailure>> {
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
        assert_eq!(queue.places.state().taken, 0);
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
        assert_eq!(queue.places.state().taken, 0);
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
        assert!(queue.places.state().waiting.len() < 4, "{}", queue.places.state().waiting.len());
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
        assert_eq!(queue.places.state().taken, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_so() {
        let queue = queue(1);
        let _turn = free(&queue);
        let failure = lend(&queue).await.expect_err("there is one turn, and it is taken");
        assert_eq!(failure.reason, Reason::NoPermit);
        assert!(failure.msg.starts_with("no connection was free within 1s: all 1 of this thread"), "{}", failure.msg);
        assert!(!queue.is_awaited());
    }
}
