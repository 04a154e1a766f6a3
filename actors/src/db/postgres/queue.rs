//! The queue of statements that wait for a connection, and how a returned connection goes straight to the next of them.
//!
//! The pool keeps idle connections, makes missing ones, and checks a connection before it lends it. Under load none is
//! idle: all are lent, and a returned one goes to the next waiter. So the queue is in front of the pool. A connection
//! that is returned while others wait goes to the first of them unchecked, in the same turn of the loop as its last
//! answer. A check would show nothing new, and the pool's own path (a semaphore, a timer, three clock readings) costs
//! more than the statement's bytes.
//!
//! Every statement that has a connection, or makes one, holds a [`ConnPermit`]. There are as many permits as the pool
//! may have connections, so no statement waits inside the pool. A dropped permit goes to the next waiter, with its
//! connection if it has one, else with the right to make one. [`FairSemaphore`] picks that waiter: the first one,
//! unless its request already has half of the connections.
//!
//! How many permits there are may change ([`Share`](crate::db::budget)): while one process of an instance replaces
//! another, they share the connections. A connection that is returned when there are fewer permits than before is
//! closed, and so is, in a process that leaves, one that nobody waits for.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Timeouts};

use super::error_map;
use super::pool::{Connection, ConnectionManager, Pool};
use super::seats::Seats;
use crate::db::flight::StatementFailure;
use crate::db::member::MemberLimits;
use crate::kit::Party;
use crate::kit::fair_semaphore::{Acquire, FairSemaphore, Owner};
use crate::kit::gate::{Gate, Pass};
use crate::kit::placed::placed;
use crate::spec::part;

/// A member's pool on this thread, and the queue in front of it.
#[derive(Debug)]
pub(super) struct PostgresPool {
    pool: Pool,
    limits: MemberLimits,
    places: FairSemaphore<ConnPermit>,
    seats: Arc<Seats>,
    /// Of the connections, streams may use a share.
    streams: Arc<Gate>,
    /// Connections made before this moment are too old to be lent again.
    retired: Mutex<Option<Instant>>,
    /// When the server refused a write as one that is read-only. What was connected before leads there.
    moved: Mutex<Option<Instant>>,
}

impl PostgresPool {
    pub(super) fn new(pool: Pool, limits: MemberLimits, streams: Arc<Gate>) -> Arc<PostgresPool> {
        let seats = pool.manager().dialer.seats().clone();
        let limit = seats.share().limit();
        streams.set_limit(part(limit, limits.stream_share));
        let places = FairSemaphore::new(limit);
        Arc::new(PostgresPool {
            pool,
            limits,
            places,
            seats,
            streams,
            retired: Mutex::default(),
            moved: Mutex::default(),
        })
    }

    /// How many connections may be used now.
    pub(super) fn limit(&self) -> usize {
        self.places.limit()
    }

    /// Follows its share of the connections, which may have changed.
    pub(super) fn follow(self: &Arc<PostgresPool>) {
        self.set_limit(self.seats.share().limit());
        self.seats.grown();
        if self.seats.share().is_leaving() && !self.is_awaited() {
            self.rest();
        }
        self.seats.share().ended(self.seats.open());
        self.tell_of_waiters();
    }

    fn set_limit(self: &Arc<PostgresPool>, limit: usize) {
        if limit == self.places.limit() {
            return;
        }
        for (place, next) in self.places.set_limit(limit) {
            drop(next.send(ConnPermit { queue: self.clone(), place, connection: None }));
        }
        self.streams.set_limit(part(limit, self.limits.stream_share));
        self.close_idle_beyond(limit.saturating_sub(self.places.taken()));
    }

    /// Gives back what no statement uses: the process leaves.
    fn rest(self: &Arc<PostgresPool>) {
        let taken = self.places.taken();
        self.close_idle_beyond(0);
        if taken < self.places.limit() {
            self.set_limit(taken);
            self.seats.share().lower(taken, self.seats.open());
        }
    }

    fn close_idle_beyond(&self, kept: usize) {
        let mut count = 0;
        self.pool.retain(|_, _| {
            count += 1;
            count <= kept
        });
    }

    /// If statements wait and this thread has not all that it may be given, it asks for more.
    fn tell_of_waiters(&self) {
        if self.places.limit() < self.limits.connections && self.is_awaited() {
            self.seats.share().wants();
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes connections that were idle for `idle`, and those older than `lifetime`: idle ones now, lent ones when
    /// they are returned.
    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_sub(lifetime);
        self.pool.retain(|connection, metrics| connection.idle() < idle && metrics.age() < lifetime);
    }

    /// The server has become one that takes no writes: its name, or the proxy before it, may lead to another by now.
    /// Connections made so far are closed, idle ones now, lent ones when they are returned.
    fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.pool.retain(|_, _| false);
    }

    /// Whether a connection was made before this moment.
    fn is_before(connection: &Object<ConnectionManager>, moment: &Mutex<Option<Instant>>) -> bool {
        let moment = *moment.lock().unwrap_or_else(PoisonError::into_inner);
        moment.is_some_and(|moment| Object::metrics(connection).created < moment)
    }

    /// Whether a connection leads to a server that takes no writes.
    fn has_moved(&self, connection: &Object<ConnectionManager>) -> bool {
        connection.is_spent() || Self::is_before(connection, &self.moved)
    }

