//! Routes for members that misbehave: one call with everything that decides who gets it, a bar for the answers, work
//! between call and wait, and an endless fan-out.

use std::hint::black_box;
use std::time::Instant;

use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new().routes(routes![one, required, computing, rounds])
}

/// One call to one member of a cluster: with `way` `get` a page, otherwise an RPC call with `id` for its argument.
/// Gives the member that answered and how many were asked.
#[route("/one")]
async fn one(
    was: Was,
    cluster: String,
    #[arg(default = "get")] way: String,
    #[arg(default = 0)] id: i64,
    #[arg(default = 5000)] timeout: u64,
    #[arg(default = false)] idempotent: bool,
    key: Option<String>,
) -> Result<Value> {
    let target = if way == "get" { format!("{cluster}/page?id={id}") } else { format!("{cluster}/rpc2") };
    let mut call = was.lb(&target);
    if idempotent {
        call = call.idempotent();
    }
    if let Some(key) = key {
        call = call.key(key);
    }
    let task = if way == "get" { call.get() } else { call.call("work", (id,)) };
    let found = task.getwait(Duration::from_millis(timeout)).await;
    let (node, attempts) = (found.node.to_string(), found.attempts);
    // A page with an error's code is a failure here, too.
    found.ok()?;
    Ok(Value::from_pairs([("node", Value::from(node)), ("attempts", Value::from(i64::from(attempts)))]))
}

/// The answers of a map of which `least` must be good.
#[route("/required")]
async fn required(was: Was, cluster: String, least: usize, timeout: u64) -> Result<Vec<Value>> {
    let found = was.map(&cluster).call("work", (0,)).getswait(Duration::from_millis(timeout)).await;
    Ok(found.require(Rule::Quorum(least))?.ok()?.collect())
}

/// Calls, computes for so long, then gathers.
#[route("/computing")]
fn computing(was: Was, cluster: String, millis: u64) -> i64 {
    let asked = was.map(&cluster).call("work", (0,));
    let until = Instant::now() + Duration::from_millis(millis);
    let mut turns = 0_i64;
    while Instant::now() < until {
        turns = black_box(turns + 1);
    }
    let found = was.wait(asked.getswait(secs(5)));
    i64::try_from(found.coverage().ok).unwrap_or_default()
}

/// A map after the other, all of each one's answers a chunk, as long as the client reads.
#[route("/rounds")]
async fn rounds(was: Was, cluster: String, rounds: usize) -> Streaming {
    let made = futures_util::stream::unfold((was, 0), move |(was, round)| {
        let cluster = cluster.clone();
        async move {
            if round == rounds {
                return None;
            }
            let found = was.map(&cluster).call("work", (round as i64,)).getswait(secs(5)).await;
            let text: String = found.into_iter().filter_map(|one| one.data.as_str().map(str::to_owned)).collect();
            Some((text, (was, round + 1)))
        }
    });
    Streaming::new(Box::pin(made)).content_type("text/plain")
}
