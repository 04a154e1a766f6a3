//! A watchdog: names a handler that holds its thread *while* it holds it.
//!
//! An `async fn` that computes or blocks between two awaits stops every other request of its thread, and nothing fails:
//! there is only silence. So each serving thread says in a slot of its own which handler it polls ([`ThreadHold`]: two
//! relaxed stores before a poll and one after it, and no clock), and a thread of its own looks at all slots a few times
//! a second. It warns once for each poll that takes longer than the limit, and once when that poll has ended.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use skitai_actors::kit::tasks;
use skitai_wire::Value;

use crate::app::Route;

/// Between two looks: a hold is named at most this much late.
const PERIOD: Duration = Duration::from_millis(200);
/// A poll of this length is named in devel mode: somebody is looking at the log.
const DEVEL: Duration = Duration::from_secs(1);
/// The same in production, where a page that is a little slow must not fill the log.
const PRODUCTION: Duration = Duration::from_secs(5);

/// What a serving thread polls. Aligned like [`Counts`](crate::observe::counts::Counts), for the same reason.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ThreadHold {
    /// The address of the route; 0 while no handler is polled.
    route: AtomicUsize,
    /// Counts the polls, so that two of one handler are told apart.
    polls: AtomicU64,
    /// Since when the present poll holds the thread too long, and whose it is. Written by the watchdog alone.
    held: Mutex<Option<(Instant, &'static Route)>>,
}

/// A poll under way; it has ended when this is dropped.
pub(crate) struct Polling<'h>(&'h ThreadHold);

impl ThreadHold {
    /// Says that a handler is polled. Called on the slot's own thread alone.
    pub(crate) fn polls(&self, route: &'static Route) -> Polling<'_> {
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Relaxed);
        // So that the watchdog never sees the route with the number of the poll before.
        self.route.store(address(route), Release);
        Polling(self)
    }

    fn set_held(&self, held: Option<(Instant, &'static Route)>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.route.store(0, Relaxed);
    }
}

fn address(route: &'static Route) -> usize {
    std::ptr::from_ref(route).addr()
}

fn who(route: &Route) -> String {
    format!("{}::{}", route.module, route.function)
}

/// The threads that are held at this moment, for the status tree.
pub(crate) fn held(threads: &[Arc<ThreadHold>]) -> Value {
    let one = |(number, hold): (usize, &Arc<ThreadHold>)| {
        let (since, route) = (*hold.held.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(Value::from_pairs([
            ("thread", Value::Int(number as i64)),
            ("handler", Value::String(who(route))),
            ("rule", Value::from(route.rule)),
            ("seconds", Value::Double((since.elapsed().as_secs_f64() * 10.0).round() / 10.0)),
        ]))
    };
    Value::List(threads.iter().enumerate().filter_map(one).collect())
}

/// The thread that looks. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    is_over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watchdog {
    /// Watches these threads. `routes` are all that they may poll.
    pub(crate) fn start(threads: Arc<[Arc<ThreadHold>]>, routes: Vec<&'static Route>, devel: bool) -> Watchdog {
        let is_over = Arc::<AtomicBool>::default();
        let limit = if devel { DEVEL } else { PRODUCTION };
        let over = is_over.clone();
        let watch = move || {
            let mut seen: Vec<Option<WatchedPoll>> = threads.iter().map(|_| None).collect();
            while !over.load(Acquire) {
                for (number, (hold, seen)) in threads.iter().zip(&mut seen).enumerate() {
                    look(number, hold, seen, &routes, limit);
                }
                std::thread::park_timeout(PERIOD);
            }
        };
        let named = std::thread::Builder::new().name("watchdog".to_owned());
        let thread = named.spawn(move || tasks::run("watchdog", watch));
        let thread = thread.map_err(|error| tracing::warn!("no thread for the watchdog: {error}")).ok();
        Watchdog { is_over, thread: Mutex::new(thread) }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.is_over.store(true, Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A poll that the watchdog has seen.
struct WatchedPoll {
    route: usize,
    poll: u64,
    /// When it was seen first, which is at most [`PERIOD`] after it began.
    since: Instant,
    /// The route, once it was warned of.
    warned: Option<&'static Route>,
}

/// Looks at one thread.
fn look(number: usize, hold: &ThreadHold, seen: &mut Option<WatchedPoll>, routes: &[&'static Route], limit: Duration) {
    let route = hold.route.load(Acquire);
    let poll = hold.polls.load(Relaxed);
    if let Some(known) = seen.as_mut().filter(|known| route != 0 && (known.route, known.poll) == (route, poll)) {
        let took = known.since.elapsed();
        if known.warned.is_some() || took < limit {
            return;
        }
        let Some(&route) = routes.iter().find(|known| address(known) == route) else { return };
        known.warned = Some(route);
        hold.set_held(Some((known.since, route)));
        tracing::warn!(
            thread = number,
            rule = route.rule,
            "the handler {} holds its thread, for {:.1} s so far; every other request of it waits. Compute in a plain \
             `fn`, which runs on the blocking pool",
            who(route),
            took.as_secs_f64()
        );
        return;
    }
    if let Some(WatchedPoll { since, warned: Some(route), .. }) = seen.take() {
        hold.set_held(None);
        tracing::warn!(
            thread = number,
            rule = route.rule,
            "the handler {} has let go of its thread after {:.1} s",
            who(route),
            since.elapsed().as_secs_f64()
        );
    }
    *seen = (route != 0).then(|| WatchedPoll { route, poll, since: Instant::now(), warned: None });
}
