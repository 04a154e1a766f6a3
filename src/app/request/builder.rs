//! A request before its handler gets it.

use std::sync::Arc;

use super::Request;
use super::cookie::Cookies;
use super::response::ResponseHead;
use super::session::Session;
use crate::app::calls::budget;
use crate::app::calls::budget::Budget;
use crate::app::coverage::RequestCoverage;
use crate::app::routing::route::Route;
use crate::app::routing::router::MatchedRoute;
use crate::app::services::Services;
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
            trace: None,
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
        inner.trace = inner.services.site.router.app(mount).is_devel().then(Box::default);
        Was(self.0)
    }
}
