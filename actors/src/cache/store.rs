//! What is kept, how long, what was refused and why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::notification::RemovalCause;
use skitai_wire::Value;

use super::flight::Flights;
use super::key::CacheKey;
use crate::outcome::{Coverage, Outcome};

/// Why an answer was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCached {
    /// The configuration keeps no results.
    #[error("the result cache is off (num_result_cache_max = 0)")]
    Off,
    /// Not every asked member gave a good answer.
    #[error("the answer is incomplete: only results in which every member succeeded are kept")]
    Incomplete,
    /// It would be stale at once. What was kept under this key is forgotten.
    #[error("a time to live of zero keeps nothing")]
    ZeroTtl,
    /// The key was forgotten while the answer was on its way, so the answer may be older than the change.
    #[error("the key was forgotten while its answer was being fetched")]
    Forgotten,
}

#[derive(Clone)]
struct CacheEntry {
    outcomes: Arc<[Outcome]>,
    ttl: Duration,
}

/// Every entry has a life of its own, set by who stored it.
struct OwnTtl;

impl Expiry<CacheKey, CacheEntry> for OwnTtl {
    fn expire_after_create(&self, _: &CacheKey, kept: &CacheEntry, _: Instant) -> Option<Duration> {
        Some(kept.ttl)
    }

    // The default would keep what is left of the replaced entry's life.
    fn expire_after_update(
        &self,
        _: &CacheKey,
        kept: &CacheEntry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
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

/// The store's statistics at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Look-ups that found a fresh answer.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Answers kept so far.
    pub stored: u64,
    /// Answers refused because a member was missing in them.
    pub refused_incomplete: u64,
    /// Entries dropped while fresh, because the store was full.
    pub evicted: u64,
    /// Entries dropped because their time was over.
    pub expired: u64,
    /// Askers that went to fetch a missing answer.
    pub led: u64,
    /// Askers that waited for another one's answer instead of fetching it themselves.
    pub followed: u64,
    /// Entries now.
    pub entries: u64,
    /// Answers being fetched now.
    pub in_flight: u64,
    /// The most entries there may be; 0 is off.
    pub max_entries: u64,
}

/// The results of a process. Cheap to share; every method may be called from any thread.
pub struct Store {
    kept: moka::sync::Cache<CacheKey, CacheEntry>,
    max_entries: usize,
    // False only while nothing can be in `kept`: a look-up in a site that caches nothing costs one load.
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
    /// A store of at most so many results; 0 switches it off. When it is full, results that are seldom asked for give
    /// way, and a new one may be the seldom one: a client that varies its arguments cannot wash out the others.
    pub fn new(max_entries: usize) -> Arc<Store> {
        let counters = Arc::new(CacheCounters::default());
        let counted = counters.clone();
        let kept = moka::sync::Cache::builder()
            .name("results")
            .max_capacity(max_entries as u64)
            .expire_after(OwnTtl)
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => drop(counted.evicted.fetch_add(1, Relaxed)),
                RemovalCause::Expired => drop(counted.expired.fetch_add(1, Relaxed)),
                RemovalCause::Explicit | RemovalCause::Replaced => {}
            })
            .build();
        Arc::new(Store { kept, max_entries, used: AtomicBool::new(false), counters, flights: Flights::default() })
    }

    /// True where the configuration keeps no results.
    pub fn is_off(&self) -> bool {
        self.max_entries == 0
    }

    /// False while nothing was ever kept: then there is nothing to look up.
    pub fn is_used(&self) -> bool {
        self.used.load(SeqCst)
    }

    /// The fresh answer to this question.
    pub fn get(&self, key: &CacheKey) -> Option<Arc<[Outcome]>> {
        let found = self.peek(key);
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Relaxed);
        found
    }

    /// As [`Store::get`], uncounted.
    pub(super) fn peek(&self, key: &CacheKey) -> Option<Arc<[Outcome]>> {
        if !self.is_used() {
            return None;
        }
        self.kept.get(key).map(|kept| kept.outcomes)
    }

    /// Keeps a complete answer for `ttl`. The last complete answer wins, with its own time to live: it is the newest.
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

    /// As [`Store::put`] where the store is on and `ttl` is not zero; takes no lock of the flights.
    pub(super) fn keep(&self, key: CacheKey, outcomes: Arc<[Outcome]>, ttl: Duration) -> Result<(), NotCached> {
        if !Coverage::of(&outcomes).is_complete() {
            self.counters.refused_incomplete.fetch_add(1, Relaxed);
            return Err(NotCached::Incomplete);
        }
        self.kept.insert(key, CacheEntry { outcomes, ttl });
        // After the insert; `clear` does it the other way round. So no entry can exist with the flag down.
        self.used.store(true, SeqCst);
        self.counters.stored.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Forgets one answer. One that is on its way will not be kept, nor given to those who wait for it.
    pub fn remove(&self, key: &CacheKey) {
        self.flights.forget(key, || self.kept.invalidate(key));
    }

    /// Forgets all answers, those on their way included.
    pub fn clear(&self) {
        self.flights.forget_all(|| {
            self.used.store(false, SeqCst);
            self.kept.invalidate_all();
        });
    }

    /// The statistics. Sweeps first; what has been over for less than two seconds may still be among the entries (it is
    /// given to nobody: the sweep is coarse, the look-up is exact).
    pub fn stats(&self) -> Stats {
        self.kept.run_pending_tasks();
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
            entries: self.kept.entry_count(),
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
    /// The statistics as a tree.
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
