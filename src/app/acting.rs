//! What operators do by the web: the server's own pages ask for it here, and `serve` does it.

use std::time::Instant;

use futures_util::future::BoxFuture;
use skitai_actors::balance::Health;
use skitai_actors::balance::operator::SetAside;

use super::error::Error;
use super::request::admin_login::Role;
use super::services::Services;
use super::was::RequestContext;
use crate::ipc::acts::{Deed, MemberDeed, OperatorAct};
use crate::observe::audit::{AuditEntry, AuditOutcome, Operator, now};
use crate::observe::seldom::Seldom;

pub(crate) use crate::observe::log::{check_levels, levels_with};

/// Anybody can cause refusals: so many are written down in five seconds, and the next one says how many were not.
static REFUSALS: Seldom = Seldom::new(20);
/// So many of those without a login, beside the others: whoever knocks must not hide what was refused to a user.
static KNOCKS: Seldom = Seldom::new(5);
/// The longest text of what was attempted, in characters.
const LONGEST: usize = 200;

/// Who does what operators ask for.
pub(crate) trait InstanceControl: Send + Sync {
    /// Does it, and writes it down.
    fn act(&self, act: OperatorAct) -> BoxFuture<'static, Result<String, String>>;
    /// Writes down what was refused.
    fn refused(&self, entry: AuditEntry);
}

/// What somebody has attempted, in the words of the form.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) action: String,
    pub(crate) on: String,
    pub(crate) why: String,
}

impl RequestContext {
    /// Does what an operator wants whom this request has proven, and returns the id of its entry in the audit log. What
    /// became of it is there.
    pub(crate) async fn carry_out(&self, deed: Deed) -> String {
        let id = self.request.request_id().as_str().to_owned();
        let act = OperatorAct { id: id.clone(), operator: self.operator(Some(Role::Admin)), deed };
        // Both outcomes are written down, and shown from there.
        let _told = self.services().acting.act(act).await;
        id
    }

    /// Writes down what was refused.
    pub(crate) async fn note_refusal(&self, attempt: Attempt, error: &Error) {
        let role = self.role().await;
        let limit = if role.is_some() { &REFUSALS } else { &KNOCKS };
        let Some(tail) = limit.tail(Instant::now()) else { return };
        let short = |text: String| text.chars().take(LONGEST).collect::<String>();
        self.services().acting.refused(AuditEntry {
            at: now(),
            id: self.request.request_id().as_str().to_owned(),
            site: self.services().site.server.name.clone(),
            operator: self.operator(role),
            action: short(attempt.action),
            on: short(attempt.on),
            why: short(attempt.why),
            outcome: AuditOutcome::Refused,
            text: format!("{error}{tail}"),
        });
    }

    fn operator(&self, role: Option<Role>) -> Operator {
        let word = role.map(|role| role.word().to_owned());
        let from = self.request.get_remote_addr().map_or_else(|| "unix".to_owned(), |address| address.to_string());
        Operator { by: "web".to_owned(), user: word.clone(), role: word, from: Some(from), ..Operator::default() }
    }
}

/// A member that an operator means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MeantMember {
    pub(crate) cluster: String,
    pub(crate) node: String,
    /// What is said of it already.
    pub(crate) is_aside: Option<SetAside>,
    /// How many others take calls, as far as operators let them.
    pub(crate) others: usize,
}

/// Why nobody is meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NobodyMeant {
    #[error("there is no cluster @{0}{1}")]
    Cluster(String, String),
    #[error("@{0} has no member {1}; it has {2}")]
    Member(String, String, String),
}

impl Services {
    /// The member of this name, as an operator writes it: `@` may be left out, and so may what only the status adds.
    pub(crate) fn meant(&self, cluster: &str, member: &str) -> Result<MeantMember, NobodyMeant> {
        let name = cluster.strip_prefix('@').unwrap_or(cluster);
        if let Some((_, roster)) = self.clusters.get(name) {
            let lineup = roster.lineup();
            let nodes: Vec<&str> = lineup.members().iter().map(|member| &*member.node).collect();
            return meant(name, &nodes, lineup.health(), member);
        }
        if let Some((_, spec, health)) = self.databases.get(name) {
            let nodes: Vec<&str> = spec.members.iter().map(|member| &*member.node).collect();
            return meant(name, &nodes, health, member);
        }
        let mut names: Vec<&str> = self.clusters.keys().chain(self.databases.keys()).map(|name| &**name).collect();
        names.sort_unstable();
        let known = if names.is_empty() { String::new() } else { format!("; there is @{}", names.join(", @")) };
        Err(NobodyMeant::Cluster(name.to_owned(), known))
    }
}

fn meant(cluster: &str, nodes: &[&str], health: &Health, member: &str) -> Result<MeantMember, NobodyMeant> {
    let Some(at) = index_of(nodes, member) else {
        return Err(NobodyMeant::Member(cluster.to_owned(), member.to_owned(), nodes.join(", ")));
    };
    let aside = |index: usize| health.member(index).operator().map(|said| said.word);
    let others = (0..nodes.len()).filter(|index| *index != at && aside(*index).is_none()).count();
    Ok(MeantMember { cluster: cluster.to_owned(), node: nodes[at].to_owned(), is_aside: aside(at), others })
}

/// The member of this node; or of this address, for one that was found by its name: `name:80 (10.0.0.2)` is meant by
/// `10.0.0.2:80` and by `10.0.0.2`, if it is the only one.
pub(crate) fn index_of(nodes: &[&str], member: &str) -> Option<usize> {
    if let Some(at) = nodes.iter().position(|node| *node == member) {
        return Some(at);
    }
    let is_it = |node: &&str| {
        let Some((name, address)) = node.strip_suffix(')').and_then(|node| node.split_once(" (")) else { return false };
        let port = name.rsplit_once(':').map_or("", |(_, port)| port);
        member == address || member == format!("{address}:{port}") || member == format!("[{address}]:{port}")
    };
    let mut found = nodes.iter().enumerate().filter(|(_, node)| is_it(node));
    found.next().filter(|_| found.next().is_none()).map(|(at, _)| at)
}

impl MeantMember {
    pub(crate) fn deed(&self, why: &str) -> MemberDeed {
        MemberDeed { cluster: self.cluster.clone(), member: self.node.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_meant_by_its_node_or_by_an_address_that_is_its_alone() {
        let nodes = ["a:80", "b:80 (10.0.0.2)", "b:81 (10.0.0.2)", "b:80 (::1)", "10.0.0.9:5432/db"];
        for (member, at) in [
            ("a:80", Some(0)),
            ("b:80 (10.0.0.2)", Some(1)),
            ("10.0.0.2:81", Some(2)),
            ("[::1]:80", Some(3)),
            ("::1", Some(3)),
            ("10.0.0.9:5432/db", Some(4)),
            ("10.0.0.2", None),
            ("b:80", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(index_of(&nodes, member), at, "{member}");
        }
    }
}
