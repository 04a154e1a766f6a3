//! Opens a file and sets up each connection before its first statement.

use std::path::{Path, PathBuf};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Hook, HookError, Manager, Metrics, RecycleError, RecycleResult};
use deadpool_sync::SyncWrapper;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::db::member::MemberLimits;

/// How long a statement waits for another process's lock before it fails with "database is locked".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Pool = managed::Pool<Opener>;
pub(super) type Object = managed::Object<Opener>;

/// Makes connections to a file. Each is used on blocking threads, by one at a time.
#[derive(Debug)]
pub(super) struct Opener(PathBuf);

impl Manager for Opener {
    type Type = SyncWrapper<Connection>;
    type Error = rusqlite::Error;

    async fn create(&self) -> rusqlite::Result<SyncWrapper<Connection>> {
        // Open for reading and writing, without creating the file. SQLite takes a name that begins with `file:` for a
        // URI, and `:memory:` for no file. The path used here begins with `./` or `/`, so it is neither.
        let path = Path::new(".").join(&self.0);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        SyncWrapper::new(Runtime::Tokio1, move || Connection::open_with_flags(path, flags)).await
    }

    /// Makes no check in SQLite: its result would hold for that moment only, and a statement finds the same errors. A
    /// connection whose statement panicked may be in any state.
    async fn recycle(&self, connection: &mut Self::Type, _: &Metrics) -> RecycleResult<rusqlite::Error> {
        if connection.is_mutex_poisoned() {
            return Err(RecycleError::message("a statement panicked on it"));
        }
        Ok(())
    }
}

/// A pool of connections to a file. No connection is made before it is needed.
pub(super) fn pool(path: &Path, limits: MemberLimits) -> Pool {
    Pool::builder(Opener(path.to_owned()))
        .max_size(limits.connections.max(1))
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(limits.connect_timeout))
        .post_create(settings())
        .build()
        .expect("a pool with a runtime and timeouts is complete")
}

fn settings() -> Hook<Opener> {
    Hook::async_fn(|connection: &mut SyncWrapper<Connection>, _| {
        Box::pin(async move {
            match connection.interact(|connection| prepared(connection)).await {
                Ok(Err(error)) if !lies_with_rights(&error) => Err(HookError::Backend(error)),
                // If the file cannot be written, or even read, a statement reports it with its own message.
                Ok(_) => Ok(()),
                Err(error) => Err(HookError::message(error.to_string())),
            }
        })
    })
}

/// Sets the journal mode of an empty file only; for others it is stored in the file and stays the owner's choice. With
/// a write-ahead log, readers and one writer do not block each other.
fn prepared(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let is_empty = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? == 0;
    let ask = if is_empty { "PRAGMA journal_mode = WAL" } else { "PRAGMA journal_mode" };
    let mode: String = connection.query_row(ask, [], |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") {
        // Safe with a write-ahead log; with a rollback journal it is not, if the power fails.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    Ok(())
}

fn lies_with_rights(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_name_is_that_of_a_file() {
        for name in [":memory:", "file:x?mode=memory", "file::memory:", ""] {
            let opened = Opener(name.into()).create().await;
            let code = opened.expect_err("there is no such file").sqlite_error_code();
            assert_eq!(code, Some(ErrorCode::CannotOpen), "{name}");
        }
    }

    #[tokio::test]
    async fn a_connection_on_which_something_panicked_is_not_lent_again() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let limits = MemberLimits {
            connections: 1,
            streams: 1,
            wait: BUSY_TIMEOUT,
            connect_timeout: BUSY_TIMEOUT,
            member_timeout: BUSY_TIMEOUT,
            statement_timeout: true,
        };
        let pool = pool(file.path(), limits);
        let lent = async || pool.get().await.expect("a connection");
        let setting = |connection: &mut Connection| connection.pragma_query_value(None, "cache_size", |row| row.get(0));
        let connection = lent().await;
        connection
            .interact(|connection| connection.pragma_update(None, "cache_size", 77))
            .await
            .expect("ran")
            .expect("set");
        drop(connection);
        let connection = lent().await;
        assert_eq!(connection.interact(setting).await.expect("ran"), Ok(77), "one that is well is lent again");
        connection.interact(|_| panic!("as a decoder might")).await.expect_err("it panicked");
        drop(connection);
        assert_ne!(lent().await.interact(setting).await.expect("ran"), Ok(77));
    }
}
