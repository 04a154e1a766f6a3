//! The three XML-RPC members both sides ask: one process, fast, always the same answer. `member THREADS PORT PORT PORT`
//!
//! GET /seen shows the head and body of the last call that came after the GET /seen before it, so that `benches/run` can
//! compare what the two sides send.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the members show of the calls they get.
#[derive(Default)]
struct Seen {
    /// Only the first call after a look is noted; the others must not cost anything.
    wanted: AtomicBool,
    call: Mutex<String>,
}

fn main() -> std::io::Result<()> {
    let (threads, ports) = benches::arguments::<3>()?;
    let answers: [Bytes; 3] = std::array::from_fn(|member| benches::works::answer(member).into());
    let seen = Data::new(Seen::default());
    actix_rt::System::new().block_on(async move {
        let mut server = HttpServer::new(move || {
            let answers = answers.clone();
            App::new().app_data(seen.clone()).route("/seen", web::get().to(look)).route(
                "/RPC2",
                web::post().to(move |request, body, seen| search(request, body, seen, ports, answers.clone())),
            )
        })
        .workers(threads);
        for port in ports {
            server = server.bind(("127.0.0.1", port))?;
        }
        server.run().await
    })
}

async fn search(
    request: HttpRequest,
    body: Bytes,
    seen: Data<Seen>,
    ports: [u16; 3],
    answers: [Bytes; 3],
) -> HttpResponse {
    let port = request.app_config().local_addr().port();
    let member = ports.iter().position(|other| *other == port).unwrap_or_default();
    if member == 0 && seen.wanted.swap(false, Relaxed) {
        note(&seen, &request, &body);
    }
    let xml = HeaderValue::from_static("text/xml");
    HttpResponse::Ok().insert_header((CONTENT_TYPE, xml)).body(answers[member].clone())
}

fn note(seen: &Seen, request: &HttpRequest, body: &[u8]) {
    let mut headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    let mut text = seen.call.lock().unwrap_or_else(|broken| broken.into_inner());
    text.clear();
    // A String takes every write.
    let _ = write!(text, "{} {} {:?}\n{}\n\n", request.method(), request.uri(), request.version(), headers.join("\n"));
    text.push_str(&String::from_utf8_lossy(body));
}

async fn look(seen: Data<Seen>) -> String {
    let text = seen.call.lock().unwrap_or_else(|broken| broken.into_inner()).clone();
    seen.wanted.store(true, Relaxed);
    text
}
