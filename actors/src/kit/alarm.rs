//! Waits that are long and hardly ever come to their end.
//!
//! A fan-out over three shards is inside of six deadlines: the request's, the asker's, the actor's, one for each
//! statement. All are seconds away, all are set anew for every request, and under a healthy load none is ever reached.
//! A timer of tokio's is exact to the millisecond and costs some 700 instructions; these may be [`TICK`] late and cost
//! half of that.
//!
//! It is the timing wheel with one wheel (Varghese and Lauck, 1987, scheme 6): a deadline goes into the slot of its
//! tick, those that lie more than one turn ahead are passed over until theirs comes. One task of the thread looks at a
//! slot each tick, and rests while nothing is set. Short waits, and those on threads without that task, are timers of
//! tokio's.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::tasks;

/// How late an alarm may be.
pub const TICK: Duration = Duration::from_millis(MILLIS);
const MILLIS: u64 = 16;
/// Waits of fewer ticks, half a second, are exact.
const SHORT: u64 = 32;
/// One turn of the wheel is 16 seconds: most deadlines are in their own slot.
const SLOTS: usize = 1024;

/// What comes of `work` until `deadline`; `None` where nothing did.
pub fn until<F: Future + Unpin>(deadline: Instant, work: F) -> Until<F> {
    Until { work, alarm: Alarm::at(deadline) }
}

/// Made by [`until`]. A structure, because an async function would have room for its work twice.
#[derive(Debug)]
pub struct Until<F> {
    work: F,
    alarm: Alarm,
}

impl<F: Future + Unpin> Future for Until<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let Until { work, alarm } = &mut *self;
        alarm.bounds(Pin::new(work).poll(context), context)
    }
}

/// A future that is ready when its deadline has come, never before it, at most [`TICK`] after it.
#[derive(Debug)]
pub struct Alarm {
    deadline: Instant,
    state: AlarmState,
}

#[derive(Debug)]
enum AlarmState {
    /// Not polled yet.
    Unset,
    Set(WheelSlot),
    Exact(Pin<Box<Sleep>>),
}

/// Where an alarm is set: on which thread's wheel, in which place, and who had that place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WheelSlot {
    wheel: u32,
    entry: u32,
    turn: u32,
}

impl Alarm {
    /// It counts from the first poll; until then it costs nothing.
    pub fn at(deadline: Instant) -> Alarm {
        Alarm { deadline, state: AlarmState::Unset }
    }

    /// What came of other work in this very poll; `None` once the deadline has come instead.
    pub fn bounds<T>(&mut self, polled: Poll<T>, context: &mut Context<'_>) -> Poll<Option<T>> {
        match polled {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Pin::new(self).poll(context).map(|()| None),
        }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                AlarmState::Set(place) => match WHEEL.with(|wheel| wheel.look(*place, context.waker())) {
                    Look::Waiting => return Poll::Pending,
                    Look::Over => return Poll::Ready(()),
                    // Its task has moved to another thread.
                    Look::Elsewhere => self.state = AlarmState::Unset,
                },
                AlarmState::Exact(sleep) => return sleep.as_mut().poll(context),
                AlarmState::Unset => {
                    let deadline = self.deadline;
                    self.state = match WHEEL.with(|wheel| wheel.set(deadline, context.waker())) {
                        Some(place) => {
                            self.state = AlarmState::Set(place);
                            return Poll::Pending;
                        }
                        None => AlarmState::Exact(Box::pin(tokio::time::sleep_until(deadline.into()))),
                    };
                }
            }
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let AlarmState::Set(place) = self.state {
            // The thread may be at its end, its wheel with it.
            let waker = WHEEL.try_with(|wheel| wheel.unset(place));
            drop(waker);
        }
    }
}

/// Sees to it that alarms of this thread go off, until its runtime ends. Called wherever an actor starts.
pub(super) fn keep() {
    let is_kept = WHEEL.with(|wheel| std::mem::replace(&mut wheel.0.borrow_mut().is_kept, true));
    if !is_kept {
        tasks::spawn("deadlines", WheelDriver.run());
    }
}

thread_local! {
    static WHEEL: Wheel = Wheel(RefCell::new(Inner::new()));
}

/// One thread's alarms. No waker is woken or dropped while this is borrowed: that may end a task, and with it an alarm.
struct Wheel(RefCell<Inner>);

struct Inner {
    /// The wheel's number: a thread may have several, one after the other.
    number: u32,
    is_kept: bool,
    slots: Vec<Vec<u32>>,
    entries: Vec<WheelEntry>,
    free: Vec<u32>,
    begun: tokio::time::Instant,
    /// The tick up to which alarms have gone off.
    tick: u64,
    /// Deadlines before this are near, and exact.
    near: Instant,
    /// The keeper, while it rests.
    resting: Option<Waker>,
}

struct WheelEntry {
    /// `None` for a place that is free.
    waker: Option<Waker>,
    tick: u64,
    /// Its place in its slot.
    at: u32,
    /// How often the place was given.
    turn: u32,
}

enum Look {
    Waiting,
    Over,
    Elsewhere,
}

