//! A request on its way to its handler, and where handles wait between two requests.
//!
//! A handle and the table of its headers are most of what a small request would take from the allocator. So the handle
//! of a request that has ended, and that nobody kept, serves the next one of its worker; and the table of headers of
//! the one goes back to actix in exchange for that of the other, so that none is ever made anew.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::Uri;
use bytes::Bytes;
use skitai_actors::kit::Party;

use super::Request;
use super::cookie::Cookies;
use super::response::ResponseHead;
use super::session::Session;
use crate::app::calls::budget;
use crate::app::calls::budget::Budget;
use crate::app::routing::route::Route;
use crate::app::services::Services;
use crate::app::was::{Face, Inner, NO_ROUTE, Was};

/// Handles kept for coming requests; more requests than that at once make theirs anew.
const SPARES: usize = 64;

/// The handles of one worker that serve nobody now.
#[derive(Default)]
pub(crate) struct Spares {
    handles: RefCell<Vec<Arc<Inner>>>,
    /// How many requests there were.
    requests: Cell<u64>,
}

impl Spares {
    /// A draft whose request is empty, to be filled in.
    pub(crate) fn draft(&self, now: Instant, services: &Arc<Services>) -> Draft {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        let party = Party::of(number);
        if let Some(inner) = self.handles.borrow_mut().pop() {
            let mut draft = Draft(inner);
            let inner = draft.inner();
            (inner.request.received, inner.request.begun, inner.request.party) = (now, now, party);
            return draft;
        }
        Draft::new(Request { party, ..Request::empty(now) }, services.clone())
    }

    /// Takes a handle back, if nobody else has it.
    pub(crate) fn keep(&self, mut was: Was) {
        if let Some(inner) = Arc::get_mut(&mut was.0) {
            let mut spares = self.handles.borrow_mut();
            if spares.len() < SPARES {
                inner.clear();
                spares.push(was.0);
            }
        }
    }
}

impl Inner {
    /// Forgets everything of its request.
    fn clear(&mut self) {
        // Each by its name: a new field must be decided on here, or one client would see what another sent.
        let Inner { request, response, cookie, session, face, route, mount, services: _, budget, trace } = self;
        let Request {
            method: _,
            uri,
            version: _,
            headers,
            peer,
            body,
            received: _,
            begun,
            proxies: _,
            form_token,
            party,
        } = request;
        (*uri, *peer, *body, *form_token, *party) = (Uri::default(), None, Bytes::new(), None, Party::ALONE);
        headers.clear();
        *budget = Budget::none(*begun);
        (*response, *cookie, *session, *trace) = Default::default();
        (*face, *route, *mount) = (Face::Web, &NO_ROUTE, 0);
    }
}

/// A request on its way to its handler: a [`Was`] that nobody else has yet. It is filled in where it is: moving it from
/// step to step would copy it a dozen times.
pub(crate) struct Draft(Arc<Inner>);

impl Draft {
    pub(crate) fn new(mut request: Request, services: Arc<Services>) -> Draft {
        // As the services, they are the worker's: a handle that serves again keeps them.
        request.proxies = services.proxies.clone();
        let cookie = Cookies::of(&request.headers);
        // Its time is known with its route.
        let budget = Budget::none(request.begun);
        let (response, session) = (ResponseHead::default(), Session::default());
        Draft(Arc::new(Inner {
            request,
            response,
            cookie,
            session,
            face: Face::Web,
            route: &NO_ROUTE,
            mount: 0,
            services,
            budget,
            trace: None,
        }))
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("a draft is never cloned")
    }

    pub(crate) fn request(&self) -> &Request {
        &self.0.request
    }

    pub(crate) fn request_mut(&mut self) -> &mut Request {
        &mut self.inner().request
    }

    /// Fills in a head. What it swaps with is empty.
    pub(crate) fn fill(&mut self, head: impl FnOnce(&mut Request)) {
        let inner = self.inner();
        head(&mut inner.request);
        inner.cookie = Cookies::of(&inner.request.headers);
    }

    pub(crate) fn cookie(&self) -> &Cookies {
        &self.0.cookie
    }

    /// The handle for a call of this route of the app at this mount.
    pub(crate) fn ready(mut self, face: Face, session: Session, route: &'static Route, mount: usize) -> Was {
        let inner = self.inner();
        let own = route.deadline.map_or(inner.services.site.server.deadline, budget::secs);
        let asked = inner.request.headers.get(budget::HEADER_NAME).and_then(|value| value.to_str().ok());
        inner.budget = Budget::new(own, inner.request.received, budget::asked(asked), inner.request.begun);
        (inner.face, inner.session, inner.route, inner.mount) = (face, session, route, mount);
        inner.trace = inner.services.site.router.app(mount).is_devel().then(Box::default);
        Was(self.0)
    }
}
