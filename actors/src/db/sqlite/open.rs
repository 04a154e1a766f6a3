//! Opens a file and sets up each connection before its first statement; and what happens when a connection closes.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Hook, HookError, Manager, Metrics, RecycleError, RecycleResult};
use deadpool_sync::SyncWrapper;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::inode::Inode;
use crate::db::member::MemberLimits;

/// How long a statement waits for another process's lock before it fails with "database is locked".
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Pool = managed::Pool<Opener>;
pub(super) type Object = managed::Object<Opener>;

/// Held while a connection closes. The last connection to a file writes the write-ahead log into it; SQLite sees that
/// it is the last one by a lock, which it does not get while another one is about to close. So two that close at the
/// same moment would both leave the log where it is.
static CLOSES: Mutex<()> = Mutex::new(());

/// Makes connections to a file. Each is used on blocking threads, by one at a time.
#[derive(Debug)]
pub(super) struct Opener {
    path: PathBuf,
    open: Arc<AtomicUsize>,
    /// The file that the pool has opened. It stays the pool's also while no connection is open: whether the old file or
    /// the new one is the right one is for the operator to say.
    inode: Arc<Mutex<Option<Arc<Inode>>>>,
}

impl Opener {
    fn new(path: &Path) -> Opener {
        Opener { path: path.to_owned(), open: Arc::default(), inode: Arc::default() }
    }

    /// The pool is closed: the next one may open another file.
    pub(super) fn forget(&self) {
        self.inode.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// True if a connection is open, is being opened, or has not closed yet.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(SeqCst) > 0
    }
}

/// One open connection in [`Opener::is_open`].
#[derive(Debug)]
struct OpenCount(Arc<AtomicUsize>);

impl OpenCount {
    fn new(open: &Arc<AtomicUsize>) -> OpenCount {
        open.fetch_add(1, SeqCst);
        OpenCount(open.clone())
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A connection that is counted until it has closed, and of which one closes at a time.
#[derive(Debug)]
pub(super) struct CountedConn {
    /// `None` once it is closed.
    connection: Option<Connection>,
    inode: Arc<Inode>,
    _count: OpenCount,
}

impl CountedConn {
    /// Fails if the file was moved, removed or replaced since it was opened.
    pub(super) fn check_file(&self) -> rusqlite::Result<()> {
        self.inode.check()
    }
}

impl Deref for CountedConn {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("only the drop takes it")
    }
}

impl DerefMut for CountedConn {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("only the drop takes it")
    }
}

impl Drop for CountedConn {
    fn drop(&mut self) {
        let _one = CLOSES.lock().unwrap_or_else(PoisonError::into_inner);
        // An interrupt that came after its statement stays pending and would hit the next one, here the checkpoint of
        // the write-ahead log. Starting a statement clears it.
        let _ = self.execute_batch("SELECT 1");
        if self.check_file().is_err() {
            // SQLite leaves the log of such a file as it is, and whoever opens the path next takes its commits for
            // those of the file that is there then. So they are written where they belong, and the log is emptied. As
            // long as another connection reads, that fails; its own close does it.
            let _ = self.busy_timeout(Duration::ZERO);
            if !self.is_autocommit() {
                let _ = self.execute_batch("ROLLBACK");
            }
            let _ = self.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        drop(self.connection.take());
    }
}

impl Manager for Opener {
    type Type = SyncWrapper<CountedConn>;
    type Error = rusqlite::Error;

    async fn create(&self) -> rusqlite::Result<SyncWrapper<CountedConn>> {
        // Open for reading and writing, without creating the file. SQLite takes a name that begins with `file:` for a
        // URI, and `:memory:` for no file. The path used here begins with `./` or `/`, so it is neither.
        let path = Path::new(".").join(&self.path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let (count, known) = (OpenCount::new(&self.open), self.inode.clone());
        let open = move || {
            let (connection, inode) = Inode::opening(&path, || Connection::open_with_flags(&path, flags))?;
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(inode.clone());
            Ok(CountedConn { connection: Some(connection), inode, _count: count })
        };
        SyncWrapper::new(Runtime::Tokio1, open).await
    }

    /// Makes no check in SQLite: its result would hold for that moment only. That the file is still there, which SQLite
    /// does not notice of one with a write-ahead log, is checked before each statement, on its blocking thread. A
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
    Pool::builder(Opener::new(path))
        .max_size(limits.connections.max(1))
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(limits.connect_timeout))
        .post_create(settings())
        .build()
        .expect("a pool with a runtime and timeouts is complete")
}

fn settings() -> Hook<Opener> {
    Hook::async_fn(|connection: &mut SyncWrapper<CountedConn>, _| {
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
    use std::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn every_name_is_that_of_a_file() {
        for name in [":memory:", "file:x?mode=memory", "file::memory:", ""] {
            let opened = Opener::new(Path::new(name)).create().await;
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
            stream_share: 50,
            wait: BUSY_TIMEOUT,
            connect_timeout: BUSY_TIMEOUT,
            member_timeout: BUSY_TIMEOUT,
            statement_timeout: true,
        };
        let pool = pool(file.path(), limits);
        let lent = async || pool.get().await.expect("a connection");
        let setting =
            |connection: &mut CountedConn| connection.pragma_query_value(None, "cache_size", |row| row.get(0));
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

    /// Two at the same moment find each other's lock, and neither writes the log into the file. Nobody can choose that
    /// moment, so it is tried often: where they may, it comes about once in 50 times.
    #[test]
    fn two_connections_that_close_at_the_same_moment_leave_no_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, log) = (folder.path().join("one.db"), folder.path().join("one.db-wal"));
        std::fs::File::create(&path).expect("an empty file");
        let opener = Opener::new(&path);
        for round in 0..1_000 {
            let opened = |_| {
                let (connection, inode) = Inode::opening(&path, || Connection::open(&path)).expect("opened");
                CountedConn { connection: Some(connection), inode, _count: OpenCount::new(&opener.open) }
            };
            let both = [0, 1].map(opened);
            for one in &both {
                prepared(one).expect("it has a log now");
                // To flush files is what this would wait for.
                let sql = "PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1)";
                one.execute_batch(sql).expect("written");
            }
            assert!(opener.is_open() && log.exists());
            let start = Barrier::new(2);
            let close = |one| {
                start.wait();
                drop::<CountedConn>(one);
            };
            let close = &close;
            std::thread::scope(|threads| both.into_iter().for_each(|one| drop(threads.spawn(move || close(one)))));
            assert!(!opener.is_open());
            assert!(!log.exists(), "in round {round}");
        }
    }
}
