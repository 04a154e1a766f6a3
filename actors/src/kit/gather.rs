//! One call's slots: a [`Responder`] fills them (held by the actor's task), a [`Replies`] waits for them (held by the
//! handler).
//!
//! Cancellation is RAII alone: dropping the replies stops the task, dropping the responder closes the slots that are
//! still empty. The caller is woken once, when the last slot is filled, unless it waits for each arrival.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::party::Party;
use super::rule::{Arrived, Rule};
use super::slots::{Missed, Slot, Slots};
use super::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, PoisonError, timeout_at};

/// Runs on each item as it arrives, failures included. If it panics, that one item becomes a failure.
pub type OnArrival<T> = Box<dyn FnMut(&mut T) + Send>;

struct GatherState<T> {
    slots: Slots<T>,
    rule: Rule,
    /// Why the work is being stopped: the reason for the slots that the dropped responder leaves empty.
    stopping: Option<Missed>,
    each: bool,
    asker: Option<Waker>,
    work_waker: Option<Waker>,
}

struct Gather<T> {
    state: Mutex<GatherState<T>>,
    // Outside `state`: the work reads both before and after each poll, without the lock. They are written under the
    // lock.
    /// The caller has dropped its replies.
    asker_gone: AtomicBool,
    /// The rule ended the call before every slot was filled.
    over: AtomicBool,
    // Outside `state`, so that user code never runs while the slots are locked.
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
        // No code of ours panics under this lock; if it did, the slots would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filter(&self, item: &mut T) {
        let Some(on_arrival) = &self.on_arrival else { return };
        let mut filter = on_arrival.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| filter(item))) {
            item.filter_failed(&panic_text(&*panic));
        }
        item.filtered();
    }

    fn put(&self, index: usize, item: T) {
        if self.fill(index, item, false) {
            self.judge();
        }
    }

    /// Fills a slot. Returns true if slots are still open and the rule must be checked.
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

    /// Ends the call if its rule is satisfied, or can no longer be.
    fn judge(&self) {
        let work_waker = {
            let mut state = self.lock();
            let (asked, empty) = (state.slots.len(), state.slots.empty());
            let good = if state.rule.takes_parts() { state.slots.good() } else { state.slots.whole() };
            let arrived = Arrived { asked, good, bad: asked - empty - good };
            if self.is_over() || empty == 0 || !state.rule.is_over(arrived) {
                return;
            }
            self.over.store(true, Ordering::Release);
            state.work_waker.take()
        };
        self.close(Missed::Cancelled);
        // Wake the work: the slot may have been filled by another task.
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

    /// Closes every empty slot with the reason. The items pass the filter like any arrival.
    fn close(&self, why: Missed) {
        loop {
            // The lock is released while the filter runs.
            let next = self.lock().slots.take_open();
            let Some((index, mut item)) = next else { return };
            item.missed(why);
            self.fill(index, item, why == Missed::Cancelled);
        }
    }
}

/// The actor's end: fills slots. If dropped earlier, it closes the empty slots as abandoned.
pub struct Responder<T: Slot> {
    gather: Arc<Gather<T>>,
    /// The latest end of the work, for calls of others that must end by then.
    pub(crate) deadline: Option<Instant>,
    /// The request that the call belongs to.
    pub(crate) party: Party,
}

impl<T: Slot> Responder<T> {
    /// Fills slot `index`. Only the first item counts; later ones are dropped.
    pub fn put(&self, index: usize, item: T) {
        self.gather.put(index, item);
    }

    /// Changes the item of an empty slot, its final one if no answer comes: which member is being tried, why nothing
    /// was sent.
    pub fn revise(&self, index: usize, change: impl FnOnce(&mut T)) {
        if let Some(item) = self.gather.lock().slots.open_item(index) {
            change(item);
        }
    }

    /// True while the caller waits for slot `index`; false once it is filled or closed, or the caller has left.
    pub fn is_awaited(&self, index: usize) -> bool {
        !self.gather.asker_is_gone() && self.gather.lock().slots.is_open(index)
    }

