//! The cache's actor: it reports on the store and invalidates entries; hits do not pass through it.

use std::future::{Future, ready};
use std::sync::Arc;

use skitai_wire::Value;

use super::key::CacheKey;
use super::store::Store;
use crate::kit::report::Told;
use crate::kit::{Answers, Missed, Report, Responder, Slot};

/// Represents the process's result store on one thread.
#[derive(Debug)]
pub struct CacheActor {
    store: Arc<Store>,
    forgets: u64,
}

impl CacheActor {
    /// An actor for this store.
    pub fn new(store: Arc<Store>) -> CacheActor {
        CacheActor { store, forgets: 0 }
    }
}

/// Invalidates the answer of a key, or every answer if there is no key. It applies to the whole process.
#[derive(Clone, Copy, Debug)]
pub struct Forget {
    /// The answer to invalidate; `None` for all.
    pub key: Option<CacheKey>,
}

/// The result of a [`Forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// Invalidated.
    Done,
    /// Not invalidated, with the reason.
    Not(Missed),
}

impl Slot for Forgot {
    fn missed(&mut self, why: Missed) {
        *self = Forgot::Not(why);
    }

    fn filter_failed(&mut self, _: &str) {
        // A filter only sees the answer; the invalidation is done either way.
    }
}

/// The one slot of a [`Forget`], as "not sent".
pub fn slots() -> Vec<Forgot> {
    vec![Forgot::Not(Missed::NotAdmitted)]
}

impl Answers<Forget> for CacheActor {
    type Item = Forgot;
    const NAME: &'static str = "cache.forget";

    fn answer(&mut self, Forget { key }: Forget, responder: Responder<Forgot>) -> impl Future<Output = ()> + 'static {
        self.forgets += 1;
        match key {
            Some(key) => self.store.remove(&key),
            None => self.store.clear(),
        }
        responder.put(0, Forgot::Done);
        ready(())
    }
}

impl Answers<Report> for CacheActor {
    type Item = Told;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<Told>) -> impl Future<Output = ()> + 'static {
        let forgets = Value::Int(self.forgets.cast_signed());
        // `shared`: every thread reports on the same store, so the status actor must not add these figures up.
        responder.put(0, Told(Value::from_pairs([("forgets", forgets), ("shared", self.store.stats().tree())])));
        ready(())
    }
}