    /// Whether a connection is not to be lent again.
    fn is_over(&self, connection: &Object<ConnectionManager>) -> bool {
        connection.is_closed() || Self::is_before(connection, &self.retired) || self.has_moved(connection)
    }

    /// Whether a statement waits for a connection.
    pub(super) fn is_awaited(&self) -> bool {
        self.places.waiting() > 0
    }

    /// Like [`lend_to`](Self::lend_to), on behalf of no particular request.
    pub(super) async fn lend(self: &Arc<PostgresPool>, asked: Instant) -> Result<PooledConn, StatementFailure> {
        self.lend_to(Party::ALONE, asked).await
    }

    /// Lends a connection, `asked` for at that moment: an idle one, a new one, or the next one that is returned.
    pub(super) async fn lend_to(
        self: &Arc<PostgresPool>,
        party: Party,
        asked: Instant,
    ) -> Result<PooledConn, StatementFailure> {
        let mut permit = match self.acquire(party, asked + self.limits.wait) {
            Ok(permit) => permit,
            Err(queued) => queued.await.ok_or_else(|| error_map::no_permit(self.limits, self.limit()))?,
        };
        if permit.connection.as_ref().is_some_and(|connection| self.is_over(connection)) {
            permit.close();
        }
        if permit.connection.is_none() {
            permit.connection = Some(placed(|| self.draw()).await?);
        }
        Ok(PooledConn { permit, share: None })
    }

    /// Takes a connection out of the pool, idle or new. Only the holder of a permit calls this, so it never has to wait
    /// for a free one.
    async fn draw(&self) -> Result<Object<ConnectionManager>, StatementFailure> {
        let create = Some(self.limits.connect_timeout);
        // The checks before lending have limits of their own.
        let timeouts = Timeouts { wait: Some(Duration::ZERO), create, recycle: None };
        self.pool.timeout_get(&timeouts).await.map_err(|error| error_map::checkout(&error, self.limits))
    }

    /// Takes a free permit, or queues behind all other waiters until `until`.
    fn acquire(self: &Arc<PostgresPool>, party: Party, until: Instant) -> Result<ConnPermit, Acquire<PostgresPool>> {
        match self.places.acquire(party) {
            Ok(place) => Ok(ConnPermit { queue: self.clone(), place, connection: None }),
            Err(receiver) => {
                self.tell_of_waiters();
                Err(Acquire::new(self.clone(), receiver, Some(until)))
            }
        }
    }

    /// Hands a permit to the next waiter, or makes it free.
    fn pass(self: &Arc<PostgresPool>, place: usize, mut connection: Option<Object<ConnectionManager>>) {
        // A connection in doubt returns to the pool, which checks it before it lends it.
        let rests = self.seats.share().is_leaving() && !self.is_awaited();
        // With all its connections a thread never has too many.
        let is_over = self.limit() < self.limits.connections && self.places.is_over();
        if let Some(connection) = connection.take_if(|connection| rests || is_over || self.has_moved(connection)) {
            drop(Object::take(connection));
        }
        connection = connection.filter(|connection| !connection.is_in_doubt());
        let next = self.places.pass(place, || {
            // First the connection, then the permit: so the holder of a permit never waits inside the pool.
            if let Some(mut connection) = connection.take() {
                connection.rests();
            }
        });
        if let Some(next) = next {
            // If the waiter leaves at this very moment, `send` returns the permit, whose drop hands it to the next.
            drop(next.send(ConnPermit { queue: self.clone(), place, connection }));
        } else if rests {
            self.rest();
        }
    }
}

impl Owner for PostgresPool {
    type Permit = ConnPermit;
    fn places(&self) -> &FairSemaphore<ConnPermit> {
        &self.places
    }
}

/// The right to one of the pool's connections, and the connection once there is one. Dropping it hands both on.
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

/// A connection on loan. Dropping it lends it to the next waiter, or returns it to the pool.
#[derive(Debug)]
pub(in crate::db) struct PooledConn {
    permit: ConnPermit,
    /// For streamed rows: the permit for one of the connections that streams may use.
    share: Option<Pass>,
}

impl PooledConn {
    /// Counts it as a stream's connection until it is returned.
    pub(in crate::db) fn of_stream(mut self, share: Option<Pass>) -> PooledConn {
        self.share = share;
        self
    }

    /// Takes the connection out of the pool and closes it.
    pub(super) fn close(mut self) {
        self.permit.close();
    }

    /// The server refused a write on it because it is read-only. In a transaction or a session that may be the author's
    /// own word, so the others stay; this one is not lent again in any case.
    pub(super) fn found_read_only(&self) {
        self.spend();
        if !self.is_in_doubt() {
            self.permit.queue.moved();
        }
    }

    /// Whether a statement waits for a connection, here or where this one is wanted back.
    pub(super) fn is_awaited(&self) -> bool {
        self.permit.queue.is_awaited() || self.permit.queue.places.is_over()
    }

    /// Time since the connection was made.
    pub(super) fn age(&self) -> Duration {
        self.permit.connection.as_ref().map_or(Duration::ZERO, |connection| Object::metrics(connection).age())
    }
}

impl Deref for PooledConn {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.permit.connection.as_ref().expect("a loan has its connection until it is closed, which takes it")
    }
}

#[cfg(test)]
mod tests;
