//! Many askers of one missing answer, one of whom goes to fetch it.
//!
//! The first asker of a missing answer leads: it makes the call and finishes the flight. The others follow: they wait
//! for the leader. The leader owns the only sending end, so whatever becomes of it (done, panicked, cancelled), the
//! followers wake. The table holds flights of living leaders alone, so it cannot leak.
//!
//! A lock of the table is held for a look-up and never across an await; it is taken on a miss only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::key::CacheKey;
use super::store::{NotCached, Store};
use crate::outcome::{Coverage, Outcome};

/// Nothing yet, or the answer.
type News = Option<Arc<[Outcome]>>;

/// The answers that are being fetched.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, watch::Receiver<News>>>);

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, watch::Receiver<News>>> {
        // The table is changed by single calls, so it is whole even where a holder of the lock panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Cuts a flight off from the store, then runs `invalidate`, before a leader can store again.
    pub(super) fn forget(&self, key: &CacheKey, invalidate: impl FnOnce()) {
        let mut table = self.lock();
        table.remove(key);
        invalidate();
    }

    /// Cuts all flights off.
    pub(super) fn forget_all(&self, invalidate: impl FnOnce()) {
        let mut table = self.lock();
        table.clear();
        invalidate();
    }
}

/// What to do about a question.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: here is the answer.
    Hit(Arc<[Outcome]>),
    /// Make the call, then [`Leader::finish`].
    Lead(Leader),
    /// Another asker is making the call: [`Follower::wait`].
    Follow(Follower),
}

impl Store {
    /// Looks an answer up; where it is missing, makes exactly one of its askers the leader. With the store off every
    /// asker leads, on its own.
    pub fn begin(self: &Arc<Store>, key: CacheKey) -> Begun {
        if let Some(outcomes) = self.get(&key) {
            return Begun::Hit(outcomes);
        }
        if self.is_off() {
            return Begun::Lead(self.leader(key).0);
        }
        let mut table = self.flights.lock();
        if let Some(flight) = table.get(&key) {
            self.count_followed();
            return Begun::Follow(Follower { news: flight.clone() });
        }
        // A leader may have finished since the look-up: it stores and leaves the table under this lock.
        if let Some(outcomes) = self.peek(&key) {
            return Begun::Hit(outcomes);
        }
        let (leader, news) = self.leader(key);
        table.insert(key, news);
        self.count_led();
        Begun::Lead(leader)
    }

    fn leader(self: &Arc<Store>, key: CacheKey) -> (Leader, watch::Receiver<News>) {
        let (sender, receiver) = watch::channel(None);
        (Leader { store: self.clone(), key, news: sender }, receiver)
    }
}

/// The asker that makes the call. Dropped unfinished (a panic, a cancelled request), it lets the followers go without
/// an answer, and the next one to [`Store::begin`] leads.
pub struct Leader {
    store: Arc<Store>,
    key: CacheKey,
    news: watch::Sender<News>,
}

impl std::fmt::Debug for Leader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leader").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Leader {
    /// Keeps a complete answer and gives it to the followers. An incomplete one is neither kept nor given on: each
    /// follower then begins again. So is one whose key was forgotten meanwhile.
    pub fn finish(self, outcomes: Arc<[Outcome]>, ttl: Duration) -> Result<(), NotCached> {
        if self.store.is_off() {
            return Err(NotCached::Off);
        }
        let kept = {
            let mut table = self.store.flights.lock();
            if !self.is_listed(&table) {
                return Err(NotCached::Forgotten);
            }
            table.remove(&self.key);
            match ttl.is_zero() {
                true => Err(NotCached::ZeroTtl),
                // Under the lock: whoever begins from here on finds the answer.
                false => self.store.keep(self.key, outcomes.clone(), ttl),
            }
        };
        if Coverage::of(&outcomes).is_complete() {
            self.news.send_replace(Some(outcomes));
        }
        kept
    }

    /// Whether the table's flight of this key is this leader's: it may have been forgotten, and begun anew by another.
    fn is_listed(&self, table: &HashMap<CacheKey, watch::Receiver<News>>) -> bool {
        table.get(&self.key).is_some_and(|flight| flight.same_channel(&self.news.subscribe()))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Leaves the table before the sending end closes, so a follower that wakes finds no dead flight to follow.
        let mut table = self.store.flights.lock();
        if self.is_listed(&table) {
            table.remove(&self.key);
        }
    }
}

/// An asker that waits for the leader.
#[derive(Debug)]
pub struct Follower {
    news: watch::Receiver<News>,
}

impl Follower {
    /// The leader's answer. `None` when it brought none, or when `until` has come: begin again in the first case. Where
    /// a member is down no answer will be complete, so who has followed in vain does well to make its next call alone
    /// rather than queue behind leader after leader.
    pub async fn wait(mut self, until: Instant) -> Option<Arc<[Outcome]>> {
        let answer = self.news.wait_for(Option::is_some);
        match tokio::time::timeout_at(until.into(), answer).await {
            Ok(Ok(news)) => news.clone(),
            // The leader is gone without an answer, or time is over.
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
