//! Closes what lies idle.
//!
//! Period: once a second, while there is any connection to close; triggered by a call; ends when nothing is left or the
//! actor is gone, so an idle process has no timer and a stopping one nothing to wait for. It prevents sockets that stay
//! in CLOSE_WAIT because nobody looks at them any more.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::kit::tasks;

const PERIOD: Duration = Duration::from_secs(1);

/// Whether the task runs.
#[derive(Default)]
pub(super) struct Reaper(Cell<bool>);

/// What has idle connections.
pub(super) trait Reaped: 'static {
    fn reaper(&self) -> &Reaper;
    /// Closes what is idle; true if nothing is left.
    fn reap(&self) -> bool;
}

/// Sees to it that the task runs.
pub(super) fn watch<R: Reaped>(reaped: &Rc<R>) {
    if reaped.reaper().0.replace(true) {
        return;
    }
    let weak = Rc::downgrade(reaped);
    tasks::spawn("closing of idle connections", async move {
        loop {
            tokio::time::sleep(PERIOD).await;
            let Some(reaped) = weak.upgrade() else { return };
            if reaped.reap() {
                reaped.reaper().0.set(false);
                return;
            }
        }
    });
}
