//! The session store's actor: its messages, and the trait of the back end behind it.

use std::cell::Cell;
use std::future::{Future, ready};
use std::rc::Rc;
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use skitai_wire::{Map, Value};

use super::seal::{Opened, TooLarge};
use super::text;
use crate::kit::report::ActorReport;
use crate::kit::{Answers, Missed, Report, Responder, Slot};
use crate::outcome::deadline::NO_ANSWER;

/// A session back end. Any `SessionStore` becomes one by an `impl` that only gives its name.
pub trait Backend: SessionStore + 'static {
    /// Its name on the status page.
    const NAME: &'static str;

    /// Loads a session, and decides whether it should be saved even if nothing changed. A plain `SessionStore` cannot
    /// decide that, so its sessions are always saved again; that extends their life with every request.
    fn open(&self, key: &SessionKey) -> impl Future<Output = Result<Option<Opened>, LoadError>> {
        async { Ok(self.load(key).await?.map(|data| Opened { data, sid: None, needs_renewal: true })) }
    }

    /// Its figures that are shared by all threads of the process.
    fn shared(&self) -> Value {
        Value::Nil
    }
}

/// A visitor's session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Names and values, sorted by name.
    pub state: Map,
    /// The session's identity, constant from its first save to its end, if the back end has one.
    pub sid: Option<String>,
    /// True if the session should be saved with this answer even if nothing in it changed, because it would expire too
    /// soon.
    pub needs_renewal: bool,
}

/// Loads the session of a cookie.
#[derive(Clone, Debug)]
pub struct Load {
    /// The cookie's value as the client sent it.
    pub cookie: String,
}

/// The answer to [`Load`].
#[derive(Clone, Debug, PartialEq)]
pub enum LoadResult {
    /// The session.
    Session(Session),
    /// No session: it expired, was forged, or never existed. This is not an error.
    Nothing,
    /// The store could not be asked, with the reason. The visitor may still have a session: do not overwrite it.
    Unknown(String),
}

/// Saves a session.
#[derive(Clone, Debug)]
pub struct Save {
    /// The cookie that the client sent, if any.
    pub cookie: Option<String>,
    /// The session's present content. An empty session is removed.
    pub state: Map,
    /// The time to live from now on.
    pub ttl: Duration,
}

/// Why a session was not saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSaved {
    /// The session does not fit into its cookie.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// One of its values cannot be stored.
    #[error(
        "the session's value {0:?} cannot be kept: it holds a number that JSON does not have (NaN, an infinity) or is \
         nested too deep"
    )]
    Value(String),
    /// The back end returned an error.
    #[error("the session store failed: {0}")]
    Store(String),
    /// The actor did not answer.
    #[error("the session store did not answer ({0})")]
    Unanswered(&'static str),
}

/// The answer to [`Save`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The cookie's new value.
    Cookie(String),
    /// The session was empty and has been removed; the cookie should be removed as well.
    Removed,
    /// Not saved, with the reason.
    Not(NotSaved),
}

impl Default for LoadResult {
    fn default() -> Self {
        LoadResult::Unknown(word(Missed::NotAdmitted).to_owned())
    }
}

impl Default for Saved {
    fn default() -> Self {
        Saved::Not(NotSaved::Unanswered(word(Missed::NotAdmitted)))
    }
}

impl Slot for LoadResult {
    fn missed(&mut self, why: Missed) {
        *self = LoadResult::Unknown(word(why).to_owned());
    }

    fn filter_failed(&mut self, message: &str) {
        *self = LoadResult::Unknown(format!("the filter panicked: {message}"));
    }
}

impl Slot for Saved {
    fn missed(&mut self, why: Missed) {
        *self = Saved::Not(NotSaved::Unanswered(word(why)));
    }

    fn filter_failed(&mut self, _: &str) {
        // The session is saved, or not, whatever a filter does.
    }
}

/// The one slot of a [`Load`] or a [`Save`], as "not sent".
pub fn slots<T: Slot + Default>() -> Vec<T> {
    vec![T::default()]
}

fn word(why: Missed) -> &'static str {
    match why {
        Missed::Deadline => NO_ANSWER,
        Missed::Cancelled => "the answer was no longer wanted",
        Missed::NotAdmitted => "not sent: too many calls are in flight",
        Missed::Abandoned => "the session actor failed",
        Missed::Failed => "not sent: the session actor panicked too often and rests",
    }
}