    /// True once slot `index` holds its final item, whether put or closed at a deadline; false if it was closed because
    /// the answer was no longer wanted.
    pub fn is_settled(&self, index: usize) -> bool {
        self.gather.lock().slots.is_settled(index)
    }

    /// Closes all empty slots with a reason.
    pub fn close(&self, why: Missed) {
        self.gather.close(why);
    }

    /// Another handle, which sees whether the caller left. Dropping it closes nothing.
    pub(crate) fn call(&self) -> InFlightCall<T> {
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

/// The kit's view of a call in flight.
pub(crate) struct InFlightCall<T: Slot> {
    gather: Arc<Gather<T>>,
    /// The last waker registered in the gather.
    waker: Option<Waker>,
}

impl<T: Slot> InFlightCall<T> {
    /// True once the caller has dropped its replies or the rule has ended the call. Registers the waker until then.
    pub(crate) fn is_unwanted(&mut self, waker: &Waker) -> bool {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.gather.lock().work_waker = Some(waker.clone());
            self.waker = Some(waker.clone());
        }
        // Checked after the waker is registered, so that an end in between is not missed.
        self.gather.asker_is_gone() || self.gather.is_over()
    }

    /// Records why the work is about to be dropped.
    pub(crate) fn stop(&self, why: Missed) {
        self.gather.lock().stopping = Some(why);
    }

    /// True once the rule has ended the call.
    pub(crate) fn is_over(&self) -> bool {
        self.gather.is_over()
    }
}

/// The caller's end: waits for the slots. Dropping it stops the work, unless [`Replies::detach`] was called.
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

    /// Replies whose answers are present from the start (a cache hit).
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

    /// Sets the completion rule. When the rule ends the call, the empty slots are closed as cancelled, the caller is
    /// woken and the work is stopped. Earlier arrivals count.
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

    /// True for a call without slots (a cluster without members).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until every slot is filled, or until `until`; then closes the empty slots as missed and stops their work.
    /// Items come in slot order, which is the order of the configuration.
    pub async fn all(mut self, until: Instant) -> Vec<T> {
        self.gather(until).await
    }

    /// As [`all`](Replies::all), but keeps the replies, so that nothing else is stopped.
    pub async fn gather(&mut self, until: Instant) -> Vec<T> {
        if timeout_at(until.into(), self.filled()).await.is_err() {
            self.gather.close(Missed::Deadline);
            // The responder on another thread may be filling a slot at this moment; it finishes at once.
            self.filled().await;
        }
        self.gather.lock().slots.take()
    }

    /// Waits for the next arrival, in order of arrival; `None` after the last. At `until` the empty slots are closed as
    /// missed and returned as arrivals.
    pub async fn next(&mut self, until: Instant) -> Option<(usize, T)> {
        match timeout_at(until.into(), poll_fn(|context| self.poll_arrival(context))).await {
            Ok(arrival) => arrival,
            Err(_) => {
                self.gather.close(Missed::Deadline);
                // The responder on another thread may be closing a slot at this moment; it finishes at once.
                poll_fn(|context| self.poll_arrival(context)).await
            }
        }
    }

    /// The next arrival, for a caller that polls something else too; `None` after the last. It has no deadline: the
    /// work's own deadline closes the slots.
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

    /// Looks at the item of a slot as it is now: what has come, or what would be said if nothing came any more.
    pub fn look<R>(&self, index: usize, at: impl FnOnce(&T) -> R) -> Option<R> {
        self.gather.lock().slots.item(index).map(at)
    }

    /// Gives the call up: its work is stopped. Returns the items as they are, those of open slots in the form that they
    /// would have had in the end.
    pub fn abandon(self) -> Vec<T> {
        self.gather.lock().slots.give_up()
    }

    /// Lets the work run to its own deadline although these replies are dropped.
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
