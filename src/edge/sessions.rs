//! The session of a request: loaded before the handler, kept after it.
//!
//! The session actor is asked only when there is something to ask: a cookie came, or a value changed.

use std::time::{Duration, Instant};

use skitai_actors::session::{self, Found, Load, Save, Saved};
use skitai_wire::Map;

use crate::app::{Cookies, Error, Session, Was};
use crate::serve::hands::Hands;
use crate::serve::worker::Worker;

/// The cookie's name, as the original had it.
pub(crate) const COOKIE: &str = "SESSION";

/// The longest a request waits for its session store.
const WITHIN: Duration = Duration::from_secs(3);

/// What the edge remembers of a loaded session until the request ends.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    cookie: Option<String>,
    renew: bool,
}

/// Loads the session of a request, if sessions are used and the client sent one.
pub(crate) async fn load(hands: &Hands, use_session: bool, sent: &Cookies) -> Result<(Session, Visit), Error> {
    if !use_session {
        return Ok((Session::default(), Visit::default()));
    }
    match sent.get(COOKIE) {
        // Boxed, as keeping is: most requests have nothing to ask, and all are moved with the room for it.
        Some(cookie) => Box::pin(opened(hands, cookie)).await,
        None => Ok((Session::new(), Visit::default())),
    }
}

async fn opened(hands: &Hands, cookie: String) -> Result<(Session, Visit), Error> {
    let until = Instant::now() + WITHIN;
    let asked = hands.sessions().ask(Load { cookie: cookie.clone() }, session::slots(), None, until);
    match asked.all(until).await.into_iter().next() {
        Some(Found::Session(found)) => {
            let visit = Visit { cookie: Some(cookie), renew: found.needs_renewal };
            Ok((Session::loaded(found.state), visit))
        }
        // Expired, forged or unreadable: a new visitor. The store counts the reason.
        Some(Found::Nothing) => Ok((Session::new(), Visit::default())),
        Some(Found::Unknown(why)) => Err(Error::new(503, format!("the session could not be read: {why}; try again"))),
        None => Err(Error::new(503, "the session store did not answer; try again")),
    }
}

/// A session that is to be kept, and what the edge remembers of it.
#[derive(Debug)]
pub(crate) struct Keeping {
    data: Map,
    visit: Visit,
}

/// The session, if the handler changed it or its time is to be renewed.
pub(crate) fn to_keep(was: &Was, visit: Visit) -> Option<Keeping> {
    match was.session.take_changed() {
        Some(data) => Some(Keeping { data, visit }),
        None if visit.renew => Some(Keeping { data: was.session.values(), visit }),
        None => None,
    }
}

/// Keeps a session.
pub(crate) async fn keep(worker: &Worker, was: &Was, Keeping { data, visit }: Keeping) -> Result<(), Error> {
    let life = worker.site.settings.server.sessiontimeout;
    let until = Instant::now() + WITHIN;
    let save = Save { cookie: visit.cookie, state: data, ttl: life };
    let asked = worker.hands.sessions().ask(save, session::slots(), None, until);
    match asked.all(until).await.into_iter().next() {
        Some(Saved::Cookie(value)) => was.cookie.put_session(COOKIE, Some(value), life, was.request.is_secure()),
        Some(Saved::Removed) => was.cookie.put_session(COOKIE, None, life, was.request.is_secure()),
        Some(Saved::Not(why)) => return Err(Error::internal(why)),
        None => return Err(Error::new(503, "the session store did not answer; try again")),
    }
    Ok(())
}
