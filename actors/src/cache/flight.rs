//! Many callers that miss the same answer, of which one fetches it.
//!
//! The first caller to miss an answer leads: it makes the call and finishes the flight. The others follow: they wait
//! for the leader. The leader owns the only sender, so the followers wake however it ends (finished, panicked,
//! cancelled). The table holds only flights whose leader is alive, so it cannot leak.
//!
//! The table's lock is held for a look-up, never across an await, and is taken only on a miss.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::key::CacheKey;
use super::store::{NotCached, Store};
use crate::outcome::{Coverage, Outcome};

/// The answer, once there is one.
type News = Option<Arc<[Outcome]>>;

/// The answers being fetched.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, watch::Receiver<News>>>);

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, watch::Receiver<News>>> {
        // Every change of the table is a single call, so it is consistent even if a holder of the lock panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes a flight from the table, then runs `invalidate`, before its leader can store an answer again.
    pub(super) fn forget(&self, key: &CacheKey, invalidate: impl FnOnce()) {
        let mut table = self.lock();
        table.remove(key);
        invalidate();
    }

    /// Removes all flights.
    pub(super) fn forget_all(&self, invalidate: impl FnOnce()) {
        let mut table = self.lock();
        table.clear();
        invalidate();
    }
}

/// How to proceed with a question.
#[derive(Debug)]
pub enum Begun {
    /// The answer is in the cache.
    Hit(Arc<[Outcome]>),
    /// Make the call, then [`Leader::finish`].
    Lead(Leader),
    /// Another caller is making the call: [`Follower::wait`].
    Follow(Follower),
}

impl Store {
    /// Looks an answer up. If it is missing, exactly one of its callers becomes the leader. If the store is off, every
    /// caller leads a flight of its own.
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
        // A leader may have finished since the look-up: it stores the answer and leaves the table under this lock.
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

/// The caller that makes the call. If it is dropped unfinished (a panic, a cancelled request), its followers wake
/// without an answer, and the next caller of [`Store::begin`] leads.
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
    /// Stores a complete answer and hands it to the followers. An incomplete answer, or one whose key was invalidated
    /// meanwhile, is neither stored nor handed on: each follower then begins again.
    pub fn finish(self, outcomes: Arc<[Outcome]>, ttl: Duration) -> Result<(), NotCached> {
        if self.store.is_off() {
            return Err(NotCached::Off);
        }
        let stored = {
            let mut table = self.store.flights.lock();
            if !self.is_listed(&table) {
                return Err(NotCached::Forgotten);
            }
            table.remove(&self.key);
            match ttl.is_zero() {
                true => Err(NotCached::ZeroTtl),
                // Under the lock: every caller that begins from here on finds the answer.
                false => self.store.keep(self.key, outcomes.clone(), ttl),
            }
        };
        if Coverage::of(&outcomes).is_complete() {
            self.news.send_replace(Some(outcomes));
        }
        stored
    }

    /// Whether the table's flight for this key is this leader's. It may have been invalidated, and another leader
    /// begun.
    fn is_listed(&self, table: &HashMap<CacheKey, watch::Receiver<News>>) -> bool {
        table.get(&self.key).is_some_and(|flight| flight.same_channel(&self.news.subscribe()))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Leave the table before the sender closes, so that no follower joins a flight without a leader.
        let mut table = self.store.flights.lock();
        if self.is_listed(&table) {
            table.remove(&self.key);
        }
    }
}

/// A caller that waits for the leader.
#[derive(Debug)]
pub struct Follower {
    news: watch::Receiver<News>,
}

impl Follower {
    /// The leader's answer. `None` if the leader had none, or if `until` has passed; in the first case the caller
    /// should begin again. While a member is down no answer is complete, so a caller that has followed in vain should
    /// make its next call alone instead of queueing behind one leader after another.
    pub async fn wait(mut self, until: Instant) -> Option<Arc<[Outcome]>> {
        let answer = self.news.wait_for(Option::is_some);
        match tokio::time::timeout_at(until.into(), answer).await {
            Ok(Ok(news)) => news.clone(),
            // The leader ended without an answer, or the time is over.
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
