//! SQLite: a file per member, its calls on blocking threads.
//!
//! The file has to exist: a path with a slip in it is a failure, not a new empty database. WAL, so that readers and one
//! writer do not wait for each other. A statement nobody waits for is interrupted.
//!
//! - here: the pool and the statement;
//! - [`bind`]: parameters, by name where the text has names;
//! - [`close`]: closing connections on a thread whose event loop has ended; [`told`]: SQLite's errors in words.

mod bind;
mod close;
mod told;

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::{Duration, Instant};

use deadpool_sqlite::{Config, Hook, HookError, InteractError, Manager, Pool, PoolError, Runtime};
use futures_util::task::AtomicWaker;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle};

use super::Query;
use super::columns::{Column, ColumnType, Columns};
use super::flight::{Ended, Failure, Flight, Lease, Rows, Work};
use super::member::{Connections, Limits};
use super::stream::{Batch, Sink};
use crate::kit::Party;
use crate::kit::gate::Gate;
use crate::kit::gather::panic_text;
use crate::outcome::{Data, Reason};
use crate::wire::{Map, Value};
use close::{Held, closing};

/// How long a statement waits for another process's lock before it fails with "database is locked".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement nobody waits for may take to stop before its connection is given up.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// An interrupt that comes before its statement has begun is forgotten, so it is repeated.
const INTERRUPT_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// One member's pool.
#[derive(Debug)]
pub(super) struct Sqlite {
    pool: Pool,
    /// Who has a connection, and who waits for one.
    turns: Arc<Gate>,
    path: PathBuf,
    limits: Limits,
}

impl Sqlite {
    pub(super) fn new(path: &Path, limits: Limits) -> Sqlite {
        let manager = Manager::from_config(&Config::new(existing(path)), Runtime::Tokio1);
        let pool = Pool::builder(manager)
            .max_size(limits.connections.max(1))
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(limits.connect_timeout))
            .recycle_timeout(Some(limits.connect_timeout))
            .post_create(settings())
            .build()
            .expect("a pool with a runtime and timeouts is complete");
        Sqlite { pool, turns: Gate::new(limits.connections), path: path.to_owned(), limits }
    }

    /// A connection for one statement alone, asked for at that moment.
    pub(super) async fn checkout(&self, party: Party, asked: Instant) -> Result<Held, Failure> {
        let Limits { connections, wait, connect_timeout, .. } = self.limits;
        // There are as many as the pool may have connections, so nobody waits inside of it.
        let turn = self.turns.pass(party, Some(asked + wait)).await.ok_or_else(|| {
            let msg = format!(
                "no connection was free within {wait:?}: all {connections} of this worker are in use; allow more \
                 connections, or make the statements shorter"
            );
            Failure::new(Reason::NoPermit, msg)
        })?;
        let connection = self.pool.get().await.map_err(|error| {
            let (reason, msg) = match error {
                PoolError::Timeout(_) => {
                    (Reason::ConnectTimeout, format!("the file was not open within {connect_timeout:?}"))
                }
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    let hint = match self.path.try_exists() {
                        Ok(false) => ": the file does not exist; create it first",
                        _ => "",
                    };
                    (Reason::Connect, format!("{}{hint}", told::text(&error)))
                }
                error => (Reason::Connect, error.to_string()),
            };
            Failure::new(reason, msg)
        })?;
        Ok(Held::new(connection, turn))
    }

    /// The statement on that connection. Nothing is done before the first poll.
    pub(super) fn send(&self, connection: Held, query: Arc<Query>) -> Flight<Lent> {
        flight(Arc::new(connection), &self.path, query, Halt::default(), false)
    }

    /// The same, its rows into a sink. While it is full the blocking thread waits.
    pub(super) fn pour(&self, connection: Held, query: Arc<Query>, sink: Sink) -> Flight<Lent> {
        let halt = Halt { sink: Some(sink), ..Halt::default() };
        flight(Arc::new(connection), &self.path, query, halt, false)
    }

    /// A connection that is kept for several statements.
    pub(super) fn seat(&self, connection: Held) -> Seat {
        Seat { connection: Arc::new(connection), path: self.path.clone(), left: false }
    }

    pub(super) fn close_old(&self, idle: Duration, lifetime: Duration) {
        self.pool.retain(|_, metrics| metrics.last_used() < idle && metrics.age() < lifetime);
    }

    pub(super) fn connections(&self) -> Connections {
        let status = self.pool.status();
        Connections { open: status.size, idle: status.available, limit: status.max_size }
    }
}

