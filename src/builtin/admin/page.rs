//! The page in HTML: what is wrong, then the sections. The pieces are drawn one by one, because live updates send those
//! that have changed.

use serde::Serialize;

use super::sections::{self, PageSource};
use super::table::PageSection;
use super::view::PageView;
use super::{POLICY, assets, findings, part_of, words};
use crate::prelude::*;

/// A piece of the page: a section with its id, and its HTML.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct DrawnSection {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) html: String,
}

/// A page of one look at the status.
#[derive(Debug)]
pub(super) struct DrawnPage {
    /// The moment, in seconds since 1970, and as it is read.
    pub(super) at: i64,
    pub(super) clock: String,
    pub(super) wrong: DrawnSection,
    pub(super) sections: Vec<DrawnSection>,
}

impl DrawnPage {
    /// Draws the page.
    ///
    /// # Errors
    /// If the view is of a part that there is not.
    pub(super) fn of(was: &Was, status: &Value, view: &PageView) -> Result<DrawnPage> {
        let part = part_of(status, view)?;
        let now = status["about"]["at"].as_i64().unwrap_or_else(words::now);
        let (may_act, restart_needed) = (was.is_known_admin(), was.restart_needed());
        let source = PageSource { tree: status, part: &part, view, now, may_act, restart_needed };
        let draw = |section: &PageSection| -> Result<DrawnSection> {
            let html = Page::new("section.html").with("section", section).render(was)?;
            Ok(DrawnSection { id: section.id, title: section.title, html })
        };
        let sections = sections::all(&source).iter().map(draw).collect::<Result<_>>()?;
        let (found, more) = findings::all(&source);
        let clock = words::moment(now, now);
        let wrong =
            Page::new("wrong.html").with("found", found).with("more", more).with("clock", &clock).render(was)?;
        let wrong = DrawnSection { id: "wrong", title: "What is wrong", html: wrong };
        Ok(DrawnPage { at: now, clock, wrong, sections })
    }
}

/// Whether a status came at all: an answer without its parts says that it did not.
pub(super) fn is_there(status: &Value) -> bool {
    !status["about"].is_nil()
}

/// The reply to a browser.
pub(super) async fn page(was: &Was, view: &PageView, done: Option<&str>) -> Result<Response> {
    let status = was.services().sums().await;
    if !is_there(&status) {
        return Err(Error::new(503, "the status did not come in time; the processes may be too busy").retry_after(1));
    }
    let drawn = DrawnPage::of(was, &status, view)?;
    let events = view.address().replacen("/status", "/status/events", 1);
    let page = Page::new("status.html")
        .with("clock", &drawn.clock)
        .with("took", words::measure(&status["about"]["took_ms"]).map(words::millis))
        .with("wrong", &drawn.wrong)
        .with("sections", &drawn.sections)
        .with("events", events)
        .with("filter", &view.filter)
        .with("search", view.search())
        .with("sorts", view.sorts())
        .with("refresh", view.refresh)
        .with("whole", view.whole_address())
        .with("all_rows", view.unsearched_address())
        .with("done", done.and_then(|id| sections::audit::outcome_of(&status, id)));
    written(was, 200, page, &status)
}

/// The reply with another page in the frame of this one.
pub(in crate::builtin) async fn framed(was: &Was, code: u16, page: Page) -> Result<Response> {
    let status = was.status(Some("apps")).await;
    written(was, code, page, &status)
}

/// The reply, with what the frame shows of the site.
fn written(was: &Was, code: u16, page: Page, status: &Value) -> Result<Response> {
    let page = page
        .with("own", assets::of_status())
        .with("name", was.services().site.server.name.as_str())
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("has_methods", has_methods(status));
    Ok(Response::new(code)
        .header("Content-Type", "text/html; charset=utf-8")
        .header("Cache-Control", "no-store")
        .header("Content-Security-Policy", POLICY)
        .header("Vary", "Accept")
        .header("X-Content-Type-Options", "nosniff")
        .header("X-Frame-Options", "DENY")
        .header("Referrer-Policy", "same-origin")
        .body(page.render(was)?))
}

/// Whether the page of the methods is there.
fn has_methods(status: &Value) -> bool {
    ["/status/methods", "/status/methods/"].iter().any(|path| !status["apps"][*path].is_nil())
}
