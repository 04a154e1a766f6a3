//! The pool: a connection with its prepared statements, how it is made, and how an idle one is checked before it is
//! lent.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Manager, Metrics, RecycleError, RecycleResult};
use tokio::sync::{OnceCell, oneshot};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, Statement};

use super::dial::{Dialer, Never};
use super::rows::described;
use crate::db::backstop::Backstop;
use crate::outcome::Columns;

/// A member's connections on this thread.
pub(in crate::db) type Pool = managed::Pool<ConnectionManager>;

/// A connection that was idle for this long is asked for a round trip before it is lent. One that broke meanwhile is
/// replaced before any byte of the statement is sent, the only moment at which a second try is safe.
const VERIFY_AFTER: Duration = Duration::from_secs(1);
/// After a pause of this length the event loop gets a turn before the connection is lent, because the server's closing
/// message may be unread in the socket. Shorter pauses belong to a busy connection, which is read all the time.
const LISTEN_AFTER: Duration = Duration::from_millis(5);
/// How long that round trip may take on a busy network. After it the connection is replaced.
const VERIFY_WITHIN: Duration = Duration::from_millis(500);

/// A prepared statement, and the columns of its rows; `None` if it has no rows.
#[derive(Clone, Debug)]
pub(in crate::db) struct PreparedStatement {
    pub(super) statement: Statement,
    pub(super) columns: Option<Columns>,
}

/// Each text is prepared once, even if several statements on a shared connection need it at the same moment.
type AllPrepared = foldhash::HashMap<(usize, usize), Arc<OnceCell<PreparedStatement>>>;

/// One connection.
#[derive(Debug)]
pub(in crate::db) struct Connection {
    client: Client,
    /// Dropped with the client: the task that moves the bytes then closes the connection.
    _open: oneshot::Sender<Never>,
    /// Keyed by address and length of the `&'static str`: unique for the program's life, and ten times cheaper to hash
    /// than the text.
    prepared: Mutex<AllPrepared>,
    /// Since when it is idle.
    idle_since: Instant,
    /// It may have been silent for long while it was lent.
    in_doubt: AtomicBool,
    /// It is closed when it is returned.
    is_spent: AtomicBool,
    /// The server's own time limit, as set first and as set last, in milliseconds; 0 if it is never set.
    limit: (u64, AtomicU64),
}

/// The setting was cut off; no limit that a statement needs is equal to this.
const UNKNOWN: u64 = u64::MAX;

impl Connection {
    /// Marks the connection as idle from now.
    pub(super) fn rests(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Marks a loan during which the connection may be silent for long, so that it is checked before it is lent again.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Relaxed);
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Relaxed)
    }

    /// Marks a connection that is not to be lent again.
    pub(super) fn spend(&self) {
        self.is_spent.store(true, Relaxed);
    }

    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Relaxed)
    }

    /// How long it has been idle.
    pub(super) fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether the server's time limit is the one that the statement needs.
    pub(super) fn has(&self, backstop: Backstop) -> bool {
        self.limit.0 == 0 || self.needed(backstop).is_none_or(|needed| needed == self.limit.1.load(Relaxed))
    }

    fn needed(&self, backstop: Backstop) -> Option<u64> {
        match backstop {
            Backstop::Member => Some(self.limit.0),
            Backstop::Within(limit) => Some(millis(limit)),
            Backstop::Kept => None,
        }
    }

    /// Sets the server's time limit. Sent at the first poll, so that a statement sent in the same turn runs under it.
    pub(super) async fn limit_to(&self, backstop: Backstop) {
        let Some(needed) = self.needed(backstop) else { return };
        self.limit.1.store(needed, Relaxed);
        let set = self.client.batch_execute(&format!("SET statement_timeout = {needed}")).await;
        // A cancel request for the next statement may hit this one instead. Other errors of the server do no harm, and
        // a broken connection shows again at the statement.
        if set.is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED)) {
            self.limit.1.store(UNKNOWN, Relaxed);
        }
    }

    /// The server's time limit is again the one of a new connection.
    pub(super) fn limit_is_new(&self) {
        self.limit.1.store(self.limit.0, Relaxed);
    }

    /// The prepared statement of this text, if there is one.
    pub(super) fn known(&self, text: &'static str) -> Option<PreparedStatement> {
        self.all_prepared().get(&key(text))?.get().cloned()
    }

    /// The prepared statement of this text; prepares it first if there is none.
    pub(super) async fn prepared(&self, text: &'static str) -> Result<PreparedStatement, Error> {
        let cell = self.all_prepared().entry(key(text)).or_default().clone();
        cell.get_or_try_init(|| self.prepare(text)).await.cloned()
    }

    /// Prepares a text without keeping it: the statement lasts as long as the returned value.
    pub(super) async fn prepare(&self, text: &str) -> Result<PreparedStatement, Error> {
        let statement = self.client.prepare(text).await?;
        let columns = (!statement.columns().is_empty()).then(|| described(statement.columns()));
        Ok(PreparedStatement { statement, columns })
    }

    /// The server has lost the statement of this text, or its plan is out of date.
    pub(super) fn forget(&self, text: &'static str) {
        self.all_prepared().remove(&key(text));
    }

    /// The server has lost all prepared statements.
    pub(super) fn forget_all(&self) {
        self.all_prepared().clear();
    }

    fn all_prepared(&self) -> MutexGuard<'_, AllPrepared> {
        // No state is left half-updated under the lock.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(UNKNOWN)
}

fn key(text: &'static str) -> (usize, usize) {
    (text.as_ptr().addr(), text.len())
}

impl Deref for Connection {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Makes connections, and checks whether they may be lent again.
#[derive(Debug)]
pub(in crate::db) struct ConnectionManager {
    pub(super) config: Config,
    pub(super) dialer: Arc<Dialer>,
}

impl Manager for ConnectionManager {
    type Type = Box<Connection>;
    type Error = Error;

    async fn create(&self) -> Result<Box<Connection>, Error> {
        let (client, open) = Box::pin(self.dialer.dial(&self.config)).await?;
        let limit = self.dialer.limit().map_or(0, millis);
        let limit = (limit, AtomicU64::new(limit));
        Ok(Box::new(Connection {
            client,
            _open: open,
            prepared: Mutex::default(),
            idle_since: Instant::now(),
            in_doubt: AtomicBool::new(false),
            is_spent: AtomicBool::new(false),
            limit,
        }))
    }

    /// An error makes the pool drop this connection and try the next one.
    async fn recycle(&self, connection: &mut Box<Connection>, _: &Metrics) -> RecycleResult<Error> {
        // Not the pool's own figure, which counts from the start of the last loan. After a loan in doubt, so does ours.
        *connection.in_doubt.get_mut() = false;
        let idle = connection.idle();
        if idle < LISTEN_AFTER && !connection.is_closed() {
            // Under load nearly all connections are busy ones.
            return Ok(());
        }
        Box::pin(verified(connection, idle)).await
    }
}

/// The checks of [`LISTEN_AFTER`] and [`VERIFY_AFTER`].
async fn verified(connection: &Connection, idle: Duration) -> RecycleResult<Error> {
    if idle >= LISTEN_AFTER {
        // The first turn polls the sockets; the second runs the connection's task on the bytes received.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    if connection.is_closed() {
        return Err(RecycleError::message("closed by the server"));
    }
    if idle < VERIFY_AFTER {
        return Ok(());
    }
    match tokio::time::timeout(VERIFY_WITHIN, connection.check_connection()).await {
        Ok(alive) => alive.map_err(RecycleError::Backend),
        Err(_) => Err(RecycleError::message("no sign of life")),
    }
}