#[derive(Debug, Default)]
struct SessionCounters {
    loaded: Cell<u64>,
    absent: Cell<u64>,
    load_failed: Cell<u64>,
    saved: Cell<u64>,
    removed: Cell<u64>,
    too_large: Cell<u64>,
    save_failed: Cell<u64>,
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// The session store of one thread.
#[derive(Debug)]
pub struct SessionActor<B> {
    backend: Rc<B>,
    counters: Rc<SessionCounters>,
}

impl<B: Backend> SessionActor<B> {
    /// A store with this back end.
    pub fn new(backend: B) -> SessionActor<B> {
        SessionActor { backend: Rc::new(backend), counters: Rc::default() }
    }
}

impl<B: Backend> Answers<Load> for SessionActor<B> {
    type Item = LoadResult;
    const NAME: &'static str = "session.load";

    fn answer(
        &mut self,
        Load { cookie }: Load,
        responder: Responder<LoadResult>,
    ) -> impl Future<Output = ()> + 'static {
        let (backend, counters) = (self.backend.clone(), self.counters.clone());
        async move {
            let found = load(&*backend, cookie).await;
            count(match found {
                LoadResult::Session(_) => &counters.loaded,
                LoadResult::Nothing => &counters.absent,
                LoadResult::Unknown(_) => &counters.load_failed,
            });
            responder.put(0, found);
        }
    }
}

async fn load<B: Backend>(backend: &B, cookie: String) -> LoadResult {
    // A cookie longer than a session key cannot be ours.
    let Ok(key) = SessionKey::try_from(cookie) else { return LoadResult::Nothing };
    let loaded = match backend.open(&key).await {
        Ok(Some(loaded)) => loaded,
        // A session that cannot be decoded now never will be.
        Ok(None) | Err(LoadError::Deserialization(_)) => return LoadResult::Nothing,
        Err(LoadError::Other(error)) => return LoadResult::Unknown(format!("{error:#}")),
    };
    match text::map(loaded.data) {
        Ok(state) => LoadResult::Session(Session { state, sid: loaded.sid, needs_renewal: loaded.needs_renewal }),
        Err(_) => LoadResult::Nothing,
    }
}

impl<B: Backend> Answers<Save> for SessionActor<B> {
    type Item = Saved;
    const NAME: &'static str = "session.save";

    fn answer(&mut self, message: Save, responder: Responder<Saved>) -> impl Future<Output = ()> + 'static {
        let (backend, counters) = (self.backend.clone(), self.counters.clone());
        async move {
            let saved = save(&*backend, message).await.unwrap_or_else(Saved::Not);
            count(match saved {
                Saved::Cookie(_) => &counters.saved,
                Saved::Removed => &counters.removed,
                Saved::Not(NotSaved::TooLarge(_)) => &counters.too_large,
                Saved::Not(_) => &counters.save_failed,
            });
            responder.put(0, saved);
        }
    }
}

async fn save<B: Backend>(backend: &B, Save { cookie, state, ttl }: Save) -> Result<Saved, NotSaved> {
    let key = cookie.and_then(|cookie| SessionKey::try_from(cookie).ok());
    if state.0.is_empty() {
        if let Some(key) = key {
            backend.delete(&key).await.map_err(|error| failure(&error))?;
        }
        return Ok(Saved::Removed);
    }
    let state = text::texts(&state).map_err(NotSaved::Value)?;
    // A time beyond the calendar's range means for ever.
    let ttl = time::Duration::try_from(ttl).unwrap_or(time::Duration::MAX);
    let key = match key {
        Some(key) => backend.update(key, state, &ttl).await.map_err(|error| match error {
            UpdateError::Serialization(error) | UpdateError::Other(error) => failure(&error),
        }),
        None => backend.save(state, &ttl).await.map_err(|error| match error {
            SaveError::Serialization(error) | SaveError::Other(error) => failure(&error),
        }),
    };
    Ok(Saved::Cookie(key?.into()))
}

fn failure(error: &anyhow::Error) -> NotSaved {
    match error.downcast_ref::<TooLarge>() {
        Some(too_large) => NotSaved::TooLarge(*too_large),
        None => NotSaved::Store(format!("{error:#}")),
    }
}

impl<B: Backend> Answers<Report> for SessionActor<B> {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let counters = &self.counters;
        let number = |counter: &Cell<u64>| Value::Int(counter.get().cast_signed());
        let mut pairs = vec![
            ("store", Value::String(B::NAME.to_owned())),
            ("loaded", number(&counters.loaded)),
            ("absent", number(&counters.absent)),
            ("load_failed", number(&counters.load_failed)),
            ("saved", number(&counters.saved)),
            ("removed", number(&counters.removed)),
            ("too_large", number(&counters.too_large)),
            ("save_failed", number(&counters.save_failed)),
        ];
        // `shared`: all threads use the same sealer, so the status actor must not add these figures up.
        if let shared @ Value::Map(_) = self.backend.shared() {
            pairs.push(("shared", shared));
        }
        responder.put(0, ActorReport(Value::from_pairs(pairs)));
        ready(())
    }
}
