//! A fair semaphore: a bounded number of places, mostly connections to a member, and a queue of waiters.
//!
//! Places are handed out in the order of the requests for them. While calls wait, a [`Party`] that holds its share of
//! the places is set aside: calls of other parties go first, until the party holds less than its share, or no other
//! party waits. A share is half of the places; when several parties are set aside, they and the group of all others get
//! equal parts. If there are fewer places than parts, a place goes to another party than its last holder.
//!
//! A party's calls keep their order. Calls set aside are older than all calls in the queue, so they come first as soon
//! as their party holds less than its share. So no party starves: a party that is held back has its share at work.
//!
//! Costs: a place is an index whose holder is written when it is taken and when it is returned. A party's places are
//! counted only when a place is passed to a waiter, and only for the first waiter of the queue. Each waiter is set
//! aside at most once.
//!
//! The number of places may change. If there are more, waiters get them at once. If there are fewer, a returned place
//! is not passed on until no more are taken than there are.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Sleep, sleep_until};

use super::party::Party;

/// The places and the queue. A waiter receives a `T`: the permit for its place.
#[derive(Debug)]
pub(crate) struct FairSemaphore<T> {
    /// Changed under the lock of the state.
    limit: AtomicUsize,
    // A mutex although all users are on one thread: the cancellation of a statement moves into a task, which is `Send`.
    state: Mutex<SemaphoreState<T>>,
}

#[derive(Debug)]
pub(crate) struct SemaphoreState<T> {
    /// The number of places in use.
    pub(crate) taken: usize,
    /// The holder of each place; [`Party::ALONE`] for a free one.
    held: Vec<Party>,
    /// Places that were used before and are free.
    free: Vec<usize>,
    /// The queue, the next waiter first. The channel of a waiter that has left is closed; such waiters are skipped.
    pub(crate) waiting: VecDeque<Waiter<T>>,
    /// The parties that hold their share, with their waiters, behind the queue. None is empty.
    aside: Vec<Aside<T>>,
    /// How many of the waiters have left.
    gone: usize,
    /// How many waiters there have ever been.
    tickets: u64,
}

#[derive(Debug)]
pub(crate) struct Waiter<T> {
    party: Party,
    ticket: u64,
    sender: oneshot::Sender<T>,
}

#[derive(Debug)]
struct Aside<T> {
    party: Party,
    /// Places that the party holds.
    held: usize,
    waiting: VecDeque<Waiter<T>>,
}

