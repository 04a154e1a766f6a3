//! The status page: an app written on `app` alone, like any other, and mounted at `/status`; and the same for programs,
//! at `/status.json` and as the RPC method `system.status`.
//!
//! All of it requires the password of `admin` or of `viewer` (`require_viewer`). The probes of `/status` are the
//! edge's. Read in this order:
//!
//! - here: who gets which form; [`page`]: the page in HTML, from one look at the status;
//! - [`view`]: what the reader wants to see, as the address says it;
//! - [`findings`]: what is wrong, in words;
//! - [`sections`]: all else, one file for each section; [`table`]: what a section is made of; [`words`]: figures as
//!   people read them;
//! - [`live`]: the page follows the status; [`acts`]: where an operator acts.

mod acts;
mod findings;
mod live;
pub(super) mod page;
mod sections;
mod table;
mod view;
mod words;

use self::view::PageView;
use super::assets;
use crate::app::live_status::part_of_status;
use crate::prelude::*;

/// The name of the method.
pub(crate) const NAME: &str = "system.status";

/// What browsers are told about the page: all that it needs comes from here, and nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The app.
pub(crate) fn app() -> App {
    App::new("status")
        .template("layout.html", include_str!("../../templates/status/layout.html"))
        .template("status.html", include_str!("../../templates/status/status.html"))
        .template("section.html", include_str!("../../templates/status/section.html"))
        .template("wrong.html", include_str!("../../templates/status/wrong.html"))
        .routes(routes![tree, live::events, assets::asset])
}

/// The app of the same for programs.
pub(crate) fn json() -> App {
    App::new("status.json").routes(routes![system_status])
}

/// The server's status: a page for a browser, else its tree. `filter` picks one part, such as `clusters` or
/// `cluster:mysearch`; `sort`, `q` and `refresh` are the page's.
#[route("/", methods = ["GET", "HEAD"], name = "tree")]
async fn tree(
    was: Was,
    filter: Option<String>,
    format: Option<String>,
    sort: Vec<String>,
    q: Option<String>,
    refresh: Option<String>,
    done: Option<String>,
) -> Result<Either<Response, Value>> {
    admit(&was).await?;
    if was.face() != Face::Web {
        return Ok(Either::Right(was.status(filter.as_deref()).await));
    }
    let wants_page = match format.as_deref() {
        None | Some("") => was.request.get_header("accept").is_some_and(|accept| accept.contains("text/html")),
        Some("html") => true,
        Some("json") => {
            let status = was.status(filter.as_deref()).await;
            return Ok(Either::Left(indented(&status)?));
        }
        Some(_) => return Err(Error::new(400, "`format` is `html` or `json`")),
    };
    if !wants_page {
        was.response.update("vary", "Accept");
        return shown(&was, filter).await;
    }
    let view = PageView::read(filter, &sort, q, refresh.as_deref())?;
    page::page(&was, &view, done.as_deref()).await.map(Either::Left)
}

/// The same as JSON, whoever asks, and over RPC.
#[route("/", methods = ["GET", "HEAD"], name = "system.status")]
async fn system_status(was: Was, filter: Option<String>) -> Result<Either<Response, Value>> {
    admit(&was).await?;
    shown(&was, filter).await
}

/// Only the users `admin` and `viewer` see any of it.
async fn admit(was: &Was) -> Result<()> {
    was.require_viewer("the status page asks for the user `admin` and the admin_password").await?;
    if was.face() == Face::Web {
        // A kept answer would be out of date.
        was.response.update("cache-control", "no-store");
    }
    Ok(())
}

/// The status for a program. On the web a filter that picks nothing is an error, with the names of what there is.
async fn shown(was: &Was, filter: Option<String>) -> Result<Either<Response, Value>> {
    let status = was.status(filter.as_deref()).await;
    let is_unknown = filter.is_some() && !status["known"].is_nil() && !status["error"].is_nil();
    if was.face() == Face::Web && is_unknown {
        return Ok(Either::Left(indented(&status)?));
    }
    Ok(Either::Right(status))
}

/// The status as people read JSON.
fn indented(status: &Value) -> Result<Response> {
    let is_unknown = !status["known"].is_nil() && !status["error"].is_nil();
    let reply = Response::new(if is_unknown { 400 } else { 200 });
    let text = serde_json::to_string_pretty(status).map_err(Error::internal)?;
    Ok(reply.header("Content-Type", "application/json").body(text + "\n"))
}

/// The part of the status that a view is of.
///
/// # Errors
/// A 400 with the names of all parts, if there is no such part.
fn part_of(status: &Value, view: &PageView) -> Result<Value> {
    let Some(filter) = &view.filter else { return Ok(status.clone()) };
    part_of_status(status, filter).map_err(|known| {
        let shown = words::shortened(filter, 60);
        Error::new(400, format!("`filter`: the status has no part {shown:?}; there are {}", known.join(", ")))
    })
}
