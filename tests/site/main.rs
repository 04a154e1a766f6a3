//! A second program for the black-box tests: routes that no demo would have. They panic, compute, wait, bind every kind
//! of argument and tell everything a fan-out came to. Written on the prelude like any other app.

mod asking;
mod calls;
mod chaos;
mod connections;
mod covered;
mod draining;
mod edge;
mod failing;
mod guarded;
mod holding;
mod hooks;
mod packing;
mod pages;
mod places;
mod refused;
mod rolling;
mod routing;
mod rows;
mod services;
mod spec;
mod supervised;
mod tls;
mod uploads;
mod validator;
mod visits;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde::Serialize;
use skitai::prelude::*;

fn main() -> ExitCode {
    let testsite = App::new("testsite")
        .routes(routes![
            panic,
            panic_plain,
            blocking,
            outcomes,
            together,
            fetch,
            nearest,
            chain,
            short,
            full,
            hold,
            large
        ])
        .routes(routes![arrivals, events, letters, aborts, upload])
        .routes(routes![defaults, scalars, float, path, dup, called, shaped, lookup, clash, clash_of, hooks::notes])
        .package(Package::at("/deep").routes(routes![inner]))
        .package(asking::package())
        .package(calls::package())
        .package(chaos::package())
        .package(connections::package())
        .package(covered::package())
        .package(draining::package())
        .package(edge::package())
        .package(tls::package())
        .package(rows::package())
        .package(spec::package())
        .package(validator::package())
        .package(uploads::package())
        .package(packing::package())
        .package(pages::package())
        .package(places::package())
        .package(refused::package());
    // Mounted by one test alone: its two rules give one RPC name, which must keep the server from starting.
    let clashing = App::new("clashing").routes(routes![clash_of, clash_again]);
    skitai::main([
        testsite,
        clashing,
        draining::probed(),
        draining::catching(),
        pages::own(),
        failing::app(),
        guarded::app(),
        holding::app(),
        guarded::pages(),
        hooks::app(),
        rolling::app(),
        routing::app(),
        routing::failing(),
        services::app(),
        supervised::app(),
        visits::app(),
        visits::guarded(),
        visits::sessionless(),
    ])
}

#[route("/panic")]
async fn panic() -> String {
    panic!("on purpose, in an async fn");
}

#[route("/panic-plain")]
fn panic_plain() -> String {
    panic!("on purpose, in a plain fn");
}

/// Adds the numbers from 1 to n on the blocking pool, and asks a cluster in between where one is named.
#[route("/blocking")]
fn blocking(was: Was, n: u64, cluster: Option<String>) -> u64 {
    let asked = cluster.map(|cluster| was.map(&cluster).call("search", ("blocking",)));
    let sum: u64 = (1..=n).sum();
    let answered = asked.map_or(0, |task| was.wait(task.getswait(secs(5))).coverage().ok);
    sum + u64::try_from(answered).unwrap_or(u64::MAX)
}

