//! The stored answers, their time to live, and the reasons for refusing one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use skitai_wire::Value;

use super::flight::Flights;
use super::key::CacheKey;
use crate::outcome::{Coverage, Outcome};

/// Why an answer was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCached {
    /// The configuration keeps no results.
    #[error("the result cache is off (num_result_cache_max = 0)")]
    Off,
    /// At least one of the members asked did not succeed.
    #[error("the answer is incomplete: only results in which every member succeeded are kept")]
    Incomplete,
    /// The answer would be stale at once. Any answer stored under this key is removed.
    #[error("a time to live of zero keeps nothing")]
    ZeroTtl,
    /// The key was invalidated while the answer was being fetched, so the answer may be older than the change.
    #[error("the key was forgotten while its answer was being fetched")]
    Forgotten,
}

#[derive(Clone)]
struct CacheEntry {
    outcomes: Arc<[Outcome]>,
    ttl: Duration,
}

/// Each entry has its own time to live, given when it was stored.
struct OwnTtl;

impl Expiry<CacheKey, CacheEntry> for OwnTtl {
    fn expire_after_create(&self, _: &CacheKey, entry: &CacheEntry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    // The default would keep the rest of the replaced entry's time to live.
    fn expire_after_update(
        &self,
        _: &CacheKey,
        entry: &CacheEntry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

#[derive(Debug, Default)]
struct CacheCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    refused_incomplete: AtomicU64,
    evicted: AtomicU64,
    expired: AtomicU64,
    led: AtomicU64,
    followed: AtomicU64,
}

/// A snapshot of the store's statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Look-ups that found a fresh answer.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Answers stored so far.
    pub stored: u64,
    /// Answers refused because a member had not succeeded.
    pub refused_incomplete: u64,
    /// Entries dropped before their time because the store was full.
    pub evicted: u64,
    /// Entries dropped at the end of their time to live.
    pub expired: u64,
    /// Callers that fetched a missing answer.
    pub led: u64,
    /// Callers that waited for another caller's answer instead of fetching it.
    pub followed: u64,
    /// Entries now.
    pub entries: u64,
    /// Answers being fetched now.
    pub in_flight: u64,
    /// Maximum number of entries; 0 means off.
    pub max_entries: u64,
}

/// The cached results of a process. Cheap to share; every method may be called from any thread.
pub struct Store {
    entries: moka::sync::Cache<CacheKey, CacheEntry>,
    max_entries: usize,
    // False only while `entries` is certainly empty: so a look-up in a site that caches nothing costs one atomic load.
    used: AtomicBool,
    counters: Arc<CacheCounters>,
    pub(super) flights: Flights,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("max_entries", &self.max_entries).finish_non_exhaustive()
    }
}

impl Store {
    /// A store of at most `max_entries` results; 0 switches it off. A full store evicts results that are seldom asked
    /// for, and may refuse a new one for the same reason. So a client that varies its arguments cannot evict all
    /// others.
    pub fn new(max_entries: usize) -> Arc<Store> {
        let counters = Arc::new(CacheCounters::default());
        let counted = counters.clone();
        let entries = moka::sync::Cache::builder()
            .name("results")
            .max_capacity(max_entries as u64)
            .expire_after(OwnTtl)
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => drop(counted.evicted.fetch_add(1, Relaxed)),
                RemovalCause::Expired => drop(counted.expired.fetch_add(1, Relaxed)),
                RemovalCause::Explicit | RemovalCause::Replaced => {}
            })
            .build();
        Arc::new(Store { entries, max_entries, used: AtomicBool::new(false), counters, flights: Flights::default() })
    }

    /// True if the configuration disables the cache.
    pub fn is_off(&self) -> bool {
        self.max_entries == 0
    }

    /// False until the first answer is stored; until then no look-up is needed.
    pub fn is_used(&self) -> bool {
        self.used.load(SeqCst)
    }

    /// The answer to this question, if it is stored and fresh.
    pub fn get(&self, key: &CacheKey) -> Option<Arc<[Outcome]>> {
        let found = self.peek(key);
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Relaxed);
        found
    }

    /// Like [`Store::get`], but without counting.
    pub(super) fn peek(&self, key: &CacheKey) -> Option<Arc<[Outcome]>> {
        if !self.is_used() {
            return None;
        }
        self.entries.get(key).map(|entry| entry.outcomes)
    }

    /// Stores a complete answer for `ttl`. It replaces an older answer and its time to live.
    pub fn put(&self, key: CacheKey, outcomes: Arc<[Outcome]>, ttl: Duration) -> Result<(), NotCached> {
        if self.is_off() {
            return Err(NotCached::Off);
        }
        if ttl.is_zero() {
            self.remove(&key);
            return Err(NotCached::ZeroTtl);
        }
        self.keep(key, outcomes, ttl)
    }

    /// Like [`Store::put`], for a store that is on and a `ttl` above zero; takes no lock of the flights.
    pub(super) fn keep(&self, key: CacheKey, outcomes: Arc<[Outcome]>, ttl: Duration) -> Result<(), NotCached> {
        if !Coverage::of(&outcomes).is_complete() {
            self.counters.refused_incomplete.fetch_add(1, Relaxed);
            return Err(NotCached::Incomplete);
        }
        self.entries.insert(key, CacheEntry { outcomes, ttl });
        // After the insert; `clear` uses the reverse order. So no entry can exist while the flag is false.
        self.used.store(true, SeqCst);
        self.counters.stored.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Invalidates one answer. An answer that is being fetched is neither stored nor handed to followers.
    pub fn remove(&self, key: &CacheKey) {
        self.flights.forget(key, || self.entries.invalidate(key));
    }

    /// Invalidates all answers, including those being fetched.
    pub fn clear(&self) {
        self.flights.forget_all(|| {
            self.used.store(false, SeqCst);
            self.entries.invalidate_all();
        });
    }

    /// The statistics, after a sweep. The sweep is coarse: an entry that expired less than two seconds ago may still be
    /// counted. Look-ups are exact and never return it.
    pub fn stats(&self) -> Stats {
        self.entries.run_pending_tasks();
        let counters = &self.counters;
        Stats {
            hits: counters.hits.load(Relaxed),
            misses: counters.misses.load(Relaxed),
            stored: counters.stored.load(Relaxed),
            refused_incomplete: counters.refused_incomplete.load(Relaxed),
            evicted: counters.evicted.load(Relaxed),
            expired: counters.expired.load(Relaxed),
            led: counters.led.load(Relaxed),
            followed: counters.followed.load(Relaxed),
            entries: self.entries.entry_count(),
            in_flight: self.flights.len() as u64,
            max_entries: self.max_entries as u64,
        }
    }

    pub(super) fn count_led(&self) {
        self.counters.led.fetch_add(1, Relaxed);
    }

    pub(super) fn count_followed(&self) {
        self.counters.followed.fetch_add(1, Relaxed);
    }
}

impl Stats {
    /// The statistics as a value for the status page.
    pub fn tree(&self) -> Value {
        let pairs = [
            ("hits", self.hits),
            ("misses", self.misses),
            ("stored", self.stored),
            ("refused_incomplete", self.refused_incomplete),
            ("evicted", self.evicted),
            ("expired", self.expired),
            ("led", self.led),
            ("followed", self.followed),
            ("entries", self.entries),
            ("in_flight", self.in_flight),
            ("max_entries", self.max_entries),
        ];
        Value::from_pairs(pairs.map(|(name, number)| (name, Value::Int(number.cast_signed()))))
    }
}
