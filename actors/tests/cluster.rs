//! The cluster actor and the actor for any URL, against members on raw sockets that behave and misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "cluster/member.rs"]
mod member;

#[path = "cluster/body_forms.rs"]
mod body_forms;
#[path = "cluster/checks.rs"]
mod checks;
#[path = "cluster/covered.rs"]
mod covered;
#[path = "cluster/discover.rs"]
mod discover;
#[path = "cluster/failures.rs"]
mod failures;
#[path = "cluster/fair.rs"]
mod fair;
#[path = "cluster/fan_out.rs"]
mod fan_out;
#[path = "cluster/framing.rs"]
mod framing;
#[path = "cluster/health.rs"]
mod health;
#[path = "cluster/keep_alive.rs"]
mod keep_alive;
#[path = "cluster/lies.rs"]
mod lies;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/packed.rs"]
mod packed;
#[path = "cluster/panics.rs"]
mod panics;
#[path = "cluster/repeat.rs"]
mod repeat;
#[path = "cluster/secure.rs"]
mod secure;
#[path = "cluster/web.rs"]
mod web;
#[path = "cluster/whose.rs"]
mod whose;

use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::Outcome;
use skitai_actors::cluster::{Call, Cluster, Roster};
use skitai_actors::http::Request;
use skitai_actors::kit::{ActorRef, Admission, Replies};
use skitai_actors::spec::{Balance, ClusterSpec, Member, Rules, Spread};

/// Runs a test where actors can live.
fn in_system(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(test);
}

fn after(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// A cluster of these ports of this machine.
fn spec(ports: &[u16]) -> ClusterSpec {
    let members = ports.iter().map(|&port| Member::new("127.0.0.1", port)).collect();
    ClusterSpec { max_answer: 1 << 20, ..ClusterSpec::new("members", members) }
}

/// A started cluster actor and its members.
struct Started {
    post: ActorRef<Cluster>,
    roster: Arc<Roster>,
}

impl Started {
    fn new(spec: ClusterSpec) -> Started {
        Started::admitting(spec, Admission::default())
    }

    fn admitting(spec: ClusterSpec, admission: Admission) -> Started {
        Started::of(Roster::new(spec), admission)
    }

    fn of(roster: Arc<Roster>, admission: Admission) -> Started {
        let made_of = roster.clone();
        Started { post: ActorRef::open("members", admission, move || Cluster::new(made_of.clone())), roster }
    }

    fn ask(&self, spread: Spread, request: Request, deadline: Instant) -> Replies<Outcome> {
        let lineup = self.roster.lineup();
        let slots = lineup.slots(spread);
        self.post.ask(Call { lineup, spread, request }, slots, None, deadline)
    }

    /// Asks all members and waits for a second at most.
    async fn all(&self, request: Request) -> Vec<Outcome> {
        let deadline = after(1_000);
        self.ask(Spread::All, request, deadline).all(deadline).await
    }

    /// Asks one and waits for two seconds at most.
    async fn one(&self, request: Request) -> Outcome {
        let deadline = after(2_000);
        let mut outcomes = self.ask(Spread::One, request, deadline).all(deadline).await;
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }
}

/// An XML-RPC call whose content no member here looks at.
fn call() -> Request {
    Request::xmlrpc("/rpc2", "<?xml version='1.0'?><methodCall><methodName>who</methodName><params/></methodCall>")
}

/// A JSON-RPC call of this id; its only argument says it again.
fn json_call(id: u64) -> Request {
    let body = format!(r#"{{"jsonrpc":"2.0","method":"who","params":["own-{id}"],"id":{id}}}"#);
    Request::jsonrpc("/rpc", id, body)
}

/// Generous: two cores may be shared by several builds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long something may take: loosely, so that a busy machine breaks no test; `proof/times` asks for the tight one.
fn bound(tight: Duration, generous: Duration) -> Duration {
    if std::env::var_os("TIGHT_TIMES").is_some() { tight } else { generous }
}

/// Waits until `what` is true; `why` names what did not become true before patience ended.
async fn eventually(why: &str, what: impl Fn() -> bool) {
    until(why, async || what()).await;
}

/// The same for what has to be asked.
async fn until(why: &str, what: impl AsyncFn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !what().await {
        assert!(Instant::now() < give_up, "{why}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
