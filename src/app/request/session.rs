//! The session of one request: values by name, loaded before the handler runs and kept, if changed, after it.
//!
//! The edge asks the session actor only when the app uses sessions and the client sent a session cookie, or when the
//! handler changed something. A handler that calls nothing costs no message. The calls of one JSON-RPC batch or
//! `system.multicall` share theirs, so that what one remembers another does not undo.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use skitai_wire::{Map, Value};

/// The cookie's name, as the original had it.
pub(crate) const COOKIE: &str = "SESSION";

/// Values that stay with a client between its requests. Without [`use_session`](crate::app::App::use_session) it is empty,
/// and setting a value is an error.
#[derive(Debug, Default)]
pub struct Session {
    is_on: bool,
    /// Nothing is allocated before there is a value, or somebody to share with.
    state: OnceLock<Arc<Mutex<SessionState>>>,
}

impl Clone for Session {
    /// The same session, not another one with the same values.
    fn clone(&self) -> Session {
        if self.is_on {
            self.state.get_or_init(Arc::default);
        }
        Session { is_on: self.is_on, state: self.state.clone() }
    }
}

#[derive(Debug, Default)]
struct SessionState {
    values: Map,
    changed: bool,
}

impl Session {
    /// A session that is on, of somebody new.
    pub(crate) fn new() -> Session {
        Session { is_on: true, ..Session::default() }
    }

    /// A session that is on, with these values.
    pub(crate) fn loaded(values: Map) -> Session {
        let state = OnceLock::from(Arc::new(Mutex::new(SessionState { values, changed: false })));
        Session { is_on: true, state }
    }

    /// The values, where there ever were any.
    fn lock(&self) -> Option<MutexGuard<'_, SessionState>> {
        Some(self.state.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of this name, if there is one of this type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.lock()?.values.get(name)?.clone();
        skitai_wire::from_value(value).ok()
    }

    /// Sets a value. It is kept when the request ends.
    pub fn set(&self, name: &str, value: impl Serialize) -> crate::app::Result<()> {
        let value = skitai_wire::to_value(&value)?;
        if !self.is_on {
            let text = format!("session value `{name}`: this app has no sessions; say App::use_session(true)");
            return Err(crate::app::Error::internal(text));
        }
        let state = self.state.get_or_init(Arc::default);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.changed = true;
        match state.values.0.iter_mut().find(|(key, _)| **key == *name) {
            Some((_, old)) => *old = value,
            None => state.values.0.push((name.into(), value)),
        }
        Ok(())
    }

    /// True when there is a value of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lock().is_some_and(|state| state.values.get(name).is_some())
    }

    /// The names of all values, in alphabetical order as a session is loaded, then as they were set.
    pub fn names(&self) -> Vec<String> {
        let Some(state) = self.lock() else { return Vec::new() };
        state.values.0.iter().map(|(name, _)| String::from(&**name)).collect()
    }

    /// Takes a value away; true if it was there.
    pub fn del(&self, name: &str) -> bool {
        let Some(mut state) = self.lock() else { return false };
        let before = state.values.0.len();
        state.values.0.retain(|(key, _)| **key != *name);
        let gone = state.values.0.len() < before;
        state.changed |= gone;
        gone
    }

    /// Takes every value away.
    pub fn clear(&self) {
        let Some(mut state) = self.lock() else { return };
        state.changed |= !state.values.0.is_empty();
        state.values.0.clear();
    }

    /// The values, if the handler changed any.
    pub(crate) fn take_changed(&self) -> Option<Map> {
        let mut state = self.lock()?;
        state.changed.then(|| std::mem::take(&mut state.values))
    }

    /// The values as they stand, to be sealed anew.
    pub(crate) fn values(&self) -> Map {
        let Some(state) = self.lock() else { return Map::default() };
        Map(state.values.0.iter().map(|(key, value)| (key.clone(), Value::clone(value))).collect())
    }
}
