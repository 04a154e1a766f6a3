//! The sealed cookie as a `SessionStore`: the session's key is the sealed session itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use skitai_wire::Value;

use super::actor::Backend;
use super::seal::{NotSealed, Opened, Sealer, State};

/// The source of the time; tests supply their own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Sessions stored in their own cookies. The server keeps only the sealing keys.
#[derive(Clone)]
pub struct SealedCookies {
    sealer: Arc<Sealer>,
    name: Arc<str>,
    clock: Clock,
}

impl std::fmt::Debug for SealedCookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedCookies").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SealedCookies {
    /// Sessions in the cookie `name`, using the system's clock.
    pub fn new(sealer: Arc<Sealer>, name: impl Into<Arc<str>>) -> SealedCookies {
        SealedCookies { sealer, name: name.into(), clock: Arc::new(SystemTime::now) }
    }

    /// Replaces the clock.
    pub fn clock(self, clock: Clock) -> SealedCookies {
        SealedCookies { clock, ..self }
    }

    fn seal(&self, sid: Option<String>, state: &State, ttl: time::Duration) -> Result<SessionKey, NotSealed> {
        // A negative time to live has already passed.
        let ttl = Duration::try_from(ttl).unwrap_or_default();
        let cookie = self.sealer.seal(&self.name, sid, state, ttl, (self.clock)())?;
        Ok(SessionKey::try_from(cookie).expect("a sealed value is shorter than a session key may be"))
    }
}

impl SessionStore for SealedCookies {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.sealer.open(&self.name, key.as_ref(), (self.clock)()).ok().map(|opened| opened.data))
    }

    async fn save(&self, state: State, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        self.seal(None, &state, *ttl).map_err(|error| match error {
            NotSealed::NotJson(_) => SaveError::Serialization(error.into()),
            NotSealed::TooLarge(error) => SaveError::Other(error.into()),
            NotSealed::NoRandomness => SaveError::Other(error.into()),
        })
    }

    async fn update(&self, key: SessionKey, state: State, ttl: &time::Duration) -> Result<SessionKey, UpdateError> {
        // The session keeps its identity. If the old cookie no longer opens, a new session begins.
        let sid = self.sealer.open(&self.name, key.as_ref(), (self.clock)()).ok().and_then(|opened| opened.sid);
        self.seal(sid, &state, *ttl).map_err(|error| match error {
            NotSealed::NotJson(_) => UpdateError::Serialization(error.into()),
            NotSealed::TooLarge(error) => UpdateError::Other(error.into()),
            NotSealed::NoRandomness => UpdateError::Other(error.into()),
        })
    }

    /// A sealed cookie contains its expiry, which `update` renews; there is nothing to extend here.
    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    /// The caller removes the cookie; there is nothing else to delete.
    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

impl Backend for SealedCookies {
    const NAME: &'static str = "sealed cookies";

    async fn open(&self, key: &SessionKey) -> Result<Option<Opened>, LoadError> {
        Ok(self.sealer.open(&self.name, key.as_ref(), (self.clock)()).ok())
    }

    fn shared(&self) -> Value {
        let counts = self.sealer.refusals();
        let refused = counts.map(|(refusal, count)| (refusal.word(), Value::Int(count.cast_signed())));
        Value::from_pairs([("refused", Value::from_pairs(refused))])
    }
}