impl Inner {
    fn new() -> Inner {
        static WHEELS: AtomicU32 = AtomicU32::new(0);
        let begun = tokio::time::Instant::now();
        Inner {
            number: WHEELS.fetch_add(1, Relaxed),
            is_kept: false,
            slots: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
            begun,
            tick: 0,
            near: begun.into_std(),
            resting: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.entries.len()
    }

    /// The tick that is over by then.
    fn tick_of(&self, moment: tokio::time::Instant) -> u64 {
        let since = moment.saturating_duration_since(self.begun);
        (since.as_secs() * 1_000 + u64::from(since.subsec_millis())) / MILLIS
    }

    /// Alarms have gone off up to this tick.
    fn reach(&mut self, tick: u64) {
        self.tick = tick;
        self.near = self.end_of(tick + SHORT).into_std();
    }

    fn end_of(&self, tick: u64) -> tokio::time::Instant {
        self.begun + Duration::from_millis(MILLIS * tick)
    }

    fn insert(&mut self, tick: u64, waker: Waker) -> WheelSlot {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Vec::new);
        }
        let entry = self.free.pop().unwrap_or_else(|| {
            self.entries.push(WheelEntry { waker: None, tick, at: 0, turn: 0 });
            index(self.entries.len() - 1)
        });
        let slot = &mut self.slots[slot_of(tick)];
        let place = &mut self.entries[entry as usize];
        (place.waker, place.tick, place.at) = (Some(waker), tick, index(slot.len()));
        place.turn = place.turn.wrapping_add(1);
        slot.push(entry);
        WheelSlot { wheel: self.number, entry, turn: place.turn }
    }

    /// Frees a place; gives the waker that was there.
    fn remove(&mut self, entry: u32) -> Option<Waker> {
        let WheelEntry { waker, tick, at, .. } = &mut self.entries[entry as usize];
        let (waker, tick, at) = (waker.take(), *tick, *at);
        let slot = &mut self.slots[slot_of(tick)];
        slot.swap_remove(at as usize);
        if let Some(&moved) = slot.get(at as usize) {
            self.entries[moved as usize].at = at;
        }
        self.free.push(entry);
        waker
    }

    /// The place of an alarm, if it is still set.
    fn find(&mut self, place: WheelSlot) -> Option<&mut WheelEntry> {
        let entry = &mut self.entries[place.entry as usize];
        (entry.turn == place.turn && entry.waker.is_some()).then_some(entry)
    }

    /// Takes all alarms whose time has come.
    fn expired(&mut self, now: u64) -> Vec<Waker> {
        let mut woken = Vec::new();
        // After a long pause each slot once, and not once for each turn that was missed.
        let first = (self.tick + 1).max(now.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=now {
            let Some(slot) = self.slots.get(slot_of(tick)) else { break };
            let over: Vec<u32> = slot.iter().copied().filter(|&one| self.entries[one as usize].tick <= now).collect();
            woken.extend(over.into_iter().filter_map(|entry| self.remove(entry)));
        }
        self.reach(now);
        woken
    }
}

impl Wheel {
    /// Sets an alarm; `None` where it has to be exact.
    fn set(&self, deadline: Instant, waker: &Waker) -> Option<WheelSlot> {
        let mut inner = self.0.borrow_mut();
        if !inner.is_kept {
            return None;
        }
        if inner.is_empty() {
            // Nobody has looked at the clock of late.
            let now = inner.tick_of(tokio::time::Instant::now());
            inner.reach(now);
        }
        if deadline < inner.near {
            return None;
        }
        let tick = inner.tick_of(deadline.into()) + 1;
        let place = inner.insert(tick, waker.clone());
        let resting = inner.resting.take();
        drop(inner);
        resting.into_iter().for_each(Waker::wake);
        Some(place)
    }

    fn look(&self, place: WheelSlot, waker: &Waker) -> Look {
        let mut inner = self.0.borrow_mut();
        if inner.number != place.wheel {
            return Look::Elsewhere;
        }
        let Some(entry) = inner.find(place) else { return Look::Over };
        let other = match &mut entry.waker {
            Some(kept) if kept.will_wake(waker) => None,
            kept => kept.replace(waker.clone()),
        };
        drop(inner);
        drop(other);
        Look::Waiting
    }

    fn unset(&self, place: WheelSlot) -> Option<Waker> {
        let mut inner = self.0.borrow_mut();
        if inner.number != place.wheel {
            return None;
        }
        inner.find(place)?;
        inner.remove(place.entry)
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

/// There are fewer alarms than 32 bits count: each is a future in memory.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("more than four thousand million alarms")
}

/// The task of a thread that makes its alarms go off.
struct WheelDriver;

impl WheelDriver {
    async fn run(self) {
        loop {
            std::future::poll_fn(|context| WHEEL.with(|wheel| rest(wheel, context))).await;
            let next = WHEEL.with(|wheel| {
                let inner = wheel.0.borrow();
                inner.end_of(inner.tick + 1)
            });
            tokio::time::sleep_until(next).await;
            let woken = WHEEL.with(|wheel| {
                let mut inner = wheel.0.borrow_mut();
                let now = inner.tick_of(tokio::time::Instant::now());
                inner.expired(now)
            });
            woken.into_iter().for_each(Waker::wake);
        }
    }
}

/// Pending while nothing is set.
fn rest(wheel: &Wheel, context: &mut Context<'_>) -> Poll<()> {
    let mut inner = wheel.0.borrow_mut();
    if !inner.is_empty() {
        return Poll::Ready(());
    }
    let old = inner.resting.replace(context.waker().clone());
    drop(inner);
    drop(old);
    Poll::Pending
}

impl Drop for WheelDriver {
    /// The runtime is at its end. What is still set goes to whoever polls it again: nobody, or another runtime.
    fn drop(&mut self) {
        let old = WHEEL.try_with(|wheel| wheel.0.replace(Inner::new()));
        drop(old);
    }
}

#[cfg(test)]
mod tests;
