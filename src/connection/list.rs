//! The connections of a thread, with what each one does at the moment: for the end of the server, which waits for those
//! that serve a request, and names the ones that it cuts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Serves {
    /// A handler runs, or a reply of known length is sent.
    Request,
    /// A reply is sent whose length nobody knows.
    Stream,
    /// Another protocol, such as WebSocket.
    Socket,
}

/// What one connection serves, since when, and the head of the request.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    pub(crate) serves: Serves,
    pub(crate) since: Duration,
    pub(crate) head: Bytes,
}

/// The open connections of all threads together, and a word when there are none any more.
#[derive(Debug, Default)]
pub(crate) struct Open {
    count: AtomicUsize,
    emptied: Notify,
    /// Every reply is the last one of its connection. By itself, because each reply reads it and each accept writes the
    /// count.
    is_ending: Arc<AtomicBool>,
}

impl Open {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// From now on every reply is the last one of its connection, on every thread.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Relaxed);
    }

    /// Ready when no connection is open.
    pub(crate) async fn none(&self) {
        while self.count() > 0 {
            self.emptied.notified().await;
        }
    }
}

/// The connections of a thread.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    entries: RefCell<Entries>,
    open: Arc<Open>,
    is_ending: Arc<AtomicBool>,
    /// When the thread was told.
    ended: Cell<Option<Instant>>,
    is_cut: Cell<bool>,
    /// How many there have been.
    taken: Cell<usize>,
}

/// The list: places, some of which are free.
#[derive(Debug, Default)]
struct Entries {
    places: Vec<Option<Rc<Entry>>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    task: RefCell<Waker>,
    /// `None` between two requests.
    serves: Cell<Option<Serves>>,
    since: Cell<Instant>,
    head: RefCell<Bytes>,
}

impl Connections {
    pub(crate) fn new(open: Arc<Open>) -> Connections {
        Connections { is_ending: open.is_ending.clone(), open, ..Connections::default() }
    }

    /// Wakes the connections after [`Open::end`]: those without a request are closed after a rest.
    pub(crate) fn end(&self) {
        self.ended.set(Some(Instant::now()));
        self.wake();
    }

    /// Cuts all connections. Returns what they served.
    pub(crate) fn cut(&self) -> Vec<UnderWay> {
        let cut = self.under_way();
        self.is_cut.set(true);
        self.wake();
        cut
    }

    /// What the connections serve at this moment.
    pub(crate) fn under_way(&self) -> Vec<UnderWay> {
        let now = Instant::now();
        let one = |entry: &Rc<Entry>| {
            let (serves, since) = (entry.serves.get()?, now.saturating_duration_since(entry.since.get()));
            Some(UnderWay { serves, since, head: entry.head.borrow().clone() })
        };
        self.entries.borrow().places.iter().flatten().filter_map(one).collect()
    }

    /// How many connections this thread has ever had.
    pub(crate) fn taken(&self) -> usize {
        self.taken.get()
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    /// How long ago the end began.
    pub(super) fn has_ended_for(&self) -> Option<Duration> {
        self.ended.get().map(|ended| ended.elapsed())
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    fn wake(&self) {
        for entry in self.entries.borrow().places.iter().flatten() {
            entry.task.borrow().wake_by_ref();
        }
    }

    /// Adds a connection, until the returned value is dropped.
    pub(super) fn add(self: &Rc<Self>) -> Listed {
        let entry = Rc::new(Entry {
            task: RefCell::new(Waker::noop().clone()),
            serves: Cell::new(None),
            since: Cell::new(Instant::now()),
            head: RefCell::new(Bytes::new()),
        });
        let entries = &mut *self.entries.borrow_mut();
        let place = entries.free.pop().unwrap_or(entries.places.len());
        match entries.places.get_mut(place) {
            Some(free) => *free = Some(entry.clone()),
            None => entries.places.push(Some(entry.clone())),
        }
        self.open.count.fetch_add(1, Relaxed);
        self.taken.update(|taken| taken + 1);
        Listed { list: self.clone(), place, entry }
    }
}

/// A connection in the list of its thread.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) list: Rc<Connections>,
    place: usize,
    entry: Rc<Entry>,
}

impl Listed {
    /// Sets the task to wake when the server ends.
    pub(super) fn set_task(&self, task: &Waker) {
        self.entry.task.replace(task.clone());
    }

    /// A request begins.
    pub(super) fn begins(&self, head: &Bytes) {
        self.entry.serves.set(Some(Serves::Request));
        self.entry.since.set(Instant::now());
        self.entry.head.replace(head.clone());
    }

    /// Its reply begins.
    pub(super) fn replies(&self, serves: Serves) {
        self.entry.serves.set(Some(serves));
    }

    /// It has ended. An idle connection holds no memory.
    pub(super) fn rests(&self) {
        self.entry.serves.set(None);
        self.entry.head.replace(Bytes::new());
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let entries = &mut *self.list.entries.borrow_mut();
        entries.places[self.place] = None;
        entries.free.push(self.place);
        if self.list.open.count.fetch_sub(1, Relaxed) == 1 {
            self.list.open.emptied.notify_one();
        }
    }
}
