//! Services of actix-web's, some of which do not behave.

use skitai::actix_web::web::{self, Bytes, ServiceConfig};
use skitai::actix_web::{HttpRequest, HttpResponse};
use skitai::prelude::*;

/// An app with one route and several services.
pub(crate) fn app() -> App {
    App::new("services").use_session(true).routes(routes![before]).actix(services)
}

#[route("/before")]
async fn before() -> &'static str {
    "the route's"
}

fn services(services: &mut ServiceConfig) {
    services
        .route("/echo", web::post().to(echo))
        .route("/panics", web::get().to(panics))
        // A route of the app has the same path, and stands before it.
        .route("/before", web::get().to(hidden))
        .service(web::scope("/deep").route("/{name}", web::get().to(deep)));
}

async fn echo(request: HttpRequest, body: Bytes) -> HttpResponse {
    let name = request.headers().get("x-name").and_then(|value| value.to_str().ok()).unwrap_or("-");
    HttpResponse::Created().insert_header(("x-name", name)).body(format!("{} {}", request.uri(), body.len()))
}

async fn panics() -> HttpResponse {
    panic!("on purpose, in a service")
}

async fn hidden() -> &'static str {
    "the service's"
}

async fn deep(name: web::Path<String>) -> String {
    format!("deep {name}")
}
