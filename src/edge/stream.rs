//! A streaming reply's body: its chunks as the client reads, and its end, however it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::app::reply::streaming::{Chunks, OnAbort};
use crate::observe::panics::{Panicked, catch};

/// The body. If it is dropped before its last chunk, it calls `on_abort`.
pub(super) struct StreamBody {
    /// `None` once it has ended.
    chunks: Option<Chunks>,
    on_abort: Option<OnAbort>,
    /// The request's URI, for the log.
    uri: String,
}

impl StreamBody {
    pub(super) fn new((chunks, on_abort): (Chunks, Option<OnAbort>), uri: &str) -> StreamBody {
        StreamBody { chunks: Some(chunks), on_abort, uri: uri.to_owned() }
    }

    fn end(&mut self) {
        self.chunks = None;
        self.on_abort = None;
    }

    /// The head is sent, so the error has no status: it is logged, and the connection is cut.
    fn fail(
        &mut self,
        why: impl Into<Box<dyn std::error::Error>>,
    ) -> Poll<Option<Result<Bytes, Box<dyn std::error::Error>>>> {
        self.end();
        Poll::Ready(Some(Err(why.into())))
    }
}

impl MessageBody for StreamBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
            return match catch(|| chunks.as_mut().poll_next(context)) {
                Ok(Poll::Pending) => Poll::Pending,
                // In chunked encoding an empty chunk would end the body.
                Ok(Poll::Ready(Some(Ok(chunk)))) if chunk.is_empty() => continue,
                Ok(Poll::Ready(Some(Ok(chunk)))) => Poll::Ready(Some(Ok(chunk))),
                Ok(Poll::Ready(Some(Err(error)))) => {
                    match error.cause().and_then(|cause| cause.downcast_ref::<Panicked>()) {
                        // The panic was caught on the blocking pool.
                        Some(panicked) => self.fail(panicked.clone()),
                        None => self.fail(error.to_string()),
                    }
                }
                Ok(Poll::Ready(None)) => {
                    self.end();
                    Poll::Ready(None)
                }
                Err(panicked) => self.fail(panicked),
            };
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // First drop the calls it waits for, then call `on_abort`.
        self.chunks = None;
        if let Some(aborts) = self.on_abort.take()
            && let Err(panicked) = catch(aborts)
        {
            tracing::error!(uri = self.uri, "on_abort {panicked}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::{FutureExt, stream};

    use super::*;
    use crate::app::Streaming;

    /// Reads the chunks of a body that never waits, and counts the calls of `on_abort`.
    fn read(streaming: Streaming, chunks: usize) -> (Vec<Result<Bytes, String>>, usize) {
        let aborts = Arc::new(AtomicUsize::new(0));
        let count = aborts.clone();
        let streaming = streaming.on_abort(move || count.store(count.load(SeqCst) + 1, SeqCst));
        let mut body = Box::pin(StreamBody::new(streaming.into_chunks(&Arc::default()), "/x"));
        let mut read = Vec::new();
        for _ in 0..chunks {
            let next = std::future::poll_fn(|context| body.as_mut().poll_next(context));
            match next.now_or_never().expect("it is ready") {
                Some(chunk) => read.push(chunk.map_err(|error| error.to_string())),
                None => break,
            }
        }
        drop(body);
        (read, aborts.load(SeqCst))
    }

    fn ok(chunk: &'static str) -> Result<Bytes, String> {
        Ok(Bytes::from_static(chunk.as_bytes()))
    }

    #[test]
    fn an_end_is_no_abort_and_an_early_drop_is_one() {
        let letters = || Streaming::new(stream::iter(["a", "", "b"]));
        assert_eq!(read(letters(), 9), (vec![ok("a"), ok("b")], 0));
        assert_eq!(read(letters(), 1), (vec![ok("a")], 1));
    }

    #[test]
    fn errors_and_panics_cut_the_reply() {
        let failing = Streaming::fallible(stream::iter([Ok("a"), Err(crate::app::Error::new(500, "broken"))]));
        assert_eq!(read(failing, 9), (vec![ok("a"), Err("broken".to_owned())], 0));
        let panicking = Streaming::new(stream::iter([1, 0]).map(|n| format!("{}", 1 / n)));
        let (chunks, aborts) = read(panicking, 9);
        assert_eq!((chunks.len(), &chunks[0], aborts), (2, &ok("1"), 0));
        assert!(chunks[1].as_ref().is_err_and(|error| error.contains("divide by zero")), "{chunks:?}");
    }

    #[test]
    fn items_are_lines_and_events() {
        let items = || stream::iter([("a", 1), ("b\nc", 2)]);
        let (lines, _) = read(Streaming::ndjson(items()), 9);
        assert_eq!(lines, [ok("[\"a\",1]\n"), ok("[\"b\\nc\",2]\n")]);
        let (events, _) = read(Streaming::sse(items()), 9);
        assert_eq!(events, [ok("data: [\"a\",1]\n\n"), ok("data: [\"b\\nc\",2]\n\n")]);
    }

    use futures_util::StreamExt as _;
}
