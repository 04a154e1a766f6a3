//! A statement on its blocking thread, from its text to its rows, and how it is stopped.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Context;

use futures_util::task::AtomicWaker;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle};

use super::open::CountedConn;
use super::{bind, error_map};
use crate::db::Query;
use crate::db::flight::{Rows, StatementFailure};
use crate::db::stream::{Batch, Sink};
use crate::outcome::columns::{Column, ColumnType, Columns};
use crate::outcome::{Data, Reason};
use crate::wire::{Map, Value};

/// Lets the caller's thread stop the blocking thread.
#[derive(Default)]
pub(super) struct Halt {
    stopped: AtomicBool,
    interrupt: OnceLock<InterruptHandle>,
    /// Takes the rows while the statement runs.
    sink: Option<Sink>,
    /// Wakes the blocking thread while it waits for a free place in the sink.
    waits: AtomicWaker,
}

impl Halt {
    /// For a statement whose rows go to a sink.
    pub(super) fn pouring(sink: Sink) -> Halt {
        Halt { sink: Some(sink), ..Halt::default() }
    }

    pub(super) fn now(&self) {
        self.stopped.store(true, Relaxed);
        if let Some(interrupt) = self.interrupt.get() {
            interrupt.interrupt();
        }
        self.waits.wake();
    }

    /// Sends a batch to the reader. It may block, because the thread belongs to this statement.
    fn pour(&self, batch: Batch) {
        let Some(sink) = &self.sink else { return };
        let stopped = |context: &Context<'_>| {
            self.waits.register(context.waker());
            self.stopped.load(Relaxed)
        };
        tokio::runtime::Handle::current().block_on(sink.pour(batch, stopped));
    }
}

pub(super) fn run(
    connection: &CountedConn,
    query: &Query,
    halt: &Halt,
    goes_on: bool,
) -> Result<Rows, StatementFailure> {
    // The handle may outlive this statement, but not the lease, which keeps the connection from other statements.
    let _ = halt.interrupt.set(connection.get_interrupt_handle());
    // Within a transaction it is too late: what the transaction has done so far cannot be moved to another file.
    let file = if connection.is_autocommit() { connection.check_file() } else { Ok(()) };
    let rows = file.map_err(|error| error_map::failure(&error)).and_then(|()| statement(connection, query, halt));
    if !goes_on && !connection.is_autocommit() {
        // No statement can begin a transaction here. If one did, its locks must not stay for the next borrower.
        let _ = connection.execute_batch("ROLLBACK");
    }
    rows
}

fn statement(connection: &Connection, query: &Query, halt: &Halt) -> Result<Rows, StatementFailure> {
    let sql = |error: rusqlite::Error| error_map::failure(&error);
    let stopped = || StatementFailure::new(Reason::Cancelled, "stopped before it ended");
    if halt.stopped.load(Relaxed) {
        return Err(stopped());
    }
    let before = connection.total_changes();
    // The cache of prepared statements is bounded, so texts made at run time may use it as well.
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
        // `changes` still returns the count of an earlier statement if this one changed no rows.
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

/// Names, and the declared types of those columns that belong to a table.
fn columns(statement: &rusqlite::Statement<'_>) -> Columns {
    let column = |column: rusqlite::Column<'_>| {
        Column::new(column.name().into(), ColumnType::Sqlite(column.decl_type().map(Arc::from)))
    };
    statement.columns().map(column).collect()
}

/// The five storage classes. Text that is not UTF-8 becomes octets.
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
