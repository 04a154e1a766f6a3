//! The rows of all members as one stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::TryStreamExt;

use super::source::Sources;
use crate::kit::Rule;
use crate::merge::{Aggregate, Running, SortedMerge, Table, Unmergeable, checked};
use crate::outcome::columns::Column;
use crate::outcome::{Coverage, Outcome, Reason};
use crate::wire::Value;

/// Why rows are missing.
#[derive(Clone, Debug)]
pub enum Broken {
    /// A member's rows ended before their end, or never began. Those of the others go on.
    Member(Box<Outcome>),
    /// The rows do not go together. Nothing comes after it, and the statements are stopped.
    Unmergeable(Unmergeable),
}

/// In which order rows of different members come.
#[derive(Debug)]
enum Merge {
    /// As they arrive; from the one that rows came from last, while it has some.
    Arrival(usize),
    /// Member by member.
    Members,
    /// By their values: the text, and the line once every member has told its columns.
    Values(String, Option<SortedMerge>),
}

/// Rows of one statement on all its members, as they come. Every member ends with an outcome; one that is not good is
/// an item of the stream, so that nothing is missing in silence. Dropped, it stops the statements.
#[derive(Debug)]
#[must_use = "rows that are not read are not sent for long"]
pub struct RowStream {
    sources: Sources,
    merge: Merge,
    table: Table,
    ended: Vec<bool>,
    /// Of each member whether it has a row in the line, or among the fresh ones.
    stands: Vec<bool>,
    /// Rows on their way into the line, until those of all members are there.
    fresh: Vec<(usize, Value)>,
    /// What was found before the first row was asked for.
    found: Option<Unmergeable>,
    /// One failure is the end.
    strict: bool,
    over: bool,
}

impl RowStream {
    pub(super) fn new(sources: Sources) -> RowStream {
        let count = sources.len();
        let (ended, stands) = (vec![false; count], vec![false; count]);
        let (merge, table, fresh) = (Merge::Arrival(0), Table::empty(), Vec::new());
        RowStream { sources, merge, table, ended, stands, fresh, found: None, strict: false, over: false }
    }

    /// No rows, and these outcomes: of a statement that was not sent.
    pub fn ready(outcomes: Vec<Outcome>) -> RowStream {
        RowStream::new(Sources::ended(outcomes))
    }

    /// The rows member by member, in the order of the configuration, instead of as they arrive. Those whose turn has
    /// not come wait, a few batches ahead.
    pub fn by_member(mut self) -> RowStream {
        self.merge = Merge::Members;
        self
    }

    /// The rows in an order in which each member sends its own: `"country, -population"`. One that does not is
    /// [`Unmergeable::Disorder`]. Rows that are equal in it keep the order of the members.
    pub fn sorted_by(mut self, order: &str) -> RowStream {
        self.found = checked(order).err();
        self.merge = Merge::Values(order.to_owned(), None);
        self
    }

    /// The same under a completion rule: with [`Rule::AllOrError`] the first failure of a member stops all, and nothing
    /// comes after it.
    pub fn under(self, rule: Rule) -> RowStream {
        RowStream { sources: self.sources.under(rule), strict: rule == Rule::AllOrError, ..self }
    }

    /// Names and types of the columns, as far as a member has told them.
    pub fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    /// What became of each member, in the order of the configuration: `affected` is the number of its rows. One whose
    /// rows were not read to their end yet is `None`.
    pub fn outcomes(&self) -> impl Iterator<Item = Option<&Outcome>> {
        self.ended.iter().enumerate().map(|(index, ended)| self.sources.outcome(index).filter(|_| *ended))
    }

    /// How many members' rows were read to their end, and what became of others. Those that go on are not in its parts.
    pub fn coverage(&self) -> Coverage {
        let ended: Vec<Outcome> = self.outcomes().flatten().cloned().collect();
        Coverage { asked: self.sources.len(), ..Coverage::of(&ended) }
    }

    /// What is computed of all its rows, for all of them or by groups. Nothing else is kept of them. The first failure
    /// of a member ends it.
    pub async fn aggregated(&mut self, by: Option<&str>, aggregates: &[Aggregate]) -> Result<Running, Broken> {
        let mut running = None;
        while let Some(row) = self.try_next().await? {
            let running = match &mut running {
                Some(running) => running,
                none => none.insert(self.running(by, aggregates)?),
            };
            running.add(&row).map_err(Broken::Unmergeable)?;
        }
        // Now that all members have told their columns, for they have to compare alike.
        let empty = self.running(by, aggregates)?;
        Ok(running.unwrap_or(empty))
    }

