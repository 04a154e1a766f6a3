//! The reply's status and headers, where the handler wants others than the usual ones.
//!
//! Nothing is allocated until the first of them is set: most replies never touch this.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Status and headers to be sent with whatever the handler returns.
#[derive(Debug, Default)]
pub struct ResponseHead(Mutex<Option<Box<Parts>>>);

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
}

impl ResponseHead {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Parts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, change: impl FnOnce(&mut Parts) -> R) -> R {
        change(self.lock().get_or_insert_with(Box::default))
    }

    /// Sets the status; the returned value is still the body.
    pub fn reply(&self, status: u16) {
        self.with(|parts| parts.status = Some(status));
    }

    /// Adds a header; one of the same name may be there already.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| parts.headers.push((name.to_owned(), value.into())));
    }

    /// Replaces a header.
    pub fn update(&self, name: &str, value: impl Into<String>) {
        self.with(|parts| {
            parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            parts.headers.push((name.to_owned(), value.into()));
        });
    }

    /// Takes a header away.
    pub fn delete(&self, name: &str) {
        self.with(|parts| parts.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name)));
    }

    /// The first value set for this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let parts = self.lock();
        let found = parts.as_ref()?.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// True when a header of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes back what status was set: what it was set for has failed.
    pub(crate) fn forget_status(&self) {
        if let Some(parts) = self.lock().as_mut() {
            parts.status = None;
        }
    }

    pub(crate) fn take(&self) -> Option<Box<Parts>> {
        self.lock().take()
    }
}