/// So many bytes of one letter.
#[route("/large")]
async fn large(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Everything a fan-out came to.
#[derive(Serialize)]
struct Account {
    outcomes: Vec<Told>,
    coverage: Counted,
}

#[derive(Serialize)]
struct Told {
    node: String,
    status: u8,
    reason: &'static str,
    code: u16,
    msg: String,
    fault: Option<i64>,
    attempts: u32,
    data: Value,
}

#[derive(Serialize)]
struct Counted {
    asked: usize,
    ok: usize,
    partial: usize,
    failed: usize,
    timed_out: usize,
    cancelled: usize,
    not_sent: usize,
}

/// One fan-out over a cluster: `way` is `map` or `lb` (an RPC call of `method`) or `get` (a page of every member at
/// `path`); `timeout` is in milliseconds.
#[route("/outcomes")]
async fn outcomes(
    was: Was,
    cluster: String,
    #[arg(default = "map")] way: String,
    #[arg(default = 1000)] timeout: u64,
    #[arg(default = "search")] method: String,
    path: Option<String>,
    rule: Option<String>,
) -> Result<Account> {
    let task = match way.as_str() {
        "map" => {
            let calls = was.map(&cluster);
            let rule = rule.unwrap_or_default();
            let (rule, number) = rule.split_once(':').unwrap_or((&rule, "0"));
            let number: f64 = number.parse()?;
            let calls = match rule {
                "first" => calls.first(number as usize),
                "quorum" => calls.quorum(number as usize),
                "fraction" => calls.fraction(number),
                "all_or_error" => calls.all_or_error(),
                _ => calls,
            };
            calls.call(&method, ("Mozart",))
        }
        "lb" => was.lb(&cluster).call(&method, ("Mozart",)),
        "get" => was.map(&format!("{cluster}{}", path.unwrap_or_default())).get(),
        other => return Err(Error::new(400, format!("`{other}` is no way to call"))),
    };
    Ok(account(task.getswait(Duration::from_millis(timeout)).await))
}

fn account(results: Results) -> Account {
    let Coverage { asked, ok, partial, failed, timed_out, cancelled, not_sent, .. } = results.coverage();
    let outcomes = results
        .into_iter()
        .map(|outcome| Told {
            node: outcome.node.to_string(),
            status: outcome.status as u8,
            reason: outcome.reason.word(),
            code: outcome.code,
            msg: outcome.msg,
            fault: outcome.fault,
            attempts: outcome.attempts,
            data: outcome.data.into_value(),
        })
        .collect();
    Account { outcomes, coverage: Counted { asked, ok, partial, failed, timed_out, cancelled, not_sent } }
}

/// Two clusters and a database under one deadline.
#[route("/together")]
async fn together(was: Was, first: String, second: String, timeout: u64) -> Vec<Account> {
    let first = was.map(&first).call("search", ("Mozart",));
    let second = was.lb(&second).call("search", ("Mozart",));
    let rows = was.dmap("shards").execute("SELECT 1 AS one", ());
    let three: [Results; 3] = tasks![first, second, rows].getswait(Duration::from_millis(timeout)).await;
    three.into_iter().map(account).collect()
}

/// The first shard that answers; all but `shard1` would take half a minute.
#[route("/nearest")]
async fn nearest(was: Was) -> Account {
    let slow = "SELECT 7 AS seven, pg_sleep(CASE current_database() WHEN 'shard1' THEN 0 ELSE 29 END)::text AS slept";
    account(was.dmap("shards").first(1).execute(slow, ()).getswait(secs(20)).await)
}

/// What `fetch` gives: of `map` a list, of `lb` the data alone, or an error.
#[route("/fetch")]
async fn fetch(was: Was, cluster: String, way: String, quorum: Option<usize>) -> Result<Value> {
    let calls = if way == "map" { was.map(&cluster) } else { was.lb(&cluster) };
    let calls = if let Some(least) = quorum { calls.quorum(least) } else { calls };
    Ok(calls.call("search", ("Mozart",)).fetch(secs(1)).await?)
}

/// Asks a cluster and tells how each member's answer ended; over RPC it is a link of a chain.
#[route("/chain")]
async fn chain(was: Was, cluster: String) -> Vec<String> {
    let results = was.map(&cluster).call("chain", ("members/rpc2",)).getswait(secs(60)).await;
    results.iter().map(|outcome| outcome.reason.word().to_owned()).collect()
}

/// A fan-out with a time of its own.
#[route("/chain/short", deadline = 0.4)]
async fn short(was: Was, cluster: String) -> Vec<String> {
    chain(was, cluster).await
}

/// Waits for a cluster as long as it may.
#[route("/full")]
async fn full(was: Was, cluster: String) -> Result<usize> {
    Ok(was.map(&cluster).call("search", ("Mozart",)).getswait(secs(20)).await.ok()?.count())
}

/// Computes where it must not.
#[route("/hold")]
async fn hold(millis: u64) -> &'static str {
    let until = std::time::Instant::now() + Duration::from_millis(millis);
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
    "held"
}

/// The outcomes of a map as they arrive, one line each.
#[route("/arrivals")]
async fn arrivals(was: Was, cluster: String) -> Streaming {
    Streaming::ndjson(was.map(&cluster).call("search", ("Mozart",)).as_completed().within(secs(20)))
}

