//! Which part of the asked members an answer comes from.
//!
//! [`Coverage`] counts one call, [`CoverageReport`] has the calls of one request by the names of their clusters. A
//! report travels: as the header `X-Coverage` ([`header`]), and in bodies (`body`). What a member of ours sends with
//! its answer is read back into a report, so that a gap two servers away is known at the root.

pub(crate) mod body;
pub mod header;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use super::{Outcome, Reason, Status};
use crate::kit::Rule;

/// Missing members of one cluster that a report describes one by one; of the others it has the number.
pub const DESCRIBED: usize = 256;

/// Clusters that a report names; all further ones are added up as [`OTHERS`]. A site has fewer, and what a member
/// reports must not cost us more than its octets.
const CLUSTERS: usize = 64;
/// The largest count: an integer of RFC 9651 has fifteen digits, and a longer one could not be read again.
const LARGEST: usize = 999_999_999_999_999;
/// The name of what is beyond.
const OTHERS: &str = "others";
/// Missing members, and clusters, that a text for people names.
const SHOWN: usize = 20;
/// Characters of a member's message in such a text.
const LETTERS: usize = 120;

/// How many of the asked members answered, and how the others failed. `asked` is always the sum of `ok`, `partial`,
/// `failed`, `timed_out`, `cancelled` and `not_sent`, but for a stream that has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Members asked.
    pub asked: usize,
    /// Good answers that are whole as far as their members say.
    pub ok: usize,
    /// Good answers of members that reported a gap of their own.
    pub partial: usize,
    /// Errors, faults, and HTTP answers that are not 2xx.
    pub failed: usize,
    /// The caller's or the member's time was over, or a stream's rows were not read.
    pub timed_out: usize,
    /// The answer was no longer wanted.
    pub cancelled: usize,
    /// Nothing was sent, or no connection was made.
    pub not_sent: usize,
    /// The last tier, if a member reported coverage of its own.
    pub leaves: Option<Leaves>,
}

/// The members of the last tier below a call: those that asked nobody else. A member that reported nothing counts as
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Leaves asked.
    pub asked: usize,
    /// Leaves whose answers arrived at the root.
    pub ok: usize,
}

/// A sum that stays a count.
fn sum(one: usize, other: usize) -> usize {
    one.saturating_add(other).min(LARGEST)
}

impl Leaves {
    fn plus(self, other: Leaves) -> Leaves {
        Leaves { asked: sum(self.asked, other.asked), ok: sum(self.ok, other.ok) }
    }
}

impl Coverage {
    /// Counts these outcomes.
    pub fn of(outcomes: &[Outcome]) -> Coverage {
        let mut coverage = Coverage::default();
        let mut leaves = Leaves::default();
        for outcome in outcomes {
            coverage.count(outcome);
            leaves = leaves.plus(outcome.leaves());
        }
        coverage.leaves = outcomes.iter().any(|outcome| outcome.coverage.is_some()).then_some(leaves);
        coverage
    }

    fn count(&mut self, outcome: &Outcome) {
        self.asked += 1;
        *match outcome.status {
            _ if outcome.is_whole() => &mut self.ok,
            _ if outcome.is_ok() => &mut self.partial,
            _ if outcome.reason == Reason::Cancelled => &mut self.cancelled,
            Status::NotConnected => &mut self.not_sent,
            Status::Timeout => &mut self.timed_out,
            Status::Error | Status::Completed => &mut self.failed,
        } += 1;
    }

    /// Answers that can be used: the whole and the partial ones. Completion rules count these.
    pub fn good(self) -> usize {
        self.ok.saturating_add(self.partial)
    }

    /// True when the answers satisfy a completion rule: `All` and `AllOrError` count whole answers, the others good
    /// ones.
    pub fn meets(self, rule: Rule) -> bool {
        rule.is_met(self.asked, if rule.takes_parts() { self.good() } else { self.ok })
    }

