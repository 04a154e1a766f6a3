//! Closes idle connections.
//!
//! Once a second, while there is any connection to close. Started by a call; ends when none is left or the actor is
//! gone, so an idle process has no timer and a stopping one waits for nothing. Without it, connections that the peer
//! closed would stay in CLOSE_WAIT until the next call.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::kit::tasks;

const PERIOD: Duration = Duration::from_secs(1);

/// Whether the task runs.
#[derive(Default)]
pub(super) struct Reaper(Cell<bool>);

/// An owner of idle connections.
pub(super) trait Reaped: 'static {
    fn reaper(&self) -> &Reaper;
    /// Closes idle connections; true if none is left.
    fn reap(&self) -> bool;
}

/// Starts the task unless it runs.
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