/// The same as server-sent events.
#[route("/events")]
async fn events(was: Was, cluster: String) -> Streaming {
    let nodes = was.map(&cluster).call("search", ("Mozart",)).as_completed().map(|outcome| outcome.reason.word());
    Streaming::sse(nodes)
}

/// Chunks that `letters` made.
static MADE: AtomicUsize = AtomicUsize::new(0);
/// Its clients that left before the last.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Chunks of 64 KiB, from a plain `fn`.
#[route("/letters")]
fn letters(chunks: usize) -> Streaming {
    let made = (0..chunks).map(|_| {
        MADE.fetch_add(1, SeqCst);
        "x".repeat(64 << 10)
    });
    Streaming::new(futures_util::stream::iter(made)).content_type("text/plain").on_abort(|| {
        LEFT.fetch_add(1, SeqCst);
    })
}

/// How many chunks were made and how many clients left before the last.
#[route("/aborts")]
async fn aborts() -> (usize, usize) {
    (MADE.load(SeqCst), LEFT.load(SeqCst))
}

/// Posts a file and a field.
#[route("/upload")]
async fn upload(was: Was, url: String, largest: Option<usize>) -> Result<Value> {
    let parts = [Part::field("title", "Grüße"), Part::file("photo", "a \"b\".png", vec![0xff, 0, 1])];
    let call = was.wget(&url);
    let call = if let Some(largest) = largest { call.max_answer(largest) } else { call };
    Ok(call.upload(&parts).getwait(secs(5)).await.ok()?)
}

/// What a handler with every kind of optional argument was given.
#[derive(Serialize)]
struct Bound {
    needed: i64,
    composer: String,
    maybe: Option<String>,
    many: Vec<i64>,
    rest: Value,
}

#[route("/defaults")]
async fn defaults(
    needed: i64,
    #[arg(default = "Mozart")] composer: String,
    maybe: Option<String>,
    many: Vec<i64>,
    rest: Form,
) -> Bound {
    Bound { needed, composer, maybe, many, rest: Value::Map(rest.values) }
}

#[route("/scalars")]
async fn scalars(truth: bool, small: u8, wide: f64, text: String) -> (bool, u8, f64, String) {
    (truth, small, wide, text)
}

#[route("/float/<float:x>")]
async fn float(x: f64) -> f64 {
    x
}

#[route("/path/<path:p>")]
async fn path(p: String) -> String {
    p
}

#[route("/dup/<int:x>")]
async fn dup(x: Vec<Value>) -> Vec<Value> {
    x
}

/// Clients call its arguments by names that none in Rust can have.
#[route("/called/<int:the-number>")]
async fn called(
    #[arg(name = "the-number")] number: i64,
    #[arg(name = "type", default = "none")] kind: String,
    #[arg(name = "list[]")] list: Vec<i64>,
) -> (i64, String, Vec<i64>) {
    (number, kind, list)
}

/// A type of one's own among the arguments.
#[derive(serde::Deserialize, Serialize)]
struct Shape {
    sides: u8,
    name: Option<String>,
}

#[route("/shaped")]
async fn shaped(
    shape: Json<Shape>,
    more: Vec<Json<Shape>>,
    last: Option<Json<Shape>>,
) -> (Shape, Vec<Shape>, Option<Shape>) {
    (shape.0, more.into_iter().map(|shape| shape.0).collect(), last.map(|shape| shape.0))
}

#[route("/renamed/<int:n>", name = "lookup.number")]
async fn lookup(n: i64) -> i64 {
    n
}

#[route("/clash")]
async fn clash(n: Option<i64>) -> String {
    format!("without a placeholder, {n:?}")
}

#[route("/clash/<int:n>")]
async fn clash_of(n: i64) -> String {
    format!("with a placeholder, {n}")
}

#[route("/clash/<int:n>/<int:m>")]
async fn clash_again(n: i64, m: i64) -> String {
    format!("with two, {n} and {m}")
}

#[route("/inner/<name>")]
async fn inner(name: String) -> String {
    name
}
