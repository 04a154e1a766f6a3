//! actix-web's own `App`, behind the pipeline, for code that needs actix-web's own kind of request: the services that
//! an app [adds](crate::App::actix).
//!
//! Every other request goes straight from the connection to the pipeline, as actix-http delivers it. `App` would first
//! make a pooled request, parse the path again, attach the application's data and route to the one service. That costs
//! a tenth of a small request and is never used
//! ([decision 13](../../docs/decisions/0013-past-the-app.md)).
//!
//! Nothing is opened before the first request that needs it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse, fn_service};
use actix_web::web::scope;
use actix_web::{App, Error as ActixError, HttpMessage, HttpResponse};
use futures_util::future::LocalBoxFuture;
use tokio::sync::OnceCell;

use crate::app::site::Site;
use crate::app::{Closing, Request};
use crate::connection::{Incoming, Peer, Tunnel};
use crate::observe::panics::{Catching, Panicked};

/// The type of a fresh [`App`]; actix-web has no public name for it.
trait AppEntry:
    ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = ActixError, InitError = ()> + 'static
{
}

impl<T> AppEntry for T where
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = ActixError, InitError = ()>
        + 'static
{
}

/// The address that `App` needs; a server that has Unix sockets alone gives it none. actix-web has no public
/// constructor for it; a test of this module checks that this one still works.
pub(crate) fn config(address: Option<SocketAddr>) -> AppConfig {
    let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let host = address.map_or_else(|| "localhost".to_owned(), |address| address.to_string());
    AppConfig::__priv_test_new(false, host, address.unwrap_or(nowhere))
}

type Services = dyn Fn(Incoming) -> LocalBoxFuture<'static, Result<HttpResponse, ActixError>>;

/// The services of one thread.
pub(crate) struct ActixFallback {
    /// The address of the server.
    config: AppConfig,
    /// For services that take it as an argument.
    closing: Closing,
    services: OnceCell<Box<Services>>,
}

/// In the extensions of an answer: no service handled the request.
struct Untaken;

impl ActixFallback {
    pub(crate) fn new(config: AppConfig, closing: Closing) -> ActixFallback {
        ActixFallback { config, closing, services: OnceCell::new() }
    }

    /// The answer of the app's service that handles the request, for which the head is put back; `None` if there is
    /// none.
    pub(crate) async fn service(
        &self,
        site: &Site,
        incoming: Incoming,
        request: &Request,
    ) -> Result<Option<HttpResponse>, Panicked> {
        let mut incoming = filled(incoming, request);
        // A service that accepts an upgrade reads the octets of the new protocol as the request's body.
        let offered = incoming.extensions_mut().remove::<Tunnel>();
        if let Some(Tunnel(tunnel)) = offered {
            *incoming.payload() = tunnel;
        }
        let open = || open(services(site, &self.closing), &self.config);
        let call = Box::pin(async { self.services.get_or_try_init(open).await?(incoming).await });
        let answer = Catching(call).await?.unwrap_or_else(HttpResponse::from_error);
        let is_untaken = answer.extensions().contains::<Untaken>();
        Ok(if is_untaken { None } else { Some(answer) })
    }
}

/// The services of all apps, each below its app's path.
fn services(site: &Site, closing: &Closing) -> App<impl AppEntry> {
    let mut app = App::new().app_data(closing.clone());
    // The longest path first, because the first matching scope gets the request.
    for mount in site.router.mounts() {
        if let Some(services) = mount.app.as_ref().and_then(|app| app.actix.clone()) {
            app = app.service(scope(mount.path()).configure(|config| (services.0)(config)));
        }
    }
    app.default_service(fn_service(untaken))
}

async fn open(app: App<impl AppEntry>, config: &AppConfig) -> Result<Box<Services>, ActixError> {
    let opened = app.into_factory().new_service(config.clone()).await;
    let service = opened.map_err(|()| io::Error::other("the services behind the server could not be opened"))?;
    Ok(Box::new(move |incoming| {
        let answer = service.call(incoming);
        Box::pin(async { answer.await.map(HttpResponse::from) })
    }))
}

async fn untaken(incoming: ServiceRequest) -> Result<ServiceResponse, ActixError> {
    let mut response = HttpResponse::NotFound().finish();
    response.extensions_mut().insert(Untaken);
    Ok(incoming.into_response(response))
}

/// Puts the head of our request back into actix's.
fn filled(mut incoming: Incoming, request: &Request) -> Incoming {
    let head = incoming.head_mut();
    head.method = request.method.clone();
    head.uri = request.uri.clone();
    head.version = request.version;
    head.headers = request.headers.clone();
    head.peer_addr = request.peer.and_then(Peer::address);
    incoming
}
