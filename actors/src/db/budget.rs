//! How many connections to a database this process may hold, and how its threads share them.
//!
//! The processes of an instance have a number of connections together. While one replaces another, the supervisor says
//! how many each may hold ([`Budgets::granted`]) and asks one to give some back ([`Budgets::asked`]); a process says
//! what it gave back and that it wants more ([`Said`]). A process without a supervisor has no budgets: each thread has
//! its share of what is configured, for ever.
//!
//! The same is done among the threads: a thread's pool has a [`Share`], with `seats`, the connections that it may have
//! at the server, and a `limit`, those that it may use. Where another thread has none and waits, or the supervisor
//! asks, the limit of the richest is lowered; its seat is free when the server has closed the connection. So the sum of
//! all seats is never above what was granted. A seat goes to a thread that waits first, then to the poorest; a process
//! that leaves keeps none that nobody waits for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// A member of a cluster: the name of the cluster, and the node.
pub type BudgetKey = (Arc<str>, Arc<str>);

/// What a process tells its supervisor about one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// So many of its connections are closed, at the server as well, and it may hold as many fewer.
    Returned(usize),
    /// A statement waits for a connection, and this process may have no more.
    Wanted,
}

type Say = Box<dyn Fn(&BudgetKey, Said) + Send + Sync>;

/// The budgets of a process, by member.
pub struct Budgets {
    say: Say,
    members: Mutex<HashMap<BudgetKey, Arc<Mutex<State>>>>,
    is_leaving: AtomicBool,
    /// Counts changes of limits: each thread follows them for its own pools.
    changed: watch::Sender<u64>,
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budgets").field("is_leaving", &self.is_leaving).finish_non_exhaustive()
    }
}

/// The budget of one member.
#[derive(Debug, Default)]
struct State {
    /// How many connections this process may hold.
    allowed: usize,
    /// How many of them the supervisor has asked back.
    owed: usize,
    /// More were asked for, and none has come since.
    has_wanted: bool,
    shares: Vec<Entry>,
    /// How many tickets were given to those that wait.
    tickets: u64,
}

/// The share of one thread.
#[derive(Debug)]
struct Entry {
    numbers: Arc<Numbers>,
    /// The most it can use.
    most: usize,
}

/// Written under the lock of the state.
#[derive(Debug)]
struct Numbers {
    seats: AtomicUsize,
    limit: AtomicUsize,
    /// Its statements wait, since this ticket; 0 if none does.
    wants: AtomicU64,
}

impl Entry {
    fn seats(&self) -> usize {
        self.numbers.seats.load(Relaxed)
    }

    fn limit(&self) -> usize {
        self.numbers.limit.load(Relaxed)
    }

    fn wants(&self) -> bool {
        self.ticket() > 0
    }

    fn ticket(&self) -> u64 {
        self.numbers.wants.load(Relaxed)
    }

    fn give(&self) {
        self.numbers.seats.fetch_add(1, Relaxed);
        self.numbers.limit.fetch_add(1, Relaxed);
        self.numbers.wants.store(0, Relaxed);
    }
}

impl Budgets {
    /// `say` tells the supervisor, from any thread.
    pub fn new(say: impl Fn(&BudgetKey, Said) + Send + Sync + 'static) -> Arc<Budgets> {
        Arc::new(Budgets {
            say: Box::new(say),
            members: Mutex::default(),
            is_leaving: AtomicBool::new(false),
            changed: watch::Sender::new(0),
        })
    }

    /// This process may hold so many more connections.
    pub fn granted(&self, key: &BudgetKey, count: usize) {
        self.change(key, |state| {
            state.allowed += count;
            state.has_wanted = false;
        });
    }

    /// So many connections are to be given back, as soon as they are not used.
    pub fn asked(&self, key: &BudgetKey, count: usize) {
        self.change(key, |state| state.owed = (state.owed + count).min(state.allowed));
    }

    /// The process leaves: what its statements do not use goes back.
    pub fn leave(&self) {
        self.is_leaving.store(true, Relaxed);
        let keys: Vec<BudgetKey> = lock(&self.members).keys().cloned().collect();
        keys.iter().for_each(|key| self.change(key, |_| {}));
        self.changed.send_modify(|version| *version += 1);
    }

