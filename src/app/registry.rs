//! Objects shared by all apps of a server: registered at start-up, reached from any handler by name and type.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The registry as requests see it: look-ups only.
#[derive(Default)]
pub struct Registry(RwLock<HashMap<String, Arc<dyn Any + Send + Sync>>>);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.read().unwrap_or_else(PoisonError::into_inner).keys()).finish()
    }
}

impl Registry {
    pub(crate) fn get<T: Send + Sync + 'static>(&self, name: &str) -> super::Result<Arc<T>> {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let object = objects.get(name).ok_or_else(|| {
            super::Error::internal(format!("no object `{name}` is registered; register it in App::startup"))
        })?;
        object
            .clone()
            .downcast()
            .map_err(|_| super::Error::internal(format!("the object `{name}` is not a {}", std::any::type_name::<T>())))
    }
}

/// The server as a start-up or shutdown hook sees it: here objects are registered. (A request's `was` cannot.)
#[derive(Clone, Debug, Default)]
pub struct Wasc(Arc<Registry>);

impl Wasc {
    /// Shares an object with every app under a name. A name that is taken is an error.
    pub fn register<T: Send + Sync + 'static>(&self, name: &str, object: T) -> super::Result<()> {
        let mut objects = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        if objects.contains_key(name) {
            return Err(super::Error::internal(format!("an object `{name}` is registered already")));
        }
        objects.insert(name.to_owned(), Arc::new(object));
        Ok(())
    }

    /// Takes an object back; true if it was there. It lives on while a request holds it.
    pub fn unregister(&self, name: &str) -> bool {
        self.0.0.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// An object by name and type.
    pub fn get<T: Send + Sync + 'static>(&self, name: &str) -> super::Result<Arc<T>> {
        self.0.get(name)
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.0
    }
}
