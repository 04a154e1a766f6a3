//! So many places, and those who wait for one: connections of a member, mostly.
//!
//! Places are given in the order in which they were asked for, whoever asks, as long as nobody has too many. Once there
//! are calls that wait, a [`Party`] that has its share of the places stands aside: calls of others go first, until it
//! has less again, or nobody else waits. Its share is half of the places; where several parties stand aside, they and
//! all others have equal parts. Where there are fewer places than parts, a place goes to another party than the one
//! that had it.
//!
//! A party's calls keep their order, and what stands aside is older than all that waits in the line: it is the first
//! again as soon as its party has less than its share. So nobody starves: who is held back has his share at work.
//!
//! What it costs: a place is a number that says who has it, written when it is taken and given back. How many places
//! one party has is counted when a place is passed on to somebody who waits, and then for the first of the line alone.
//! Each who waits is set aside at most once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::party::Party;

/// The places, and who waits for one: `T` is what he gets, the right to his place.
#[derive(Debug)]
pub(crate) struct FairSemaphore<T> {
    limit: usize,
    // A mutex although all is on one thread: a statement that is to be stopped moves into a task, and tasks are `Send`.
    state: Mutex<SemaphoreState<T>>,
}

#[derive(Debug)]
pub(crate) struct SemaphoreState<T> {
    /// Places that somebody has.
    pub(crate) taken: usize,
    /// Who has each place; nobody is nobody's party.
    held: Vec<Party>,
    /// Places that somebody had before.
    free: Vec<usize>,
    /// The first is the next. Who has left is closed, and passed over.
    pub(crate) waiting: VecDeque<Waiter<T>>,
    /// Those of parties that have their share, which wait behind others. None is empty.
    aside: Vec<Aside<T>>,
    /// How many of all who wait have left.
    gone: usize,
    /// How many have ever waited.
    tickets: u64,
}

#[derive(Debug)]
pub(crate) struct Waiter<T> {
    party: Party,
    ticket: u64,
    turn: oneshot::Sender<T>,
}

#[derive(Debug)]
struct Aside<T> {
    party: Party,
    /// Places that it has.
    held: usize,
    waiting: VecDeque<Waiter<T>>,
}

