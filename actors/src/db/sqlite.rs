//! SQLite: a file per member; statements run on blocking threads.
//!
//! The file must exist: a mistyped path is an error, not a new empty database. Its journal mode is the choice of its
//! owner. An abandoned statement is interrupted.
//!
//! - this file: the pool, and a statement's flight; `run`: the statement itself; `open`: how a connection is opened;
//! - [`bind`]: parameters, by name if the text names them; [`error_map`]: SQLite's errors as messages;
//! - `inode`: whether the path still leads to the file that is open;
//! - [`close`]: closes connections on a thread whose event loop has ended; `files`: closes all files at the end of the
//!   site.

mod bind;
mod close;
mod error_map;
mod files;
mod inode;
mod open;
mod run;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{HookError, PoolError};
use deadpool_sync::InteractError;

use super::Query;
use super::flight::{Flight, Lease, StatementEnd, StatementFailure, Work};
use super::member::{Connections, MemberLimits};
use super::stream::Sink;
use crate::kit::Party;
use crate::kit::gather::panic_text;
use crate::outcome::{Reason, deadline};
use close::SqliteConn;
use files::File;
pub use files::Files;
use run::{Halt, run};

/// How long an abandoned statement may take to stop before its connection is given up.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// SQLite forgets an interrupt that comes before its statement has begun, so it is repeated this often.
const INTERRUPT_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// One member's pool.
#[derive(Debug)]
pub(super) struct Sqlite(Arc<File>, MemberLimits);

impl Sqlite {
    pub(super) fn new(path: &Path, limits: MemberLimits) -> Sqlite {
        Sqlite(Arc::new(File::new(path.to_owned(), open::pool(path, limits), limits.connections)), limits)
    }

    /// A connection for one statement, asked for at the moment `asked`.
    pub(super) async fn checkout(&self, party: Party, asked: Instant) -> Result<SqliteConn, StatementFailure> {
        let MemberLimits { connections, wait, connect_timeout, .. } = self.1;
        // As many permits as the pool may have connections, so no statement waits inside the pool.
        let permit = self.0.permits.pass(party, Some(asked + wait)).await.ok_or_else(|| {
            let msg = format!(
                "no connection was free within {wait:?}: all {connections} of this thread are in use; allow more \
                 connections, or make the statements shorter"
            );
            StatementFailure::new(Reason::NoPermit, msg)
        })?;
        let connection = self.0.pool.get().await.map_err(|error| {
            let (reason, msg) = match error {
                PoolError::Timeout(_) => {
                    let what = "the file was not open";
                    return deadline::undialled(Reason::ConnectTimeout, what, connect_timeout).into();
                }
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    let failure = error_map::unopened(&error, &self.0.path);
                    // The message goes to clients, too, and does not say where the file is.
                    tracing::warn!(path = %self.0.path.display(), "{}", failure.msg);
                    return failure;
                }
                PoolError::Closed => (Reason::Connect, "not sent: the server is about to end".to_owned()),
                error => (Reason::Connect, error.to_string()),
            };
            StatementFailure::new(reason, msg)
        })?;
        Ok(SqliteConn::new(connection, permit))
    }

    /// Runs the statement on that connection. Nothing is done before the first poll.
    pub(super) fn send(&self, connection: SqliteConn, query: Arc<Query>) -> Flight<SqliteLease> {
        flight(Arc::new(connection), &self.0, query, Halt::default(), false)
    }

    /// The same, with its rows sent to a sink. While the sink is full, the blocking thread waits.
    pub(super) fn pour(&self, connection: SqliteConn, query: Arc<Query>, sink: Sink) -> Flight<SqliteLease> {
        flight(Arc::new(connection), &self.0, query, Halt::pouring(sink), false)
    }

    /// A connection held for several statements.
    pub(super) fn session(&self, connection: SqliteConn) -> SqliteSession {
        SqliteSession { connection: Arc::new(connection), file: self.0.clone(), left: false }
    }

    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        self.0.pool.retain(|_, metrics| metrics.last_used() < idle && metrics.age() < lifetime);
    }

    pub(super) fn connections(&self) -> Connections {
        let status = self.0.pool.status();
        Connections {
            open: status.size,
            idle: status.available,
            limit: status.max_size,
            configured: self.1.connections,
        }
    }
}

