//! Active checks: asks the members of a cluster by itself whether they are alive.
//!
//! Period: the cluster's `check_interval`, within a tenth, for each member by itself and first at a random moment of the
//! first period, so that neither the members nor the processes that check them are in step. One prober per cluster and
//! process; it ends when its [`Prober`] is dropped or its thread stops. It prevents that a caller has to find out.
//!
//! Every check makes a connection of its own: it must not wait behind the callers' requests, and a kept one would say
//! nothing about whether a new one can be made.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::health::Health;
use super::pick::Dice;
use crate::http::{Limits, Origin, Prepared, Progress, Request};
use crate::outcome::Reason;
use crate::spec::{Check, CheckKind, ClusterSpec, Member};

/// The call every server that can introspect answers; one that cannot answers with a fault, and is alive.
const LIST_METHODS: &str =
    "<?xml version=\"1.0\"?><methodCall><methodName>system.listMethods</methodName><params/></methodCall>";

/// The running checks of one cluster; dropping it ends them.
#[derive(Debug)]
pub struct Prober(tokio::task::JoinHandle<()>);

impl Prober {
    /// Starts the checks on the current thread; `None` where the cluster wants none.
    pub fn start(spec: &Arc<ClusterSpec>, health: Arc<Health>) -> Option<Prober> {
        let check = spec.check.clone()?;
        let spec = spec.clone();
        Some(Prober(actix_rt::spawn(async move {
            let members = spec.members.iter().enumerate();
            join_all(members.map(|(index, member)| watch(&spec, &check, member, index, &health))).await;
        })))
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(spec: &ClusterSpec, check: &Check, member: &Member, index: usize, health: &Health) {
    let dice = Dice::new();
    let permille = |number: u64| u32::try_from(number).unwrap_or(0);
    sleep(check.interval * permille(dice.below(1_000)) / 1_000).await;
    // A check that takes longer than its period would still run when the next one is due.
    let limit = spec.member_timeout.min(check.interval);
    loop {
        let result = match timeout(limit, ask(spec, &check.kind, member, limit)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {limit:?}")),
        };
        let result = result.map_err(|why| format!("check: {why}"));
        health.checked(index, result, health.now());
        sleep(check.interval * permille(900 + dice.below(201)) / 1_000).await;
    }
}

async fn ask(spec: &ClusterSpec, kind: &CheckKind, member: &Member, limit: Duration) -> Result<(), String> {
    let request = match kind {
        CheckKind::Tcp => {
            let connected = TcpStream::connect((member.host.as_str(), member.port)).await;
            return connected.map(drop).map_err(|error| error.to_string());
        }
        CheckKind::Rpc(path) => Request::xmlrpc(path.as_str(), LIST_METHODS),
        CheckKind::Http(path) => Request::get(path.as_str()),
    };
    let request = Prepared::new(request)?;
    let limits =
        Limits { connect_timeout: spec.connect_timeout.min(limit), connections: 1, max_answer: spec.max_answer };
    let origin = Origin::new(spec.tls, &member.host, member.port, limits)?;
    let answer = origin.exchange(&request, &Progress::default()).await.map_err(|failure| failure.msg)?;
    let outcome = answer.into_outcome(member.node.clone());
    let is_alive = match kind {
        CheckKind::Http(_) => (200..400).contains(&outcome.code),
        CheckKind::Rpc(_) | CheckKind::Tcp => matches!(outcome.reason, Reason::Ok | Reason::Fault),
    };
    if is_alive { Ok(()) } else { Err(outcome.msg) }
}
