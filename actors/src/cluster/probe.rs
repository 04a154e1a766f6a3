//! Active checks: probes the members of a cluster, so that no caller has to find out that one is down.
//!
//! Period: the cluster's `check_interval`, ±10 % jitter, for each member separately and first at a random moment of the
//! first period, so that neither the members nor the processes that check them are in step. One prober per cluster and
//! process, which follows the members that are discovered; it ends when its [`Prober`] is dropped or its thread stops.
//!
//! Every check uses a connection of its own: it must not wait behind the callers' requests, and a reused connection
//! would not show whether a new one can be made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_wire::jsonrpc;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::completed;
use super::roster::Roster;
use crate::balance::health::MemberHealth;
use crate::balance::pick::Dice;
use crate::dns::names::{Names as _, SystemNames};
use crate::http::{Endpoint, Origin, OriginLimits, PreparedRequest, Request, next_id, unrecorded};
use crate::kit::tasks::OwnedTask;
use crate::outcome::{Outcome, Reason};
use crate::spec::{Check, CheckKind, Member};

/// A call that every server with introspection answers; any other server answers with a fault, which shows it is alive.
const LIST_METHODS: &str =
    "<?xml version=\"1.0\"?><methodCall><methodName>system.listMethods</methodName><params/></methodCall>";

/// The running checks of one cluster; dropping it ends them.
#[derive(Debug)]
pub struct Prober {
    _task: OwnedTask,
}

impl Prober {
    /// Starts the checks on the current thread; `None` if the cluster has none.
    pub fn start(roster: &Arc<Roster>) -> Option<Prober> {
        let check = roster.spec().check.clone()?;
        Some(Prober { _task: OwnedTask::spawn("checks of members", all(roster.clone(), check)) })
    }
}

/// Keeps one check running for each of the present members.
async fn all(roster: Arc<Roster>, check: Check) {
    let mut changes = roster.changes();
    let mut watched: Vec<(MemberHealth, OwnedTask)> = Vec::new();
    loop {
        let lineup = changes.borrow_and_update().clone();
        let present_health = || (0..lineup.members.len()).map(|index| lineup.health.member(index));
        watched.retain(|(health, _)| present_health().any(|present| present.is(health)));
        for (member, health) in lineup.members.iter().zip(present_health()) {
            if !watched.iter().any(|(known, _)| known.is(health)) {
                let task = OwnedTask::spawn(
                    "checks of members",
                    watch(roster.clone(), check.clone(), member.clone(), health.clone()),
                );
                watched.push((health.clone(), task));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn watch(roster: Arc<Roster>, check: Check, member: Member, health: MemberHealth) {
    let dice = Dice::new();
    sleep(check.interval.mul_f64(dice.below(1_000) as f64 / 1_000.0)).await;
    // A longer check would still run when the next one is due.
    let limit = roster.spec().member_timeout.min(check.interval);
    loop {
        let result = match timeout(limit, ask(&roster, &check.kind, &member, limit)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {limit:?}")),
        };
        let result = result.map_err(|why| format!("check: {why}"));
        health.checked(result, health.now());
        sleep(dice.jittered(check.interval)).await;
    }
}

async fn ask(roster: &Roster, kind: &CheckKind, member: &Member, limit: Duration) -> Result<(), String> {
    let outcome = match kind {
        CheckKind::Tcp => return connect(member).await.map_err(|error| error.to_string()),
        CheckKind::Http(path) => {
            let outcome = exchange(roster, Request::get(path.clone()), member, limit).await?;
            return if (200..400).contains(&outcome.code) { Ok(()) } else { Err(outcome.msg) };
        }
        CheckKind::Rpc(path) if is_json(path) => exchange(roster, in_json(path), member, limit).await?,
        CheckKind::Rpc(path) => {
            let outcome = exchange(roster, Request::xmlrpc(path.clone(), LIST_METHODS), member, limit).await?;
            // The server may not speak XML-RPC: try JSON-RPC. If that fails too, the first answer says more.
            if !is_alive(&outcome) && !outcome.reason.never_ran() {
                let second = exchange(roster, in_json(path), member, limit).await?;
                if is_alive(&second) { second } else { outcome }
            } else {
                outcome
            }
        }
    };
    if is_alive(&outcome) { Ok(()) } else { Err(outcome.msg) }
}

/// A fault passes, and so does a value with any HTTP code. (A list of methods is never nil.)
fn is_alive(outcome: &Outcome) -> bool {
    let is_value = outcome.reason == Reason::HttpStatus && !outcome.data.is_nil();
    is_value || matches!(outcome.reason, Reason::Ok | Reason::Fault)
}

/// True for a path that speaks JSON-RPC only.
fn is_json(path: &str) -> bool {
    path.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase().ends_with("/rpc3")
}

fn in_json(path: &str) -> Request {
    let id = next_id();
    let call = jsonrpc::write_call(id, "system.listMethods", &()).unwrap_or_default();
    Request::jsonrpc(path.to_owned(), id, call)
}

/// One exchange on a connection of its own.
async fn exchange(roster: &Roster, request: Request, member: &Member, limit: Duration) -> Result<Outcome, String> {
    let spec = roster.spec();
    let request = PreparedRequest::new(completed(request, spec)).map_err(|why| why.to_string())?;
    let limits =
        OriginLimits { connect_timeout: spec.connect_timeout.min(limit), connections: 1, max_answer: spec.max_answer };
    let endpoint = Endpoint { trust: roster.trust(), host: &member.host, port: member.port, address: member.address };
    let origin = Origin::member(endpoint, limits).map_err(|why| why.to_string())?;
    Ok(origin.ask(&request, &unrecorded(), Instant::now(), &member.node).await)
}

async fn connect(member: &Member) -> std::io::Result<()> {
    let known = member.address.or_else(|| member.host.parse::<IpAddr>().ok());
    let addresses = match known {
        Some(address) => vec![address],
        None => SystemNames.look_up(&member.host).await?,
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|ip| SocketAddr::new(ip, member.port)).collect();
    TcpStream::connect(&addresses[..]).await.map(drop)
}
