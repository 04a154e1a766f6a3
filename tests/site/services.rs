//! Services of actix-web's, some of which do not behave.

use std::convert::Infallible;

use futures_util::stream::{iter, pending};
use skitai::actix_web::body::SizedStream;
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
        .route("/read", web::get().to(read))
        .route("/lazy", web::post().to(lazy))
        .route("/stays", web::get().to(stays))
        .route("/panics", web::get().to(panics))
        .route("/longer", web::route().to(longer))
        .route("/shorter", web::route().to(shorter))
        .route("/body-panics", web::get().to(body_panics))
        // A route of the app has the same path, and stands before it.
        .route("/before", web::get().to(hidden))
        .service(web::scope("/deep").route("/{name}", web::get().to(deep)));
}

async fn echo(request: HttpRequest, body: Bytes) -> HttpResponse {
    let name = request.headers().get("x-name").and_then(|value| value.to_str().ok()).unwrap_or("-");
    HttpResponse::Created().insert_header(("x-name", name)).body(format!("{} {}", request.uri(), body.len()))
}

/// Reads the body of a GET.
async fn read(body: Bytes) -> String {
    format!("{} octets", body.len())
}

/// Answers at once, and gives back what it reads while it answers.
async fn lazy(body: web::Payload) -> HttpResponse {
    HttpResponse::Ok().streaming(body)
}

/// Takes another protocol, in which it says nothing and which it never ends.
async fn stays() -> HttpResponse {
    HttpResponse::SwitchingProtocols().upgrade("silence").streaming(pending::<Result<Bytes, Infallible>>())
}

async fn panics() -> HttpResponse {
    panic!("on purpose, in a service")
}

/// Chunks under a length that somebody announced.
fn announced(length: u64, chunks: impl Iterator<Item = &'static str> + 'static) -> HttpResponse {
    let chunks = chunks.map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes())));
    HttpResponse::Ok().body(SizedStream::new(length, iter(chunks)))
}

/// Announces nine octets and gives more, which look like a reply.
async fn longer() -> HttpResponse {
    announced(9, ["announced", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"].into_iter())
}

/// Announces nine octets and gives four.
async fn shorter() -> HttpResponse {
    announced(9, ["anno"].into_iter())
}

/// Announces nine octets and panics behind four.
async fn body_panics() -> HttpResponse {
    let panics = std::iter::from_fn(|| panic!("on purpose, in the body of a service"));
    announced(9, std::iter::once("anno").chain(panics))
}

async fn hidden() -> &'static str {
    "the service's"
}

async fn deep(name: web::Path<String>) -> String {
    format!("deep {name}")
}
