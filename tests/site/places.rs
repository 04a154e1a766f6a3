//! Handlers that fail in a function of the server: the log names the line here that called it, which `at:` marks.

use skitai::prelude::*;
use skitai::sql::count;

pub(crate) fn package() -> Package {
    let hooked = Package::at("/hooked").before_request(refuse).routes(routes![never]);
    Package::at("/places").routes(routes![fails, of_rows, late, page, slow_page, own_error, in_stream]).package(hooked)
}

#[derive(serde::Deserialize)]
struct City {
    #[expect(dead_code, reason = "it is not there")]
    nothing_of_this_name: i64,
}

/// Fails in a function that gives an answer at once.
#[route("/fails")]
async fn fails(was: Was, how: String) -> Result<String> {
    let rows = || async { was.dmap("shards").execute("SELECT 1 AS one", ()).getswait(secs(5)).await };
    match how.as_str() {
        "registered" => was.registered::<String>("nobody").map(|_| ())?, // at: registered
        "session" => was.session.set("name", 1)?,                        // at: session
        "tojson" => was.tojson(&f64::NAN).map(|_| ())?,                  // at: tojson
        "toxml" => was.toxml(&"\u{1}").map(|_| ())?,                     // at: toxml
        "url_for" => was.url_for("nobody", ()).map(|_| ())?,             // at: url_for
        "cookie" => was.cookie.set("a b", "c")?,                         // at: cookie
        "render" => was.app().templates().render("none.html", &()).map(|_| ())?, // at: render
        "std" => std::fs::read_to_string("/nonexistent").map(|_| ())?,   // at: std
        "unwrap" => drop(how.parse::<i64>().expect("a number")),         // at: unwrap
        "index" => assert!([1, 2][how.len()] > 0),                       // at: index
        "rows" => rows().await.rows::<City>().map(|_| ())?,              // at: rows
        "sorted" => rows().await.sorted_by("two").map(|_| ())?,          // at: sorted
        "sum" => rows().await.sum("two").map(|_| ())?,                   // at: sum
        "rows_as" => rows().await.merged()?.rows_as::<City>().map(|_| ())?, // at: rows_as
        "aggregate" => rows().await.merged()?.aggregate::<City>([count()]).map(|_| ())?, // at: aggregate
        "one" => was.dlb("shards").execute("SELECT 1", ()).getwait(secs(5)).await.one::<City>().map(|_| ())?, // at: one
        "ok" => was.dlb("shards").execute("SELECT x", ()).getwait(secs(5)).await.ok().map(|_| ())?, // at: ok
        "fetch" => was.dlb("shards").execute("SELECT x", ()).fetch(secs(5)).await.map(|_| ())?, // at: fetch
        _ => {}
    }
    Ok(how)
}

/// Fails in a function that waits.
#[route("/of-rows")]
async fn of_rows(was: Was, how: String) -> Result<String> {
    let rows = was.dmap("shards").rows("SELECT 1 AS one", ());
    match how.as_str() {
        "aggregate" => rows.aggregate::<City>([count()]).await.map(|_| ())?, // at: rows_aggregate
        "group_by" => rows.group_by("two", [count()]).await.map(|_| ())?,    // at: rows_group_by
        "value" => rows.value(skitai::sql::sum("two")).await.map(|_| ())?,   // at: rows_value
        "tx" => was.dmap("nobody").tx(|_| async { Ok(()) }).await?,          // at: tx
        _ => {}
    }
    Ok(how)
}

// at: late
#[route("/late", deadline = 0.3)]
async fn late() -> String {
    std::future::pending().await
}

// at: page
#[route("/page")]
async fn page() -> Page {
    Page::new("none.html")
}

// at: slow_page
#[route("/slow-page")]
async fn slow_page(was: Was) -> Page {
    Page::new("none.html").with_task("rows", was.dmap("shards").execute("SELECT 1", ()), secs(5))
}

// at: own_error
#[route("/own-error")]
async fn own_error() -> std::result::Result<String, std::num::ParseIntError> {
    "x".parse::<i64>().map(|number| number.to_string())
}

/// An error in the midst of a reply.
#[route("/in-stream")]
async fn in_stream(was: Was) -> Result<Streaming> {
    let rows = was.dmap("shards").rows("SELECT 1 AS one", ());
    rows.of::<serde_json::Value>().sorted_by("two").json().await // at: in_stream
}

async fn refuse(_: Was) -> Result<()> {
    Err(std::io::Error::other("a hook failed"))? // at: hook
}

#[route("/never")]
async fn never() {}
