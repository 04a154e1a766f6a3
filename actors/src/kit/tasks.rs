//! Background tasks, counted by name.
//!
//! A task that no caller waits for has a name here, so that the status page shows what a process does besides its
//! requests, and so that the end of a drain names the tasks still running. The work of a call is counted by its actor.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

/// The number of running tasks by name. Locked only when a task begins or ends.
static RUNNING: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

fn running() -> MutexGuard<'static, BTreeMap<&'static str, usize>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One counted task; uncounted when dropped.
struct Named(&'static str);

impl Named {
    fn new(name: &'static str) -> Named {
        *running().entry(name).or_default() += 1;
        Named(name)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut running = running();
        if let Some(count) = running.get_mut(self.0) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.0);
            }
        }
    }
}

/// Wraps a future so that it is counted under this name until it ends or is dropped.
pub fn named<F: Future>(name: &'static str, work: F) -> impl Future<Output = F::Output> {
    let named = Named::new(name);
    async move {
        let _named = named;
        work.await
    }
}

/// Runs the work of a thread of its own, which is counted under this name until it ends.
pub fn run<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let _named = Named::new(name);
    work()
}

/// Spawns a named task on the current thread, where it stays.
pub fn spawn<F: Future<Output: 'static> + 'static>(name: &'static str, work: F) -> JoinHandle<F::Output> {
    actix_rt::spawn(named(name, work))
}

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct OwnedTask(JoinHandle<()>);

impl OwnedTask {
    /// As [`spawn`].
    pub(crate) fn spawn(name: &'static str, work: impl Future<Output = ()> + 'static) -> OwnedTask {
        OwnedTask(spawn(name, work))
    }
}

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The number of running tasks of this process, by name.
pub fn counts() -> Vec<(&'static str, usize)> {
    running().iter().map(|(name, count)| (*name, *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str) -> usize {
        counts().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| count)
    }

    #[test]
    fn a_task_counts_until_it_ends_or_is_dropped_or_panics() {
        actix_rt::System::new().block_on(async {
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            let waiting = spawn("test: waits", ended);
            let aborted = spawn("test: waits", std::future::pending::<()>());
            assert_eq!(count("test: waits"), 2);
            end.send(()).expect("it waits");
            waiting.await.expect("no panic").expect("it was notified");
            assert_eq!(count("test: waits"), 1);
            aborted.abort();
            assert!(aborted.await.expect_err("it was aborted").is_cancelled());
            assert_eq!(count("test: waits"), 0);
            let panicked = spawn("test: panics", async { panic!("on purpose") });
            assert!(panicked.await.expect_err("it panicked").is_panic());
            assert_eq!(count("test: panics"), 0);
        });
    }
}
