//! The methods that the examples of the JSON-RPC 2.0 specification call (section 7), and others to call in many ways.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use serde::{Deserialize, Serialize};
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new()
        .routes(routes![subtract, update, sum, notify_sum, notify_hello, get_data])
        .routes(routes![noted, nap, refuse, note_ten])
        .routes(routes![ask_any, ask_rest, ask_typed])
}

/// What notifications have left behind.
static NOTED: AtomicI64 = AtomicI64::new(0);

#[route("/subtract")]
async fn subtract(minuend: i64, subtrahend: i64) -> i64 {
    minuend - subtrahend
}

#[route("/update")]
async fn update(a: i64, b: i64, c: i64, d: i64, e: i64) {
    NOTED.fetch_add(a + b + c + d + e, SeqCst);
}

#[route("/sum")]
async fn sum(a: i64, b: i64, c: i64) -> i64 {
    a + b + c
}

#[route("/notify_sum")]
async fn notify_sum(a: i64, b: i64, c: i64) {
    NOTED.fetch_add(a + b + c, SeqCst);
}

#[route("/notify_hello")]
async fn notify_hello(n: i64) {
    NOTED.fetch_add(n, SeqCst);
}

#[route("/get_data")]
async fn get_data() -> (&'static str, i64) {
    ("hello", 5)
}

/// The sum of all that was noted.
#[route("/noted")]
async fn noted() -> i64 {
    NOTED.load(SeqCst)
}

/// Notes ten.
#[route("/note_ten")]
async fn note_ten() -> i64 {
    NOTED.fetch_add(10, SeqCst)
}

/// Waits for a cluster none of whose members answers, and then says who it is.
#[route("/nap", deadline = 5)]
async fn nap(was: Was, cluster: String, millis: u64, name: String) -> String {
    let _ = was.map(&cluster).call("never", ()).getswait(Duration::from_millis(millis)).await;
    name
}

/// An error of this status, with a code of its own where one is given.
#[route("/refuse")]
async fn refuse(status: u16, code: Option<i64>, text: String) -> Result<Value> {
    let error = Error::new(status, text);
    Err(match code {
        Some(code) => error.with_code(code),
        None => error,
    })
}

/// Calls `method` with one argument: at a URL, or all members of a cluster; in `protocol` where one is given.
#[route("/ask-any")]
async fn ask_any(
    was: Was,
    url: Option<String>,
    cluster: Option<String>,
    method: String,
    argument: Value,
    protocol: Option<String>,
    login: Option<String>,
    header: Option<String>,
) -> Result<Vec<Value>> {
    let mut call = match (&url, &cluster) {
        (Some(url), _) => was.rpc(url),
        (None, cluster) => was.map(cluster.as_deref().unwrap_or("none")),
    };
    call = match protocol.as_deref() {
        Some("xml") => call.protocol(Protocol::XmlRpc),
        Some("json") => call.protocol(Protocol::JsonRpc),
        _ => call,
    };
    if let Some((user, password)) = login.as_deref().and_then(|login| login.split_once(':')) {
        call = call.login(user, password);
    }
    if let Some((name, value)) = header.as_deref().and_then(|header| header.split_once('=')) {
        call = call.header(name, value);
    }
    Ok(call.call(&method, (argument,)).getswait(secs(5)).await.ok()?.collect())
}

/// Speaks JSON to a URL with one of the verbs, and tells code, reason and data.
#[route("/ask-rest")]
async fn ask_rest(was: Was, url: String, verb: String, body: Value) -> (u16, &'static str, Value) {
    let rest = was.rest(&url);
    let task = match verb.as_str() {
        "get" => rest.get(),
        "post" => rest.post_json(&body),
        "put" => rest.put(&body),
        "patch" => rest.patch(&body),
        "delete" => rest.delete(),
        _ => rest.call("nothing", ()),
    };
    let outcome = task.getwait(secs(5)).await.into_outcome();
    (outcome.code, outcome.reason.word(), outcome.data.into_value())
}

#[derive(Deserialize, Serialize)]
struct Work {
    composer: String,
    year: i64,
}

/// The first work a member finds, as a type; or the fault it answers with, as one.
#[route("/ask-typed")]
async fn ask_typed(was: Was, url: String, method: String, keyword: String) -> Result<Work> {
    let answered = was.rpc(&url).call(&method, (keyword,)).getwait(secs(5)).await;
    if let Some(Fault { code, message, .. }) = answered.fault() {
        return Err(Error::new(502, format!("the member's fault: {message}")).with_code(code));
    }
    let mut works: Vec<Work> = answered.one()?;
    works.pop().ok_or_else(|| Error::new(404, "no such work"))
}
