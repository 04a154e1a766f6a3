//! Status and headers of a reply, and one function that gives a page to browsers and data to programs.

use serde::Serialize;
use skitai::prelude::*;

use crate::page;

/// Leads elsewhere, said step by step. `Response::redirect` says it at once.
#[route("/test/moved")]
pub(crate) async fn moved(was: Was) -> &'static str {
    was.response.reply(301);
    was.response.update("Location", "/newloc");
    ""
}

/// Headers that are added, replaced and taken away: `set` adds one beside those of its name, `update` leaves one alone.
#[route("/test/headers")]
pub(crate) async fn headers(was: Was) -> String {
    was.response.set("X-Letter", "a");
    was.response.set("X-Letter", "b");
    was.response.set("X-Number", "1");
    was.response.update("x-number", "2");
    was.response.set("X-Gone", "x");
    was.response.delete("x-gone");
    format!(
        "{} {} {}",
        was.response.has("x-letter"),
        was.response.get("x-number").unwrap_or_default(),
        was.response.has("x-gone")
    )
}

/// Answers no GET, by hand. A route does it by itself: `#[route("/…", methods = ["POST"])]`.
#[route("/test/noget", methods = ["GET", "POST"])]
pub(crate) async fn no_get(was: Was) -> String {
    if was.request.command() == "get" {
        was.response.reply(405);
        return format!("Not allowed get method for {}", was.request.uri());
    }
    "posted".to_owned()
}

/// The same as an error, which has the page of its status in a browser.
#[route("/test/noget/error", methods = ["GET", "POST"])]
pub(crate) async fn no_get_error(was: Was) -> Result<&'static str> {
    if was.request.command() == "get" {
        return Err(Error::new(405, "ask with POST"));
    }
    Ok("posted")
}

/// Wants to hear no more from some: they are refused, and what else they have sent on this connection is not read.
#[route("/test/banned")]
pub(crate) async fn banned(was: Was) -> Result<&'static str> {
    let address = was.request.get_remote_addr().map(|address| address.to_string()).unwrap_or_default();
    if address.starts_with("192.168.1.") {
        return Err(was.response.abort(403, "not from there"));
    }
    Ok("welcome")
}

/// What is known of the server.
#[derive(Serialize)]
pub(crate) struct Known {
    name: &'static str,
    version: &'static str,
}

/// Data over RPC, a page for browsers: one function gives either.
#[route("/multi_purpose")]
pub(crate) async fn multi_purpose(was: Was) -> Either<Page, Known> {
    let known = Known { name: "Skitai", version: env!("CARGO_PKG_VERSION") };
    match was.face() {
        Face::Web => Either::Left(page::of(&was, "multi_purpose.html").with("known", known)),
        Face::XmlRpc | Face::JsonRpc => Either::Right(known),
    }
}

/// A value as text: JSON, or the answer that XML-RPC would have.
#[route("/test/text")]
pub(crate) async fn text(was: Was, value: Value, #[arg(default = "json")] form: String) -> Result<String> {
    if form == "xml" { was.toxml(&value) } else { was.tojson(&value) }
}
