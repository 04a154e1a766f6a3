//! What a handler gets back from a call: one outcome, or one per member with their coverage.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::de::DeserializeOwned;
use skitai_actors::{Coverage, Outcome, Reason};
use skitai_wire::Value;

use super::caching::Caching;

/// One outcome (`getwait`). Its fields are the [`Outcome`]'s: `rs.status`, `rs.data`, `rs.reason`, `rs.msg`.
#[derive(Debug)]
pub struct Answered {
    pub(super) outcome: Outcome,
    pub(super) caching: Option<Caching>,
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
    /// The data of a good answer, or the error that says what came instead.
    pub fn ok(self) -> Result<Value, AllFailed> {
        if self.outcome.is_ok() { Ok(self.outcome.data) } else { Err(AllFailed::of(vec![self.outcome])) }
    }

    /// The data of a good answer as a type of one's own.
    pub fn one<T: DeserializeOwned>(self) -> crate::app::error::Result<T> {
        let data = self.ok()?;
        Ok(skitai_wire::from_value(data)?)
    }

    /// Keeps a good answer for `ttl`: an equal call gets it without any I/O. Nothing else is kept.
    pub fn cache(&self, ttl: Duration) {
        if let Some(caching) = &self.caching {
            caching.keep(std::slice::from_ref(&self.outcome), ttl);
        }
    }

    /// The outcome by itself.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

/// One outcome per member, in the order of the configuration (`getswait`).
#[derive(Debug)]
pub struct Results {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) caching: Option<Caching>,
}

/// What [`Results::require`] asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Require {
    /// Every member.
    All,
    /// At least so many.
    Quorum(usize),
    /// At least this part of them, from 0 to 1.
    Fraction(f64),
}

/// Every member: `results.require(All)?`.
pub use self::Require::All;

impl Results {
    /// How many answered, and what became of the others.
    pub fn coverage(&self) -> Coverage {
        Coverage::of(&self.outcomes)
    }

    /// The data of the good answers, in member order. When there is none this is an error with every reason, never an
    /// empty success.
    pub fn ok(self) -> Result<impl Iterator<Item = Value>, AllFailed> {
        if self.outcomes.iter().any(Outcome::is_ok) {
            Ok(self.outcomes.into_iter().filter(Outcome::is_ok).map(|outcome| outcome.data))
        } else {
            Err(AllFailed::of(self.outcomes))
        }
    }

    /// The same results, if enough members answered; else an error with every reason.
    pub fn require(self, rule: Require) -> Result<Results, AllFailed> {
        let coverage = self.coverage();
        let met = match rule {
            Require::All => coverage.is_complete(),
            Require::Quorum(least) => coverage.ok >= least.max(1),
            Require::Fraction(part) => coverage.ok > 0 && coverage.ok as f64 >= part * coverage.asked as f64,
        };
        if met { Ok(self) } else { Err(AllFailed::of(self.outcomes)) }
    }

    /// The rows of all good answers as a type of one's own, in member order.
    pub fn rows<T: DeserializeOwned>(self) -> crate::app::error::Result<Vec<T>> {
        let mut rows = Vec::new();
        for data in self.ok()? {
            match data {
                Value::List(list) => {
                    for row in list {
                        rows.push(skitai_wire::from_value(row)?);
                    }
                }
                other => rows.push(skitai_wire::from_value(other)?),
            }
        }
        Ok(rows)
    }

    /// Keeps the results for `ttl` if every member gave a good answer: an equal call gets them without any I/O. A
    /// partial result is never kept.
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

/// Not enough members answered well: who was asked and what came of each.
#[derive(Clone, Debug)]
pub struct AllFailed {
    /// How many answered.
    pub coverage: Coverage,
    /// Every outcome, in member order.
    pub outcomes: Vec<Outcome>,
}

impl AllFailed {
    fn of(outcomes: Vec<Outcome>) -> AllFailed {
        AllFailed { coverage: Coverage::of(&outcomes), outcomes }
    }

    /// True when what is missing is missing only because of time.
    pub fn timed_out(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.is_ok() || outcome.reason == Reason::Deadline)
    }
}

impl std::fmt::Display for AllFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.coverage)?;
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.is_ok()) {
            write!(f, "; {} {}: {}", outcome.node, outcome.reason.word(), outcome.msg)?;
        }
        Ok(())
    }
}

impl std::error::Error for AllFailed {}
