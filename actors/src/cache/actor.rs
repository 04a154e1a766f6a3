//! The cache's actor: it reports on the store; hits do not pass through it.

use std::future::{Future, ready};
use std::sync::Arc;

use skitai_wire::Value;

use super::store::Store;
use crate::kit::report::ActorReport;
use crate::kit::{Answers, Report, Responder};

/// Represents the process's result store on one thread.
#[derive(Debug)]
pub struct CacheActor {
    store: Arc<Store>,
}

impl CacheActor {
    /// An actor for this store.
    pub fn new(store: Arc<Store>) -> CacheActor {
        CacheActor { store }
    }
}

impl Answers<Report> for CacheActor {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        // `shared`: every thread reports on the same store, so the status actor must not add these figures up.
        responder.put(0, ActorReport(Value::from_pairs([("shared", self.store.stats().tree())])));
        ready(())
    }
}
