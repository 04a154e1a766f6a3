//! Routes by which a test sees what a connection did: which requests were executed and in which order, replies of every
//! kind, and handlers that take their time.

use std::sync::Mutex;

use futures_util::stream::{iter, unfold};
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    let guarded = Package::at("/guarded").before_request(refuse).routes(routes![guarded]);
    Package::new()
        .routes(routes![noted, heard, notes, nothing, moved, host, slept, late, breaks, quiet, counted])
        .package(guarded)
}

/// What was executed: the case and the request's own word.
static NOTED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Notes that it was executed. It takes every method, so that no case is refused for that alone.
#[route("/noted/<case>/<what>", methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])]
async fn noted(case: String, what: String) -> String {
    let reply = format!("{case} {what}");
    NOTED.lock().expect("whole").push((case, what));
    reply
}

/// Notes its method and its body, in hexadecimal digits, too.
#[route("/heard/<case>/<what>", methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])]
async fn heard(was: Was, case: String, what: String) {
    let body: String = was.request.body().iter().map(|octet| format!("{octet:02x}")).collect();
    let reply = format!("{} {what} {body}", was.request.method());
    NOTED.lock().expect("whole").push((case, reply));
}

/// What was noted of a case, in its order.
#[route("/notes/<case>")]
async fn notes(case: String) -> Vec<String> {
    let noted = NOTED.lock().expect("whole");
    noted.iter().filter(|(of, _)| *of == case).map(|(_, what)| what.clone()).collect()
}

/// A reply without a body: 204.
#[route("/nothing")]
async fn nothing() {}

#[route("/moved")]
async fn moved(was: Was) -> Response {
    was.response.redirect("/elsewhere")
}

/// How many items there are, by any face.
#[route("/counted", methods = ["POST"])]
async fn counted(items: Value) -> usize {
    match items {
        Value::List(items) => items.len(),
        _ => 1,
    }
}

/// Whom the client asked for, and with what.
#[route("/host", methods = ["GET", "POST"])]
async fn host(was: Was) -> (Option<String>, String, Option<String>) {
    let header = |name: &str| was.request.get_header(name).map(str::to_owned);
    (header("host"), was.request.uri().to_owned(), header("upgrade"))
}

/// Works for so long.
#[route("/slept")]
#[expect(clippy::disallowed_methods, reason = "a plain fn is on the blocking pool")]
fn slept(millis: u64) -> String {
    std::thread::sleep(Duration::from_millis(millis));
    format!("slept {millis}")
}

/// Has less time than it takes.
#[route("/late", deadline = 0.2)]
async fn late() -> String {
    futures_util::future::pending().await
}

async fn refuse(was: Was) -> Result<Option<String>> {
    Err(was.response.error(401, "nobody may"))
}

/// Behind a hook that lets no request through.
#[route("/inside")]
async fn guarded() -> &'static str {
    "inside"
}

/// So many small chunks, and then an error, a panic or a good end.
#[route("/breaks")]
async fn breaks(#[arg(default = 3)] after: usize, how: String) -> Streaming {
    let chunks = (0..=after).map(move |nth| match (nth == after, how.as_str()) {
        (false, _) => Ok(Some(format!("chunk {nth}\n"))),
        (true, "error") => Err(Error::internal("the chunks broke")),
        (true, "panic") => panic!("on purpose, between chunks"),
        _ => Ok(None),
    });
    Streaming::fallible(iter(chunks).filter_map(async |chunk| chunk.transpose()))
}

/// One event, and then silence as long as the client stays.
#[route("/quiet", deadline = 600)]
async fn quiet() -> Streaming {
    Streaming::sse(unfold(true, async |is_first| match is_first {
        true => Some(("here", false)),
        false => futures_util::future::pending().await,
    }))
}
