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
    /// A member's rows broke off, or never began. The rows of other members continue.
    Member(Box<Outcome>),
    /// The rows of the members cannot be merged. This ends the stream and stops the statements.
    Unmergeable(Unmergeable),
}

/// The order of rows from different members.
#[derive(Debug)]
enum Merge {
    /// As they arrive; the member of the last row is asked first.
    Arrival(usize),
    /// Member by member.
    Members,
    /// By value: the text of the order, and the merge once the columns of every member are known.
    Values(String, Option<SortedMerge>),
}

/// The rows of one statement on all its members, as they arrive. Every member ends with an outcome; an unsuccessful one
/// is an item of the stream, so that missing rows are always reported. Dropping the stream stops the statements.
#[derive(Debug)]
#[must_use = "rows that are not read are not sent for long"]
pub struct RowStream {
    sources: Sources,
    merge: Merge,
    table: Table,
    ended: Vec<bool>,
    /// Per member: whether it has a row in the merge or in `fresh`.
    has_row: Vec<bool>,
    /// Rows held back from the merge until every member has one.
    fresh: Vec<(usize, Value)>,
    /// An error in the wanted order, found before the first row was asked for.
    found: Option<Unmergeable>,
    /// The first failure ends the stream.
    strict: bool,
    over: bool,
}

impl RowStream {
    pub(super) fn new(sources: Sources) -> RowStream {
        let count = sources.len();
        let (ended, has_row) = (vec![false; count], vec![false; count]);
        let (merge, table, fresh) = (Merge::Arrival(0), Table::empty(), Vec::new());
        RowStream { sources, merge, table, ended, has_row, fresh, found: None, strict: false, over: false }
    }

    /// A stream without rows and with these outcomes, for a statement that was not sent.
    pub fn ready(outcomes: Vec<Outcome>) -> RowStream {
        RowStream::new(Sources::ended(outcomes))
    }

    /// Gives the rows member by member, in the order of the configuration, instead of as they arrive. The members whose
    /// turn has not come run a few batches ahead, then wait.
    pub fn by_member(mut self) -> RowStream {
        self.merge = Merge::Members;
        self
    }

    /// Merges the rows in an order in which each member already sends its own: `"country, -population"`. A member whose
    /// rows are not in that order is [`Unmergeable::Disorder`]. Rows that compare equal keep the order of the members.
    pub fn sorted_by(mut self, order: &str) -> RowStream {
        self.found = checked(order).err();
        self.merge = Merge::Values(order.to_owned(), None);
        self
    }

    /// Applies a completion rule: with [`Rule::AllOrError`] the first failure of a member stops all members and ends
    /// the stream.
    pub fn under(self, rule: Rule) -> RowStream {
        RowStream { sources: self.sources.under(rule), strict: rule == Rule::AllOrError, ..self }
    }

    /// Names and types of the columns, as far as they are known from members so far.
    pub fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    /// The outcome of each member, in the order of the configuration; `affected` is the number of its rows. `None` for
    /// a member whose rows have not been read to their end yet.
    pub fn outcomes(&self) -> impl Iterator<Item = Option<&Outcome>> {
        self.ended.iter().enumerate().map(|(index, ended)| self.sources.outcome(index).filter(|_| *ended))
    }

    /// How many members' rows were read to their end, and the outcomes of the members that failed. Members still
    /// running count as asked only.
    pub fn coverage(&self) -> Coverage {
        let ended: Vec<Outcome> = self.outcomes().flatten().cloned().collect();
        Coverage { asked: self.sources.len(), ..Coverage::of(&ended) }
    }

    /// Computes aggregates over all rows, in total or grouped by the column `by`. No row is kept. The first failure of
    /// a member ends it with that error.
    pub async fn aggregated(&mut self, by: Option<&str>, aggregates: &[Aggregate]) -> Result<Running, Broken> {
        let mut running = None;
        while let Some(row) = self.try_next().await? {
            let running = match &mut running {
                Some(running) => running,
                none => none.insert(self.running(by, aggregates)?),
            };
            running.add(&row).map_err(Broken::Unmergeable)?;
        }
        // Only now are the columns of all members known, and they have to be comparable.
        let empty = self.running(by, aggregates)?;
        Ok(running.unwrap_or(empty))
    }

    fn running(&self, by: Option<&str>, aggregates: &[Aggregate]) -> Result<Running, Broken> {
        Running::over(&self.table, by, aggregates).map_err(Broken::Unmergeable)
    }

    /// The next row of one member, after its columns have been checked. `None` once, at its end.
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
                // The one slot of `dlb` has the index of the member that was asked.
                let index = if self.ended.len() == 1 { failed.index } else { u32::try_from(index).ok() };
                return Poll::Ready(Err(Broken::Member(Box::new(Outcome { index, ..failed.clone() }))));
            }
        }
        Poll::Ready(Ok(row))
    }

    /// Why a member's rows broke off. If one failure cancelled the other members, that cause is reported for all of
    /// them.
    fn failed(&self, index: usize) -> Option<&Outcome> {
        let mine = self.sources.outcome(index).filter(|outcome| !outcome.is_ok())?;
        let is_cause = |outcome: &&Outcome| !outcome.is_ok() && outcome.reason != Reason::Cancelled;
        let cause = || (0..self.ended.len()).filter_map(|index| self.sources.outcome(index)).find(is_cause);
        if self.strict && mine.reason == Reason::Cancelled { cause().or(Some(mine)) } else { Some(mine) }
    }

    /// Rows as they arrive. `only_first`: only rows of the first member that has not ended.
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

    /// Rows by value: every member that has not ended must have a row in the merge.
    fn poll_sorted(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Value>, Broken>> {
        let count = self.ended.len();
        let mut waits = false;
        for index in 0..count {
            if self.ended[index] || self.has_row[index] {
                continue;
            }
            match self.poll_member(index, context) {
                Poll::Pending => waits = true,
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(row))) => {
                    self.has_row[index] = true;
                    self.fresh.push((index, row));
                }
            }
        }
        if waits {
            return Poll::Pending;
        }
        let Merge::Values(order, sorted) = &mut self.merge else { return Poll::Ready(Ok(None)) };
        let sorted = match sorted {
            Some(sorted) => sorted,
            // Built only when the columns of all members are known, because they have to be comparable.
            none => none.insert(SortedMerge::new(&self.table, order, count).map_err(Broken::Unmergeable)?),
        };
        for (index, row) in self.fresh.drain(..) {
            sorted.bring(index, self.sources.node(index), row).map_err(Broken::Unmergeable)?;
        }
        Poll::Ready(Ok(sorted.take().map(|(index, row)| {
            self.has_row[index] = false;
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
            (None, Merge::Values(..)) => self.poll_sorted(context),
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
