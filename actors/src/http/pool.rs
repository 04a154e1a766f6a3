//! The connections of an origin that rest between two exchanges.
//!
//! The last one back is the first one out, so that those that are too many grow old and are closed. None is lent on
//! which anything lies: what came before a request was written is nobody's answer, be it a farewell (408), a second
//! answer, or the end of the connection.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::dial::Socket;

/// How long an idle connection is kept. Below the 5 s after which most servers close theirs (actix-web, Node, Apache,
/// uvicorn), because a call that meets a close on its way may have run and cannot be sent again. Servers with a shorter
/// time are met by looking at the socket before it is written to.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(4);

#[derive(Default)]
pub(super) struct IdlePool(RefCell<Vec<Resting>>);

struct Resting {
    line: Socket,
    since: Instant,
}

impl IdlePool {
    /// A connection that lives, and on which nothing lies.
    pub(super) fn lend(&self) -> Option<Socket> {
        let mut resting = self.0.borrow_mut();
        while let Some(Resting { mut line, since }) = resting.pop() {
            if since.elapsed() >= KEEP_ALIVE {
                // So are all that came back before it.
                resting.clear();
                return None;
            }
            if line.is_quiet() {
                return Some(line);
            }
        }
        None
    }

    pub(super) fn give_back(&self, line: Socket) {
        self.0.borrow_mut().push(Resting { line, since: Instant::now() });
    }

    /// Closes what rested long enough, and what its member has closed or written to; true if nothing is left.
    pub(super) fn reap(&self) -> bool {
        let mut resting = self.0.borrow_mut();
        resting.retain_mut(|one| one.since.elapsed() < KEEP_ALIVE && one.line.is_quiet());
        resting.is_empty()
    }
}