/// `goes_on` where a transaction may stay open after the statement.
fn flight(connection: Arc<Held>, path: &Path, query: Arc<Query>, halt: Halt, goes_on: bool) -> Flight<Lent> {
    let halt = Arc::new(halt);
    let lease = Lent { connection: connection.clone(), halt: halt.clone(), path: path.to_owned(), ended: false };
    let work = async move {
        match connection.object().interact(move |connection| run(connection, &query, &halt, goes_on)).await {
            Ok(result) => Ended { result, reusable: true },
            Err(InteractError::Panic(panic)) => {
                let msg = format!("the statement panicked: {}", panic_text(&*panic));
                Ended { result: Err(Failure::new(Reason::Internal, msg)), reusable: false }
            }
            Err(InteractError::Cancelled) => {
                let msg = "the thread that ran the statement is gone".to_owned();
                Ended { result: Err(Failure::new(Reason::Internal, msg)), reusable: false }
            }
        }
    };
    Flight::new(Box::pin(work), lease)
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        closing(|| self.pool.close());
    }
}

/// The path as a URI that opens for reading and writing but creates nothing; the pool takes no other options.
fn existing(path: &Path) -> String {
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "file:" });
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // A String takes every write.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?mode=rw"
}

fn settings() -> Hook {
    Hook::async_fn(|connection, _| {
        Box::pin(async move {
            let set = connection.interact(|connection| {
                connection.busy_timeout(BUSY_TIMEOUT)?;
                let wal = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
                match wal {
                    // A file or folder we may only read stays in the mode it has.
                    Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) => Ok(()),
                    wal => wal.and_then(|()| connection.pragma_update(None, "synchronous", "NORMAL")),
                }
            });
            match set.await {
                Ok(set) => set.map_err(HookError::Backend),
                Err(error) => Err(HookError::message(error.to_string())),
            }
        })
    })
}

/// The right to one connection for several statements. Dropped before it was left, the connection is closed, and what was
/// open in it is rolled back.
pub(super) struct Seat {
    connection: Arc<Held>,
    path: PathBuf,
    left: bool,
}

impl Seat {
    pub(super) fn send(&self, query: Arc<Query>) -> Flight<Lent> {
        flight(self.connection.clone(), &self.path, query, Halt::default(), true)
    }

    /// Gives the connection back. Unless it is `clean` it is closed: SQLite cannot forget its settings.
    pub(super) fn leave(mut self, clean: bool) {
        self.left = clean;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.left {
            self.connection.give_up();
        }
    }
}

/// How the asker's thread stops the blocking one.
#[derive(Default)]
struct Halt {
    stopped: AtomicBool,
    interrupt: OnceLock<InterruptHandle>,
    /// Where the rows go while the statement runs.
    sink: Option<Sink>,
    /// The blocking thread, where it waits for room there.
    waits: AtomicWaker,
}

impl Halt {
    fn now(&self) {
        self.stopped.store(true, Relaxed);
        if let Some(interrupt) = self.interrupt.get() {
            interrupt.interrupt();
        }
        self.waits.wake();
    }

    /// Hands a batch over to the reader, who may be slow; a thread of its own can wait.
    fn pour(&self, batch: Batch) {
        let Some(sink) = &self.sink else { return };
        let stopped = |context: &Context<'_>| {
            self.waits.register(context.waker());
            self.stopped.load(Relaxed)
        };
        tokio::runtime::Handle::current().block_on(sink.pour(batch, stopped));
    }
}