    /// True when every asked member gave a good and whole answer. False for a cluster without members.
    pub fn is_complete(self) -> bool {
        self.ok == self.asked && self.asked > 0
    }

    /// True when something that was wanted is missing. Answers that were cancelled are not: somebody had enough.
    pub fn has_gap(self) -> bool {
        self.good() == 0 || self.ok.saturating_add(self.cancelled) < self.asked
    }

    /// The leaves: of a call whose members reported nothing, the members themselves.
    fn leaves_or_members(self) -> Leaves {
        self.leaves.unwrap_or(Leaves { asked: self.asked, ok: self.good() })
    }

    fn plus(self, other: Coverage) -> Coverage {
        let leaves = match (self.leaves, other.leaves) {
            (None, None) => None,
            _ => Some(self.leaves_or_members().plus(other.leaves_or_members())),
        };
        Coverage {
            asked: sum(self.asked, other.asked),
            ok: sum(self.ok, other.ok),
            partial: sum(self.partial, other.partial),
            failed: sum(self.failed, other.failed),
            timed_out: sum(self.timed_out, other.timed_out),
            cancelled: sum(self.cancelled, other.cancelled),
            not_sent: sum(self.not_sent, other.not_sent),
            leaves,
        }
    }

    /// The counts that are not of whole answers, each with its word.
    fn others(self) -> [(usize, &'static str); 5] {
        [
            (self.partial, "partial"),
            (self.failed, "failed"),
            (self.timed_out, "timed_out"),
            (self.cancelled, "cancelled"),
            (self.not_sent, "not_sent"),
        ]
    }
}

impl std::fmt::Display for Coverage {
    /// `1 of 7 ok (1 partial, 2 failed, 1 timed out, 2 not sent)`, with `; 96 of 100 leaves` where members reported
    /// their own coverage.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ok", self.ok, self.asked)?;
        let others: Vec<String> = (self.others().iter().filter(|part| part.0 > 0))
            .map(|(count, word)| format!("{count} {}", word.replace('_', " ")))
            .collect();
        if !others.is_empty() {
            write!(f, " ({})", others.join(", "))?;
        }
        match self.leaves {
            Some(Leaves { asked, ok }) => write!(f, "; {ok} of {asked} leaves"),
            None => Ok(()),
        }
    }
}

/// How much of a report a reader may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoverageDetail {
    /// Clusters, indices of members, and reasons. No address, no message, no time.
    #[default]
    Positions,
    /// Addresses and messages, too.
    Names,
}

/// The coverage of all calls that one request made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoverageReport {
    /// The clusters and databases that were asked, in the order in which their calls ended.
    pub clusters: Vec<ClusterCoverage>,
}

/// The coverage of the calls to one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterCoverage {
    /// The cluster's name without `@`; `web` for URLs and `db` for databases that the code names.
    pub name: Arc<str>,
    /// The counts of its calls, added up.
    pub coverage: Coverage,
    /// True if something that was wanted is missing.
    pub has_gap: bool,
    /// The members without a good and whole answer, at most [`DESCRIBED`].
    pub missing: Vec<MissingMember>,
}

/// A member without a good and whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingMember {
    /// Its index in the cluster, counted from 0. `None` if no member had been chosen yet.
    pub index: Option<u32>,
    /// The word of its [`Reason`].
    pub reason: Cow<'static, str>,
    /// Its address; empty if that was not reported.
    pub node: Arc<str>,
    /// The text of the member or the system; empty if that was not reported.
    pub msg: String,
    /// What the member itself reported.
    pub report: Option<Arc<CoverageReport>>,
}

