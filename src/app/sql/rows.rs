//! Streamed rows: `was.dmap(..).rows(sql, params)` is a stream that is never in memory as a whole.
//!
//! ```
//! # use skitai::prelude::*;
//! # #[derive(serde::Deserialize)]
//! # struct City { name: String, population: i64 }
//! #[route("/people")]
//! async fn people(was: Was) -> Result<i64> {
//!     let mut cities = was.dmap("mydb").rows("SELECT name, population FROM cities", ()).of::<City>();
//!     let mut people = 0;
//!     while let Some(city) = cities.next().await {
//!         people += city?.population;
//!     }
//!     Ok(people)
//! }
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::de::DeserializeOwned;
use skitai_actors::db::Column;
use skitai_actors::db::stream::{Broken, RowStream};
use skitai_actors::kit::Rule;
use skitai_actors::merge::{self, Aggregate};
use skitai_actors::{Coverage, CoverageDetail, Outcome, Reason};
use skitai_wire::Value;

use super::merged::Merged;
use crate::app::calls::results::AllFailed;
use crate::app::coverage::record;
use crate::app::error::place::placed;
use crate::app::error::{Error, Result};
use crate::app::trail::Mark;
use crate::app::was::Was;

/// How long a reader may pause, unless [`Sql::patience`](crate::app::Sql::patience) sets another time: longer than a
/// client on a bad network pauses, shorter than a database should hold a connection and its snapshot for an idle
/// reader.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The rows of a statement on one database or many, as a stream of [`Result`]. Made by
/// [`Sql::rows`](crate::app::Sql::rows).
///
/// A slow reader makes the databases wait: at most a few batches of each are in memory. Rows come in the order of
/// arrival, unless [`by_member`](Rows::by_member) or [`sorted_by`](Rows::sorted_by) is set.
///
/// Each member that fails, before its first row or after its thousandth, is one error of the stream; a reader that goes
/// on gets the rows of the other members. No row is missing silently: `?` on every item is enough. Dropping the stream
/// cancels the statements that still run.
#[must_use = "a stream that is not read stops its statements"]
pub struct Rows<T = Value> {
    rows: RecordedRows,
    typed: fn(Value) -> Result<T>,
    /// Whether the failure of one member fails the stream.
    pub(crate) strict: bool,
}

/// The rows, and the request to whose coverage they add theirs when they have been read, or are dropped half-read.
struct RecordedRows {
    rows: RowStream,
    was: Was,
    mark: Option<Mark>,
    name: Arc<str>,
    rule: Rule,
    /// The statement went to one database.
    is_single: bool,
    is_read: bool,
}

impl RecordedRows {
    /// The rows for a reader.
    fn read(&mut self) -> &mut RowStream {
        self.is_read = true;
        &mut self.rows
    }

    fn changed(mut self, change: impl FnOnce(RowStream) -> RowStream) -> RecordedRows {
        let rows = std::mem::replace(&mut self.rows, RowStream::ready(Vec::new()));
        self.rows = change(rows);
        self
    }
}

impl Drop for RecordedRows {
    fn drop(&mut self) {
        if !self.is_read {
            return;
        }
        let unread = || Outcome::failed(Arc::from(""), Reason::Cancelled, "the rows were no longer wanted");
        let ended = self.rows.outcomes();
        let mut outcomes: Vec<Outcome> = ended.map(|ended| ended.map_or_else(unread, Outcome::without_data)).collect();
        record::place(&self.was, &mut outcomes, self.is_single);
        self.was.trail.came(self.mark, &outcomes);
        record::record(&self.was, self.name.clone(), &outcomes, self.rule);
    }
}

/// The item in place of a row.
pub(crate) enum RowError {
    /// One member's rows are missing from here on.
    Member(Box<Outcome>),
    /// The rows cannot be merged, or a row does not fit the type.
    Fault(Error),
}

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("coverage", &self.coverage()).finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) fn new(
        (was, mark): (Was, Option<Mark>),
        name: Arc<str>,
        rows: RowStream,
        rule: Rule,
        is_single: bool,
    ) -> Rows {
        let rows = RecordedRows { rows, was, mark, name, rule, is_single, is_read: false };
        Rows { rows, typed: Ok, strict: rule == Rule::AllOrError }
    }

    /// The rows as your own type, matched by the names of the columns.
    pub fn of<T: DeserializeOwned>(self) -> Rows<T> {
        let Rows { rows, strict, .. } = self;
        Rows { rows, typed: |row| Ok(skitai_wire::from_value(row)?), strict }
    }
}

