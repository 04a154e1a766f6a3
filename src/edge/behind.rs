//! actix-web's own `App`, behind the pipeline, for what takes actix-web's own kind of request: actix-files, which sends
//! static files and reads their conditions and ranges.
//!
//! Every other request goes straight from the connection to the pipeline, as actix-http hands it out. What `App` makes of
//! it first (a pooled request, its path once more, data of the application, a route to the one service there would be)
//! costs a tenth of a small request, and nobody would look at it ([decision 13](../../docs/decisions/0013-past-the-app.md)).
//!
//! Nothing is opened before the first request that needs it.

use std::io;
use std::path::PathBuf;

use actix_files::NamedFile;
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse, fn_service};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use tokio::sync::OnceCell;

use crate::app::Request;

/// A request as it comes from a connection.
pub(crate) type Incoming = actix_http::Request;

type Services = dyn Fn(Incoming) -> LocalBoxFuture<'static, Result<HttpResponse, Error>>;

/// The services of one worker.
pub(crate) struct Behind {
    /// Where the server listens.
    config: AppConfig,
    services: OnceCell<Box<Services>>,
}

/// In the data of a request: the file it is answered with.
struct Wanted(PathBuf);

impl Behind {
    pub(crate) fn new(config: AppConfig) -> Behind {
        Behind { config, services: OnceCell::new() }
    }

    /// A file, as the request wants it: whole, in part, or not again.
    pub(crate) async fn file(&self, path: PathBuf, request: &Request) -> io::Result<HttpResponse> {
        let incoming = of(request);
        incoming.extensions_mut().insert(Wanted(path));
        self.call(incoming).await.map_err(|error| match error.as_error::<io::Error>() {
            Some(error) => io::Error::new(error.kind(), error.to_string()),
            None => io::Error::other(error.to_string()),
        })
    }

    async fn call(&self, incoming: Incoming) -> Result<HttpResponse, Error> {
        let services = self.services.get_or_try_init(|| open(self.config.clone())).await?;
        services(incoming).await
    }
}

async fn open(config: AppConfig) -> Result<Box<Services>, Error> {
    let app = App::new().default_service(fn_service(rest));
    let opened = app.into_factory().new_service(config).await;
    let service = opened.map_err(|()| io::Error::other("the services behind the server could not be opened"))?;
    Ok(Box::new(move |incoming| {
        let answer = service.call(incoming);
        Box::pin(async { answer.await.map(HttpResponse::from) })
    }))
}

/// What no service takes.
async fn rest(incoming: ServiceRequest) -> Result<ServiceResponse, Error> {
    let wanted = incoming.extensions_mut().remove::<Wanted>();
    let (request, _) = incoming.into_parts();
    let response = match wanted {
        Some(Wanted(path)) => opened(path, &request).await?,
        None => HttpResponse::NotFound().finish(),
    };
    Ok(ServiceResponse::new(request, response))
}

async fn opened(path: PathBuf, request: &HttpRequest) -> io::Result<HttpResponse> {
    // Opening may wait for a disk; the event loop must not.
    let open = move || {
        let file = NamedFile::open(path)?;
        // A folder opens like a file and then cannot be read.
        if file.metadata().is_file() { Ok(file) } else { Err(io::Error::from(io::ErrorKind::NotFound)) }
    };
    let file = tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;
    Ok(file.prefer_utf8(true).disable_content_disposition().into_response(request))
}

/// A request of ours as one of actix's, without its body.
fn of(request: &Request) -> Incoming {
    let mut incoming = Incoming::new();
    let head = incoming.head_mut();
    head.method = request.method.clone();
    head.uri = request.uri.clone();
    head.version = request.version;
    head.headers = request.headers.clone();
    head.peer_addr = request.peer;
    incoming
}
