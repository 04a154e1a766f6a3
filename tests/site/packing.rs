//! Answers of kinds and lengths that are compressed or not, and some that may be kept.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use skitai::prelude::*;

const TEXT: &str = "Der Wanderer über dem Nebelmeer. ";

/// A page of so many repetitions of a line.
#[route("/page")]
async fn page(times: usize) -> String {
    TEXT.repeat(times)
}

/// The same as data.
#[route("/data")]
async fn data(times: usize) -> Vec<String> {
    vec![TEXT.to_owned(); times]
}

/// The same as a full reply, with a header of the client's choice.
#[route("/headed")]
async fn headed(times: usize, name: String, value: String) -> Response {
    Response::new(200).header("content-type", "text/plain").header(name, value).body(TEXT.repeat(times))
}

/// Lines, of which the second never comes.
#[route("/drips")]
async fn drips() -> Streaming {
    Streaming::ndjson(futures_util::stream::iter([TEXT.repeat(100)]).chain(Never))
}

/// A long stream that fails at its end.
#[route("/fails")]
async fn fails(times: usize) -> Streaming {
    let pieces = (0..times).map(|_| Ok(TEXT.repeat(1000)));
    let end = std::iter::once(Err(Error::internal("the end is missing")));
    Streaming::fallible(futures_util::stream::iter(pieces.chain(end))).content_type("text/plain")
}

struct Never;

impl Stream for Never {
    type Item = String;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<String>> {
        Poll::Pending
    }
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Holds up a thread of the pool.
#[expect(clippy::disallowed_methods, reason = "this is no event loop")]
#[route("/holds")]
fn holds() {
    std::thread::sleep(secs(4));
}

/// A page that may be kept for a minute, in the way that is asked for.
#[route("/kept", methods = ["GET", "POST"])]
async fn kept(was: Was, version: usize, how: String) -> Result<Response> {
    ASKED.fetch_add(1, SeqCst);
    let reply = Response::new(200).header("content-type", "text/plain").body(format!("version {version}"));
    match &*how {
        "head" => was.response.cached(secs(60)),
        "cookie" => {
            was.response.cached(secs(60));
            was.response.set("Set-Cookie", "a=1");
        }
        "tagged" => {
            was.response.cached(secs(60));
            was.response.set("ETag", "\"my-own\"");
            was.response.set("Cache-Control", "no-cache");
        }
        "gone" => {
            was.response.cached(secs(60));
            return Err(Error::new(404, "gone"));
        }
        _ => return Ok(reply.cached(secs(60))),
    }
    Ok(reply)
}

/// Data that may be kept.
#[route("/kept/data")]
async fn kept_data(was: Was) -> Vec<u32> {
    was.response.cached(secs(5));
    (0..1000).collect()
}

/// How often `kept` was asked.
#[route("/kept/asked")]
async fn asked() -> usize {
    ASKED.load(SeqCst)
}

pub(crate) fn package() -> Package {
    Package::at("/packing").routes(routes![page, data, headed, drips, fails, holds, kept, kept_data, asked])
}