impl<T> FairSemaphore<T> {
    pub(crate) fn new(limit: usize) -> FairSemaphore<T> {
        let (held, free, waiting, aside) = (Vec::new(), Vec::new(), VecDeque::new(), Vec::new());
        let state = SemaphoreState { taken: 0, held, free, waiting, aside, gone: 0, tickets: 0 };
        FairSemaphore { limit: AtomicUsize::new(limit), state: Mutex::new(state) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Changes the number of places. Returns the waiters that have a place now, with their places, for the caller to
    /// notify.
    #[must_use]
    pub(crate) fn set_limit(&self, limit: usize) -> Vec<(usize, oneshot::Sender<T>)> {
        let mut state = self.state();
        self.limit.store(limit, Relaxed);
        let (mut placed, mut gone) = (Vec::new(), Vec::new());
        while let Some(place) = state.take(Party::ALONE, limit) {
            let Some(next) = state.next(place, limit) else {
                state.give_back(place);
                break;
            };
            if next.sender.is_closed() {
                state.gone = state.gone.saturating_sub(1);
                state.give_back(place);
                gone.push(next);
            } else {
                state.assign(place, next.party);
                placed.push((place, next.sender));
            }
        }
        // Outside the lock, as in `pass`.
        drop(state);
        drop(gone);
        placed
    }

    /// Whether more places are taken than there are.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL's connections are shared out"))]
    pub(crate) fn is_over(&self) -> bool {
        self.taken() > self.limit()
    }

    /// Takes a free place, or queues behind all waiters. While there are waiters no place is free: each returned place
    /// is passed on.
    pub(crate) fn acquire(&self, party: Party) -> Result<usize, oneshot::Receiver<T>> {
        let mut state = self.state();
        state.take(party, self.limit()).ok_or_else(|| state.enqueue(party))
    }

    /// Takes a free place.
    pub(crate) fn take(&self, party: Party) -> Option<usize> {
        self.state().take(party, self.limit())
    }

    /// Returns a place. It goes to the next waiter, whose sender is returned for the caller to notify. Without a waiter
    /// the place is free once `rest` has run. So it is if more places are taken than there are.
    pub(crate) fn pass(&self, place: usize, rest: impl FnOnce()) -> Option<oneshot::Sender<T>> {
        loop {
            let mut state = self.state();
            let limit = self.limit();
            let next = if state.taken > limit { None } else { state.next(place, limit) };
            let Some(next) = next else {
                rest();
                state.give_back(place);
                return None;
            };
            // Senders are used and dropped outside the lock: a waker may run any code.
            if next.sender.is_closed() {
                state.gone = state.gone.saturating_sub(1);
                drop(state);
                continue;
            }
            state.assign(place, next.party);
            return Some(next.sender);
        }
    }

    /// The number of waiters.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.queued().saturating_sub(state.gone)
    }

    pub(crate) fn taken(&self) -> usize {
        self.state().taken
    }

    /// Removes the last waiter of the party that has more than half of all waiters, unless it is this party.
    pub(crate) fn make_room(&self, party: Party) -> bool {
        let mut state = self.state();
        let sent_away = state.most().filter(|most| *most != party).and_then(|most| state.last_of(most));
        // Outside the lock, as above.
        drop(state);
        sent_away.is_some()
    }

    /// A waiter has left. Without this clean-up they would pile up while no place is returned.
    fn left(&self) {
        let mut state = self.state();
        state.gone += 1;
        if state.gone > state.queued() / 2 {
            let gone = state.without_gone();
            // Outside the lock, as above.
            drop(state);
            drop::<Vec<_>>(gone);
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, SemaphoreState<T>> {
        // No code panics between two dependent changes, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> SemaphoreState<T> {
    fn take(&mut self, party: Party, limit: usize) -> Option<usize> {
        if self.taken >= limit {
            return None;
        }
        self.taken += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.held.push(Party::ALONE);
            self.held.len() - 1
        });
        self.held[place] = party;
        Some(place)
    }

    /// Makes a place free.
    fn give_back(&mut self, place: usize) {
        self.assign(place, Party::ALONE);
        self.taken -= 1;
        self.free.push(place);
    }

    fn enqueue(&mut self, party: Party) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.tickets += 1;
        self.waiting.push_back(Waiter { party, ticket: self.tickets, sender });
        receiver
    }

    /// All waiters, including those that have left.
    fn queued(&self) -> usize {
        self.waiting.len() + self.aside.iter().map(|aside| aside.waiting.len()).sum::<usize>()
    }

    /// Gives a passed place its new holder.
    fn assign(&mut self, place: usize, party: Party) {
        let before = std::mem::replace(&mut self.held[place], party);
        for aside in &mut self.aside {
            aside.held -= usize::from(aside.party == before);
            aside.held += usize::from(aside.party == party);
        }
    }

    /// The waiter that gets a returned place, whose holder is still its last one.
    fn next(&mut self, place: usize, limit: usize) -> Option<Waiter<T>> {
        let before = self.held[place];
        loop {
            let parts = self.aside.len() + 1;
            let has_room = |aside: &Aside<T>| !has_share(aside.held, aside.party == before, limit, parts);
            if let Some(index) = self.oldest(has_room) {
                return Some(self.first_of(index));
            }
            let Some(first) = self.waiting.pop_front() else { break };
            let party = first.party;
            if party == Party::ALONE {
                return Some(first);
            }
            if let Some(aside) = self.aside.iter_mut().find(|aside| aside.party == party) {
                aside.waiting.push_back(first);
                continue;
            }
            let held = self.held.iter().filter(|holder| **holder == party).count();
            // If this party were set aside too, there would be one part more.
            if !has_share(held, party == before, limit, parts + 1) {
                return Some(first);
            }
            self.aside.push(Aside { party, held, waiting: VecDeque::from([first]) });
        }
        // Only parties that hold their share are waiting.
        self.oldest(|_| true).map(|index| self.first_of(index))
    }

    /// The party set aside that has waited longest, among those that `is_meant` accepts.
    fn oldest(&self, is_eligible: impl Fn(&Aside<T>) -> bool) -> Option<usize> {
        let ticket = |aside: &Aside<T>| aside.waiting.front().map(|first| first.ticket);
        let eligible = self.aside.iter().enumerate().filter(|(_, aside)| is_eligible(aside));
        eligible.min_by_key(|(_, aside)| ticket(aside)).map(|(index, _)| index)
    }

    fn first_of(&mut self, index: usize) -> Waiter<T> {
        let first = self.aside[index].waiting.pop_front().expect("a party that is set aside has a waiter");
        if self.aside[index].waiting.is_empty() {
            self.aside.swap_remove(index);
        }
        first
    }

    /// The party with more than half of all waiters: the candidate of the majority vote (Boyer and Moore, 1981),
    /// verified by a count.
    fn most(&self) -> Option<Party> {
        let parties = || {
            let aside = self.aside.iter().flat_map(|aside| &aside.waiting);
            self.waiting.iter().chain(aside).map(|waiter| waiter.party)
        };
        let (mut left, mut unpaired) = (Party::ALONE, 0_usize);
        for party in parties() {
            match unpaired {
                0 => (left, unpaired) = (party, 1),
                _ if party == left => unpaired += 1,
                _ => unpaired -= 1,
            }
        }
        let count = parties().filter(|party| *party == left).count();
        (left != Party::ALONE && count > self.queued() / 2).then_some(left)
    }

    /// Removes the last waiter of a party.
    fn last_of(&mut self, party: Party) -> Option<Waiter<T>> {
        if let Some(index) = self.waiting.iter().rposition(|waiter| waiter.party == party) {
            return self.waiting.remove(index);
        }
        let index = self.aside.iter().position(|aside| aside.party == party)?;
        let last = self.aside[index].waiting.pop_back();
        if self.aside[index].waiting.is_empty() {
            self.aside.swap_remove(index);
        }
        last
    }

    /// Removes the waiters that have left.
    fn without_gone(&mut self) -> Vec<Waiter<T>> {
        let mut all = Vec::new();
        for queue in self.aside.iter_mut().map(|aside| &mut aside.waiting).chain([&mut self.waiting]) {
            let (gone, waiting) = std::mem::take(queue).into_iter().partition(|waiter| waiter.sender.is_closed());
            *queue = waiting;
            all.extend::<VecDeque<_>>(gone);
        }
        self.aside.retain(|aside| !aside.waiting.is_empty());
        self.gone = 0;
        all
    }
}

/// Whether a party holds its share, which is `limit / parts`. If the passed place was this party's, `held` still counts
/// it; it is subtracted, unless there are fewer places than parts.
fn has_share(held: usize, was_its: bool, limit: usize, parts: usize) -> bool {
    match limit / parts {
        0 => held > 0,
        share => held - usize::from(was_its) >= share,
    }
}

/// The owner of a semaphore.
pub(crate) trait Owner {
    /// The permit for a place. Dropping it passes the place on.
    type Permit;
    fn places(&self) -> &FairSemaphore<Self::Permit>;
}

/// Waits for a place. `None` at the deadline, or if [`FairSemaphore::make_room`] removed the waiter.
pub(crate) struct Acquire<O: Owner> {
    owner: Arc<O>,
    /// `None` once the place has come.
    receiver: Option<oneshot::Receiver<O::Permit>>,
    /// In a box, so that a waiter can be moved.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<O: Owner> std::fmt::Debug for Acquire<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acquire").field("waits", &self.receiver.is_some()).finish_non_exhaustive()
    }
}

