//! The end of one process, in this order:
//!
//! 1. it says that it is not ready, and serves and accepts as before for `drain_delay`;
//! 2. it stops accepting. What was accepted is served, also by a thread that a handler holds at that moment;
//! 3. every reply is the last one of its connection, connections without a request are closed after `drain_idle`, event
//!    streams end, and handlers and services are told ([`Closing`](crate::Closing));
//! 4. what still runs at `drain_timeout` is cut, counted and named.
//!
//! It has ended as soon as no connection is open. [`Drain::at_once`] skips the rest at any point.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_server::{Server, ServerHandle};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::underway;
use crate::app::closing::{Lifecycle, Phase};
use crate::config::ServerSettings;
use crate::connection::list::{Connections, Open, Serves, UnderWay};
use crate::ipc::recorder::Recorder;

/// actix-server acknowledges a pause before its acceptor has done it.
const ACCEPTED: Duration = Duration::from_millis(50);
/// How long the threads of a process without a supervisor have to take up what was accepted for them.
const ORPHANED: Duration = Duration::from_millis(200);
/// A task that has used up its turn and one that waits for its next are woken in no certain order: after two turns each
/// has had one.
const TURNS: usize = 2;
/// How long the threads have to let go of what is cut. One that a handler holds cannot.
const LET_GO: Duration = Duration::from_secs(1);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The most that are named of what was cut.
const NAMED: usize = 20;

/// Ends a process. Any thread may do so.
#[derive(Clone, Debug)]
pub(crate) struct Drain(Arc<Lifecycle>);

impl Drain {
    /// Lets what is under way finish.
    pub(crate) fn begin(&self) {
        self.0.advance(Phase::Unready);
    }

    /// The same where another process serves in its place: the site stays ready, and no `drain_delay` is needed.
    pub(crate) fn begin_replaced(&self) {
        self.0.replace();
        self.0.advance(Phase::Unready);
    }

    /// The same where the supervisor is gone, also of a process that drains already: nobody accepts for this instance
    /// any more, so its sockets are closed at once, and another one can listen where it did.
    pub(crate) fn begin_orphaned(&self) {
        self.0.orphan();
        self.0.advance(Phase::Unready);
    }

    /// Waits for nothing.
    pub(crate) fn at_once(&self) {
        self.0.advance(Phase::AtOnce);
    }
}

/// How a process ended.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// It was told to wait for nothing.
    pub(crate) is_at_once: bool,
    /// How many requests, streams and sockets were cut at `drain_timeout`.
    pub(crate) cut: BTreeMap<Serves, usize>,
    /// What they were, the first ones.
    pub(crate) named: Vec<String>,
    /// Connections of threads that did not react, because a handler held them.
    pub(crate) left: usize,
}

/// What the threads of a process and its drain share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    lifecycle: Arc<Lifecycle>,
    /// The threads that have begun.
    threads: Arc<AtomicUsize>,
    /// Those that have taken up all that was accepted for them.
    settled: Arc<watch::Sender<usize>>,
    open: Arc<Open>,
    cut: Arc<Mutex<Vec<UnderWay>>>,
    /// Where every thread waits for the one that asks whether all of them turn.
    turning: Arc<Barrier>,
    recorder: Option<Arc<Recorder>>,
}

impl Shared {
    pub(super) fn new(lifecycle: Arc<Lifecycle>, threads: usize, recorder: Option<Arc<Recorder>>) -> Shared {
        Shared {
            lifecycle,
            threads: Arc::default(),
            settled: Arc::new(watch::Sender::new(0)),
            open: Arc::default(),
            cut: Arc::default(),
            turning: Arc::new(Barrier::new(threads + 1)),
            recorder,
        }
    }

    /// Says that a thread can serve. With the last one the process is ready.
    pub(super) fn began(&self, of_threads: usize) {
        if self.threads.fetch_add(1, Relaxed) + 1 == of_threads {
            self.lifecycle.advance(Phase::Serving);
        }
    }

    /// The open connections of all threads.
    pub(super) fn open(&self) -> Arc<Open> {
        self.open.clone()
    }

