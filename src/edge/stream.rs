//! A streaming reply's body: its chunks as the client reads, and its end, however it comes.
//!
//! When the chunks have ended, all calls they came from are recorded, and the body says what is missing: in a last line
//! of NDJSON, in the event that ends an event stream. A format without a place for it is not changed. For a client that
//! does not take partial answers the connection is cut instead; an event stream ends with `"refused": true`.
//!
//! When the server closes, an event stream ends between two events, without the event that would end it for good: the
//! browser connects again after a while, which leads it to the successor.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use skitai_wire::Value;
use tokio::time::{Instant, Sleep};

use super::partial;
use crate::app::reply::sse::{COMMENT, END, END_ID};
use crate::app::reply::streaming::{Chunks, OnAbort, StreamEnd, line};
use crate::app::{Closing, Event, Streaming, Was};
use crate::observe::panics::{Panicked, catch};

/// The body. If it is dropped before its last chunk, it calls `on_abort`.
pub(super) struct StreamBody {
    /// `None` once they have ended.
    chunks: Option<Chunks>,
    on_abort: Option<OnAbort>,
    end: StreamEnd,
    keep_alive: Option<KeepAlive>,
    /// Of an event stream.
    closing: Option<Closing>,
    was: Was,
}

/// After how many milliseconds a browser whose event stream was ended by a closing server connects again. At least so
/// many that a connection which it kept is closed by then (`drain_idle`, unless that was raised), or it would come back
/// to the same server, and that a site which is just started again is there. Up to the spread more, so that not all
/// come at once.
const RETRY: u32 = 1500;
const RETRY_SPREAD: u32 = 2000;

/// The end of an event stream whose server closes (HTML, 9.2.5).
fn come_again() -> Bytes {
    static NTH: AtomicU32 = AtomicU32::new(0);
    // A step that has no factor in common with the spread: it comes round after all of it.
    let nth = NTH.fetch_add(1, Relaxed);
    let after = RETRY + nth.wrapping_mul(617) % (RETRY_SPREAD + 1);
    format!("retry: {after}\n\n").into()
}

/// Sends a comment after some silence.
struct KeepAlive {
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl KeepAlive {
    fn new(silence: Duration) -> KeepAlive {
        KeepAlive { silence, alarm: Box::pin(tokio::time::sleep(silence)) }
    }

    fn reset(&mut self) {
        self.alarm.as_mut().reset(Instant::now() + self.silence);
    }
}

type Chunk = Result<Bytes, Box<dyn std::error::Error>>;

impl StreamBody {
    pub(super) fn new(streaming: Streaming, was: &Was) -> StreamBody {
        let (end, keep_alive) = (streaming.end, streaming.keep_alive.map(KeepAlive::new));
        if end != StreamEnd::Bare {
            was.coverage.vary();
            if was.has_coverage_in_body() {
                was.coverage.put_in_body();
            }
        }
        let closing = (end == StreamEnd::Event).then(|| was.closing());
        let (chunks, on_abort) = streaming.into_chunks(&was.services().blocking);
        StreamBody { chunks: Some(chunks), on_abort, end, keep_alive, closing, was: was.clone() }
    }

    /// The head is sent, so the error has no status: it is logged, and the connection is cut.
    fn fail(&mut self, why: impl Into<Box<dyn std::error::Error>>) -> Poll<Option<Chunk>> {
        (self.chunks, self.on_abort) = (None, None);
        Poll::Ready(Some(Err(why.into())))
    }

    /// A comment, once there has been silence for long enough.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let Some(alive) = &mut self.keep_alive else { return Poll::Pending };
        ready!(alive.alarm.as_mut().poll(context));
        alive.reset();
        Poll::Ready(Some(Ok(Bytes::from_static(COMMENT))))
    }

    /// The last chunk, after those of the handler.
    fn finish(&mut self) -> Poll<Option<Chunk>> {
        // Dropping the chunks ends the record of the calls that they read from. It is the author's code, too.
        self.on_abort = None;
        let chunks = self.chunks.take();
        if let Err(panicked) = catch(move || drop(chunks)) {
            return self.fail(panicked);
        }
        partial::log(&self.was);
        let refused = partial::refusal(&self.was);
        // A browser whose event stream is cut connects again and searches anew, so its end says it.
        if let Some(refused) = refused.as_ref().filter(|_| self.end != StreamEnd::Event) {
            return self.fail(refused.to_string());
        }
        let last = match self.end {
            StreamEnd::Bare => return Poll::Ready(None),
            StreamEnd::Line if !self.was.coverage.has_gap() && !self.was.has_coverage_in_body() => {
                return Poll::Ready(None);
            }
            StreamEnd::Line => line(&Value::from_pairs([("$coverage", partial::body(&self.was))])),
            StreamEnd::Event => {
                let mut told = partial::body(&self.was);
                if let (Some(_), Value::Map(told)) = (&refused, &mut told) {
                    told.0.push(("refused".into(), Value::Bool(true)));
                }
                Event::json(&told).named(END).id(END_ID).written()
            }
        };
        Poll::Ready(Some(last.map_err(|error| error.to_string().into())))
    }
}

