//! Routes that take longer than their server has, and apps that have the paths of the server's probes.

use futures_util::future;
use futures_util::stream::{iter, pending};
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::at("/draining").routes(routes![waits, is_closing, never, endless, until, events])
}

/// Waits for the end of the server.
#[route("/waits")]
async fn waits(was: Was) -> &'static str {
    was.closing().await;
    "it closes"
}

#[route("/is-closing")]
async fn is_closing(was: Was) -> bool {
    was.closing().has_begun()
}

#[route("/never")]
async fn never() -> String {
    future::pending().await
}

/// A chunk, and nothing more.
#[route("/endless")]
async fn endless() -> Streaming {
    Streaming::new(iter(["first\n"]).chain(pending()))
}

/// The same, until the server closes.
#[route("/until")]
async fn until(was: Was) -> Streaming {
    Streaming::new(iter(["first\n"]).chain(pending()).take_until(was.closing()).chain(iter(["last\n"])))
}

/// Events that look for the end of the server, too: the browser must come again all the same.
#[route("/events")]
async fn events(was: Was) -> Streaming {
    let events = iter([1, 2]).chain(pending()).take_until(was.closing());
    Streaming::events(events.map(|number| Event::json(&number).id(number.to_string())))
        .on_abort(|| eprintln!("the events were let go"))
}

/// An app that has paths of the server's probes.
pub(crate) fn probed() -> App {
    App::new("probed").routes(routes![ping, ready])
}

#[route("/ping", methods = ["GET", "POST"])]
async fn ping() -> &'static str {
    "the app's ping"
}

#[route("/status/ready")]
async fn ready() -> &'static str {
    "the app is ready"
}

/// An app with a page for everything.
pub(crate) fn catching() -> App {
    App::new("catching").routes(routes![anything])
}

#[route("/<path:path>", methods = ["GET", "POST"])]
async fn anything(path: String) -> String {
    format!("a page for {path}")
}
