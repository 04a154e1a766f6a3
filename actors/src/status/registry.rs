//! The actors that the status actor asks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::kit::Reporter;

/// An actor on a thread.
#[derive(Clone)]
pub(super) struct Registered {
    pub(super) thread: usize,
    pub(super) reporter: Arc<dyn Reporter>,
}

/// The actors of a process. Each thread registers its actors when it starts and withdraws them when it ends. Create the
/// registry at the start of the process: its age is the uptime.
pub struct Registry {
    actors: Mutex<Vec<Registered>>,
    pub(super) started: SystemTime,
    // Beside the wall clock, which an operator may change.
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

    /// Registers an actor of a thread. It replaces an earlier one of the same name.
    pub fn register(&self, thread: usize, reporter: Arc<dyn Reporter>) {
        let name = reporter.name();
        let mut actors = self.lock();
        match actors.iter_mut().find(|actor| actor.thread == thread && actor.reporter.name() == name) {
            Some(actor) => actor.reporter = reporter,
            None => actors.push(Registered { thread, reporter }),
        }
    }

    /// Removes all actors of a thread.
    pub fn withdraw(&self, thread: usize) {
        self.lock().retain(|actor| actor.thread != thread);
    }

    /// The names of the actors that have failed, on any thread, each once. No message is sent: only the actors'
    /// counters are read, so an actor that hangs cannot delay this.
    pub fn failed(&self) -> Vec<String> {
        let actors = self.lock();
        let failed = actors.iter().filter(|actor| actor.reporter.gauges().is_failed());
        let names: BTreeSet<String> = failed.map(|actor| actor.reporter.name()).collect();
        names.into_iter().collect()
    }

    /// All actors, ordered by thread.
    pub(super) fn actors(&self) -> Vec<Registered> {
        let mut actors = self.lock().clone();
        actors.sort_by_key(|actor| actor.thread);
        actors
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Registered>> {
        // The list is consistent even if a holder of the lock panicked.
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
