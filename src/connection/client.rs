//! Watches the client of a request that is served: whether it is there, and whether its body comes in time.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Clock;
use super::intake::Queues;

/// The lowest rate of a body, in octets per second, once `body_timeout` is over.
const SLOWEST: u64 = 16 * 1024;
/// Extra time for a body, so that a service with its own timeout can answer first.
const GRACE: Duration = Duration::from_secs(1);
/// How often to check whether a client whose buffer is full, and from whom we therefore do not read, is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Watches the client while a request is served; ready when the client has disconnected. `began`: when the wait for
/// its body began.
pub(super) fn poll_client(
    queues: &mut Queues,
    clock: &mut Clock,
    began: &mut Option<Instant>,
    body_timeout: Duration,
    context: &mut Context<'_>,
) -> Poll<()> {
    if queues.poll_gone(context).is_ready() {
        return Poll::Ready(());
    }
    if let Some(arrived) = queues.awaited() {
        let began = *began.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs(arrived / SLOWEST);
        if clock.poll(context, began + body_timeout + earned + GRACE).is_ready() {
            queues.break_body(io::ErrorKind::TimedOut, "it did not arrive in time");
        }
    } else if queues.is_full() {
        let _ = clock.poll(context, Instant::now() + LOOK);
    }
    Poll::Pending
}
