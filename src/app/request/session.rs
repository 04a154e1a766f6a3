//! The session of one request: values by name, loaded before the handler runs and saved after it if changed.
//!
//! The edge asks the session actor only if the app uses sessions and either the client sent a session cookie or the
//! handler changed something. A handler that does not use the session costs no message. The calls of one JSON-RPC batch
//! or `system.multicall` share one session, so that none overwrites another's changes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use skitai_wire::{Map, Value};

/// The cookie's name, the same as in the Python server Skitai.
pub(crate) const COOKIE: &str = "SESSION";

/// Values that the server keeps for a client between its requests. Without
/// [`use_session`](crate::app::App::use_session) it is empty, and setting a value is an error.
#[derive(Debug, Default)]
pub struct Session {
    is_on: bool,
    /// Nothing is allocated before there is a value, or another call to share with.
    state: OnceLock<Arc<Mutex<SessionState>>>,
}

impl Clone for Session {
    /// The clone is the same session and shares its values.
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
    /// An enabled session of a new client.
    pub(crate) fn new() -> Session {
        Session { is_on: true, ..Session::default() }
    }

    /// An enabled session with these values.
    pub(crate) fn loaded(values: Map) -> Session {
        let state = OnceLock::from(Arc::new(Mutex::new(SessionState { values, changed: false })));
        Session { is_on: true, state }
    }

    /// The values, if there ever were any.
    fn lock(&self) -> Option<MutexGuard<'_, SessionState>> {
        Some(self.state.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of this name, if there is one and it has this type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.lock()?.values.get(name)?.clone();
        skitai_wire::from_value(value).ok()
    }

    /// Sets a value. It is saved when the request ends; if it cannot be saved, because the whole session has more than
    /// 3 800 bytes sealed (some 2 700 bytes of JSON), the request is answered with 500.
    ///
    /// # Errors
    /// An internal error (500) if the app does not use sessions, or the value cannot be serialised.
    #[track_caller]
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

    /// Whether there is a value of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lock().is_some_and(|state| state.values.get(name).is_some())
    }

    /// The names of all values: loaded ones in alphabetical order, then new ones in the order they were set.
    pub fn names(&self) -> Vec<String> {
        let Some(state) = self.lock() else { return Vec::new() };
        state.values.0.iter().map(|(name, _)| String::from(&**name)).collect()
    }

    /// Removes a value; true if there was one.
    pub fn del(&self, name: &str) -> bool {
        let Some(mut state) = self.lock() else { return false };
        let before = state.values.0.len();
        state.values.0.retain(|(key, _)| **key != *name);
        let gone = state.values.0.len() < before;
        state.changed |= gone;
        gone
    }

    /// Removes every value.
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

    /// The current values, to be sealed again.
    pub(crate) fn values(&self) -> Map {
        let Some(state) = self.lock() else { return Map::default() };
        Map(state.values.0.iter().map(|(key, value)| (key.clone(), Value::clone(value))).collect())
    }
}
