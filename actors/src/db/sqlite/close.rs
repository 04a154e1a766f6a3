//! Closing connections wherever their owner happens to be dropped.
//!
//! The pool closes a connection on a blocking thread of the current event loop, and panics where there is none: when a
//! worker ends, its actors are dropped after the loop. A panic in a drop may end the process, so a short-lived loop
//! stands in.

use std::sync::TryLockError;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use deadpool_sqlite::Object;
use tokio::runtime::{Builder, Handle};

use crate::kit::gate::Pass;

/// Runs what closes connections, inside an event loop of some kind.
pub(super) fn closing(close: impl FnOnce()) {
    if Handle::try_current().is_ok() {
        return close();
    }
    // Its own drop waits until the connections are closed.
    if let Ok(runtime) = Builder::new_current_thread().build() {
        let _entered = runtime.enter();
        close();
    }
}

/// A connection on loan. Its drop gives it back, or closes it where it was given up.
pub(in crate::db) struct Held {
    connection: Option<Object>,
    given_up: AtomicBool,
    // Both go to the next when the connection is back.
    _turn: Pass,
    /// Of rows as they come: the right to one of the connections that streams may have.
    share: Option<Pass>,
}

impl Held {
    pub(super) fn new(connection: Object, turn: Pass) -> Held {
        Held { connection: Some(connection), given_up: AtomicBool::new(false), _turn: turn, share: None }
    }

    /// It counts among those that streams have, until it is back.
    pub(in crate::db) fn of_stream(self, share: Option<Pass>) -> Held {
        let mut held = self;
        held.share = share;
        held
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

impl Drop for Held {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let given_up = self.given_up.load(Relaxed);
        closing(|| if given_up { drop(Object::take(connection)) } else { drop(connection) });
    }
}
