//! The result of a call: one outcome, or one per member with their coverage.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::de::DeserializeOwned;
use skitai_actors::kit::Rule;
use skitai_actors::{Coverage, CoverageDetail, Outcome, Reason};
use skitai_wire::Value;

use super::caching::Caching;

/// One outcome (`getwait`). Its fields are the [`Outcome`]'s: `rs.status`, `rs.data`, `rs.reason`, `rs.msg`.
#[derive(Debug)]
pub struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) caching: Option<Caching>,
}

impl Deref for Answered {
    type Target = Outcome;
    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

impl DerefMut for Answered {
    fn deref_mut(&mut self) -> &mut Outcome {
        &mut self.outcome
    }
}

impl Answered {
    /// Returns the data of a good answer, or an error with the reason.
    pub fn ok(self) -> Result<Value, AllFailed> {
        if self.outcome.is_ok() { Ok(self.outcome.data.into_value()) } else { Err(AllFailed::of(vec![self.outcome])) }
    }

    /// Returns the data of a good answer as your own type.
    #[track_caller]
    pub fn one<T: DeserializeOwned>(self) -> crate::app::error::Result<T> {
        let data = self.ok()?;
        Ok(skitai_wire::from_value(data)?)
    }

    /// The fault that the method answered with, if it did.
    pub fn fault(&self) -> Option<Fault> {
        Fault::of(&self.outcome)
    }

    /// Keeps a good answer for `ttl`: an equal call gets it without any I/O. A failure is not kept.
    pub fn cache(&self, ttl: Duration) {
        if let Some(caching) = &self.caching {
            caching.keep(std::slice::from_ref(&self.outcome), ttl);
        }
    }

    /// Returns the bare outcome.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

/// The failure that the called method itself reported: a fault of XML-RPC, an error of JSON-RPC.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("fault {code}: {message}")]
pub struct Fault {
    /// The number that the server gave.
    pub code: i64,
    /// The text that the server gave.
    pub message: String,
    /// Additional data of a JSON-RPC server; else nil.
    pub data: Value,
}

impl Fault {
    fn of(outcome: &Outcome) -> Option<Fault> {
        let code = outcome.fault.filter(|_| outcome.reason == Reason::Fault)?;
        Some(Fault { code, message: outcome.msg.clone(), data: outcome.data.clone().into_value() })
    }
}

/// One outcome per member, in the order of the configuration (`getswait`).
#[derive(Debug)]
pub struct Results {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) caching: Option<Caching>,
    pub(crate) rule: Rule,
}

/// Every member: `results.require(All)?`.
pub use skitai_actors::kit::Rule::All;

impl Results {
    /// How many members answered, and why the others did not.
    pub fn coverage(&self) -> Coverage {
        Coverage::of(&self.outcomes)
    }

    /// Returns the data of the good answers, in member order; those of members that reported a gap of their own are
    /// among them. If there is none, or fewer than the completion rule of the call (`quorum`, `fraction`,
    /// `all_or_error`) requires, it returns an error with every reason, never an empty list.
    pub fn ok(self) -> Result<impl Iterator<Item = Value>, AllFailed> {
        self.good().map(|outcomes| outcomes.map(|outcome| outcome.data.into_value()))
    }

    /// Returns the good outcomes, under the same conditions as [`ok`](Results::ok).
    pub(crate) fn good(self) -> Result<impl Iterator<Item = Outcome>, AllFailed> {
        Ok(self.enough()?.into_iter().filter(Outcome::is_ok))
    }

    /// Returns all outcomes if enough of them are good.
    fn enough(self) -> Result<Vec<Outcome>, AllFailed> {
        let coverage = self.coverage();
        if coverage.good() > 0 && (self.rule.takes_gaps() || coverage.meets(self.rule)) {
            Ok(self.outcomes)
        } else {
            Err(AllFailed::of(self.outcomes))
        }
    }

    /// Returns the data of the good answers if they satisfy the rule of the call. `single`: the call went to one
    /// member, whose partial answer is its answer.
    pub(crate) fn met(self, single: bool) -> Result<Vec<Value>, AllFailed> {
        let coverage = self.coverage();
        if coverage.meets(self.rule) || (single && coverage.good() == coverage.asked && coverage.asked > 0) {
            Ok(self.outcomes.into_iter().filter(Outcome::is_ok).map(|outcome| outcome.data.into_value()).collect())
        } else {
            Err(AllFailed::of(self.outcomes))
        }
    }

