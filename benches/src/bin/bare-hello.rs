//! actix-web's "Hello World": what a request costs before anybody adds anything. `bare-hello THREADS PORT`

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

fn main() -> std::io::Result<()> {
    let (threads, [port]) = benches::arguments()?;
    actix_rt::System::new().block_on(async move {
        HttpServer::new(|| App::new().route("/hello", web::get().to(hello)))
            .workers(threads)
            .bind(("127.0.0.1", port))?
            .run()
            .await
    })
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, HTML)).body("Hello World")
}
