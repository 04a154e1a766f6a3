//! The pool: a connection with what it has prepared, how it is made, and how an idle one is looked at before it is
//! lent.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Manager, Metrics, RecycleError, RecycleResult};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, Statement};

use super::dial::Dialer;
use super::rows::described;
use crate::db::backstop::Backstop;
use crate::outcome::Columns;

/// A member's connections on this thread.
pub(in crate::db) type Pool = managed::Pool<ConnectionManager>;

/// A connection that was not used for so long is asked for a sign of life before it is lent. One that broke meanwhile
/// is replaced before a byte of the statement was sent, which is the only safe moment for a second try.
const VERIFY_AFTER: Duration = Duration::from_secs(1);
/// After a pause of this length the event loop is given a turn before the connection is lent: the server's farewell may
/// lie unread in the socket. Shorter pauses are those of a busy connection, which reads all the time.
const LISTEN_AFTER: Duration = Duration::from_millis(5);
/// How long that sign may take: a round trip on a busy network. The connection is replaced after it.
const VERIFY_WITHIN: Duration = Duration::from_millis(500);

/// A statement that the server keeps, and the columns of its rows; `None` where it has no rows.
#[derive(Clone, Debug)]
pub(in crate::db) struct PreparedStatement {
    pub(super) statement: Statement,
    pub(super) columns: Option<Columns>,
}

/// Each is prepared once, also where many who share the connection want it at the same moment.
type AllPrepared = foldhash::HashMap<(usize, usize), Arc<OnceCell<PreparedStatement>>>;

/// One connection.
#[derive(Debug)]
pub(in crate::db) struct Connection {
    client: Client,
    /// Moves its bytes, and is ended with it: with a server that hangs it would never end by itself.
    task: JoinHandle<()>,
    /// By the place of their texts. Those are texts of the program, so a place means the same text for good, and is
    /// looked up in a tenth of the time.
    prepared: Mutex<AllPrepared>,
    /// Since when nobody has it.
    idle_since: Instant,
    /// It may have been silent for long although somebody has it.
    in_doubt: AtomicBool,
    /// The server's own limit as it was made, and as it was set last, in milliseconds; 0 where it is never set.
    limit: (u64, AtomicU64),
}

/// A setting that was cut off: whatever is needed differs from it.
const UNKNOWN: u64 = u64::MAX;

impl Connection {
    /// Nobody has it any more.
    pub(super) fn rests(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Whoever has it may let it be silent for as long as he likes: it is looked at before anybody else gets it.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Relaxed);
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Relaxed)
    }

    /// For how long nobody has had it.
    pub(super) fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Whether the server's own limit is what a statement needs.
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

    /// Tells the server. Sent at the first poll, so what is sent after it in the same turn runs under it.
    pub(super) async fn limit_to(&self, backstop: Backstop) {
        let Some(needed) = self.needed(backstop) else { return };
        self.limit.1.store(needed, Relaxed);
        let set = self.client.batch_execute(&format!("SET statement_timeout = {needed}")).await;
        // A cancel request for the statement behind may hit it. What else a server says of it does no harm, and what a
        // broken connection says is said again by the statement.
        if set.is_err_and(|error| error.code() == Some(&SqlState::QUERY_CANCELED)) {
            self.limit.1.store(UNKNOWN, Relaxed);
        }
    }

    /// The server was told its limit as it is for a new connection.
    pub(super) fn limit_is_new(&self) {
        self.limit.1.store(self.limit.0, Relaxed);
    }

    /// The statement that was prepared for this text before.
    pub(super) fn known(&self, text: &'static str) -> Option<PreparedStatement> {
        self.kept().get(&place(text))?.get().cloned()
    }

    /// The same, prepared here and now if it was not before.
    pub(super) async fn prepared(&self, text: &'static str) -> Result<PreparedStatement, Error> {
        let kept = self.kept().entry(place(text)).or_default().clone();
        kept.get_or_try_init(|| self.prepare(text)).await.cloned()
    }

    /// The same for a text that is not kept: the statement lasts as long as somebody has it.
    pub(super) async fn prepare(&self, text: &str) -> Result<PreparedStatement, Error> {
        let statement = self.client.prepare(text).await?;
        let columns = (!statement.columns().is_empty()).then(|| described(statement.columns()));
        Ok(PreparedStatement { statement, columns })
    }

    /// The server knows the statement of this text no more, or not as it was.
    pub(super) fn forget(&self, text: &'static str) {
        self.kept().remove(&place(text));
    }

    /// The server knows no statement any more.
    pub(super) fn forget_all(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, AllPrepared> {
        // Nothing is left half-done under the lock.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(UNKNOWN)
}

fn place(text: &'static str) -> (usize, usize) {
    (text.as_ptr().addr(), text.len())
}

impl Deref for Connection {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes connections, and keeps those that are fit to be lent again.
#[derive(Debug)]
pub(in crate::db) struct ConnectionManager {
    pub(super) config: Config,
    pub(super) dialer: Arc<Dialer>,
}

impl Manager for ConnectionManager {
    type Type = Box<Connection>;
    type Error = Error;

    async fn create(&self) -> Result<Box<Connection>, Error> {
        let (client, task) = Box::pin(self.dialer.dial(&self.config)).await?;
        let limit = self.dialer.limit().map_or(0, millis);
        let limit = (limit, AtomicU64::new(limit));
        Ok(Box::new(Connection {
            client,
            task,
            prepared: Mutex::default(),
            idle_since: Instant::now(),
            in_doubt: AtomicBool::new(false),
            limit,
        }))
    }

    /// A failure makes the pool drop that connection and go on to the next.
    async fn recycle(&self, connection: &mut Box<Connection>, _: &Metrics) -> RecycleResult<Error> {
        // Not the pool's own measure, which counts from when it was lent last. Where it is in doubt, so does ours.
        *connection.in_doubt.get_mut() = false;
        let idle = connection.idle();
        if idle < LISTEN_AFTER && !connection.is_closed() {
            // Busy ones are nearly all there are under load.
            return Ok(());
        }
        Box::pin(verified(connection, idle)).await
    }
}

/// The checks of [`LISTEN_AFTER`] and [`VERIFY_AFTER`].
async fn verified(connection: &Connection, idle: Duration) -> RecycleResult<Error> {
    if idle >= LISTEN_AFTER {
        // The first turn polls the sockets, the second runs the connection's task on what they had.
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
