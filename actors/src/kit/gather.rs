//! Where one call's answers meet the one who asked: a row of slots, an [`Responder`] that fills them (held by the actor's
//! task) and an [`Replies`] that waits for them (held by the handler).
//!
//! RAII is the whole cancellation mechanism: dropping the replies tells the task to stop, dropping the responder closes the
//! slots that are still empty. The asker is woken once, when the last slot is filled, unless it asked for each.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::alarm;
use super::party::Party;
use super::rule::{Arrived, Rule};
use super::slots::{Missed, Slot, Slots};

/// Runs on each item as it arrives, failures too. A panic in it is that one item's failure.
pub type OnArrival<T> = Box<dyn FnMut(&mut T) + Send>;

struct GatherState<T> {
    slots: Slots<T>,
    rule: Rule,
    /// Why the work is being stopped: what its responder, dropped with it, says of the slots it leaves empty.
    stopping: Option<Missed>,
    each: bool,
    asker: Option<Waker>,
    work_waker: Option<Waker>,
}

struct Gather<T> {
    state: Mutex<GatherState<T>>,
    // Apart from `state`, too: the work looks at both before and after each of its steps. They are set under its lock.
    /// The asker has dropped its replies.
    asker_gone: AtomicBool,
    /// The rule ended the call before every slot was filled.
    over: AtomicBool,
    // Apart from `state`, so that user code never runs while the slots are locked.
    on_arrival: Option<Mutex<OnArrival<T>>>,
}

/// The text of a caught panic.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic without a text".to_owned(),
    }
}

impl<T: Slot> Gather<T> {
    fn lock(&self) -> MutexGuard<'_, GatherState<T>> {
        // No code of ours panics under this lock; were it to, the slots are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filter(&self, item: &mut T) {
        let Some(on_arrival) = &self.on_arrival else { return };
        let mut filter = on_arrival.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| filter(item))) {
            item.filter_failed(&panic_text(&*panic));
        }
    }

    fn put(&self, index: usize, item: T) {
        if self.fill(index, item, false) {
            self.judge();
        }
    }

    /// True where others are still awaited and a rule may have something to say about that.
    fn fill(&self, index: usize, mut item: T, unwanted: bool) -> bool {
        self.filter(&mut item);
        let (wake, is_open) = {
            let mut state = self.lock();
            if !state.slots.fill(index, item, unwanted) {
                return false;
            }
            let is_full = state.slots.empty() == 0;
            let wake = if state.each || is_full { state.asker.take() } else { None };
            (wake, !is_full && state.rule != Rule::All)
        };
        if let Some(waker) = wake {
            waker.wake();
        }
        is_open
    }

    /// Ends the call where its rule says that enough has arrived, or that enough no longer can.
    fn judge(&self) {
        let work_waker = {
            let mut state = self.lock();
            let (asked, good, empty) = (state.slots.len(), state.slots.good(), state.slots.empty());
            let arrived = Arrived { asked, good, bad: asked - empty - good };
            if self.is_over() || empty == 0 || !state.rule.is_over(arrived) {
                return;
            }
            self.over.store(true, Ordering::Release);
            state.work_waker.take()
        };
        self.close(Missed::Cancelled);
        // The work may not be what is running right now: a slot can be filled from elsewhere.
        if let Some(waker) = work_waker {
            waker.wake();
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn asker_is_gone(&self) -> bool {
        self.asker_gone.load(Ordering::Acquire)
    }

    /// Closes every slot that is still empty, with the reason, through the filter like any other arrival.
    fn close(&self, why: Missed) {
        loop {
            // The lock is not held while the item is filtered.
            let next = self.lock().slots.take_open();
            let Some((index, mut item)) = next else { return };
            item.missed(why);
            self.fill(index, item, why == Missed::Cancelled);
        }
    }
}

/// The actor's end: fills slots. Dropped before all are filled, it closes the rest as abandoned.
pub struct Responder<T: Slot> {
    gather: Arc<Gather<T>>,
    /// When the work ends at the latest, for those who tell others how long to try.
    pub(crate) deadline: Option<Instant>,
    /// The request it is for.
    pub(crate) party: Party,
}

impl<T: Slot> Responder<T> {
    /// Fills slot `index`. The first item of a slot stays; a later one is dropped.
    pub fn put(&self, index: usize, item: T) {
        self.gather.put(index, item);
    }

    /// Changes what an empty slot says should nobody fill it: who is being tried, why nothing was sent so far.
    pub fn revise(&self, index: usize, change: impl FnOnce(&mut T)) {
        if let Some(item) = self.gather.lock().slots.open_item(index) {
            change(item);
        }
    }

    /// True while somebody waits for slot `index`; false once it was filled or closed, or the asker left.
    pub fn is_awaited(&self, index: usize) -> bool {
        !self.gather.asker_is_gone() && self.gather.lock().slots.is_open(index)
    }

    /// True once slot `index` holds its final item, put there or closed by a clock; false where it was closed because
    /// nobody wanted it any more.
    pub fn is_settled(&self, index: usize) -> bool {
        self.gather.lock().slots.is_settled(index)
    }

    /// Closes all empty slots with a reason.
    pub fn close(&self, why: Missed) {
        self.gather.close(why);
    }

    /// Another handle, that sees whether the asker left and whose drop closes nothing.
    pub(crate) fn watch(&self) -> InFlightCall<T> {
        InFlightCall { gather: self.gather.clone(), waker: None }
    }
}

impl<T: Slot> Drop for Responder<T> {
    fn drop(&mut self) {
        let why = self.gather.lock().stopping.unwrap_or(Missed::Abandoned);
        self.gather.close(why);
    }
}

impl<T: Slot> std::fmt::Debug for Responder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("empty", &self.gather.lock().slots.empty()).finish_non_exhaustive()
    }
}