impl<O: Owner> Acquire<O> {
    pub(crate) fn new(owner: Arc<O>, receiver: oneshot::Receiver<O::Permit>, until: Option<Instant>) -> Acquire<O> {
        Acquire { owner, receiver: Some(receiver), deadline: until.map(|until| Box::pin(sleep_until(until.into()))) }
    }
}

impl<O: Owner> Future for Acquire<O> {
    type Output = Option<O::Permit>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<O::Permit>> {
        let Some(receiver) = &mut self.receiver else { return Poll::Ready(None) };
        match (Pin::new(receiver).poll(context), &mut self.deadline) {
            (Poll::Ready(permit), _) => {
                self.receiver = None;
                Poll::Ready(permit.ok())
            }
            (Poll::Pending, Some(deadline)) => deadline.as_mut().poll(context).map(|()| None),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

impl<O: Owner> Drop for Acquire<O> {
    fn drop(&mut self) {
        let Some(mut receiver) = self.receiver.take() else { return };
        // A place that arrived meanwhile is dropped here, which passes it on. A waiter that was removed is in no queue.
        if !matches!(receiver.try_recv(), Err(TryRecvError::Empty)) {
            return;
        }
        receiver.close();
        // Again: the place may have come between the two lines.
        if receiver.try_recv().is_err() {
            self.owner.places().left();
        }
    }
}

#[cfg(test)]
mod tests;
