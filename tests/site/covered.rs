//! Routes whose answers have gaps: a call to a cluster, or to the next server, which does the same.

use serde::Serialize;
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::at("/covered").routes(routes![
        data, consented, refused, enveloped, ignored, taken, page, lines, events, csv, tree, strict, paced, cached,
        singles, given_up
    ])
}

/// How long a call to members may take; one to the next server has the rest of the request's time.
const WITHIN: f64 = 0.7;

fn asked(was: &Was, kind: &str, hops: i64) -> Task {
    match hops {
        0 => was.map(&format!("{kind}/rpc2")).call("search", ()),
        _ => was.map("next/rpc2").call("covered.data", (kind, hops - 1)),
    }
}

async fn answered(was: &Was, kind: &str, hops: i64) -> Results {
    let within = if hops == 0 { secs(WITHIN) } else { secs(20) };
    asked(was, kind, hops).getswait(within).await
}

#[route("/data")]
async fn data(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Result<Vec<Value>> {
    Ok(answered(&was, &kind, hops).await.ok()?.collect())
}

#[route("/consented", partial = "consent")]
async fn consented(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Result<Vec<Value>> {
    Ok(answered(&was, &kind, hops).await.ok()?.collect())
}

#[route("/refused", partial = "refuse")]
async fn refused(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Result<Vec<Value>> {
    Ok(answered(&was, &kind, hops).await.ok()?.collect())
}

#[route("/enveloped", coverage = "body")]
async fn enveloped(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Result<Vec<Value>> {
    Ok(answered(&was, &kind, hops).await.ok()?.collect())
}

/// Looks at no outcome.
#[route("/ignored")]
async fn ignored(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> usize {
    answered(&was, &kind, hops).await.into_iter().count()
}

/// Reads so many arrivals and leaves the rest.
#[route("/taken")]
async fn taken(was: Was, kind: String, count: usize, #[arg(default = 0)] hops: i64) -> Vec<String> {
    let arrivals = asked(&was, &kind, hops).as_completed().within(secs(WITHIN));
    arrivals.take(count).map(|outcome| outcome.reason.word().to_owned()).collect().await
}

#[route("/page")]
async fn page(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Page {
    let within = if hops == 0 { secs(WITHIN) } else { secs(20) };
    let call = asked(&was, &kind, hops);
    Page::new("covered.html").with_task("found", call, within)
}

#[route("/lines")]
async fn lines(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Streaming {
    let within = if hops == 0 { secs(WITHIN) } else { secs(20) };
    Streaming::ndjson(asked(&was, &kind, hops).as_completed().within(within))
}

#[route("/events")]
async fn events(was: Was, kind: String, #[arg(default = 0)] hops: i64) -> Streaming {
    let within = if hops == 0 { secs(WITHIN) } else { secs(20) };
    Streaming::sse(asked(&was, &kind, hops).as_completed().within(within))
}

/// Rows of two files, of which one is none; or the same from the next server.
#[route("/csv")]
async fn csv(was: Was, #[arg(default = 0)] hops: i64) -> Result<Either<Response, String>> {
    if hops == 0 {
        let rows = was.dmap("holed").execute("SELECT 1 AS n", ()).getswait(secs(5)).await;
        return Ok(Either::Left(rows.merged()?.csv()));
    }
    let asked = was.map(&format!("next/covered/csv?hops={}", hops - 1)).get();
    let found = asked.getswait(secs(20)).await;
    Ok(Either::Right(found.ok()?.filter_map(|text| text.as_str().map(str::to_owned)).collect()))
}

/// What one server of a tree was given and found.
#[derive(Serialize)]
struct Tier {
    /// The time that its caller said it would wait, in milliseconds.
    left: Option<i64>,
    found: Vec<Value>,
}

/// Asks the servers below, which do the same, and at the last tier the leaves.
#[route("/tree", deadline = 20)]
async fn tree(was: Was, tiers: i64) -> Result<Tier> {
    let left = was.request.get_header("x-request-timeout-ms").and_then(|left| left.parse().ok());
    let asked = match tiers {
        0 => was.map("leaves/rpc2").call("search", ()),
        _ => was.map("nodes/rpc3").call("covered.tree", (tiers - 1,)),
    };
    Ok(Tier { left, found: asked.getswait(secs(20)).await.ok()?.collect() })
}

/// Lines that are not to be partial.
#[route("/strict", partial = "consent")]
async fn strict(was: Was, kind: String, #[arg(default = false)] events: bool) -> Streaming {
    let arrivals = asked(&was, &kind, 0).as_completed().within(secs(WITHIN));
    if events { Streaming::sse(arrivals) } else { Streaming::ndjson(arrivals) }
}

/// Waits for two calls, takes the first that is whole, and gives the other up.
#[route("/given-up")]
async fn given_up(was: Was) -> usize {
    let late = Box::pin(asked(&was, "hung", 0).getswait(secs(20)));
    let soon = Box::pin(asked(&was, "whole", 0).getswait(secs(20)));
    futures_util::future::select(late, soon).await.factor_first().0.coverage().ok
}

/// An event, silence while members are waited for, and another one.
#[route("/paced")]
async fn paced(was: Was) -> Streaming {
    let events = futures_util::stream::unfold(0, move |number| {
        let was = was.clone();
        async move {
            if number == 1 {
                was.map("hung/rpc2").call("search", ()).getswait(secs(WITHIN)).await;
            }
            let event =
                Event::text(format!("line {number}\nand another")).named("tick").id(number.to_string()).retry(secs(2));
            (number < 2).then_some((event, number + 1))
        }
    });
    Streaming::events(events).keep_alive(Duration::from_millis(50))
}

/// The same call for everybody who asks within a minute.
#[route("/cached")]
async fn cached(was: Was, kind: String) -> Result<Vec<Value>> {
    let found = was.map(&format!("{kind}/rpc2")).cache(secs(60)).call("search", ()).getswait(secs(WITHIN)).await;
    Ok(found.ok()?.collect())
}

/// Calls to one: of a cluster, of its shards, and to a URL. Says which of them had an answer.
#[route("/singles")]
async fn singles(was: Was, kind: String, url: String) -> Vec<bool> {
    let one = was.lb(&format!("{kind}/rpc2")).call("search", ());
    let shard = was.dmap("holed").shard(1).execute("SELECT 1", ());
    let page = was.wget(&url).get();
    let nobody = was.lb("nobody/rpc2").call("search", ());
    let all = tasks![one, shard, page, nobody].getswait(secs(WITHIN)).await;
    all.iter().map(|one| one.coverage().good() > 0).collect()
}