impl ClusterCoverage {
    /// The coverage of one call with these outcomes. `is_enough`: they satisfy a completion rule of the caller that
    /// takes fewer than all.
    pub fn of<'o>(
        name: Arc<str>,
        outcomes: impl IntoIterator<Item = &'o Outcome>,
        coverage: Coverage,
        is_enough: bool,
    ) -> ClusterCoverage {
        let has_gap = coverage.has_gap() && !(is_enough && coverage.partial == 0);
        let missing = match coverage.is_complete() {
            true => Vec::new(),
            false => outcomes
                .into_iter()
                .filter(|outcome| !outcome.is_whole())
                .take(DESCRIBED)
                .map(MissingMember::of)
                .collect(),
        };
        ClusterCoverage { name, coverage, has_gap, missing }
    }
}

impl MissingMember {
    fn described(&self, detail: CoverageDetail) -> String {
        let reason = &self.reason;
        match (detail, self.index) {
            (CoverageDetail::Positions, Some(index)) => format!("[{index}] {reason}"),
            (CoverageDetail::Positions, None) => format!("[?] {reason}"),
            // The reason alone does not say which status, or which fault.
            (CoverageDetail::Names, _) if matches!(&**reason, "http_status" | "fault" | "sql" | "partial") => {
                let msg: String = self.msg.chars().take(LETTERS).collect();
                format!("{} {reason} ({msg})", self.node)
            }
            (CoverageDetail::Names, _) => format!("{} {reason}", self.node),
        }
    }

    fn of(outcome: &Outcome) -> MissingMember {
        MissingMember {
            index: outcome.index,
            reason: Cow::Borrowed(outcome.reason.word()),
            node: outcome.node.clone(),
            msg: outcome.msg.clone(),
            report: outcome.coverage.clone(),
        }
    }
}

impl CoverageReport {
    /// Adds a call. Calls to the same cluster are added up.
    pub fn add(&mut self, mut call: ClusterCoverage) {
        if self.clusters.len() >= CLUSTERS && self.clusters.iter().all(|known| known.name != call.name) {
            call.name = Arc::from(OTHERS);
        }
        match self.clusters.iter_mut().find(|known| known.name == call.name) {
            Some(known) => {
                known.coverage = known.coverage.plus(call.coverage);
                known.has_gap |= call.has_gap;
                let left = DESCRIBED.saturating_sub(known.missing.len());
                known.missing.extend(call.missing.into_iter().take(left));
            }
            None => self.clusters.push(call),
        }
    }

    /// Adds all calls of another report.
    pub fn merge(&mut self, other: CoverageReport) {
        other.clusters.into_iter().for_each(|call| self.add(call));
    }

    /// True if nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// True if something that was wanted is missing.
    pub fn has_gap(&self) -> bool {
        self.clusters.iter().any(|call| call.has_gap)
    }

    /// What is missing, for people: `mysearch: 2 of 3 ok (1 not sent): 127.0.0.1:5002 refused`, or `[1] refused` where
    /// the reader may not learn names. Calls without a gap are left out, and of a crowd a few members are described.
    pub fn described(&self, detail: CoverageDetail) -> String {
        let call = |call: &ClusterCoverage| {
            let shown = call.missing.iter().take(SHOWN).map(|member| member.described(detail));
            let mut shown: Vec<String> = shown.collect();
            let missing = call.coverage.asked.saturating_sub(call.coverage.ok);
            if missing > shown.len() && !shown.is_empty() {
                shown.push(format!("and {} more", missing - shown.len()));
            }
            let colon = if shown.is_empty() { "" } else { ": " };
            format!("{}: {}{colon}{}", call.name, call.coverage, shown.join(", "))
        };
        self.clusters.iter().filter(|call| call.has_gap).map(call).collect::<Vec<_>>().join("; ")
    }

    /// The leaves of all calls.
    pub fn leaves(&self) -> Leaves {
        self.clusters.iter().fold(Leaves::default(), |sum, call| sum.plus(call.coverage.leaves_or_members()))
    }
}

impl std::fmt::Display for CoverageReport {
    /// `mysearch: 2 of 3 ok (1 not sent), mydb: 3 of 3 ok`: for logs, messages and people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, call) in self.clusters.iter().take(SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", call.name, call.coverage)?;
        }
        match self.clusters.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}
