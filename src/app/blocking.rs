//! Plain `fn` handlers run on a pool of threads, with a bounded queue before it: a handler that waits or computes there
//! never holds up the event loop, and when the queue is full the answer is 503 at once.

use super::error::Error;
use super::was::Was;

/// Runs a plain `fn` handler on the blocking pool. Written out by `#[route]`.
pub async fn blocking<T: Send + 'static>(was: &Was, run: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let Some(place) = was.hands().blocking().enter() else {
        was.response.update("retry-after", "1");
        return Err(Error::new(
            503,
            "the server is busy: its blocking pool and the queue before it are full; try again",
        ));
    };
    let run = move || {
        let _place = place;
        run()
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(value) => Ok(value),
        // The panic goes on in the request's own task, where every handler's panic is caught and answered.
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(503, "the server is stopping")),
        },
    }
}
