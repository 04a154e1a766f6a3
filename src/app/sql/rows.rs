//! Rows as they come: `was.dmap(..).rows(sql, params)` is a stream that is never in memory as a whole.
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
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::de::DeserializeOwned;
use skitai_actors::db::Column;
use skitai_actors::db::stream::{Broken, RowStream};
use skitai_actors::merge::{self, Aggregate};
use skitai_actors::{Coverage, Outcome};
use skitai_wire::Value;

use super::merged::Merged;
use crate::app::calls::results::AllFailed;
use crate::app::error::{Error, Result};

/// How long a reader may read nothing, unless [`Sql::patience`](crate::app::Sql::patience) says otherwise: longer than a
/// client on a bad line pauses, shorter than a database should hold a connection and its snapshot for nobody.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The rows of one statement on one database or on many, as a stream of [`Result`]. Made by
/// [`Sql::rows`](crate::app::Sql::rows).
///
/// A reader who takes his time makes the databases wait: no more than a few batches of each are ever in memory. Rows
/// come as they arrive, unless [`by_member`](Rows::by_member) or [`sorted_by`](Rows::sorted_by).
///
/// Each member that fails, before its first row or after its thousandth, is an error of the stream, once; whoever goes
/// on reading gets the rows of the others. Nothing is missing in silence: `?` on every item is enough. Dropped, the
/// stream cancels what still runs.
#[must_use = "a stream that is not read stops its statements"]
pub struct Rows<T = Value> {
    rows: RowStream,
    typed: fn(Value) -> Result<T>,
    /// A failure of one is one of all.
    pub(crate) strict: bool,
    /// For the log.
    pub(crate) uri: String,
}

/// What a row stream has instead of a row.
pub(crate) enum RowError {
    /// One member's rows are missing from here on.
    Member(Box<Outcome>),
    /// The rows make no sense together, or one of them is not of the type.
    Fault(Error),
}

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("coverage", &self.coverage()).finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) fn new(rows: RowStream, strict: bool, uri: &str) -> Rows {
        Rows { rows, typed: Ok, strict, uri: uri.to_owned() }
    }

    /// The rows as a type of one's own, read by the names of the columns.
    pub fn of<T: DeserializeOwned>(self) -> Rows<T> {
        let Rows { rows, strict, uri, .. } = self;
        Rows { rows, typed: |row| Ok(skitai_wire::from_value(row)?), strict, uri }
    }
}

impl<T> Rows<T> {
    /// The rows in one order over all members: `"country, -population"`, written as for
    /// [`Results::sorted_by`](crate::app::Results::sorted_by) and compared by the same rules. Each member has to send its
    /// own rows in that order (`ORDER BY country COLLATE "C", population DESC`); one that does not is an error with its
    /// name, after which nothing comes. Rows that are equal keep the order of the members.
    pub fn sorted_by(self, order: &str) -> Rows<T> {
        Rows { rows: self.rows.sorted_by(order), ..self }
    }

    /// The rows member by member, in the order of the configuration. The others wait meanwhile, with their connections.
    pub fn by_member(self) -> Rows<T> {
        Rows { rows: self.rows.by_member(), ..self }
    }

    /// Names and types of the columns, known with the first row; of prepared statements also where there is none.
    pub fn columns(&self) -> &[Column] {
        self.rows.columns()
    }

    /// How many members' rows were read to their end, and what became of the others. Complete only at the end.
    pub fn coverage(&self) -> Coverage {
        self.rows.coverage()
    }

    /// What became of each member, in the order of the configuration; `affected` is the number of its rows. `None` for
    /// those whose rows go on.
    pub fn outcomes(&self) -> impl Iterator<Item = Option<&Outcome>> {
        self.rows.outcomes()
    }

    /// Several aggregates of all rows, which are read for it and not kept: `aggregate([count(), avg("population")])`,
    /// as a type of one's own or a [`Value`]. An error of any member is an error.
    pub async fn aggregate<A: DeserializeOwned>(mut self, aggregates: impl AsRef<[Aggregate]>) -> Result<A> {
        let running = self.rows.aggregated(None, aggregates.as_ref()).await;
        let running = running.map_err(|broken| self.hole(broken).into_error(&self))?;
        Ok(skitai_wire::from_value(running.total())?)
    }

    /// One row for each combination of values in the named columns, as [`Results::group_by`](crate::app::Results::group_by).
    /// Memory grows with the number of groups alone.
    pub async fn group_by(mut self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged> {
        let running = self.rows.aggregated(Some(columns), aggregates.as_ref()).await;
        let running = running.map_err(|broken| self.hole(broken).into_error(&self))?;
        Ok(Merged::new(running.groups()?, self.coverage()))
    }

    /// How many rows there are.
    pub async fn count(self) -> Result<i64> {
        Ok(self.value(merge::count()).await?.as_i64().unwrap_or_default())
    }

    /// One aggregate of all rows: `value(sum("population"))`.
    pub async fn value(self, aggregate: Aggregate) -> Result<Value> {
        let named: Value = self.aggregate([aggregate.named("value")]).await?;
        Ok(named["value"].clone())
    }

    /// The next row, or what is there instead.
    pub(crate) fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, RowError>>> {
        Pin::new(&mut self.rows).poll_next(context).map(|next| {
            next.map(|row| match row {
                Ok(row) => (self.typed)(row).map_err(RowError::Fault),
                Err(broken) => Err(self.hole(broken)),
            })
        })
    }

    fn hole(&self, broken: Broken) -> RowError {
        match broken {
            Broken::Member(outcome) => RowError::Member(outcome),
            Broken::Unmergeable(why) => RowError::Fault(why.into()),
        }
    }

    /// An error with a member's reason and how many others there are.
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
        next.map(|next| next.map(|row| row.map_err(|hole| hole.into_error(&self))))
    }
}