    /// The list of the connections of the current thread, which follows the phases of the process.
    pub(super) fn connections(&self) -> Rc<Connections> {
        let turning = self.turning.clone();
        actix_rt::spawn(async move {
            loop {
                turning.wait().await;
            }
        });
        let connections = Rc::new(Connections::new(self.open.clone()));
        if let Some(record) = self.recorder.as_ref().and_then(Recorder::thread) {
            drop(actix_rt::spawn(underway::record(connections.clone(), record)));
        }
        let (of_thread, cut, mut phases) = (connections.clone(), self.cut.clone(), self.lifecycle.follow());
        let settled = self.settled.clone();
        actix_rt::spawn(async move {
            loop {
                let phase = *phases.borrow_and_update();
                match phase {
                    Phase::Starting | Phase::Serving | Phase::Unready | Phase::AtOnce => {}
                    Phase::Closing => {
                        of_thread.end();
                        take_up(&of_thread).await;
                        settled.send_modify(|threads| *threads += 1);
                    }
                    Phase::Cut => lock(&cut).extend(of_thread.cut()),
                }
                if phases.changed().await.is_err() {
                    return;
                }
            }
        });
        connections
    }
}

/// Lets the task of this thread that takes up accepted connections run for as long as it finds some. They wait for it
/// in a channel, and it was woken for them before this task was; told to stop, it would drop them unread.
async fn take_up(connections: &Connections) {
    let (mut taken, mut turns_without) = (connections.taken(), 0);
    while turns_without < TURNS {
        tokio::task::yield_now().await;
        turns_without = if connections.taken() == taken { turns_without + 1 } else { 0 };
        taken = connections.taken();
    }
}

fn lock(cut: &Mutex<Vec<UnderWay>>) -> MutexGuard<'_, Vec<UnderWay>> {
    cut.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that runs, until [`ended`](Serving::ended) says how it ended.
pub(crate) struct Serving {
    server: JoinHandle<io::Result<()>>,
    course: Course,
    last: Option<LastWords>,
}

/// What is done when nobody is served any more and the threads are still there.
type LastWords = Pin<Box<dyn Future<Output = ()>>>;

/// What its drain needs.
struct Course {
    shared: Shared,
    handle: ServerHandle,
    delay: Duration,
    limit: Duration,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("shared", &self.course.shared).finish_non_exhaustive()
    }
}

impl Serving {
    /// Runs a server, which starts its threads and begins to accept.
    pub(super) fn run(server: Server, shared: Shared, settings: &ServerSettings) -> Serving {
        let (delay, limit) = (settings.drain_delay, settings.drain_timeout);
        let course = Course { shared, handle: server.handle(), delay, limit };
        Serving { server: actix_rt::spawn(server), course, last: None }
    }

    /// Does this when nobody is served any more; of a process that is replaced, while its threads are still there.
    pub(crate) fn at_last(&mut self, last: impl Future<Output = ()> + 'static) {
        self.last = Some(Box::pin(last));
    }

    /// What ends it.
    pub(crate) fn drain(&self) -> Drain {
        Drain(self.course.shared.lifecycle.clone())
    }

    /// Where its threads wait again and again, as long as they turn, for one more to wait there.
    pub(crate) fn turning(&self) -> Arc<Barrier> {
        self.course.shared.turning.clone()
    }

    /// Waits until its threads serve.
    ///
    /// # Errors
    /// If they could not be started.
    pub(crate) async fn started(&mut self) -> io::Result<()> {
        let serves = self.course.shared.lifecycle.reached(Phase::Serving);
        tokio::select! {
            () = serves => Ok(()),
            ended = &mut self.server => Err(unasked(ended)),
        }
    }

    /// Waits until it was told to end and has done so.
    ///
    /// # Errors
    /// If it ended by itself.
    pub(crate) async fn ended(self) -> io::Result<Drained> {
        let Serving { mut server, course, last } = self;
        let lifecycle = &course.shared.lifecycle;
        let mut at_once = pin!(lifecycle.reached(Phase::AtOnce));
        let mut drain = pin!(course.run(last));
        let mut was_stopped = false;
        let drained = loop {
            tokio::select! {
                biased;
                () = &mut at_once => break Drained { is_at_once: true, ..Drained::default() },
                drained = &mut drain => break drained,
                // Its threads end by themselves once they have no connection left.
                ended = &mut server, if !was_stopped => {
                    if lifecycle.phase() < Phase::Closing {
                        return Err(unasked(ended));
                    }
                    was_stopped = true;
                }
            }
        };
        // Dropped, it stops its threads without waiting for them; stopped in order, they look once a second whether
        // they have a connection left.
        server.abort();
        if !server.is_finished() {
            let _ = server.await;
        }
        Ok(drained)
    }
}

