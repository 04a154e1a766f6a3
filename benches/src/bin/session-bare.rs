//! The routes of `session-site` on bare actix-web with actix-session, its sessions in sealed cookies, too.
//! `session-bare THREADS PORT`
//!
//! It does less where actix-session does: how old a cookie is is not looked at, and nobody is renewed.

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::error::ErrorForbidden;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, Error, HttpResponse, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

fn main() -> std::io::Result<()> {
    let (threads, [port]) = benches::arguments()?;
    let key = Key::derive_from(b"bench-0123456789-bench-0123456789");
    actix_rt::System::new().block_on(async move {
        let app = move || {
            App::new()
                .wrap(SessionMiddleware::new(CookieSessionStore::default(), key.clone()))
                .route("/enter", web::get().to(enter))
                .route("/orders/{year}/{number}", web::get().to(order))
        };
        HttpServer::new(app).workers(threads).bind(("127.0.0.1", port))?.run().await
    })
}

async fn enter(session: Session) -> Result<HttpResponse, Error> {
    session.insert("user", "Mozart")?;
    Ok(page("welcome".to_owned()))
}

async fn order(session: Session, path: web::Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (year, number) = path.into_inner();
    let user: String = session.get("user")?.ok_or_else(|| ErrorForbidden("nobody"))?;
    Ok(page(format!("{user} {year} {number}")))
}

fn page(text: String) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HTML)).body(text)
}
