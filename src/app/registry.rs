//! Objects that all apps of a server share: registered at start-up, found by any handler by name and type.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use skitai_wire::Value;

use crate::observe::panics::catch;

/// The registry as requests see it: they can only look up.
#[derive(Default)]
pub struct Registry(RwLock<HashMap<String, Registered>>);

/// A shared object, and the same as what shows itself, if it does.
#[derive(Clone)]
struct Registered {
    object: Arc<dyn Any + Send + Sync>,
    shown: Option<Arc<dyn HasStatus>>,
}

/// A registered object that the status shows: under `objects`, by the object's name.
pub trait HasStatus: Send + Sync {
    /// What it says of itself. It is asked on an event loop, so it must not wait. Over several processes values that
    /// differ become a list; of maps the values of each name do.
    fn status(&self) -> Value;
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.read().unwrap_or_else(PoisonError::into_inner).keys()).finish()
    }
}

impl Registry {
    #[track_caller]
    pub(crate) fn get<T: Send + Sync + 'static>(&self, name: &str) -> super::Result<Arc<T>> {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Without closures: `track_caller` does not reach into them.
        let Some(object) = objects.get(name) else {
            let text = format!("no object `{name}` is registered; register it in App::startup");
            return Err(super::Error::internal(text));
        };
        match object.object.clone().downcast() {
            Ok(object) => Ok(object),
            Err(_) => {
                let text = format!("the object `{name}` is not a {}", std::any::type_name::<T>());
                Err(super::Error::internal(text))
            }
        }
    }

    /// What the objects say of themselves that do. A panic of one is its own matter.
    pub(crate) fn tree(&self) -> Value {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shown = objects.iter().filter_map(|(name, object)| Some((name.clone(), object.shown.clone()?)));
        let mut shown: Vec<(String, Arc<dyn HasStatus>)> = shown.collect();
        // The code of an app runs without the lock.
        drop(objects);
        shown.sort_by(|one, other| one.0.cmp(&other.0));
        Value::from_pairs(shown.into_iter().map(|(name, object)| {
            let told = catch(|| object.status()).unwrap_or_else(|panicked| {
                Value::from_pairs([("error", Value::String(format!("its status {panicked}")))])
            });
            (name, told)
        }))
    }
}

/// The server as a start-up or shutdown hook sees it. Hooks register objects here; a request's `was` cannot.
#[derive(Clone, Debug, Default)]
pub struct Wasc(Arc<Registry>);

impl Wasc {
    /// Shares an object with every app under a name. A name that is already in use is an error. Objects that are not
    /// unregistered are dropped when the site has ended, after every app's `shutdown`.
    #[track_caller]
    pub fn register<T: Send + Sync + 'static>(&self, name: &str, object: T) -> super::Result<()> {
        self.add(name, Registered { object: Arc::new(object), shown: None })
    }

    /// As [`register`](Wasc::register), an object that the status shows: the page, `was.status()`, `status.json`.
    #[track_caller]
    pub fn register_shown<T: HasStatus + 'static>(&self, name: &str, object: T) -> super::Result<()> {
        let object = Arc::new(object);
        self.add(name, Registered { object: object.clone(), shown: Some(object) })
    }

    #[track_caller]
    fn add(&self, name: &str, object: Registered) -> super::Result<()> {
        let mut objects = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        if objects.contains_key(name) {
            return Err(super::Error::internal(format!("an object `{name}` is registered already")));
        }
        objects.insert(name.to_owned(), object);
        Ok(())
    }

    /// Removes an object; true if there was one. It lives on while a request holds it.
    pub fn unregister(&self, name: &str) -> bool {
        self.0.0.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// Drops all objects when the site has ended. An object lives on while a request holds it.
    pub(crate) fn clear(&self) {
        // Taken out before the drop: an object's destructor may be code of the app that uses the registry.
        let left = std::mem::take(&mut *self.0.0.write().unwrap_or_else(PoisonError::into_inner));
        drop(left);
    }

    /// Finds an object by name and type.
    #[track_caller]
    pub fn get<T: Send + Sync + 'static>(&self, name: &str) -> super::Result<Arc<T>> {
        self.0.get(name)
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_had_by_its_name_and_its_type() {
        let wasc = Wasc::default();
        wasc.register("number", 7_i64).expect("nobody has the name");
        assert_eq!(wasc.get::<i64>("number").map(|number| *number).ok(), Some(7));
        assert_eq!(wasc.registry().get::<i64>("number").map(|number| *number).ok(), Some(7), "what `was` asks");
        let message = |problem: super::super::Result<Arc<String>>| problem.expect_err("no such text").to_string();
        assert!(message(wasc.get("number")).contains("`number` is not a alloc::string::String"));
        assert!(message(wasc.get("text")).contains("no object `text` is registered"));
        let taken = wasc.register("number", 8_i64).expect_err("the name is taken").to_string();
        assert!(taken.contains("`number` is registered already"), "{taken}");
        assert!(wasc.unregister("number") && !wasc.unregister("number"));
        assert!(wasc.get::<i64>("number").is_err());
    }

    struct Searcher(i64);

    impl HasStatus for Searcher {
        fn status(&self) -> Value {
            Value::from_pairs([("docs", Value::Int(100 / self.0))])
        }
    }

    #[test]
    fn what_an_object_says_of_itself_is_shown_and_its_panic_takes_nobody_else() {
        let wasc = Wasc::default();
        wasc.register("number", 7_i64).expect("nobody has the name");
        wasc.register_shown("searcher", Searcher(5)).expect("nobody has the name");
        wasc.register_shown("broken", Searcher(0)).expect("nobody has the name");
        let tree = wasc.registry().tree();
        assert_eq!(tree["searcher"]["docs"], Value::Int(20), "{tree}");
        assert!(tree["broken"]["error"].as_str().is_some_and(|error| error.contains("divide by zero")), "{tree}");
        assert_eq!(tree.len(), 2, "{tree}");
        assert_eq!(wasc.get::<Searcher>("searcher").map(|searcher| searcher.0).ok(), Some(5));
    }

    #[test]
    fn what_is_left_at_the_end_is_let_go_but_not_from_under_a_request() {
        let wasc = Wasc::default();
        wasc.register("held", String::from("held")).expect("registered");
        let held = wasc.get::<String>("held").expect("there");
        let gone = Arc::downgrade(&held);
        wasc.clear();
        assert!(wasc.get::<String>("held").is_err());
        assert_eq!(*held, "held");
        drop(held);
        assert!(gone.upgrade().is_none());
    }
}