/// The kit's own view of a call in flight.
pub(crate) struct InFlightCall<T: Slot> {
    gather: Arc<Gather<T>>,
    /// Whom the gather wakes.
    waker: Option<Waker>,
}

impl<T: Slot> InFlightCall<T> {
    /// True once the asker has dropped its replies or the rule has ended the call; until then the waker is kept.
    pub(crate) fn is_unwanted(&mut self, waker: &Waker) -> bool {
        if !self.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            self.gather.lock().work_waker = Some(waker.clone());
            self.waker = Some(waker.clone());
        }
        // After the waker is there for whoever ends the call from now on.
        self.gather.asker_is_gone() || self.gather.is_over()
    }

    /// Says why the work is about to be dropped.
    pub(crate) fn stop(&self, why: Missed) {
        self.gather.lock().stopping = Some(why);
    }

    /// True once the rule has ended the call.
    pub(crate) fn is_over(&self) -> bool {
        self.gather.is_over()
    }
}

/// The asker's end: waits for the slots. Dropping it stops the work, unless [`Replies::detach`] was called.
pub struct Replies<T: Slot> {
    gather: Arc<Gather<T>>,
    detached: bool,
}

impl<T: Slot> Replies<T> {
    /// Opens one slot per item, each in its "not sent" form, and returns both ends.
    pub fn open(slots: Vec<T>, on_arrival: Option<OnArrival<T>>) -> (Replies<T>, Responder<T>) {
        let (rule, stopping, each, asker, work_waker) = (Rule::All, None, false, None, None);
        let state = GatherState { slots: Slots::open(slots), rule, stopping, each, asker, work_waker };
        let (asker_gone, over) = Default::default();
        let (state, on_arrival) = (Mutex::new(state), on_arrival.map(Mutex::new));
        let gather = Arc::new(Gather { state, asker_gone, over, on_arrival });
        (Replies { gather: gather.clone(), detached: false }, Responder { gather, deadline: None, party: Party::ALONE })
    }

    /// An replies whose answers are all here already (a cache hit).
    pub fn ready(items: Vec<T>) -> Replies<T> {
        let (replies, responder) = Replies::open(items, None);
        {
            let slots = &mut replies.gather.lock().slots;
            while let Some((index, item)) = slots.take_open() {
                slots.fill(index, item, false);
            }
        }
        drop(responder);
        replies
    }

    /// Ends the call by this rule: when it is over, the empty slots are closed as cancelled, the asker is woken and the
    /// work is stopped. What has arrived already counts.
    #[must_use]
    pub fn under(self, rule: Rule) -> Replies<T> {
        self.gather.lock().rule = rule;
        self.gather.judge();
        self
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.gather.lock().slots.len()
    }

    /// True for a call that asked nobody (a cluster without members).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until every slot is filled or `until` has come; then the empty ones are closed as missed and the work on
    /// them is stopped. Items come back in slot order, which is the order of the configuration.
    pub async fn all(mut self, until: Instant) -> Vec<T> {
        self.gather(until).await
    }

    /// The same for one who keeps the replies, which stops nothing more.
    pub async fn gather(&mut self, until: Instant) -> Vec<T> {
        if alarm::until(until, self.filled()).await.is_none() {
            self.gather.close(Missed::Deadline);
            // On another thread the actor's end may be closing a slot at this moment; it is filled in an instant.
            self.filled().await;
        }
        self.gather.lock().slots.take()
    }

    /// Waits for the next arrival, in arrival order; `None` when all have been given out. At `until` the empty slots
    /// are closed as missed and given out like arrivals.
    pub async fn next(&mut self, until: Instant) -> Option<(usize, T)> {
        match alarm::until(until, poll_fn(|context| self.poll_arrival(context))).await {
            Some(arrival) => arrival,
            None => {
                self.gather.close(Missed::Deadline);
                self.gather.lock().slots.give()
            }
        }
    }

    /// The next arrival, for one who waits for something else, too; `None` when all have been given out. It has no
    /// clock: the work's own deadline closes the slots.
    pub fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, T)>> {
        let mut state = self.gather.lock();
        if state.slots.empty() > 0 && !state.slots.has_arrivals() {
            state.each = true;
            state.asker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.slots.give())
    }

    /// Waits until every slot is filled.
    fn filled(&self) -> impl Future<Output = ()> + Unpin {
        poll_fn(|context| {
            let mut state = self.gather.lock();
            if state.slots.empty() == 0 {
                return Poll::Ready(());
            }
            state.asker = Some(context.waker().clone());
            Poll::Pending
        })
    }

    /// Lets the work go on to its own deadline after this replies is dropped.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl<T: Slot> Drop for Replies<T> {
    fn drop(&mut self) {
        if self.detached {
            return;
        }
        let waker = {
            let mut state = self.gather.lock();
            self.gather.asker_gone.store(true, Ordering::Release);
            state.work_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Slot> std::fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.gather.lock();
        f.debug_struct("Replies")
            .field("slots", &state.slots.len())
            .field("empty", &state.slots.empty())
            .finish_non_exhaustive()
    }
}
