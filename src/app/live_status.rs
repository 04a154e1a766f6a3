//! The status, anew each second, for pages that follow it: one question for all who watch on a thread.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use skitai_actors::kit::tasks;
use skitai_actors::status;
use skitai_wire::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::was::RequestContext;

/// How often it is asked for, while somebody watches.
const EVERY: Duration = Duration::from_secs(1);
/// The most that watch on one thread: each has its own view of the status made, which costs the thread's time.
pub(crate) const WATCHERS: usize = 16;

thread_local! {
    /// The question of this thread, while it is asked.
    static FEED: RefCell<Weak<watch::Sender<Arc<Value>>>> = RefCell::default();
}

/// Receives each status as it comes. Who drops it watches no more.
#[derive(Debug)]
pub(crate) struct StatusWatch(watch::Receiver<Arc<Value>>);

impl StatusWatch {
    /// The next status; `None` if none will come any more.
    pub(crate) async fn next(&mut self) -> Option<Arc<Value>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

impl RequestContext {
    /// Watches the status; `None` if as many as may do so already. Must be called on the thread of the request.
    pub(crate) fn watch_status(&self) -> Option<StatusWatch> {
        FEED.with_borrow_mut(|feed| {
            if let Some(feed) = feed.upgrade() {
                if feed.receiver_count() >= WATCHERS {
                    return None;
                }
                let mut watch = feed.subscribe();
                // The one that is there is not too old to begin with.
                if !watch.borrow().is_nil() {
                    watch.mark_changed();
                }
                return Some(StatusWatch(watch));
            }
            let (sender, watch) = watch::channel(Arc::new(Value::Nil));
            let (sender, services) = (Arc::new(sender), self.services().clone());
            *feed = Arc::downgrade(&sender);
            tasks::spawn("status for who watches it", async move {
                while sender.receiver_count() > 0 {
                    let begun = Instant::now();
                    let status = services.sums().await;
                    sender.send_replace(Arc::new(status));
                    tokio::time::sleep_until(begun + EVERY).await;
                }
            });
            Some(StatusWatch(watch))
        })
    }
}

/// The part of a whole status that a filter picks.
///
/// # Errors
/// The names of all parts, if it picks none.
pub(crate) fn part_of_status(whole: &Value, filter: &str) -> Result<Value, Vec<String>> {
    status::part(whole, filter).ok_or_else(|| status::parts(whole))
}
