//! Closes connections on whatever thread their owner is dropped.
//!
//! The pool closes a connection on a blocking thread of the current event loop, and panics without one. When a thread
//! ends, its actors are dropped after the loop. A panic in a drop may abort the process, so a short-lived event loop is
//! started.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{TryLockError, mpsc};

use tokio::runtime::{Builder, Handle};

use super::open::Object;
use crate::kit::gate::Pass;

/// Runs `close` inside an event loop, the current one or a temporary one.
pub(super) fn closing(close: impl FnOnce()) {
    if Handle::try_current().is_ok() {
        return close();
    }
    // A single blocking thread works in order, so the last job's end proves the end of all earlier ones. Dropping the
    // runtime would discard jobs that have not begun.
    if let Ok(runtime) = Builder::new_current_thread().max_blocking_threads(1).build() {
        let _entered = runtime.enter();
        close();
        let (done, is_done) = mpsc::channel();
        runtime.spawn_blocking(move || done.send(()));
        let _ = is_done.recv();
    }
}

/// A connection on loan. Dropping it returns it to the pool, or closes it if it was given up or the pool is closed.
pub(in crate::db) struct SqliteConn {
    connection: Option<Object>,
    given_up: AtomicBool,
    /// The permits, handed on once the connection has been returned or closed.
    permit: Option<Pass>,
    /// For streamed rows: the permit for one of the connections that streams may use.
    share: Option<Pass>,
}

impl SqliteConn {
    pub(super) fn new(connection: Object, permit: Pass) -> SqliteConn {
        SqliteConn { connection: Some(connection), given_up: AtomicBool::new(false), permit: Some(permit), share: None }
    }

    /// Counts it as a stream's connection until it is returned.
    pub(in crate::db) fn of_stream(mut self, share: Option<Pass>) -> SqliteConn {
        self.share = share;
        self
    }

    pub(super) fn object(&self) -> &Object {
        self.connection.as_ref().expect("only the drop takes it")
    }

    /// Keeps the connection out of the pool from now on.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// True if no thread is using it.
    pub(super) fn is_at_rest(&self) -> bool {
        !matches!(self.object().try_lock(), Err(TryLockError::WouldBlock))
    }
}

impl Drop for SqliteConn {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let given_up = self.given_up.load(Relaxed);
        let permits = (self.permit.take(), self.share.take());
        closing(|| if given_up { drop(Object::take(connection)) } else { drop(connection) });
        drop(permits);
    }
}
