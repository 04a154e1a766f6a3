//! The session of a request: loaded before the handler, saved after it.
//!
//! The session actor is asked only if necessary: a cookie was sent, or a value changed.

use std::time::{Duration, Instant};

use skitai_actors::session::{self, Load, LoadResult, Save, Saved};
use skitai_wire::Map;

use super::thread::ServingThread;
use crate::app::request::session::COOKIE;
use crate::app::services::Services;
use crate::app::{Answer, Cookies, Error, Session, Was};

/// The longest wait for the session store.
const WITHIN: Duration = Duration::from_secs(3);

/// What the edge keeps of a loaded session until the request ends.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    cookie: Option<String>,
    renew: bool,
}

/// Loads the session of a request, if the app uses sessions and the client sent one.
pub(crate) async fn load(services: &Services, use_session: bool, sent: &Cookies) -> Result<(Session, Visit), Error> {
    if !use_session {
        return Ok((Session::default(), Visit::default()));
    }
    for cookie in sent.sent_of(COOKIE) {
        if let Some(opened) = Box::pin(opened(services, cookie)).await? {
            return Ok(opened);
        }
    }
    Ok((Session::new(), Visit::default()))
}

/// The session of one cookie; `None` if it is expired, forged or unreadable: the store counts the reason.
async fn opened(services: &Services, cookie: String) -> Result<Option<(Session, Visit)>, Error> {
    let until = Instant::now() + WITHIN;
    let asked = services.sessions.ask(Load { cookie: cookie.clone() }, session::slots(), None, until);
    match asked.all(until).await.into_iter().next() {
        Some(LoadResult::Session(found)) => {
            let visit = Visit { cookie: Some(cookie), renew: found.needs_renewal };
            Ok(Some((Session::loaded(found.state), visit)))
        }
        Some(LoadResult::Nothing) => Ok(None),
        Some(LoadResult::Unknown(why)) => {
            Err(Error::new(503, format!("the session could not be read: {why}; try again")))
        }
        None => Err(Error::new(503, "the session store did not answer; try again")),
    }
}

/// A session to save, and what the edge kept of it.
#[derive(Debug)]
pub(crate) struct UnsavedSession {
    data: Map,
    visit: Visit,
}

/// The session, if the handler changed it or its lifetime must be renewed.
pub(crate) fn to_save(was: &Was, visit: Visit) -> Option<UnsavedSession> {
    match was.session.take_changed() {
        Some(data) => Some(UnsavedSession { data, visit }),
        None if visit.renew => Some(UnsavedSession { data: was.session.values(), visit }),
        None => None,
    }
}

/// Returns the handler's answer once the session it changed is saved.
pub(crate) async fn save_changed(thread: &ServingThread, was: &Was, visit: Visit, answer: Answer) -> Answer {
    let Some(unsaved) = to_save(was, visit) else { return answer };
    match Box::pin(save(thread, was, unsaved)).await {
        Ok(()) => answer,
        // The handler's changes are lost, and the client must not assume otherwise.
        Err(error) => {
            was.response.fail();
            Answer::Failed(error)
        }
    }
}

/// Saves a session.
pub(crate) async fn save(
    thread: &ServingThread,
    was: &Was,
    UnsavedSession { data, visit }: UnsavedSession,
) -> Result<(), Error> {
    let life = thread.site.server.sessiontimeout;
    let until = Instant::now() + WITHIN;
    let save = Save { cookie: visit.cookie, state: data, ttl: life };
    let asked = thread.services.sessions.ask(save, session::slots(), None, until);
    match asked.all(until).await.into_iter().next() {
        Some(Saved::Cookie(value)) => was.cookie.put_session(COOKIE, Some(value), life, was.request.is_secure()),
        Some(Saved::Removed) => was.cookie.put_session(COOKIE, None, life, was.request.is_secure()),
        Some(Saved::Not(why)) => return Err(Error::internal(why)),
        None => return Err(Error::new(503, "the session store did not answer; try again")),
    }
    Ok(())
}
