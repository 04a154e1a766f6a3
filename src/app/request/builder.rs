//! A request before its handler gets it.

use std::sync::{Arc, OnceLock};

use super::Request;
use super::cookie::Cookies;
use super::response::ResponseHead;
use super::session::Session;
use crate::app::calls::budget;
use crate::app::calls::budget::Budget;
use crate::app::coverage::RequestCoverage;
use crate::app::error::Error;
use crate::app::routing::route::Route;
use crate::app::routing::router::MatchedRoute;
use crate::app::services::Services;
use crate::app::trail::{Trail, TrailPlace};
use crate::app::was::{Face, NO_ROUTE, RequestContext, Was};

/// A request before its handler gets it: a [`Was`] that is not shared yet. It is filled in place, because moving it
/// from step to step would copy it a dozen times.
pub(crate) struct RequestBuilder(Arc<RequestContext>);

impl RequestBuilder {
    pub(crate) fn new(mut request: Request, services: Arc<Services>) -> RequestBuilder {
        request.proxies = services.proxies.clone();
        let cookie = Cookies::of(&request.headers);
        // The budget is set once the route is known.
        let budget = Budget::none(request.begun);
        let trail = Trail::new(services.trails.is_some());
        let (response, session) = (ResponseHead::default(), Session::default());
        RequestBuilder(Arc::new(RequestContext {
            request,
            response,
            cookie,
            session,
            face: Face::Web,
            route: &NO_ROUTE,
            entry: None,
            mount: 0,
            services,
            budget,
            coverage: RequestCoverage::default(),
            trail,
            trace: OnceLock::new(),
        }))
    }

    fn inner(&mut self) -> &mut RequestContext {
        Arc::get_mut(&mut self.0).expect("a builder is never cloned")
    }

    pub(crate) fn request(&self) -> &Request {
        &self.0.request
    }

    pub(crate) fn request_mut(&mut self) -> &mut Request {
        &mut self.inner().request
    }

    /// Notes the answer of who is no route of an app.
    pub(crate) fn answered(&self, place: TrailPlace, status: u16) {
        self.0.trail.served_by(place);
        self.0.answered(status);
    }

    /// Notes the error in place of an answer.
    pub(crate) fn failed(&self, error: &Error) {
        self.0.trail.failed(error);
    }

    /// The request is passed on by the mount of this index.
    pub(crate) fn pass(&mut self, mount: usize) -> &RequestContext {
        let inner = self.inner();
        inner.mount = mount;
        inner.trail.passed_by(mount);
        &self.0
    }

    pub(crate) fn cookie(&self) -> &Cookies {
        &self.0.cookie
    }

    /// Returns the handle for a call of this entry of an app's table.
    pub(crate) fn called(mut self, face: Face, session: Session, found: MatchedRoute<'_>) -> Was {
        self.inner().entry = Some(found.entry.index);
        self.ready(face, session, found.entry.route, found.mount)
    }

    /// Returns the handle for a call of this route of the app at this mount.
    pub(crate) fn ready(mut self, face: Face, session: Session, route: &'static Route, mount: usize) -> Was {
        let inner = self.inner();
        let own = route.deadline.map_or(inner.services.site.server.deadline, budget::secs);
        let asked = budget::asked(&inner.request.headers);
        inner.budget = Budget::new(own, inner.request.received, asked, inner.request.begun);
        (inner.face, inner.session, inner.route, inner.mount) = (face, session, route, mount);
        if inner.services.site.router.app(mount).is_devel() {
            inner.trail.want();
        }
        Was(self.0)
    }
}