impl MessageBody for StreamBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        loop {
            let this = &mut *self;
            let Some(chunks) = &mut this.chunks else { return Poll::Ready(None) };
            // Before the chunks: those of a handler that looks at the same end, and the event that ends them for good,
            // would keep the browser from coming again.
            if this.closing.as_mut().is_some_and(|closing| Pin::new(closing).poll(context).is_ready()) {
                this.abandon();
                return Poll::Ready(Some(Ok(come_again())));
            }
            let polled = catch(|| chunks.as_mut().poll_next(context));
            return match polled {
                Ok(Poll::Pending) => self.poll_silence(context),
                // In chunked encoding an empty chunk would end the body.
                Ok(Poll::Ready(Some(Ok(chunk)))) if chunk.is_empty() => continue,
                Ok(Poll::Ready(Some(Ok(chunk)))) => {
                    self.keep_alive.iter_mut().for_each(KeepAlive::reset);
                    Poll::Ready(Some(Ok(chunk)))
                }
                Ok(Poll::Ready(Some(Err(error)))) => {
                    match error.cause().and_then(|cause| cause.downcast_ref::<Panicked>()) {
                        // The panic was caught on the blocking pool.
                        Some(panicked) => self.fail(panicked.clone()),
                        None => self.fail(error.to_string()),
                    }
                }
                Ok(Poll::Ready(None)) => self.finish(),
                Err(panicked) => self.fail(panicked),
            };
        }
    }
}

impl StreamBody {
    /// Ends the chunks before their last.
    fn abandon(&mut self) {
        // First drop the calls it waits for, then call `on_abort`.
        self.chunks = None;
        if let Some(aborts) = self.on_abort.take()
            && let Err(panicked) = catch(aborts)
        {
            tracing::error!(uri = self.was.request.uri(), "on_abort {panicked}");
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures_util::{FutureExt, stream};

    use skitai_actors::{ClusterCoverage, Coverage, Outcome, Reason};

    use super::*;
    use crate::app::args::tests::with_handle;
    use crate::app::closing::Phase;

    /// Reads the chunks of a body that never waits, and counts the calls of `on_abort`. `call` is made before its end.
    fn read_with(
        streaming: Streaming,
        chunks: usize,
        call: Option<ClusterCoverage>,
    ) -> (Vec<Result<Bytes, String>>, usize) {
        let aborts = Arc::new(AtomicUsize::new(0));
        let count = aborts.clone();
        let streaming = streaming.on_abort(move || count.store(count.load(SeqCst) + 1, SeqCst));
        let mut read = Vec::new();
        with_handle(|was| {
            let mut body = Box::pin(StreamBody::new(streaming, &was));
            call.into_iter().for_each(|call| was.coverage.add(call));
            for _ in 0..chunks {
                let next = std::future::poll_fn(|context| body.as_mut().poll_next(context));
                match next.now_or_never().expect("it is ready") {
                    Some(chunk) => read.push(chunk.map_err(|error| error.to_string())),
                    None => break,
                }
            }
        });
        (read, aborts.load(SeqCst))
    }

    fn read(streaming: Streaming, chunks: usize) -> (Vec<Result<Bytes, String>>, usize) {
        read_with(streaming, chunks, None)
    }

    fn gap() -> Option<ClusterCoverage> {
        let outcomes = [Outcome::completed("a:1".into(), 1), Outcome::failed("b:1".into(), Reason::Refused, "no")];
        let coverage = Coverage::of(&outcomes);
        Some(ClusterCoverage::of("web".into(), &outcomes, coverage, false))
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
        let end = ok("event: end\nid: $end\ndata: {\"complete\":true,\"clusters\":[]}\n\n");
        assert_eq!(events, [ok("data: [\"a\",1]\n\n"), ok("data: [\"b\\nc\",2]\n\n"), end]);
    }

    #[test]
    fn the_end_says_what_is_missing() {
        let items = || stream::iter([1]);
        let told = "{\"complete\":false,\"clusters\":[{\"cluster\":\"web\",\"asked\":2,\"ok\":1,\"partial\":0,\"failed\":0,\"timed_out\":0,\
            \"cancelled\":0,\"not_sent\":1,\"missing\":[{\"reason\":\"refused\",\"node\":\"b:1\",\"msg\":\"no\"}]}]}";
        let (lines, _) = read_with(Streaming::ndjson(items()), 9, gap());
        assert_eq!(
            lines[1].as_ref().map(|line| line == format!("{{\"$coverage\":{told}}}\n").as_bytes()),
            Ok(true),
            "{lines:?}"
        );
        let (events, _) = read_with(Streaming::sse(items()), 9, gap());
        let end = format!("event: end\nid: $end\ndata: {told}\n\n");
        assert_eq!(events[1].as_ref().map(|event| event == end.as_bytes()), Ok(true), "{events:?}");
        // A format without a place for it is left as it is.
        assert_eq!(read_with(Streaming::new(stream::iter(["a"])), 9, gap()).0, [ok("a")]);
    }

    #[test]
    fn a_server_that_closes_ends_event_streams_for_now_and_no_other() {
        with_handle(|was| {
            let life = was.services().lifecycle.clone();
            let mut bodies = [Streaming::sse(stream::iter([1, 2])), Streaming::ndjson(stream::iter([1, 2]))]
                .map(|streaming| Box::pin(StreamBody::new(streaming, &was)));
            let mut next = |nth: usize| {
                let next = std::future::poll_fn(|context| bodies[nth].as_mut().poll_next(context)).now_or_never();
                next.expect("it is ready")
                    .map(|chunk| String::from_utf8(chunk.expect("no error").to_vec()).expect("text"))
            };
            assert_eq!((next(0).as_deref(), next(1).as_deref()), (Some("data: 1\n\n"), Some("1\n")));
            life.advance(Phase::Closing);
            let last = next(0).expect("a last chunk");
            assert!(last.starts_with("retry: ") && last.ends_with("\n\n"), "{last:?}");
            assert_eq!((next(0), next(1).as_deref(), next(1)), (None, Some("2\n"), None));
        });
    }

    use futures_util::StreamExt as _;
}
