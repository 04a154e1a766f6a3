//! How a connection ends: at once, or after a while in which its client can read the last reply.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::Service;
use super::driver::Driver;

/// How long the connection stays open after the last reply for a client that still sends, so that it can read the
/// reply; and how long it may be silent in that time.
pub(super) const LINGER: Duration = Duration::from_secs(5);
const SILENT: Duration = Duration::from_millis(500);
/// Both times while the server ends.
const HASTY: Duration = Duration::from_millis(500);
/// The same for a connection without a request that is closed then: a request that crosses the close must find a
/// socket, or the client sees a reset in place of an end.
const PARTING: Duration = Duration::from_millis(100);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Cut: the client has disconnected, or must see that the reply is incomplete.
    Cut,
    /// Closed after its idle time.
    Closed,
    /// Closed without a request, because the server ends.
    Parting,
    /// Closed after a reply, with a delay: closed at once while the client still sends, the client could lose the reply
    /// (RFC 9112, 9.6).
    Lingering,
}

impl<S: Service> Driver<S> {
    /// Ends the connection.
    pub(super) async fn end(&mut self, end: End) {
        let Driver { queues, clock, listed, .. } = self;
        if end != End::Cut {
            let (most, silent) = match (end, listed.list.is_ending()) {
                (End::Parting, _) => (PARTING, PARTING),
                (_, true) => (HASTY, HASTY),
                (_, false) => (LINGER, SILENT),
            };
            let until = Instant::now() + most;
            let (mut is_shut, mut silent_until) = (false, until.min(Instant::now() + silent));
            poll_fn(|context| {
                let queues = &mut *queues.borrow_mut();
                if !is_shut {
                    match queues.poll_shutdown(context) {
                        Poll::Ready(Ok(())) => is_shut = true,
                        Poll::Ready(Err(_)) => return Poll::Ready(()),
                        Poll::Pending => return clock.poll(context, until),
                    }
                }
                match queues.poll_linger(context) {
                    _ if end == End::Closed => return Poll::Ready(()),
                    (Poll::Ready(()), _) => return Poll::Ready(()),
                    (Poll::Pending, true) => silent_until = until.min(Instant::now() + silent),
                    (Poll::Pending, false) => {}
                }
                clock.poll(context, silent_until)
            })
            .await;
        }
        queues.borrow_mut().end();
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        // Also after a panic, and while a task of the service still holds the body.
        if let Ok(mut queues) = self.queues.try_borrow_mut() {
            queues.end();
        }
    }
}
