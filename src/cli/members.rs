//! `drain`, `eject`, `restore`: an operator's word about a member, to a running instance.

use std::process::ExitCode;

use serde_json::Value;

use super::args::OfMember;
use super::instance::{RunningInstance, target};
use super::program::{Program, fail, print};
use crate::app::acting::index_of;
use crate::ipc::acts::MemberDeed;
use crate::ipc::messages::{ControlRequest, InstanceCommand as Order};

/// The parts of the status that have members.
const PARTS: [&str; 2] = ["clusters", "databases"];

/// Tells a running instance something of a member.
pub(super) fn of_member(program: &Program, asked: &OfMember, order: Order) -> ExitCode {
    let target = match target(program, &asked.which) {
        Ok(target) => target,
        Err(report) => return fail(&report),
    };
    let (cluster, member) = match meant(&target, asked) {
        Ok(meant) => meant,
        Err(why) => return fail(&format!("error: {}: {why}", target.name)),
    };
    let deed = MemberDeed { cluster, member, why: asked.why.clone().unwrap_or_default() };
    let request = ControlRequest { member: Some(deed), ..ControlRequest::of(order) };
    target.told(&request)
}

/// The cluster, without `@`, and the node of the member that is meant: a process knows which members there are.
fn meant(target: &RunningInstance, asked: &OfMember) -> Result<(String, String), String> {
    let cluster = asked.cluster.strip_prefix('@').unwrap_or(&asked.cluster);
    let status = target.status().map_err(|error| error.to_string())?;
    let parts: Vec<Value> = PARTS.iter().filter_map(|part| target.tree(&status, Some(part))).collect();
    if parts.is_empty() {
        print("no process has said in time which members there are; the name is taken as it is");
        return Ok((cluster.to_owned(), asked.member.clone()));
    }
    let known = || parts.iter().zip(PARTS).filter_map(|(tree, part)| tree[part].as_object());
    let Some(found) = known().find_map(|clusters| clusters.get(cluster)) else {
        let names: Vec<&str> = known().flat_map(|clusters| clusters.keys()).map(String::as_str).collect();
        let there = if names.is_empty() { String::new() } else { format!("; there is @{}", names.join(", @")) };
        return Err(format!("there is no cluster @{cluster}{there}"));
    };
    let members = found["members"].as_array().into_iter().flatten();
    let nodes: Vec<&str> = members.filter_map(|member| member["node"].as_str()).collect();
    match index_of(&nodes, &asked.member) {
        Some(at) => Ok((cluster.to_owned(), nodes[at].to_owned())),
        None => Err(format!("@{cluster} has no member {}; it has {}", asked.member, nodes.join(", "))),
    }
}
