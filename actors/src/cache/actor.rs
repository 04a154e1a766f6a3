//! The cache's actor: it speaks for the store; hits do not pass through it.

use std::future::{Future, ready};
use std::sync::Arc;

use skitai_wire::Value;

use super::key::CacheKey;
use super::store::Store;
use crate::kit::report::Told;
use crate::kit::{Answers, Missed, Report, Responder, Slot};

/// Speaks for the process's result store on one thread.
#[derive(Debug)]
pub struct CacheActor {
    store: Arc<Store>,
    forgets: u64,
}

impl CacheActor {
    /// An actor that speaks for this store.
    pub fn new(store: Arc<Store>) -> CacheActor {
        CacheActor { store, forgets: 0 }
    }
}

/// Forgets the answer under a key, or every answer where no key is named. It holds for the whole process.
#[derive(Clone, Copy, Debug)]
pub struct Forget {
    /// Which answer; `None` is all of them.
    pub key: Option<CacheKey>,
}

/// What became of a [`Forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// It is done.
    Done,
    /// It is not done, and why.
    Not(Missed),
}

impl Slot for Forgot {
    fn missed(&mut self, why: Missed) {
        *self = Forgot::Not(why);
    }

    fn filter_failed(&mut self, _: &str) {
        // The filter has the answer only to look at; the forgetting is done either way.
    }
}

/// The one slot of a [`Forget`], in its "not sent" form.
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
        // `shared`: every thread speaks for the same store, so the status actor must not add these up.
        responder.put(0, Told(Value::from_pairs([("forgets", forgets), ("shared", self.store.stats().tree())])));
        ready(())
    }
}
