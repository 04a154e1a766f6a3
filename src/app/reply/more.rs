//! Streams from an object that blocks: the blocking pool asks it for one chunk after the other, and never for the next
//! one before the client has capacity for it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::app::blocking_pool::BlockingPool;
use crate::app::error::{Error, Result};
use crate::observe::panics;

/// An object that produces a reply chunk by chunk, for [`Streaming::blocking`](crate::app::Streaming::blocking). It may
/// block and compute.
///
/// ```
/// # use skitai::prelude::*;
/// struct Countdown(u32);
///
/// impl More for Countdown {
///     fn more(&mut self) -> Result<Vec<u8>> {
///         self.0 = self.0.saturating_sub(1);
///         Ok(if self.0 == 0 { Vec::new() } else { format!("{}\n", self.0).into() })
///     }
/// }
///
/// #[route("/countdown")]
/// async fn countdown(from: u32) -> Streaming {
///     Streaming::blocking(Countdown(from)).content_type("text/plain")
/// }
/// ```
pub trait More: Send + 'static {
    /// Returns the next chunk; an empty one is the end. After an error the connection is cut, so that the client sees
    /// that the reply is incomplete, and the error is logged.
    fn more(&mut self) -> Result<Vec<u8>>;

    /// Runs once if the client disconnects before the last chunk, before [`close`](More::close).
    fn abort(&mut self) {}

    /// Runs once at the end, whether the stream was complete or not.
    fn close(&mut self) {}
}

/// The object and the calls it must still get. Dropping this closes the object on the blocking pool.
struct HeldSource {
    object: Box<dyn More>,
    /// The client still waits for its next chunk.
    is_awaited: bool,
}

impl HeldSource {
    fn finish(&mut self) {
        if std::mem::take(&mut self.is_awaited) {
            self.notify("abort", |object| object.abort());
        }
        self.notify("close", |object| object.close());
    }

    fn notify(&mut self, what: &str, call: impl FnOnce(&mut dyn More)) {
        if let Err(panicked) = panics::catch(|| call(&mut *self.object)) {
            tracing::error!("{what} of a stream {panicked}");
        }
    }
}

/// Owns an object and finishes it wherever its stream ended: sent, cut, refused or never begun.
pub(crate) struct Owner(Option<HeldSource>);

impl Owner {
    pub(crate) fn new(object: impl More) -> Owner {
        Owner(Some(HeldSource { object: Box::new(object), is_awaited: false }))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(mut held) = self.0.take() else { return };
        // While the server stops there is no pool any more, so the object is closed on this thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || held.finish())),
            Err(_) => held.finish(),
        }
    }
}

/// The object's chunks, for a client that waits for them.
pub(crate) fn chunks(mut owner: Owner, pool: Arc<BlockingPool>) -> impl Stream<Item = Result<Bytes>> + Send {
    if let Some(held) = &mut owner.0 {
        held.is_awaited = true;
    }
    stream::unfold((owner, pool), |(mut owner, pool)| async move {
        if !owner.0.as_ref()?.is_awaited {
            return None;
        }
        let permit = pool.acquire().await;
        let mut moved = Owner(owner.0.take());
        // If the client disconnects meanwhile, the object is closed on the pool's thread.
        let step = move || {
            let _permit = permit;
            let chunk = moved.0.as_mut().map(|held| {
                let chunk =
                    panics::catch(|| held.object.more()).unwrap_or_else(|panicked| Err(Error::internal(panicked)));
                held.is_awaited = chunk.as_ref().is_ok_and(|chunk| !chunk.is_empty());
                chunk
            });
            (moved, chunk)
        };
        let (moved, chunk) = tokio::task::spawn_blocking(step).await.ok()?;
        let chunk = chunk?.map(Bytes::from);
        match &chunk {
            Ok(chunk) if chunk.is_empty() => None,
            _ => Some((chunk, (moved, pool))),
        }
    })
}
