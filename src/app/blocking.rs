//! Plain `fn` handlers run on a pool of threads with a bounded queue: a handler that blocks or computes there never
//! delays the event loop, and when the queue is full the answer is 503 at once.

use super::error::{Error, RETRY_AFTER};
use super::was::Was;
use crate::ipc::recorder::Announcement;
use crate::observe::panics;

/// Runs a plain `fn` handler on the blocking pool. `#[route]` generates the call.
pub async fn blocking<T: Send + 'static>(was: &Was, run: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let Some(permit) = was.services().blocking.try_acquire() else {
        return Err(Error::new(
            503,
            "the server is busy: its blocking pool and the queue before it are full; try again",
        )
        .retry_after(RETRY_AFTER));
    };
    // Caught on the thread where it happens, so that its place is known and it is logged once.
    let announcement = was.announcement();
    let run = move || {
        let _permit = permit;
        let _announced = announcement.as_ref().and_then(Announcement::begin);
        panics::catch(run)
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(value)) => Ok(value),
        // Resumed in the request's own task, which counts and answers the panics of all handlers.
        Ok(Err(panicked)) => std::panic::resume_unwind(Box::new(panicked)),
        Err(_) => Err(Error::new(503, "the server is stopping")),
    }
}
