//! Closing connections wherever their owner happens to be dropped.
//!
//! The pool closes a connection on a blocking thread of the current event loop, and panics where there is none: when a
//! thread ends, its actors are dropped after the loop. A panic in a drop may end the process, so a short-lived loop
//! stands in.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{TryLockError, mpsc};

use tokio::runtime::{Builder, Handle};

use super::open::Object;
use crate::kit::gate::Pass;

/// Runs what closes connections, inside an event loop of some kind.
pub(super) fn closing(close: impl FnOnce()) {
    if Handle::try_current().is_ok() {
        return close();
    }
    // One thread, which takes what it is given in turn: what is sent last says that all before it is done. The
    // runtime's own drop would give up what has not begun.
    if let Ok(runtime) = Builder::new_current_thread().max_blocking_threads(1).build() {
        let _entered = runtime.enter();
        close();
        let (done, is_done) = mpsc::channel();
        runtime.spawn_blocking(move || done.send(()));
        let _ = is_done.recv();
    }
}

/// A connection on loan. Its drop gives it back, or closes it where it was given up, or where the pool is closed.
pub(in crate::db) struct OpenConnections {
    connection: Option<Object>,
    given_up: AtomicBool,
    /// Both go to the next when the connection is back, or closed.
    turn: Option<Pass>,
    /// Of rows as they come: the right to one of the connections that streams may have.
    share: Option<Pass>,
}

impl OpenConnections {
    pub(super) fn new(connection: Object, turn: Pass) -> OpenConnections {
        OpenConnections {
            connection: Some(connection),
            given_up: AtomicBool::new(false),
            turn: Some(turn),
            share: None,
        }
    }

    /// It counts among those that streams have, until it is back.
    pub(in crate::db) fn of_stream(mut self, share: Option<Pass>) -> OpenConnections {
        self.share = share;
        self
    }

    pub(super) fn object(&self) -> &Object {
        self.connection.as_ref().expect("only the drop takes it")
    }

    /// The pool will not see this connection again.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// True when no thread is at work on it.
    pub(super) fn is_at_rest(&self) -> bool {
        !matches!(self.object().try_lock(), Err(TryLockError::WouldBlock))
    }
}

impl Drop for OpenConnections {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let given_up = self.given_up.load(Relaxed);
        let is_closed = Object::pool(&connection).is_none_or(|pool| pool.is_closed());
        let rights = (self.turn.take(), self.share.take());
        let close = move || {
            if (given_up || is_closed)
                && let Ok(connection) = connection.try_lock()
            {
                // An interrupt that came after its statement lies in wait for the next, and would be for the writing of
                // the log into the file. A statement that begins takes it away.
                let _ = connection.execute_batch("SELECT 1");
            }
            closing(|| if given_up { drop(Object::take(connection)) } else { drop(connection) });
            drop(rights);
        };
        if is_closed && Handle::try_current().is_ok() {
            // Whoever closes the file waits for the right to come back; an event loop would close the connection later.
            drop(std::thread::Builder::new().name("closing a file".to_owned()).spawn(close));
        } else {
            close();
        }
    }
}