/// Starts a statement. `goes_on`: a transaction may stay open after it.
fn flight(
    connection: Arc<SqliteConn>,
    file: &Arc<File>,
    query: Arc<Query>,
    halt: Halt,
    goes_on: bool,
) -> Flight<SqliteLease> {
    let halt = Arc::new(halt);
    file.begins(&halt);
    let lease = SqliteLease { connection: connection.clone(), halt: halt.clone(), file: file.clone(), settled: false };
    let work = async move {
        match connection.object().interact(move |connection| run(connection, &query, &halt, goes_on)).await {
            Ok(result) => StatementEnd { reusable: !error_map::is_moved(&result), result },
            Err(InteractError::Panic(panic)) => {
                let msg = format!("the statement panicked: {}", panic_text(&*panic));
                StatementEnd { result: Err(StatementFailure::new(Reason::Internal, msg)), reusable: false }
            }
            Err(InteractError::Cancelled) => {
                let msg = "the thread that ran the statement is gone".to_owned();
                StatementEnd { result: Err(StatementFailure::new(Reason::Internal, msg)), reusable: false }
            }
        }
    };
    Flight::new(Box::pin(work), lease)
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.0.abandoned();
    }
}

/// The right to one connection for several statements. If it is dropped before `leave`, the connection is closed and
/// any open transaction is rolled back.
pub(super) struct SqliteSession {
    connection: Arc<SqliteConn>,
    file: Arc<File>,
    left: bool,
}

impl SqliteSession {
    pub(super) fn send(&self, query: Arc<Query>) -> Flight<SqliteLease> {
        flight(self.connection.clone(), &self.file, query, Halt::default(), true)
    }

    /// Returns the connection. Unless it is `clean`, it is closed, because SQLite cannot reset its settings.
    pub(super) fn leave(mut self, clean: bool) {
        self.left = clean;
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        if !self.left {
            self.connection.give_up();
        }
    }
}

/// The lease on a pooled connection.
pub(super) struct SqliteLease {
    connection: Arc<SqliteConn>,
    halt: Arc<Halt>,
    file: Arc<File>,
    /// The statement has ended, or the time to stop it is over: nothing is left to wait for.
    settled: bool,
}

impl Lease for SqliteLease {
    fn release(mut self, reusable: bool) {
        // Without an event loop the statement may still run.
        self.settled = reusable;
        if !reusable {
            self.connection.give_up();
        }
    }

    async fn settle(mut self, mut work: Work) {
        let ended = tokio::time::timeout(SETTLE_WITHIN, async {
            loop {
                self.halt.now();
                if let Ok(ended) = tokio::time::timeout(INTERRUPT_AGAIN_AFTER, &mut work).await {
                    return ended.reusable;
                }
            }
        });
        let is_reusable = ended.await.unwrap_or(false);
        self.settled = true;
        drop(work);
        if !is_reusable {
            tracing::warn!(path = %self.file.path.display(), "a statement did not stop when interrupted");
            self.connection.give_up();
        }
    }
}

impl Drop for SqliteLease {
    /// At the end of the event loop a lease is dropped while its statement still runs on a blocking thread. The loop's
    /// own end waits for that thread, so the statement must be stopped here.
    fn drop(&mut self) {
        self.file.ended(&self.halt);
        let until = Instant::now() + SETTLE_WITHIN;
        while !self.settled && Instant::now() < until {
            self.halt.now();
            if self.connection.is_at_rest() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "the event loop has ended: there is nothing left to stop")]
            std::thread::sleep(INTERRUPT_AGAIN_AFTER);
        }
    }
}