    /// Returns the data of the first good answer in member order as your own type: for calls with `first(1)`.
    #[track_caller]
    pub fn one<T: DeserializeOwned>(self) -> crate::app::error::Result<T> {
        match self.ok()?.next() {
            Some(data) => Ok(skitai_wire::from_value(data)?),
            None => Err(crate::app::error::Error::internal("no answer, although one was counted")),
        }
    }

    /// Returns the same results if enough members answered; else an error with every reason. `All` counts only answers
    /// that are whole: a member that reported a gap of its own is refused.
    pub fn require(self, rule: Rule) -> Result<Results, AllFailed> {
        let coverage = self.coverage();
        if coverage.meets(rule) { Ok(self) } else { Err(AllFailed::of(self.outcomes)) }
    }

    /// Returns the rows of all good answers as your own type, in member order.
    #[track_caller]
    pub fn rows<T: DeserializeOwned>(self) -> crate::app::error::Result<Vec<T>> {
        let mut rows = Vec::with_capacity(self.outcomes.iter().map(|outcome| outcome.data.count()).sum());
        for outcome in self.enough()?.iter_mut().filter(|outcome| outcome.is_ok()) {
            std::mem::take(&mut outcome.data).rows_into(&mut rows)?;
        }
        Ok(rows)
    }

    /// Keeps the results for `ttl` if every member gave a good answer: an equal call gets them without any I/O. Partial
    /// results are never kept.
    pub fn cache(&self, ttl: Duration) {
        if let Some(caching) = &self.caching {
            caching.keep(&self.outcomes, ttl);
        }
    }
}

impl Deref for Results {
    type Target = [Outcome];
    fn deref(&self) -> &[Outcome] {
        &self.outcomes
    }
}

impl IntoIterator for Results {
    type Item = Outcome;
    type IntoIter = std::vec::IntoIter<Outcome>;
    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a> IntoIterator for &'a Results {
    type Item = &'a Outcome;
    type IntoIter = std::slice::Iter<'a, Outcome>;
    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.iter()
    }
}

/// Too few members gave a good answer. Names every member that was asked and its reason.
#[derive(Clone, Debug)]
pub struct AllFailed {
    /// How many members answered.
    pub coverage: Coverage,
    /// Every outcome, in member order.
    pub outcomes: Vec<Outcome>,
}

impl AllFailed {
    pub(crate) fn of(outcomes: Vec<Outcome>) -> AllFailed {
        AllFailed { coverage: Coverage::of(&outcomes), outcomes }
    }

    /// The first fault, in member order.
    pub fn fault(&self) -> Option<Fault> {
        self.outcomes.iter().find_map(Fault::of)
    }

    /// True if every missing answer is missing because its time ran out.
    pub fn timed_out(&self) -> bool {
        self.missing_only(|reason| reason == Reason::Deadline)
    }

    /// True if every missing answer is missing because this server's queues were full and nothing was sent: the same
    /// request may well succeed a little later.
    pub fn overloaded(&self) -> bool {
        self.missing_only(Reason::is_overload)
    }

    /// True if every missing answer is missing because its database refused the statement.
    pub fn refused_by_databases(&self) -> bool {
        self.missing_only(|reason| reason == Reason::Sql)
    }

    fn is_conflict(outcome: &Outcome) -> bool {
        outcome.sql_error.as_ref().is_some_and(|error| error.violates_integrity())
    }

    /// True if a statement would have violated an integrity constraint of its database.
    pub fn violates_integrity(&self) -> bool {
        self.outcomes.iter().any(AllFailed::is_conflict)
    }

    /// The text for a reader who may learn this much: without names, each missing member has its index and its reason.
    pub(crate) fn described(&self, detail: CoverageDetail) -> String {
        if detail == CoverageDetail::Names {
            return self.to_string();
        }
        let missing = self.outcomes.iter().filter(|outcome| !outcome.is_whole());
        missing.fold(self.coverage.to_string(), |text, outcome| {
            format!("{text}; {} {}", outcome.position(), outcome.reason.word())
        })
    }

    fn missing_only(&self, why: impl Fn(Reason) -> bool) -> bool {
        // A rule cancels members only as a consequence of the others, so a cancelled outcome explains nothing.
        let explains = |outcome: &Outcome| !outcome.is_ok() && outcome.reason != Reason::Cancelled;
        let mut missing = self.outcomes.iter().filter(|outcome| explains(outcome)).peekable();
        missing.peek().is_some() && missing.all(|outcome| why(outcome.reason))
    }
}

impl std::fmt::Display for AllFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.coverage)?;
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.is_whole()) {
            write!(f, "; {} {}: {}", outcome.node, outcome.reason.word(), outcome.msg)?;
        }
        Ok(())
    }
}

impl std::error::Error for AllFailed {}

#[cfg(test)]
mod tests;