impl Course {
    /// The drain, once it was asked for.
    async fn run(&self, last: Option<LastWords>) -> Drained {
        let Shared { lifecycle, threads, settled, open, cut, .. } = &self.shared;
        lifecycle.reached(Phase::Unready).await;
        if !self.delay.is_zero() && !lifecycle.is_replaced() {
            tracing::info!("not ready any more; accepting for {:.1} s as before", self.delay.as_secs_f64());
            tokio::select! {
                () = sleep(self.delay) => {}
                () = lifecycle.orphaned() => {}
            }
        }
        let begun = Instant::now();
        // From the first moment on: whoever is answered meanwhile would rest on its connection until that is closed.
        // And before handlers are told: the answers that they give then must say it, too.
        open.end();
        self.handle.pause().await;
        sleep(ACCEPTED).await;
        lifecycle.advance(Phase::Closing);
        let (mut settled, threads) = (settled.subscribe(), threads.load(Relaxed));
        // Without a supervisor no thread is waited for that a handler holds: another instance waits for the sockets.
        let released = async || {
            lifecycle.orphaned().await;
            sleep(ORPHANED).await;
        };
        let none_is_left = async {
            let have_settled = async {
                let _ = settled.wait_for(|settled| *settled >= threads).await;
            };
            let is_replaced = tokio::select! {
                () = have_settled => lifecycle.is_replaced(),
                () = released() => false,
            };
            if is_replaced {
                // Others have the sockets, and the threads stay for what is done at last.
                tokio::select! {
                    () = open.none() => return,
                    () = released() => {}
                }
            }
            // Closes the listening sockets. The threads go on until they have no connection left.
            drop(self.handle.stop(true));
            open.none().await;
        };
        let mut drained = Drained::default();
        if timeout(self.limit, none_is_left).await.is_err() {
            lifecycle.advance(Phase::Cut);
            let _ = timeout(LET_GO, open.none()).await;
            drained = Drained::of(&mut lock(cut), open.count());
        }
        if let Some(last) = last {
            let _ = timeout(LAST_WORDS, last).await;
        }
        drained.tell(begun.elapsed());
        drained
    }
}

fn unasked(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => io::Error::other("it ended by itself"),
        Err(error) => io::Error::other(error),
    }
}

impl Drained {
    fn of(cut: &mut [UnderWay], left: usize) -> Drained {
        let mut drained = Drained { left, ..Drained::default() };
        // What has run for the longest is the likeliest to be a mistake.
        cut.sort_by_key(|under_way| Reverse(under_way.since));
        for under_way in cut {
            *drained.cut.entry(under_way.serves).or_default() += 1;
            if drained.named.len() < NAMED {
                drained.named.push(underway::name(under_way));
            }
        }
        drained
    }

    /// Logs it.
    fn tell(&self, took: Duration) {
        let took = took.as_secs_f64();
        if self.cut.is_empty() && self.left == 0 {
            tracing::info!("drained in {took:.2} s; nothing was cut");
            return;
        }
        for name in &self.named {
            tracing::warn!("cut at `drain_timeout`: {name}");
        }
        let all: usize = self.cut.values().sum();
        if all > self.named.len() {
            tracing::warn!("cut at `drain_timeout`: {} more", all - self.named.len());
        }
        let mut told: Vec<String> = self
            .cut
            .iter()
            .map(|(serves, count)| format!("{count} {}{}", underway::word(*serves), plural(*count)))
            .collect();
        if self.left > 0 {
            told.push(format!("{} connection{} of threads that a handler holds", self.left, plural(self.left)));
        }
        tracing::warn!("drained in {took:.2} s; cut at `drain_timeout`: {}", told.join(", "));
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
