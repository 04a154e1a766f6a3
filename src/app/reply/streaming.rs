//! Replies that are produced while they are sent.
//!
//! A [`Streaming`] reply is polled for its next chunk only when the client has read the ones before, so a slow reader
//! slows the handler's stream down and does not fill memory. When the client disconnects, the stream is dropped, and
//! with it every call it still waits for: the sockets to members are closed.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use serde::Serialize;

use super::more::{More, Owner};
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
}

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

    /// Sends one line of JSON per item (`application/x-ndjson`).
    pub fn ndjson<T: Serialize>(items: impl Stream<Item = T> + Send + 'static) -> Streaming {
        let lines = items.map(|item| framed(&item, b"", b"\n"));
        Streaming::of(Box::pin(lines), "application/x-ndjson")
    }

    /// Sends one server-sent event per item (`text/event-stream`), its data as JSON, for a browser's `EventSource`.
    pub fn sse<T: Serialize>(items: impl Stream<Item = T> + Send + 'static) -> Streaming {
        let events = items.map(|item| framed(&item, b"data: ", b"\n\n"));
        Streaming::of(Box::pin(events), "text/event-stream")
            .header("cache-control", "no-cache")
            // nginx buffers responses unless this header turns that off.
            .header("x-accel-buffering", "no")
    }

    pub(crate) fn of(chunks: Chunks, content_type: &'static str) -> Streaming {
        Streaming::from_source(StreamSource::Chunks(chunks), content_type)
    }

    fn from_source(source: StreamSource, content_type: &'static str) -> Streaming {
        Streaming { source, content_type: Cow::Borrowed(content_type), headers: Vec::new(), on_abort: None }
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

/// An item as JSON (which contains no line break) between the prefix and suffix of its format.
fn framed<T: Serialize>(item: &T, before: &[u8], after: &[u8]) -> Result<Bytes, Error> {
    let json = skitai_wire::json::to_vec(item).map_err(Error::internal)?;
    Ok([before, &json, after].concat().into())
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
