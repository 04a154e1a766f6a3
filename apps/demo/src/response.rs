//! Status and headers of a reply, and one function that returns a page to browsers and data to programs.

use serde::Serialize;
use skitai::prelude::*;

use crate::page;

/// Redirects step by step. `Response::redirect` does it in one call.
#[route("/test/moved")]
pub(crate) async fn moved(was: Was) -> &'static str {
    was.response.reply(301);
    was.response.update("Location", "/newloc");
    ""
}

/// Adds, replaces and removes headers: `set` adds one to those of its name, `update` replaces them.
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

/// Refuses GET by hand. A route does it by itself with `#[route("/…", methods = ["POST"])]`.
#[route("/test/noget", methods = ["GET", "POST"])]
pub(crate) async fn no_get(was: Was) -> String {
    if was.request.command() == "get" {
        was.response.reply(405);
        return format!("Not allowed get method for {}", was.request.uri());
    }
    "posted".to_owned()
}

/// The same as an error, which a browser gets as the page of its status.
#[route("/test/noget/error", methods = ["GET", "POST"])]
pub(crate) async fn no_get_error(was: Was) -> Result<&'static str> {
    if was.request.command() == "get" {
        return Err(Error::new(405, "ask with POST"));
    }
    Ok("posted")
}

/// Refuses unwanted clients and closes their connection; anything else they sent on it is not read.
#[route("/test/banned")]
pub(crate) async fn banned(was: Was) -> Result<&'static str> {
    let address = was.request.get_remote_addr().map(|address| address.to_string()).unwrap_or_default();
    if address.starts_with("192.168.1.") {
        return Err(was.response.abort(403, "not from there"));
    }
    Ok("welcome")
}

/// Facts about the server.
#[derive(Serialize)]
pub(crate) struct Known {
    name: &'static str,
    version: &'static str,
}

/// Data over RPC, a page for browsers, from one function.
#[route("/multi_purpose")]
pub(crate) async fn multi_purpose(was: Was) -> Either<Page, Known> {
    let known = Known { name: "Skitai", version: env!("CARGO_PKG_VERSION") };
    match was.face() {
        Face::Web => Either::Left(page::of(&was, "multi_purpose.html").with("known", known)),
        Face::XmlRpc | Face::JsonRpc => Either::Right(known),
    }
}

/// A value as text: JSON, or the document of an XML-RPC answer.
#[route("/test/text")]
pub(crate) async fn text(was: Was, value: Value, #[arg(default = "json")] form: String) -> Result<String> {
    if form == "xml" { was.toxml(&value) } else { was.tojson(&value) }
}