impl<T> Rows<T> {
    /// Merges the rows in one order over all members: `"country, -population"`, written and compared as for
    /// [`Results::sorted_by`](crate::app::Results::sorted_by). Each member must send its own rows in that order
    /// (`ORDER BY country COLLATE "C", population DESC`). A member that does not ends the stream with an error that
    /// names it. Rows that compare as equal keep the order of the members.
    pub fn sorted_by(self, order: &str) -> Rows<T> {
        Rows { rows: self.rows.changed(|rows| rows.sorted_by(order)), ..self }
    }

    /// Returns the rows member by member, in the order of the configuration. The others, with their connections, wait.
    pub fn by_member(self) -> Rows<T> {
        Rows { rows: self.rows.changed(RowStream::by_member), ..self }
    }

    /// Names and types of the columns, known with the first row; for prepared statements even if there is no row.
    pub fn columns(&self) -> &[Column] {
        self.rows.rows.columns()
    }

    /// The number of members whose rows were read to their end, and why the others' were not. Final only after the end.
    pub fn coverage(&self) -> Coverage {
        self.rows.rows.coverage()
    }

    /// The outcome of each member, in the order of the configuration; `affected` is the number of its rows. `None` for
    /// a member that is still sending.
    pub fn outcomes(&self) -> impl Iterator<Item = Option<&Outcome>> {
        self.rows.rows.outcomes()
    }

    /// Several aggregates of all rows, as your own type or a [`Value`]: `aggregate([count(), avg("population")])`. The
    /// rows are read and not kept. The error of any member is an error.
    #[track_caller]
    pub fn aggregate<A: DeserializeOwned>(
        mut self,
        aggregates: impl AsRef<[Aggregate]>,
    ) -> impl Future<Output = Result<A>> {
        placed(async move {
            let running = self.rows.read().aggregated(None, aggregates.as_ref()).await;
            let running = running.map_err(|broken| self.row_error(broken).into_error(&self))?;
            Ok(skitai_wire::from_value(running.total())?)
        })
    }

    /// One row for each combination of values in the named columns, as
    /// [`Results::group_by`](crate::app::Results::group_by). Memory grows only with the number of groups.
    #[track_caller]
    pub fn group_by(
        mut self,
        columns: &str,
        aggregates: impl AsRef<[Aggregate]>,
    ) -> impl Future<Output = Result<Merged>> {
        placed(async move {
            let running = self.rows.read().aggregated(Some(columns), aggregates.as_ref()).await;
            let running = running.map_err(|broken| self.row_error(broken).into_error(&self))?;
            Ok(Merged::new(running.groups()?, self.coverage()))
        })
    }

    /// The number of rows.
    #[track_caller]
    pub fn count(self) -> impl Future<Output = Result<i64>> {
        placed(async move { Ok(self.value(merge::count()).await?.as_i64().unwrap_or_default()) })
    }

    /// One aggregate of all rows: `value(sum("population"))`.
    #[track_caller]
    pub fn value(self, aggregate: Aggregate) -> impl Future<Output = Result<Value>> {
        placed(async move {
            let named: Value = self.aggregate([aggregate.named("value")]).await?;
            Ok(named["value"].clone())
        })
    }

    /// Polls for the next row, or the error in its place.
    pub(crate) fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, RowError>>> {
        Pin::new(self.rows.read()).poll_next(context).map(|next| {
            next.map(|row| match row {
                Ok(row) => (self.typed)(row).map_err(RowError::Fault),
                Err(broken) => Err(self.row_error(broken)),
            })
        })
    }

    fn row_error(&self, broken: Broken) -> RowError {
        match broken {
            Broken::Member(mut outcome) => {
                outcome.is_masked = self.rows.was.coverage_detail() == CoverageDetail::Positions;
                RowError::Member(outcome)
            }
            Broken::Unmergeable(why) => RowError::Fault(why.into()),
        }
    }

    /// An error with a member's reason and the number of other failures.
    pub(crate) fn failed(&self, outcomes: Vec<Outcome>) -> Error {
        AllFailed { coverage: self.coverage(), outcomes }.into()
    }
}

impl RowError {
    pub(crate) fn into_error<T>(self, of: &Rows<T>) -> Error {
        match self {
            RowError::Member(outcome) => of.failed(vec![*outcome]),
            RowError::Fault(error) => error,
        }
    }
}

impl<T> Stream for Rows<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let next = self.poll_row(context);
        next.map(|next| next.map(|row| row.map_err(|error| error.into_error(&self))))
    }
}
