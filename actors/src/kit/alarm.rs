//! A timer wheel for deadlines that are far away and rarely reached.
//!
//! A fan-out over three shards has six deadlines: the request's, the caller's, the actor's, and one for each statement.
//! All are seconds away, all are set again for every request, and under a healthy load none is ever reached. A tokio
//! timer is exact to the millisecond and costs some 700 instructions; an alarm may be [`TICK`] late and costs half of
//! that.
//!
//! It is a hashed timing wheel (Varghese and Lauck, 1987, scheme 6): a deadline goes into the slot of its tick, and an
//! entry more than one turn ahead is skipped until its turn. One task per thread visits one slot each tick, and sleeps
//! while the wheel is empty. Short waits, and waits on threads without that task, use tokio timers.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::tasks;

/// The greatest delay of an alarm.
pub const TICK: Duration = Duration::from_millis(MILLIS);
const MILLIS: u64 = 16;
/// Waits of fewer ticks than this, half a second, use exact timers.
const SHORT: u64 = 32;
/// One turn of the wheel is 16 seconds: most deadlines fall into their own slot.
const SLOTS: usize = 1024;

/// The output of `work`, or `None` if `deadline` comes first.
pub fn until<F: Future + Unpin>(deadline: Instant, work: F) -> Until<F> {
    Until { work, alarm: Alarm::at(deadline) }
}

/// Made by [`until`]. A struct, because an `async fn` would store `work` twice.
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

/// A future that is ready once its deadline has passed: never before it, at most [`TICK`] after it.
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

/// A registered alarm: its thread's wheel, its entry, and the entry's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WheelSlot {
    wheel: u32,
    entry: u32,
    generation: u32,
}

impl Alarm {
    /// An alarm for this moment. It is registered at the first poll; until then it costs nothing.
    pub fn at(deadline: Instant) -> Alarm {
        Alarm { deadline, state: AlarmState::Unset }
    }

    /// Bounds another future that was just polled: its output, or `None` once the deadline has passed.
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
                AlarmState::Set(alarm) => match WHEEL.with(|wheel| wheel.look(*alarm, context.waker())) {
                    Look::Waiting => return Poll::Pending,
                    Look::Over => return Poll::Ready(()),
                    // The future was moved to another thread.
                    Look::Elsewhere => self.state = AlarmState::Unset,
                },
                AlarmState::Exact(sleep) => return sleep.as_mut().poll(context),
                AlarmState::Unset => {
                    let deadline = self.deadline;
                    self.state = match WHEEL.with(|wheel| wheel.set(deadline, context.waker())) {
                        Some(alarm) => {
                            self.state = AlarmState::Set(alarm);
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
        if let AlarmState::Set(alarm) = self.state {
            // At the end of a thread its wheel may be gone already.
            let waker = WHEEL.try_with(|wheel| wheel.unset(alarm));
            drop(waker);
        }
    }
}

/// Starts the wheel's task of this thread, once. It runs until the thread's runtime ends. Called when an actor starts.
pub(super) fn start_driver() {
    let is_driven = WHEEL.with(|wheel| std::mem::replace(&mut wheel.0.borrow_mut().is_driven, true));
    if !is_driven {
        tasks::spawn("deadlines", WheelDriver.run());
    }
}

thread_local! {
    static WHEEL: Wheel = Wheel(RefCell::new(Inner::new()));
}

/// The alarms of one thread. Wakers are woken and dropped outside the borrow: either may end a task, whose alarms then
/// borrow the wheel again.
struct Wheel(RefCell<Inner>);

struct Inner {
    /// The wheel's number: a thread has several in succession if it runs several runtimes.
    number: u32,
    is_driven: bool,
    slots: Vec<Vec<u32>>,
    entries: Vec<WheelEntry>,
    free: Vec<u32>,
    begun: tokio::time::Instant,
    /// The last tick whose alarms have gone off.
    tick: u64,
    /// Deadlines before this moment use exact timers.
    near: Instant,
    /// The waker of the wheel's task while it sleeps.
    resting: Option<Waker>,
}

struct WheelEntry {
    /// `None` for a free entry.
    waker: Option<Waker>,
    tick: u64,
    /// Its index within its slot.
    at: u32,
    /// The entry's generation: how often it was used.
    generation: u32,
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
            is_driven: false,
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

    /// The last tick that has ended at this moment.
    fn tick_of(&self, moment: tokio::time::Instant) -> u64 {
        let since = moment.saturating_duration_since(self.begun);
        (since.as_secs() * 1_000 + u64::from(since.subsec_millis())) / MILLIS
    }

    /// Records that the alarms up to this tick have gone off.
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
            self.entries.push(WheelEntry { waker: None, tick, at: 0, generation: 0 });
            index(self.entries.len() - 1)
        });
        let slot = &mut self.slots[slot_of(tick)];
        let new = &mut self.entries[entry as usize];
        (new.waker, new.tick, new.at) = (Some(waker), tick, index(slot.len()));
        new.generation = new.generation.wrapping_add(1);
        slot.push(entry);
        WheelSlot { wheel: self.number, entry, generation: new.generation }
    }

    /// Frees an entry and returns its waker.
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

    /// The entry of an alarm that is still registered.
    fn find(&mut self, alarm: WheelSlot) -> Option<&mut WheelEntry> {
        let entry = &mut self.entries[alarm.entry as usize];
        (entry.generation == alarm.generation && entry.waker.is_some()).then_some(entry)
    }

    /// Removes all alarms that are due and returns their wakers.
    fn expired(&mut self, now: u64) -> Vec<Waker> {
        let mut woken = Vec::new();
        // After a long pause, visit each slot once, not once for each missed turn.
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
    /// Registers an alarm; `None` if it needs an exact timer.
    fn set(&self, deadline: Instant, waker: &Waker) -> Option<WheelSlot> {
        let mut inner = self.0.borrow_mut();
        if !inner.is_driven {
            return None;
        }
        if inner.is_empty() {
            // While the wheel was empty its task did not advance `tick`.
            let now = inner.tick_of(tokio::time::Instant::now());
            inner.reach(now);
        }
        if deadline < inner.near {
            return None;
        }
        let tick = inner.tick_of(deadline.into()) + 1;
        let alarm = inner.insert(tick, waker.clone());
        let resting = inner.resting.take();
        drop(inner);
        resting.into_iter().for_each(Waker::wake);
        Some(alarm)
    }

    fn look(&self, alarm: WheelSlot, waker: &Waker) -> Look {
        let mut inner = self.0.borrow_mut();
        if inner.number != alarm.wheel {
            return Look::Elsewhere;
        }
        let Some(entry) = inner.find(alarm) else { return Look::Over };
        let other = match &mut entry.waker {
            Some(kept) if kept.will_wake(waker) => None,
            kept => kept.replace(waker.clone()),
        };
        drop(inner);
        drop(other);
        Look::Waiting
    }

    fn unset(&self, alarm: WheelSlot) -> Option<Waker> {
        let mut inner = self.0.borrow_mut();
        if inner.number != alarm.wheel {
            return None;
        }
        inner.find(alarm)?;
        inner.remove(alarm.entry)
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

/// Does not overflow: every alarm is a future in memory, so there are fewer than 2^32.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("more than four thousand million alarms")
}

/// The task of a thread that wakes due alarms.
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

/// Pending while the wheel is empty.
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
    /// The runtime ends. Alarms still registered find another wheel when polled again and register there.
    fn drop(&mut self) {
        let old = WHEEL.try_with(|wheel| wheel.0.replace(Inner::new()));
        drop(old);
    }
}

#[cfg(test)]
mod tests;
