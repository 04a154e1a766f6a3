//! The SQLite files that a site has open, and how they are closed at its end.
//!
//! When the last connection to a file closes, it writes the write-ahead log into the file and removes the log. A
//! process that ends without closing leaves the log behind: no data is lost, but a copy of the file alone lacks the
//! latest commits. Connections belong to actors, whose threads end at different times; so every pool is registered and
//! closed here.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use super::INTERRUPT_AGAIN_AFTER;
use super::close::closing;
use super::open::Pool;
use super::run::Halt;
use crate::kit::gate::Gate;

/// How long statements may take to stop after an interrupt.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// How long the checkpoint of a large log may take. If it is cut off, no data is lost.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// One pool of connections to a file, and the statements that run on it.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) pool: Pool,
    /// Permits for connections, and the queue for them. There are as many as the pool may have connections.
    pub(super) permits: Arc<Gate>,
    running: Mutex<Vec<Arc<Halt>>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("File").field(&self.path).finish()
    }
}

impl File {
    pub(super) fn new(path: PathBuf, pool: Pool, connections: usize) -> File {
        File { path, pool, permits: Gate::new(connections), running: Mutex::default() }
    }

    /// The pool is no longer needed. It is closed on a thread of its own: an event loop might end before that.
    pub(super) fn abandoned(self: &Arc<File>) {
        let file = self.clone();
        let close = move || file.close_unused();
        if std::thread::Builder::new().name("closing a file".to_owned()).spawn(close).is_err() {
            self.close_unused();
        }
    }

    /// Closes the pool: its unused connections at once, the others when they are returned.
    fn close_unused(&self) {
        closing(|| self.pool.close());
        self.pool.manager().forget();
    }

    /// Registers a running statement, which can be stopped from here until it has ended.
    pub(super) fn begins(&self, halt: &Arc<Halt>) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(halt.clone());
    }

    pub(super) fn ended(&self, halt: &Arc<Halt>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = running.iter().position(|one| Arc::ptr_eq(one, halt)) {
            running.swap_remove(index);
        }
    }

    /// Waits for the running statements, interrupts those that run beyond `finishes`, and waits until every connection
    /// is closed, which the caller limits. False if a statement did not stop.
    fn is_closed(&self, finishes: Instant) -> bool {
        let stops = finishes.max(Instant::now()) + STOP_WITHIN;
        while !self.permits.is_idle() || self.pool.manager().is_open() {
            let now = Instant::now();
            if now >= stops && !self.permits.is_idle() {
                return false;
            }
            if now >= finishes {
                // Under the lock, so that no ended statement is interrupted: its connection may be about to close.
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.iter().for_each(|halt| halt.now());
            }
            #[expect(clippy::disallowed_methods, reason = "a thread of its own, which does nothing else")]
            std::thread::sleep(INTERRUPT_AGAIN_AFTER);
        }
        true
    }
}

/// The SQLite files that the databases of a site have open, on all its threads.
#[derive(Debug, Default)]
pub struct Files(Mutex<Vec<Weak<File>>>);

impl Files {
    pub(in crate::db) fn keep(&self, file: &super::Sqlite) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| file.strong_count() > 0);
        files.push(Arc::downgrade(&file.0));
    }

    /// Closes all connections, which writes committed data from the logs into the files. Statements may run on for
    /// `finishes`, then they are interrupted and rolled back. After this call the files must not be used any more.
    ///
    /// Blocks for `finishes` and at most 11 s more: 1 s for interrupted statements and 10 s for writing.
    pub fn close(&self, finishes: Duration) {
        let files: Vec<Arc<File>> = {
            let files = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            files.iter().filter_map(Weak::upgrade).collect()
        };
        if files.is_empty() {
            return;
        }
        let (done, is_done) = mpsc::channel();
        let finishes_at = Instant::now() + finishes;
        let close = move || {
            files.iter().for_each(|file| file.close_unused());
            for file in files {
                if !file.is_closed(finishes_at) {
                    let path = file.path.display();
                    tracing::warn!(
                        "{path}: a statement did not stop, so the file stays open; what was committed may be in \
                         {path}-wal alone, which the next program to open the file reads"
                    );
                }
            }
            let _ = done.send(());
        };
        let closed = std::thread::Builder::new().name("closing files".to_owned()).spawn(close);
        if closed.is_err() || is_done.recv_timeout(finishes + STOP_WITHIN + WRITE_WITHIN).is_err() {
            tracing::warn!("not every SQLite file was closed; what was committed may be in their -wal files alone");
        }
    }
}