    fn running(&self, by: Option<&str>, aggregates: &[Aggregate]) -> Result<Running, Broken> {
        Running::over(&self.table, by, aggregates).map_err(Broken::Unmergeable)
    }

    /// The next row of one member, after what it tells of its columns. At its end, which is told once, `None`.
    fn poll_member(&mut self, index: usize, context: &mut Context<'_>) -> Poll<Result<Option<Value>, Broken>> {
        let row = ready!(self.sources.poll_row(index, context));
        if let Some(columns) = self.sources.columns(index)
            && let Err(why) = self.table.learn(&columns, self.sources.node(index))
        {
            return Poll::Ready(Err(Broken::Unmergeable(why)));
        }
        if row.is_none() {
            self.ended[index] = true;
            if let Some(failed) = self.failed(index) {
                return Poll::Ready(Err(Broken::Member(Box::new(failed.clone()))));
            }
        }
        Poll::Ready(Ok(row))
    }

    /// Why a member's rows ended before their end. Where one takes all others along, what is told is the one.
    fn failed(&self, index: usize) -> Option<&Outcome> {
        let mine = self.sources.outcome(index).filter(|outcome| !outcome.is_ok())?;
        let is_cause = |outcome: &&Outcome| !outcome.is_ok() && outcome.reason != Reason::Cancelled;
        let cause = || (0..self.ended.len()).filter_map(|index| self.sources.outcome(index)).find(is_cause);
        if self.strict && mine.reason == Reason::Cancelled { cause().or(Some(mine)) } else { Some(mine) }
    }

    /// Rows as they arrive. `only_first`: of the first member that has not ended.
    fn poll_one(
        &mut self,
        from: usize,
        only_first: bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Value>, Broken>> {
        let count = self.ended.len();
        let mut waits = false;
        for index in (from..count).chain(0..from) {
            while !self.ended[index] {
                match self.poll_member(index, context) {
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(row) => {
                        if let Merge::Arrival(last) = &mut self.merge {
                            *last = index;
                        }
                        return Poll::Ready(row);
                    }
                    Poll::Pending if only_first => return Poll::Pending,
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(Ok(None)) }
    }

    /// Rows by their values: every member that goes on has to have one in the line.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Value>, Broken>> {
        let count = self.ended.len();
        let mut waits = false;
        for index in 0..count {
            if self.ended[index] || self.stands[index] {
                continue;
            }
            match self.poll_member(index, context) {
                Poll::Pending => waits = true,
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(row))) => {
                    self.stands[index] = true;
                    self.fresh.push((index, row));
                }
            }
        }
        if waits {
            return Poll::Pending;
        }
        let Merge::Values(order, line) = &mut self.merge else { return Poll::Ready(Ok(None)) };
        let line = match line {
            Some(line) => line,
            // Not before all members have told their columns: they have to compare alike.
            none => none.insert(SortedMerge::new(&self.table, order, count).map_err(Broken::Unmergeable)?),
        };
        for (index, row) in self.fresh.drain(..) {
            line.bring(index, self.sources.node(index), row).map_err(Broken::Unmergeable)?;
        }
        Poll::Ready(Ok(line.take().map(|(index, row)| {
            self.stands[index] = false;
            row
        })))
    }
}

impl Stream for RowStream {
    type Item = Result<Value, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.sources.pace().asks();
        let row = match (self.found.take(), &self.merge) {
            (Some(why), _) => Poll::Ready(Err(Broken::Unmergeable(why))),
            (None, Merge::Arrival(last)) => {
                let last = *last;
                self.poll_one(last, false, context)
            }
            (None, Merge::Members) => self.poll_one(0, true, context),
            (None, Merge::Values(..)) => self.poll_line(context),
        };
        match &row {
            Poll::Pending => self.sources.pace().waits(),
            Poll::Ready(Ok(None)) => self.over = true,
            Poll::Ready(Err(Broken::Member(_))) if !self.strict => {}
            Poll::Ready(Err(_)) => {
                self.over = true;
                self.sources.stop();
            }
            Poll::Ready(Ok(Some(_))) => {}
        }
        row.map(Result::transpose)
    }
}
