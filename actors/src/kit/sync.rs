//! What the two ends of a call share and the clock they look at, by name, so that `tests/model` can put loom's in its
//! place.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use tokio::time::timeout_at;
