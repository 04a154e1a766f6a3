//! The XML-RPC members both sides ask: one process, fast, always the same answer. `member THREADS PORT PORT…`
//!
//! After GET /hold they never answer again, and GET /held tells how many calls are waiting. GET /seen shows the head
//! and body of the last call that came after the GET /seen before it, so that `benches/run` can compare what the two
//! sides send.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

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
    is_holding: AtomicBool,
    held: AtomicUsize,
}

/// What a member is: the ports of all, by which it knows who it is, and their answers.
struct Members {
    ports: Vec<u16>,
    answers: Vec<Bytes>,
}

fn main() -> std::io::Result<()> {
    let (threads, first, mut ports) = benches::arguments_and_members()?;
    ports.insert(0, first);
    let answers = (0..ports.len()).map(|member| benches::works::answer(member).into()).collect();
    let (seen, members) = (Data::new(Seen::default()), Data::new(Members { ports: ports.clone(), answers }));
    actix_rt::System::new().block_on(async move {
        let mut server = HttpServer::new(move || {
            App::new()
                .app_data(seen.clone())
                .app_data(members.clone())
                .route("/seen", web::get().to(look))
                .route("/hold", web::get().to(hold))
                .route("/held", web::get().to(held))
                .route("/RPC2", web::post().to(search))
        })
        .workers(threads);
        for port in ports {
            server = server.bind(("127.0.0.1", port))?;
        }
        server.run().await
    })
}

async fn search(request: HttpRequest, body: Bytes, seen: Data<Seen>, members: Data<Members>) -> HttpResponse {
    let port = request.app_config().local_addr().port();
    let member = members.ports.iter().position(|other| *other == port).unwrap_or_default();
    if seen.is_holding.load(Relaxed) {
        seen.held.fetch_add(1, Relaxed);
        let _held = Held(&seen);
        std::future::pending::<()>().await;
    }
    if member == 0 && seen.wanted.swap(false, Relaxed) {
        note(&seen, &request, &body);
    }
    let xml = HeaderValue::from_static("text/xml");
    HttpResponse::Ok().insert_header((CONTENT_TYPE, xml)).body(members.answers[member].clone())
}

/// A call that waits for ever, counted out when its caller has left.
struct Held<'a>(&'a Seen);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Relaxed);
    }
}

async fn hold(seen: Data<Seen>) -> &'static str {
    seen.is_holding.store(true, Relaxed);
    "holding"
}

async fn held(seen: Data<Seen>) -> String {
    seen.held.load(Relaxed).to_string()
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