fn run(connection: &mut Connection, query: &Query, halt: &Halt, goes_on: bool) -> Result<Rows, Failure> {
    // The handle outlives this statement only as long as the lease, which keeps the connection from anyone else.
    let _ = halt.interrupt.set(connection.get_interrupt_handle());
    let rows = statement(connection, query, halt);
    if !goes_on && !connection.is_autocommit() {
        // No statement can begin a transaction here, yet one that did must not hold its locks for the next borrower.
        let _ = connection.execute_batch("ROLLBACK");
    }
    rows
}

fn statement(connection: &Connection, query: &Query, halt: &Halt) -> Result<Rows, Failure> {
    let sql = |error: rusqlite::Error| Failure {
        reason: Reason::Sql,
        msg: told::text(&error),
        error: told::parts(&error).map(Arc::new),
    };
    let stopped = || Failure::new(Reason::Cancelled, "stopped before it ended");
    if halt.stopped.load(Relaxed) {
        return Err(stopped());
    }
    let before = connection.total_changes();
    // The cache of prepared statements is bounded, so texts made at run time may use it too.
    let mut statement = connection.prepare_cached(&query.sql).map_err(sql)?;
    bind::bind(&mut statement, &query.params)?;
    let columns: Columns = columns(&statement);
    let reads = statement.readonly();
    let mut batch = Batch::default();
    let mut count = 0;
    let mut rows = statement.raw_query();
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => {
                halt.pour(batch);
                return Err(sql(error));
            }
        };
        if halt.stopped.load(Relaxed) {
            return Err(stopped());
        }
        let (mut pairs, mut octets) = (Vec::with_capacity(columns.len()), 0);
        for (index, column) in columns.iter().enumerate() {
            let found = row.get_ref(index).map_err(sql)?;
            octets += found.as_bytes_or_null().ok().flatten().map_or(size_of::<i64>(), <[u8]>::len);
            pairs.push((column.shared_name().clone(), value(found)));
        }
        if !pairs.is_empty() {
            count += 1;
            batch.push(&columns, Value::Map(Map(pairs)), octets);
        }
        if halt.sink.is_some() && batch.is_due() {
            halt.pour(std::mem::take(&mut batch));
        }
    }
    drop(rows);
    let affected = match connection.total_changes() - before {
        _ if reads => count,
        // `changes` still tells of an earlier statement where this one changed nothing.
        0 => 0,
        _ => connection.changes(),
    };
    let columns = (!columns.is_empty()).then_some(columns);
    let data = match halt.sink {
        None => Value::List(batch.into_rows()).into(),
        Some(_) => {
            halt.pour(batch);
            Data::default()
        }
    };
    Ok(Rows { data, affected: Some(affected), columns })
}

/// Names, and what the table was declared with where a column is one of a table.
fn columns(statement: &rusqlite::Statement<'_>) -> Columns {
    let column = |column: rusqlite::Column<'_>| {
        Column::new(column.name().into(), ColumnType::Sqlite(column.decl_type().map(Arc::from)))
    };
    statement.columns().into_iter().map(column).collect()
}

/// The five storage classes. Text that is not UTF-8 is kept as the octets it is.
fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Nil,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Double(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => Value::Bytes(text.to_vec()),
        },
        ValueRef::Blob(octets) => Value::Bytes(octets.to_vec()),
    }
}

/// The lease on a pooled connection.
pub(super) struct Lent {
    connection: Arc<Held>,
    halt: Arc<Halt>,
    path: PathBuf,
    ended: bool,
}

impl Lease for Lent {
    fn release(mut self, reusable: bool) {
        self.ended = reusable;
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
        self.ended = ended.await.unwrap_or(false);
        drop(work);
        if !self.ended {
            tracing::warn!(path = %self.path.display(), "a statement did not stop when interrupted");
            self.connection.give_up();
        }
    }
}

impl Drop for Lent {
    /// The end of the event loop drops a lease whose statement still runs on its thread; the loop's own end waits for
    /// that thread, so nothing else would ever stop it.
    fn drop(&mut self) {
        let until = Instant::now() + SETTLE_WITHIN;
        while !self.ended && Instant::now() < until {
            self.halt.now();
            if self.connection.is_at_rest() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "the event loop has ended: there is nothing left to stop")]
            std::thread::sleep(INTERRUPT_AGAIN_AFTER);
        }
    }
}
