//! The one timer of a connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// The one timer of a connection. Deadlines move with every request and are rarely reached, so the timer is not reset
/// each time: when it fires, it is set again if the current deadline is later.
#[derive(Default)]
pub(super) struct Clock(Option<Pin<Box<Sleep>>>);

impl Clock {
    /// Ready when `until` has passed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        let is_new = self.0.is_none();
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !is_new && sleep.deadline() <= until && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        if !is_new && sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= until || Instant::now() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
    }
}