impl<T> FairSemaphore<T> {
    pub(crate) fn new(limit: usize) -> FairSemaphore<T> {
        let (held, free, waiting, aside) = (Vec::new(), Vec::new(), VecDeque::new(), Vec::new());
        let state = SemaphoreState { taken: 0, held, free, waiting, aside, gone: 0, tickets: 0 };
        FairSemaphore { limit: limit.max(1), state: Mutex::new(state) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A place that nobody has, or one behind all who wait. There is no such place while somebody waits: he would have
    /// it.
    pub(crate) fn step_up(&self, party: Party) -> Result<usize, oneshot::Receiver<T>> {
        let mut state = self.state();
        state.take(party, self.limit).ok_or_else(|| state.stand(party))
    }

    /// A place that nobody has.
    pub(crate) fn take(&self, party: Party) -> Option<usize> {
        self.state().take(party, self.limit)
    }

    /// Gives a place back: it is the next one's, who is to be told. Where nobody waits, it is free once `rest` has run.
    pub(crate) fn pass(&self, place: usize, rest: impl FnOnce()) -> Option<oneshot::Sender<T>> {
        loop {
            let mut state = self.state();
            let Some(next) = state.next(place, self.limit) else {
                rest();
                state.taken -= 1;
                state.held[place] = Party::ALONE;
                state.free.push(place);
                return None;
            };
            // Neither is woken nor dropped under the lock: a waker may hold whatever it likes.
            if next.turn.is_closed() {
                state.gone = state.gone.saturating_sub(1);
                drop(state);
                continue;
            }
            state.seat(place, next.party);
            return Some(next.turn);
        }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.standing().saturating_sub(state.gone)
    }

    pub(crate) fn taken(&self) -> usize {
        self.state().taken
    }

    /// Sends the last one away of a party that is more than half of all who wait, if it is another than this one.
    pub(crate) fn make_room(&self, party: Party) -> bool {
        let mut state = self.state();
        let sent_away = state.most().filter(|most| *most != party).and_then(|most| state.last_of(most));
        // Not under the lock, as above.
        drop(state);
        sent_away.is_some()
    }

    /// One who waited has left. Where nothing comes back for long they would pile up.
    fn left(&self) {
        let mut state = self.state();
        state.gone += 1;
        if state.gone > state.standing() / 2 {
            let gone = state.without_gone();
            // Not under the lock, as above.
            drop(state);
            drop::<Vec<_>>(gone);
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, SemaphoreState<T>> {
        // Nothing is left half-done under the lock.
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

    fn stand(&mut self, party: Party) -> oneshot::Receiver<T> {
        let (turn, receiver) = oneshot::channel();
        self.tickets += 1;
        self.waiting.push_back(Waiter { party, ticket: self.tickets, turn });
        receiver
    }

    /// All who wait, those who have left included.
    fn standing(&self) -> usize {
        self.waiting.len() + self.aside.iter().map(|aside| aside.waiting.len()).sum::<usize>()
    }

    /// A place that is passed on has a new holder.
    fn seat(&mut self, place: usize, party: Party) {
        let before = std::mem::replace(&mut self.held[place], party);
        for aside in &mut self.aside {
            aside.held -= usize::from(aside.party == before);
            aside.held += usize::from(aside.party == party);
        }
    }

    /// Whose turn it is at a place that is given back and still bears the name of its last holder.
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
            // Were it set aside, there would be one part more.
            if !has_share(held, party == before, limit, parts + 1) {
                return Some(first);
            }
            self.aside.push(Aside { party, held, waiting: VecDeque::from([first]) });
        }
        // Nobody waits but those who have their share.
        self.oldest(|_| true).map(|index| self.first_of(index))
    }

    /// Of those that stand aside and are meant, the one that has waited longest.
    fn oldest(&self, is_meant: impl Fn(&Aside<T>) -> bool) -> Option<usize> {
        let ticket = |aside: &Aside<T>| aside.waiting.front().map(|first| first.ticket);
        let meant = self.aside.iter().enumerate().filter(|(_, aside)| is_meant(aside));
        meant.min_by_key(|(_, aside)| ticket(aside)).map(|(index, _)| index)
    }

    fn first_of(&mut self, index: usize) -> Waiter<T> {
        let first = self.aside[index].waiting.pop_front().expect("who has nobody waiting does not stand aside");
        if self.aside[index].waiting.is_empty() {
            self.aside.swap_remove(index);
        }
        first
    }

    /// The party that is more than half of all who wait: who is left when each is paired with one of another party
    /// (Boyer and Moore, 1981), counted to be sure.
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
        (left != Party::ALONE && count > self.standing() / 2).then_some(left)
    }

    /// Takes the last one of a party out of all who wait.
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

    /// Takes out who has left.
    fn without_gone(&mut self) -> Vec<Waiter<T>> {
        let mut all = Vec::new();
        for line in self.aside.iter_mut().map(|aside| &mut aside.waiting).chain([&mut self.waiting]) {
            let (gone, waiting) = std::mem::take(line).into_iter().partition(|waiter| waiter.turn.is_closed());
            *line = waiting;
            all.extend::<VecDeque<_>>(gone);
        }
        self.aside.retain(|aside| !aside.waiting.is_empty());
        self.gone = 0;
        all
    }
}

/// Whether a party has its share, which is one of so many equal parts. `held` counts the place that is passed on where
/// it was this party's; that is no place of its any more, unless there are fewer places than parts.
fn has_share(held: usize, was_its: bool, limit: usize, parts: usize) -> bool {
    match limit / parts {
        0 => held > 0,
        share => held - usize::from(was_its) >= share,
    }
}

/// What has places.
pub(crate) trait Owner {
    /// The right to one of them. Dropped, it goes to the next.
    type Turn;
    fn places(&self) -> &FairSemaphore<Self::Turn>;
}

/// One who waits, until it is his turn, or in vain: `None` at the end of his time, or where he was sent away.
pub(crate) struct Acquire<O: Owner> {
    owner: Arc<O>,
    /// `None` once it was his turn.
    turn: Option<oneshot::Receiver<O::Turn>>,
    alarm: Option<Alarm>,
}

impl<O: Owner> std::fmt::Debug for Acquire<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing").field("waits", &self.turn.is_some()).finish_non_exhaustive()
    }
}

impl<O: Owner> Acquire<O> {
    pub(crate) fn new(owner: Arc<O>, turn: oneshot::Receiver<O::Turn>, until: Option<Instant>) -> Acquire<O> {
        Acquire { owner, turn: Some(turn), alarm: until.map(Alarm::at) }
    }
}

impl<O: Owner> Future for Acquire<O> {
    type Output = Option<O::Turn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<O::Turn>> {
        let Some(turn) = &mut self.turn else { return Poll::Ready(None) };
        match (Pin::new(turn).poll(context), &mut self.alarm) {
            (Poll::Ready(turn), _) => {
                self.turn = None;
                Poll::Ready(turn.ok())
            }
            (Poll::Pending, Some(alarm)) => Pin::new(alarm).poll(context).map(|()| None),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

impl<O: Owner> Drop for Acquire<O> {
    fn drop(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        turn.close();
        // A turn that came meanwhile is dropped, and so passed on.
        if turn.try_recv().is_err() {
            self.owner.places().left();
        }
    }
}

#[cfg(test)]
mod tests;