    /// Waits until a process that leaves has given back everything: the server has closed its connections.
    pub async fn returned(&self) {
        let mut changed = self.changed.subscribe();
        let holds = |state: &Arc<Mutex<State>>| lock(state).allowed > 0;
        while lock(&self.members).values().any(holds) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Follows changes of limits.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The share of a new pool of a thread, which can use so many.
    pub(super) fn join(self: &Arc<Budgets>, key: BudgetKey, most: usize) -> Share {
        let numbers =
            Arc::new(Numbers { seats: AtomicUsize::new(0), limit: AtomicUsize::new(0), wants: AtomicU64::new(0) });
        self.change(&key, |state| state.shares.push(Entry { numbers: numbers.clone(), most }));
        Share { numbers, of: Some((self.clone(), key)) }
    }

    fn change(&self, key: &BudgetKey, change: impl FnOnce(&mut State)) {
        let state = lock(&self.members).entry(key.clone()).or_default().clone();
        let settled = {
            let mut state = lock(&state);
            change(&mut state);
            state.settle(self.is_leaving.load(Relaxed))
        };
        if settled.is_changed || settled.returned > 0 {
            self.changed.send_modify(|version| *version += 1);
        }
        if settled.returned > 0 {
            (self.say)(key, Said::Returned(settled.returned));
        }
        if settled.wants {
            (self.say)(key, Said::Wanted);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics between two dependent changes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What follows from a change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settled {
    is_changed: bool,
    returned: usize,
    wants: bool,
}

impl State {
    fn settle(&mut self, is_leaving: bool) -> Settled {
        let mut settled = Settled::default();
        let mut free = self.allowed.saturating_sub(self.shares.iter().map(Entry::seats).sum());
        let owed = free.min(self.owed);
        self.owed -= owed;
        settled.returned = owed;
        free -= owed;
        while free > 0 {
            let has_room = |entry: &&Entry| entry.limit() < entry.most && (entry.wants() || !is_leaving);
            // Who waits comes first, the first of them before the others; then who has least.
            let order = |entry: &&Entry| (!entry.wants(), entry.ticket(), entry.seats());
            let next = self.shares.iter().filter(has_room).min_by_key(order);
            let Some(next) = next else { break };
            next.give();
            free -= 1;
            settled.is_changed = true;
        }
        if is_leaving {
            settled.returned += free;
        }
        self.allowed -= settled.returned;
        settled.is_changed |= self.take_back();
        settled.wants = !self.has_wanted && self.shares.iter().any(Entry::wants);
        self.has_wanted |= settled.wants;
        settled
    }

    /// Lowers limits for the supervisor and for threads that wait and are poorer. True if one was lowered.
    fn take_back(&mut self) -> bool {
        let mut coming: usize = self.shares.iter().map(|entry| entry.seats() - entry.limit()).sum();
        let mut is_changed = false;
        let mut lower = |entry: Option<&Entry>| {
            if let Some(entry) = entry {
                entry.numbers.limit.fetch_sub(1, Relaxed);
                is_changed = true;
            }
            entry.is_some()
        };
        while coming < self.owed {
            let richest = self.shares.iter().filter(|entry| entry.limit() > 0).max_by_key(|entry| entry.limit());
            if !lower(richest) {
                break;
            }
            coming += 1;
        }
        let waiting: Vec<usize> = self.shares.iter().filter(|entry| entry.wants()).map(Entry::limit).collect();
        for has in waiting.into_iter().skip(coming - self.owed.min(coming)) {
            let others = self.shares.iter().filter(|entry| may_give(entry.limit(), has));
            lower(others.max_by_key(|entry| entry.limit()));
        }
        is_changed
    }
}

/// Whether one who has so many gives one to another: to one who has none always, else if that one has not more then.
pub fn may_give(rich: usize, poor: usize) -> bool {
    rich > 0 && (poor == 0 || rich >= poor + 2)
}

/// The share of a thread's pool. Its owner lowers it, and says when connections have ended.
#[derive(Debug)]
pub(super) struct Share {
    numbers: Arc<Numbers>,
    /// `None` for a share that never changes.
    of: Option<(Arc<Budgets>, BudgetKey)>,
}

impl Share {
    pub(super) fn fixed(limit: usize) -> Share {
        let (seats, limit) = (AtomicUsize::new(limit), AtomicUsize::new(limit));
        Share { numbers: Arc::new(Numbers { seats, limit, wants: AtomicU64::new(0) }), of: None }
    }

    /// How many connections may be there, those included that are being closed.
    pub(super) fn seats(&self) -> usize {
        self.numbers.seats.load(Relaxed)
    }

    /// How many connections may be used.
    pub(super) fn limit(&self) -> usize {
        self.numbers.limit.load(Relaxed)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.of.as_ref().is_some_and(|(budgets, _)| budgets.is_leaving.load(Relaxed))
    }

    /// A statement waits, and one more connection could be used.
    pub(super) fn wants(&self) {
        if let Some((budgets, key)) = &self.of
            && self.numbers.wants.load(Relaxed) == 0
        {
            budgets.change(key, |state| {
                state.tickets += 1;
                self.numbers.wants.store(state.tickets, Relaxed);
            });
        }
    }

    /// Nobody waits, and not more than `limit` will be used. Where `open` are there, the rest is given back.
    pub(super) fn lower(&self, limit: usize, open: usize) {
        if let Some((budgets, key)) = &self.of {
            budgets.change(key, |_| {
                self.numbers.wants.store(0, Relaxed);
                self.numbers.limit.store(self.limit().min(limit), Relaxed);
                self.vacate(open);
            });
        }
    }

    /// A connection has ended, and `open` are still there.
    pub(super) fn ended(&self, open: usize) {
        // Nothing has to be locked in all years without a roll.
        if let Some((budgets, key)) = &self.of
            && self.seats() > self.limit().max(open)
        {
            budgets.change(key, |_| self.vacate(open));
        }
    }

    /// Gives up seats that are neither taken nor to be used. Under the lock of the state.
    fn vacate(&self, open: usize) {
        self.numbers.seats.store(self.seats().min(self.limit().max(open)), Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((budgets, key)) = &self.of {
            budgets.change(key, |state| {
                state.shares.retain(|entry| !Arc::ptr_eq(&entry.numbers, &self.numbers));
            });
        }
    }
}

#[cfg(test)]
mod tests;
