//! Opening a file, and what is said to each connection before its first statement.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use deadpool_sqlite::{Config, Hook, HookError, Manager, Pool, Runtime};
use rusqlite::{Connection, ErrorCode};

use crate::db::member::Limits;

/// How long a statement waits for another process's lock before it fails with "database is locked".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections to a file, none of which is made before it is needed.
pub(super) fn pool(path: &Path, limits: Limits) -> Pool {
    let manager = Manager::from_config(&Config::new(existing(path)), Runtime::Tokio1);
    Pool::builder(manager)
        .max_size(limits.connections.max(1))
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(limits.connect_timeout))
        .recycle_timeout(Some(limits.connect_timeout))
        .post_create(settings())
        .build()
        .expect("a pool with a runtime and timeouts is complete")
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
            match connection.interact(|connection| prepared(connection)).await {
                Ok(Err(error)) if !lies_with_rights(&error) => Err(HookError::Backend(error)),
                // Where its file may not be written, or not even be read, a statement says so, in its own words.
                Ok(_) => Ok(()),
                Err(error) => Err(HookError::message(error.to_string())),
            }
        })
    })
}

/// How a file keeps its journal is its owner's choice and stays as it is; it is written in the file. One that is empty
/// has made none: in a write-ahead log, readers and one writer do not wait for each other.
fn prepared(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let is_empty = connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? == 0;
    let ask = if is_empty { "PRAGMA journal_mode = WAL" } else { "PRAGMA journal_mode" };
    let mode: String = connection.query_row(ask, [], |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") {
        // Safe there; in a rollback journal it is not, if the power fails.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    Ok(())
}

fn lies_with_rights(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}
