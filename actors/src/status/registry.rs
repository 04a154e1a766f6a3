//! Who is asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::kit::Reporter;

/// An actor of a thread.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) thread: usize,
    pub(super) reporter: Arc<dyn Reporter>,
}

/// The actors of a process. Threads enter theirs when they start and withdraw them when they end. Make it at the start
/// of the process: its age is the uptime.
pub struct Registry {
    actors: Mutex<Vec<Registered>>,
    pub(super) started: SystemTime,
    // Beside the wall clock, which an operator may set.
    pub(super) since: Instant,
}

impl Default for Registry {
    fn default() -> Self {
        Registry { actors: Mutex::default(), started: SystemTime::now(), since: Instant::now() }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let actors = self.lock();
        let names = actors.iter().map(|actor| (actor.thread, actor.reporter.name()));
        f.debug_set().entries(names).finish()
    }
}

impl Registry {
    /// A registry without actors.
    pub fn new() -> Arc<Registry> {
        Arc::default()
    }

    /// Enters an actor of a thread, in place of an earlier one of the same name.
    pub fn register(&self, thread: usize, reporter: Arc<dyn Reporter>) {
        let name = reporter.name();
        let mut actors = self.lock();
        match actors.iter_mut().find(|actor| actor.thread == thread && actor.reporter.name() == name) {
            Some(actor) => actor.reporter = reporter,
            None => actors.push(Registered { thread, reporter }),
        }
    }

    /// Strikes out all actors of a thread.
    pub fn withdraw(&self, thread: usize) {
        self.lock().retain(|actor| actor.thread != thread);
    }

    /// The names of those that are failed now, on whichever thread, each once. Nobody is asked: it costs a look at each
    /// actor's counters, and one that hangs cannot hold it up.
    pub fn failed(&self) -> Vec<String> {
        let actors = self.lock();
        let failed = actors.iter().filter(|actor| actor.reporter.gauges().is_failed());
        let names: BTreeSet<String> = failed.map(|actor| actor.reporter.name()).collect();
        names.into_iter().collect()
    }

    /// The actors, thread by thread.
    pub(super) fn actors(&self) -> Vec<Registered> {
        let mut actors = self.lock().clone();
        actors.sort_by_key(|actor| actor.thread);
        actors
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Registered>> {
        // A list of entries is whole even where a holder of the lock panicked.
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
