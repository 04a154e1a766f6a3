//! Which way texts go to a member: prepared under a name, or unnamed in a single round trip.
//!
//! Of an unnamed statement the driver learns the columns while its rows already come. Where a column is of one of the
//! database's own types (an enum, a composite), it asks the server for that type on the same connection, behind those
//! rows; and rows that nobody takes yet stop the connection. A few kilobytes go well, more would wait for ever. So a
//! text made at run time is first prepared, which tells its columns alone, and goes unnamed from then on if they are
//! all of built-in types.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Statement;

/// The first OID the server gives to what users define (`FirstNormalObjectId` in its `transam.h`).
const FIRST_OF_USERS: u32 = 16_384;
/// Texts remembered at most; then it begins anew. A program that writes values into its texts has no end of them.
const MOST: usize = 4_096;

/// What was learnt about texts and names.
#[derive(Debug)]
pub(super) struct PrepareStrategy {
    /// Whether names of prepared statements last on this member's connections.
    named: AtomicBool,
    /// Texts, by their hash, whose columns are of built-in types.
    plain: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl PrepareStrategy {
    pub(super) fn new(named: bool) -> PrepareStrategy {
        PrepareStrategy { named: AtomicBool::new(named), plain: Mutex::default(), hasher: RandomState::new() }
    }

    pub(super) fn has_names(&self) -> bool {
        self.named.load(Relaxed)
    }

    /// A name was lost: there is a pooler between.
    pub(super) fn without_names(&self) {
        self.named.store(false, Relaxed);
    }

    /// Whether this text may go unnamed.
    pub(super) fn is_plain(&self, text: &str) -> bool {
        self.plain().contains(&self.hasher.hash_one(text))
    }

    /// The columns of a text are known.
    pub(super) fn learn(&self, text: &str, statement: &Statement) {
        if statement.columns().iter().all(|column| column.type_().oid() < FIRST_OF_USERS) {
            let mut plain = self.plain();
            if plain.len() >= MOST {
                plain.clear();
            }
            plain.insert(self.hasher.hash_one(text));
        }
    }

    /// For while a text goes unnamed. One that does not begin to answer is doubted: its tables may have changed.
    pub(super) fn watched<'w>(&'w self, text: &'w str) -> PrepareAttempt<'w> {
        PrepareAttempt(Some((self, text)))
    }

    fn plain(&self) -> MutexGuard<'_, HashSet<u64>> {
        // Nothing is left half-done under the lock.
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Doubts the text when it is dropped.
pub(super) struct PrepareAttempt<'w>(Option<(&'w PrepareStrategy, &'w str)>);

impl PrepareAttempt<'_> {
    /// It has begun to answer, or failed.
    pub(super) fn began(mut self) {
        self.0 = None;
    }
}

impl Drop for PrepareAttempt<'_> {
    fn drop(&mut self) {
        if let Some((ways, text)) = self.0 {
            ways.plain().remove(&ways.hasher.hash_one(text));
        }
    }
}
