//! Decides how a text is sent to a member: prepared under a name, or unnamed in a single round trip.
//!
//! The driver learns the columns of an unnamed statement only while its rows are arriving. If a column is of a
//! user-defined type (an enum, a composite), the driver looks that type up on the same connection, behind those rows;
//! and unread rows stop the connection. A few kilobytes of rows pass, more would hang for ever. So a text made at run
//! time is first prepared, which returns its columns alone. If they are all of built-in types, it is sent unnamed from
//! then on.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Statement;

/// The lowest OID of a user-defined object (`FirstNormalObjectId` in the server's `transam.h`).
const FIRST_OF_USERS: u32 = 16_384;
/// Maximum of remembered texts; the set is then emptied. A program that writes values into its texts makes endlessly
/// many.
const MOST: usize = 4_096;

/// Facts learnt about texts and about names.
#[derive(Debug)]
pub(super) struct PrepareStrategy {
    /// Whether names of prepared statements last on this member's connections.
    named: AtomicBool,
    /// Hashes of the texts whose columns are all of built-in types.
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

    /// A name was lost, so there is a pooler in between.
    pub(super) fn without_names(&self) {
        self.named.store(false, Relaxed);
    }

    /// Whether this text may be sent unnamed.
    pub(super) fn is_plain(&self, text: &str) -> bool {
        self.plain().contains(&self.hasher.hash_one(text))
    }

    /// Learns the columns of a prepared text.
    pub(super) fn learn(&self, text: &str, statement: &Statement) {
        if statement.columns().iter().all(|column| column.type_().oid() < FIRST_OF_USERS) {
            let mut plain = self.plain();
            if plain.len() >= MOST {
                plain.clear();
            }
            plain.insert(self.hasher.hash_one(text));
        }
    }

    /// Watches a text that is sent unnamed. If it does not begin to answer, it is forgotten here: its tables may have
    /// changed.
    pub(super) fn watched<'w>(&'w self, text: &'w str) -> PrepareAttempt<'w> {
        PrepareAttempt(Some((self, text)))
    }

    fn plain(&self) -> MutexGuard<'_, HashSet<u64>> {
        // No state is left half-updated under the lock.
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the text if it is dropped before [`began`](Self::began).
pub(super) struct PrepareAttempt<'w>(Option<(&'w PrepareStrategy, &'w str)>);

impl PrepareAttempt<'_> {
    /// The statement has begun to answer, or has failed.
    pub(super) fn began(mut self) {
        self.0 = None;
    }
}

impl Drop for PrepareAttempt<'_> {
    fn drop(&mut self) {
        if let Some((strategy, text)) = self.0 {
            strategy.plain().remove(&strategy.hasher.hash_one(text));
        }
    }
}
