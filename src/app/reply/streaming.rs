//! Replies that are produced while they are sent.
//!
//! A [`Streaming`] reply is polled for its next chunk only when the client has read the ones before, so a slow reader
//! slows the handler's stream down and does not fill memory. When the client disconnects, the stream is dropped, and
//! with it every call it still waits for: the sockets to members are closed.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use serde::Serialize;

use super::more::{More, Owner};
use super::sse::Event;
use super::{Answer, Reply, more};
use crate::app::blocking_pool::BlockingPool;
use crate::app::error::{Error, IntoError};
use crate::app::was::{Face, Was};

/// The stream of the body.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The closure to call when the client disconnects early.
pub(crate) type OnAbort = Box<dyn FnOnce() + Send>;

/// A reply of chunks, sent one after the other. RPC cannot carry it and returns an error that says so.
///
/// ```
/// # use skitai::prelude::*;
/// #[route("/search/live")]
/// async fn live(was: Was, keyword: String) -> Streaming {
///     let found = was.map("mysearch/rpc2").call("search", (keyword,));
///     Streaming::ndjson(found.as_completed())
/// }
/// ```
#[must_use = "a stream that no handler returns is never sent"]
pub struct Streaming {
    source: StreamSource,
    pub(crate) content_type: Cow<'static, str>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) on_abort: Option<OnAbort>,
    pub(crate) end: StreamEnd,
    /// After how much silence a comment is sent; `None` for a format without comments.
    pub(crate) keep_alive: Option<Duration>,
}

/// How a complete stream says at its end what is missing from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// Not at all: the format has no place for it.
    #[default]
    Bare,
    /// NDJSON: one more line, if something is missing or the client asks for it.
    Line,
    /// Server-sent events: an event, always.
    Event,
}

/// After how much silence an event stream sends a comment: proxies close connections that rest for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

enum StreamSource {
    Chunks(Chunks),
    Blocking(Owner),
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl Streaming {
    /// Sends chunks of text or bytes, as octets unless [`content_type`](Streaming::content_type) sets another type.
    pub fn new<T: Into<Bytes>>(chunks: impl Stream<Item = T> + Send + 'static) -> Streaming {
        Streaming::of(Box::pin(chunks.map(|chunk| Ok(chunk.into()))), "application/octet-stream")
    }

    /// Sends chunks that may fail. The head was sent long before, so the connection is cut: the client sees that the
    /// reply is incomplete, and the error is logged.
    pub fn fallible<T: Into<Bytes>, E: IntoError>(
        chunks: impl Stream<Item = Result<T, E>> + Send + 'static,
    ) -> Streaming {
        let chunks = chunks.map(|chunk| chunk.map(Into::into).map_err(IntoError::into_error));
        Streaming::of(Box::pin(chunks), "application/octet-stream")
    }

    /// Sends the chunks of an object that blocks. The blocking pool makes them one at a time, as the client reads.
    pub fn blocking(object: impl More) -> Streaming {
        Streaming::from_source(StreamSource::Blocking(Owner::new(object)), "application/octet-stream")
    }

    /// Sends one line of JSON per item (`application/x-ndjson`). If members are missing from the calls of this request,
    /// a last line says which: `{"$coverage": {…}}`.
    pub fn ndjson<T: Serialize>(items: impl Stream<Item = T> + Send + 'static) -> Streaming {
        let lines = items.map(|item| line(&item));
        Streaming::of(Box::pin(lines), "application/x-ndjson").ended_as(StreamEnd::Line)
    }

    /// Sends one server-sent event per item (`text/event-stream`), its data as JSON, for a browser's `EventSource`: see
    /// [`events`](Streaming::events).
    pub fn sse<T: Serialize>(items: impl Stream<Item = T> + Send + 'static) -> Streaming {
        Streaming::events(items.map(|item| Event::json(&item)))
    }

    /// Sends server-sent events (`text/event-stream`) with names, ids and data of their own.
    ///
    /// The stream ends with an event `end`, whose data is the coverage of the request's calls. A page closes its
    /// `EventSource` on it: `source.addEventListener("end", () => source.close())`. A browser that connects again all
    /// the same gets 204 and stops: the handler does not run a second time. While nothing comes, a comment is sent
    /// every [15 seconds](Streaming::keep_alive).
    ///
    /// A server that closes ends the stream between two events without that event, and with `retry:`: the browser
    /// connects again after 1.5 to 3.5 seconds, with the id of the last event as `Last-Event-ID`. `on_abort` is called.
    pub fn events(events: impl Stream<Item = Event> + Send + 'static) -> Streaming {
        let mut streaming = Streaming::of(Box::pin(events.map(Event::written)), "text/event-stream")
            .ended_as(StreamEnd::Event)
            .header("cache-control", "no-cache")
            // nginx buffers responses unless this header turns that off.
            .header("x-accel-buffering", "no");
        streaming.keep_alive = Some(KEEP_ALIVE);
        streaming
    }

    /// Sets after how much silence an event stream sends a comment. Default: 15 s. Without effect on other streams.
    pub fn keep_alive(mut self, silence: Duration) -> Streaming {
        self.keep_alive = self.keep_alive.map(|_| silence);
        self
    }

    pub(crate) fn ended_as(mut self, end: StreamEnd) -> Streaming {
        self.end = end;
        self
    }

    pub(crate) fn of(chunks: Chunks, content_type: &'static str) -> Streaming {
        Streaming::from_source(StreamSource::Chunks(chunks), content_type)
    }

    fn from_source(source: StreamSource, content_type: &'static str) -> Streaming {
        let (end, keep_alive) = (StreamEnd::Bare, None);
        Streaming {
            source,
            content_type: Cow::Borrowed(content_type),
            headers: Vec::new(),
            on_abort: None,
            end,
            keep_alive,
        }
    }

    /// The stream of the body, and the closure for a client that disconnects.
    pub(crate) fn into_chunks(self, pool: &Arc<BlockingPool>) -> (Chunks, Option<OnAbort>) {
        let chunks: Chunks = match self.source {
            StreamSource::Chunks(chunks) => chunks,
            StreamSource::Blocking(object) => Box::pin(more::chunks(object, pool.clone())),
        };
        (chunks, self.on_abort)
    }

    /// Sets the content type.
    pub fn content_type(mut self, content_type: impl Into<Cow<'static, str>>) -> Streaming {
        self.content_type = content_type.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Streaming {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Runs this closure once if the client disconnects before the last chunk.
    pub fn on_abort(mut self, callback: impl FnOnce() + Send + 'static) -> Streaming {
        self.on_abort = Some(Box::new(callback));
        self
    }
}

/// An item as a line of JSON, which contains no line break.
pub(crate) fn line<T: Serialize>(item: &T) -> Result<Bytes, Error> {
    let mut json = skitai_wire::json::to_vec(item).map_err(Error::internal)?;
    json.push(b'\n');
    Ok(json.into())
}

impl Reply for Streaming {
    fn into_answer(self, was: &Was) -> Answer {
        match was.face() {
            Face::Web => Answer::Streaming(Box::new(self)),
            Face::XmlRpc | Face::JsonRpc => Answer::Failed(Error::new(
                501,
                "this method answers with a stream, which RPC cannot carry; call it on the web",
            )),
        }
    }
}
