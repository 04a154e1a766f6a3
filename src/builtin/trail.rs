//! The records of requests that were slow, failed or partial, at `/status/trail/ID`: a page, and at
//! `/status/trail/ID.json` the same for programs. A list of them is a part of the status (`?filter=trail`).
//!
//! A record is in the process that had the request; the status asks all of them.

use serde_json::{Value, json};

use super::admin;
use crate::app::trail::waterfall;
use crate::prelude::{App, Error, Page, Response, Result, Was, route, routes};

/// The app.
pub(crate) fn app() -> App {
    App::new("trail")
        .rpc(false)
        .template("layout.html", include_str!("../../templates/status/layout.html"))
        .template("trail.html", include_str!("../../templates/status/trail.html"))
        .template(waterfall::NAME, waterfall::COMPONENT)
        .routes(routes![list, one])
}

/// What is kept, in short.
#[route("/", methods = ["GET", "HEAD"], name = "trails")]
async fn list(was: Was) -> Result<Response> {
    let records = records(&was, "trail").await?;
    Ok(json_reply(&json!({ "trail": records })))
}

/// The records of one request: several, if it was a batch of calls.
#[route("/<path:id>", methods = ["GET", "HEAD"], name = "trail")]
async fn one(was: Was, id: String) -> Result<Response> {
    let (id, is_json) = id.strip_suffix(".json").map_or((id.as_str(), false), |id| (id, true));
    let records = records(&was, &format!("trail:{id}")).await?;
    if is_json && records.is_empty() {
        return Err(Error::new(404, format!("no process has a record of the request {id:?}")));
    }
    if is_json {
        return Ok(json_reply(&json!({ "id": id, "records": records })));
    }
    let status = if records.is_empty() { 404 } else { 200 };
    let trails: Vec<Value> = records.into_iter().map(waterfall::drawn).collect();
    let page = Page::new("trail.html").with("id", id).with("address", address(id)).with("trails", trails);
    admin::page::framed(&was, status, page).await
}

async fn records(was: &Was, filter: &str) -> Result<Vec<Value>> {
    was.require_viewer("the records of requests are for the user `admin` with the admin_password").await?;
    let tree = was.status(Some(filter)).await;
    let records = tree.get("trail").and_then(|trail| trail.as_list()).unwrap_or_default();
    Ok(records.iter().map(|record| serde_json::to_value(record).unwrap_or_default()).collect())
}

/// An id in a path: that of a proxy may have any of these in it.
fn address(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn json_reply(value: &Value) -> Response {
    let reply = Response::new(200).header("Content-Type", "application/json");
    reply.header("Cache-Control", "no-store").body(value.to_string())
}
