//! The pool: a connection with what it has prepared, how it is made, and how an idle one is looked at before it is lent.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, Manager, Metrics, Object, RecycleError, RecycleResult};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, Statement};

use super::dial::Dialer;

/// A member's connections on this worker.
pub(in crate::db) type Pool = managed::Pool<Keeper>;
/// A connection while it is lent. Dropped, it goes back to the pool.
pub(in crate::db) type Loan = Object<Keeper>;

/// A connection that was not used for so long is asked for a sign of life before it is lent. One that broke meanwhile
/// is replaced before a byte of the statement was sent, which is the only safe moment for a second try.
const VERIFY_AFTER: Duration = Duration::from_secs(1);
/// After a pause of this length the event loop is given a turn before the connection is lent: the server's farewell may
/// lie unread in the socket. Shorter pauses are those of a busy connection, which reads all the time.
const LISTEN_AFTER: Duration = Duration::from_millis(5);
/// How long that sign may take: a round trip on a busy network. The connection is replaced after it.
const VERIFY_WITHIN: Duration = Duration::from_millis(500);

/// Each is prepared once, also where many who share the connection want it at the same moment.
type Prepared = HashMap<(usize, usize), Arc<OnceCell<Statement>>>;

/// One connection.
#[derive(Debug)]
pub(in crate::db) struct Connection {
    client: Client,
    /// Moves its bytes, and is ended with it: with a server that hangs it would never end by itself.
    task: JoinHandle<()>,
    /// By the place of their texts. Those are texts of the program, so a place means the same text for good, and is looked
    /// up in a tenth of the time.
    prepared: Mutex<Prepared>,
}

impl Connection {
    /// The statement that was prepared for this text, here and now if it was not before.
    pub(super) async fn prepared(&self, text: &'static str) -> Result<Statement, Error> {
        let kept = self.kept().get(&place(text)).and_then(|kept| kept.get().cloned());
        if let Some(statement) = kept {
            return Ok(statement);
        }
        // Boxed, because every other statement would move the room for it.
        let kept = self.kept().entry(place(text)).or_default().clone();
        Box::pin(async move { kept.get_or_try_init(|| self.client.prepare(text)).await.cloned() }).await
    }

    /// The server knows the statement of this text no more, or not as it was.
    pub(super) fn forget(&self, text: &'static str) {
        self.kept().remove(&place(text));
    }

    /// The server knows no statement any more.
    pub(super) fn forget_all(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Prepared> {
        // Nothing is left half-done under the lock.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
pub(in crate::db) struct Keeper {
    pub(super) config: Config,
    pub(super) dialer: Arc<Dialer>,
}

impl Manager for Keeper {
    /// Boxed, because the pool moves it at every step from its list to the borrower and back.
    type Type = Box<Connection>;
    type Error = Error;

    async fn create(&self) -> Result<Box<Connection>, Error> {
        // Boxed, too: most checkouts dial nobody.
        let (client, task) = Box::pin(self.dialer.dial(&self.config)).await?;
        Ok(Box::new(Connection { client, task, prepared: Mutex::default() }))
    }

    /// A failure makes the pool drop that connection and go on to the next.
    async fn recycle(&self, connection: &mut Box<Connection>, metrics: &Metrics) -> RecycleResult<Error> {
        let idle = metrics.last_used();
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
