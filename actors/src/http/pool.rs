//! The idle connections of an origin.
//!
//! The connection returned last is lent first, so that surplus ones age and are closed. A connection with unread bytes
//! is never lent: what came before a request was written answers no request, be it a farewell (408), a second answer,
//! or the end of the connection.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::dial::Socket;

/// How long an idle connection is kept. Below the 5 s after which most servers close theirs (actix-web, Node, Apache,
/// uvicorn): a call that meets such a close may have run and cannot be repeated. For servers with shorter times, the
/// socket is checked before it is written to.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(4);

#[derive(Default)]
pub(super) struct IdlePool(RefCell<Vec<IdleConnection>>);

struct IdleConnection {
    socket: Socket,
    since: Instant,
}

impl IdlePool {
    /// An idle connection that is alive and has no unread bytes.
    pub(super) fn lend(&self) -> Option<Socket> {
        let mut idle = self.0.borrow_mut();
        while let Some(IdleConnection { mut socket, since }) = idle.pop() {
            if since.elapsed() >= KEEP_ALIVE {
                // All connections below it in the stack are older.
                idle.clear();
                return None;
            }
            if socket.is_quiet() {
                return Some(socket);
            }
        }
        None
    }

    pub(super) fn give_back(&self, socket: Socket) {
        self.0.borrow_mut().push(IdleConnection { socket, since: Instant::now() });
    }

    /// Closes connections that were idle for [`KEEP_ALIVE`], or that the member closed or wrote to; true if none is
    /// left.
    pub(super) fn reap(&self) -> bool {
        let mut idle = self.0.borrow_mut();
        idle.retain_mut(|one| one.since.elapsed() < KEEP_ALIVE && one.socket.is_quiet());
        idle.is_empty()
    }
}
