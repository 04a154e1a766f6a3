//! Which requests are kept: those that were slow, failed, or came out partial. Of these, and of traces that are
//! sampled, spans are exported.
//!
//! A request is judged when the last handle of it is gone, so that the calls of a stream are in its record. Until then
//! nothing of it is made into text.

use std::sync::Arc;
use std::time::Duration;

use super::record::TrailRecord;
use super::ring::{KeptRecord, TrailRing};
use super::span_queue::SpanQueue;
use super::spans;
use super::trace_context::Sampling;
use crate::app::was::RequestContext;

/// Keeps the records of a process, and the spans that are exported.
#[derive(Debug)]
pub(crate) struct TrailKeeper {
    ring: Option<TrailRing>,
    export: Option<(Sampling, Arc<SpanQueue>)>,
}

impl TrailKeeper {
    /// A keeper whose ring has this many bytes; `None` if nothing is kept and nothing exported.
    pub(crate) fn new(bytes: usize, export: Option<(Sampling, Arc<SpanQueue>)>) -> Option<TrailKeeper> {
        let ring = (bytes > 0).then(|| TrailRing::new(bytes));
        (ring.is_some() || export.is_some()).then_some(TrailKeeper { ring, export })
    }

    pub(crate) fn ring(&self) -> Option<&TrailRing> {
        self.ring.as_ref()
    }

    /// Which traces are exported; `None` if none are.
    pub(crate) fn sampling(&self) -> Option<&Sampling> {
        self.export.as_ref().map(|(sampling, _)| sampling)
    }

    /// The spans that wait; `None` if none are exported.
    pub(crate) fn spans(&self) -> Option<&Arc<SpanQueue>> {
        self.export.as_ref().map(|(_, spans)| spans)
    }

    /// Takes the record of a request that has ended, if there is a reason to keep it, and its spans, if there is one or
    /// its trace is sampled.
    fn take(&self, request: &RequestContext) {
        let why = request.reason_to_keep();
        if let Some((_, queue)) = &self.export
            && request.has_come_to_something()
            && let Some(context) = request.trace_context()
            && (why.is_some() || context.is_sampled)
        {
            let (spans, count) = spans::written(&request.request, context, &TrailRecord::of(request, why, true));
            queue.offer(spans, count);
        }
        if let (Some(ring), Some(why)) = (&self.ring, why)
            && ring.has_time()
        {
            let record = TrailRecord::of(request, Some(why), false);
            let written = |text: serde_json::Result<String>| text.unwrap_or_default();
            ring.keep(KeptRecord {
                id: record.short.id.clone(),
                short: written(serde_json::to_string(&record.short)),
                whole: written(serde_json::to_string(&record)),
            });
        }
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

    /// Whether something of the site has answered it, or was about to.
    fn has_come_to_something(&self) -> bool {
        self.trail.answer().is_some() || self.entry.is_some()
    }

    fn slow(&self) -> Duration {
        self.services().site.server.slow
    }

    /// Whether its spans are exported whatever comes of it.
    pub(crate) fn is_sampled(&self) -> bool {
        let exports = self.services().trails.as_ref().is_some_and(|trails| trails.export.is_some());
        exports && self.trace_context().is_some_and(|context| context.is_sampled)
    }

    /// Whether its answer says already that it will be kept.
    pub(crate) fn is_to_be_kept(&self) -> bool {
        self.services().trails.as_ref().is_some_and(|trails| trails.ring.is_some())
            && self.trail.is_wanted()
            && self.reason_to_keep().is_some()
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if let Some(keeper) = self.services.trails.as_deref().filter(|_| self.trail.is_wanted()) {
            keeper.take(self);
        }
    }
}
