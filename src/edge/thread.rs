//! The state of a thread that serves requests.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use skitai_actors::kit::Party;

use super::actix_fallback::ActixFallback;
use super::files::Folders;
use super::gate::Gates;
use super::large::Bodies;
use super::moves::Moves;
use super::probes::Probes;
use super::shelf::Shelf;
use crate::app::services::Services;
use crate::app::site::Site;
use crate::edge::watchdog::ThreadHold;
use crate::observe::access::AccessLog;
use crate::observe::counts::Counts;
use crate::observe::route_counts::{ServedBy, ThreadRoutes};

/// A serving thread's own state, and its handles to shared state. Never leaves the thread.
pub(crate) struct ServingThread {
    pub(crate) site: Arc<Site>,
    pub(crate) services: Arc<Services>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) moves: Arc<Moves>,
    pub(crate) bodies: Arc<Bodies>,
    /// The folder of uploaded files.
    pub(crate) shelf: Arc<Shelf>,
    /// One for each mount, in the same order.
    pub(crate) folders: Vec<Folders>,
    /// For files that handlers reply with.
    pub(crate) own_files: Folders,
    pub(crate) log: Option<Arc<AccessLog>>,
    /// The thread's own counters, so that they stay in its core's cache.
    pub(crate) counts: Arc<Counts>,
    /// The same by route.
    pub(crate) routes: ThreadRoutes,
    /// What the thread polls.
    pub(crate) hold: Arc<ThreadHold>,
    pub(crate) actix: ActixFallback,
    pub(crate) probes: Probes,
    /// The number of requests so far.
    pub(crate) requests: Cell<u64>,
}

impl ServingThread {
    /// Counts a request that has been answered, or whose client has left.
    pub(crate) fn count(&self, by: ServedBy, status: u16, took: Duration) {
        self.counts.request(status);
        self.routes.count(by, status, took);
    }

    /// The party of the next request.
    pub(crate) fn next_party(&self) -> Party {
        self.requests.set(self.requests.get() + 1);
        Party::of(self.requests.get())
    }
}
