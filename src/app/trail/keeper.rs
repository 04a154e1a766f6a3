//! Which requests are kept: those that were slow, failed, or came out partial.
//!
//! A request is judged when the last handle of it is gone, so that the calls of a stream are in its record. Until then
//! nothing of it is made into text.

use std::time::Duration;

use super::record::TrailRecord;
use super::ring::{KeptRecord, TrailRing};
use crate::app::was::RequestContext;

/// Keeps the records of a process.
#[derive(Debug)]
pub(crate) struct TrailKeeper {
    ring: TrailRing,
}

impl TrailKeeper {
    /// A keeper whose ring has this many bytes; `None` for none.
    pub(crate) fn new(bytes: usize) -> Option<TrailKeeper> {
        (bytes > 0).then(|| TrailKeeper { ring: TrailRing::new(bytes) })
    }

    pub(crate) fn ring(&self) -> &TrailRing {
        &self.ring
    }

    /// Takes the record of a request that has ended, if there is a reason to keep it.
    fn take(&self, request: &RequestContext) {
        let Some(why) = request.reason_to_keep() else { return };
        if !self.ring.has_time() {
            return;
        }
        let record = TrailRecord::of(request, Some(why));
        let written = |text: serde_json::Result<String>| text.unwrap_or_default();
        self.ring.keep(KeptRecord {
            id: record.short.id.clone(),
            short: written(serde_json::to_string(&record.short)),
            whole: written(serde_json::to_string(&record)),
        });
    }
}

impl RequestContext {
    /// `failed`, `partial` or `slow`. A request that never came to anything of the site's own was counted where it was
    /// turned away: whoever sends many of those must not be able to push others out.
    fn reason_to_keep(&self) -> Option<&'static str> {
        let answer = self.trail.answer();
        let has_error = || self.trail.lock().as_ref().is_some_and(|notes| notes.error.is_some());
        let took = match answer {
            Some((status, _)) if status >= 500 => return Some("failed"),
            Some((_, took)) => took,
            None if self.entry.is_some() => self.request.begun.elapsed(),
            None => return None,
        };
        if self.coverage.is_failed() && has_error() {
            return Some("failed");
        }
        if self.coverage.has_gap() {
            return Some("partial");
        }
        (took >= self.slow()).then_some("slow")
    }

    fn slow(&self) -> Duration {
        self.services().site.server.slow
    }

    /// Whether its answer says already that it will be kept.
    pub(crate) fn is_to_be_kept(&self) -> bool {
        self.services().trails.is_some() && self.trail.is_wanted() && self.reason_to_keep().is_some()
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if let Some(keeper) = self.services.trails.as_deref().filter(|_| self.trail.is_wanted()) {
            keeper.take(self);
        }
    }
}
