//! The page follows the status: server-sent events, one a second, each with the sections that have changed.

use super::page::{self, DrawnPage, DrawnSection};
use super::view::PageView;
use crate::app::live_status::{StatusWatch, WATCHERS};
use crate::prelude::*;

/// Who is one too many has to come again after this many seconds.
const AGAIN_IN: u32 = 10;

/// The sections of a view, again whenever they have changed. The server ends it when it closes, and the browser then
/// connects to the next process.
#[route("/events", methods = ["GET"], name = "status.events", rpc = false)]
pub(super) async fn events(
    was: Was,
    filter: Option<String>,
    sort: Vec<String>,
    q: Option<String>,
    refresh: Option<String>,
) -> Result<Streaming> {
    super::admit(&was).await?;
    let view = PageView::read(filter, &sort, q, refresh.as_deref())?;
    if view.filter.is_some() {
        // A part that there is not is said at once, not in the middle of a stream.
        super::part_of(&was.services().sums().await, &view)?;
    }
    let watch = was.watch_status().ok_or_else(|| {
        let text = format!("{WATCHERS} pages follow the status on this thread already; this one can be loaded anew");
        Error::new(503, text).retry_after(AGAIN_IN)
    })?;
    let watcher = Watcher { was, view, watch, sent: Vec::new() };
    Ok(Streaming::events(futures_util::stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((event, watcher))
    })))
}

/// One page that follows.
struct Watcher {
    was: Was,
    view: PageView,
    watch: StatusWatch,
    /// What the page shows.
    sent: Vec<DrawnSection>,
}

impl Watcher {
    /// The next event: the moment, which sections there are, and those that have changed.
    async fn next(&mut self) -> Option<Event> {
        let status = self.watch.next().await?;
        if !page::is_there(&status) {
            // The page keeps what it shows, and says of when that is.
            return Some(Event::json(&Value::Nil).named("late"));
        }
        let drawn = match DrawnPage::of(&self.was, &status, &self.view) {
            Ok(drawn) => drawn,
            // The part is gone, with the configuration: the page has to be loaded anew.
            Err(error) => {
                let why = Value::from_pairs([("error", Value::String(error.to_string()))]);
                return Some(Event::json(&why).named("gone"));
            }
        };
        let DrawnPage { at, clock, wrong, sections } = drawn;
        let now: Vec<DrawnSection> = std::iter::once(wrong).chain(sections).collect();
        let order = now.iter().map(|section| Value::from(section.id)).collect();
        let changed = now.iter().filter(|section| !self.sent.contains(section));
        let changed = changed.map(|section| (section.id, Value::String(section.html.clone())));
        let data = Value::from_pairs([
            ("at", Value::Int(at)),
            ("clock", Value::String(clock)),
            ("order", Value::List(order)),
            ("changed", Value::from_pairs(changed)),
        ]);
        self.sent = now;
        Some(Event::json(&data).named("status"))
    }
}
