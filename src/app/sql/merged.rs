//! The rows of all shards as one table: `was.dmap(..).execute(..).getswait(..).await.top(10, "-population")?`.
//!
//! Each of these methods needs what [`Results::ok`] needs: one good answer, or as many as the completion rule requires.
//! If the rows of every shard are needed, use `.require(All)?` first, or `.all_or_error()` before `execute`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use skitai_actors::Coverage;
use skitai_actors::db::Column;
use skitai_actors::merge::{self, Aggregate};
use skitai_wire::{Map, Value};

use super::csv;
use crate::app::calls::results::Results;
use crate::app::error::Result;
use crate::app::reply::Response;

/// The rows of all shards that answered, as one table. It is `Serialize`: a handler may return it, and the client gets
/// a list of rows.
#[derive(Clone, Debug)]
pub struct Merged {
    table: merge::Merged,
    coverage: Coverage,
}

impl Results {
    /// The rows of all good answers as one table, in the order of the members, and within a member as sent.
    #[track_caller]
    pub fn merged(self) -> Result<Merged> {
        let coverage = self.coverage();
        let table = merge::Merged::of(self.good()?)?;
        Ok(Merged { table, coverage })
    }

    /// Sorts the rows of all shards: `"-population, name"`, or `"population desc nulls last, name"`.
    #[track_caller]
    pub fn sorted_by(self, order: &str) -> Result<Merged> {
        self.merged()?.sorted_by(order)
    }

    /// The first `n` rows of all shards: `top(10, "-population")`. Limit the statement so that each shard sends only
    /// its own first `n` (`ORDER BY population DESC LIMIT 10`).
    #[track_caller]
    pub fn top(self, n: usize, order: &str) -> Result<Merged> {
        self.merged()?.top(n, order)
    }

    /// The number of rows of all shards. If the shards did the counting, add their counts with [`sum`](Results::sum).
    #[track_caller]
    pub fn count(self) -> Result<i64> {
        Ok(self.merged()?.rows().len().try_into()?)
    }

    /// The exact sum of a column over the rows of all shards; nil if there are no values.
    #[track_caller]
    pub fn sum(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::sum(column))
    }

    /// The average of a column over the rows of all shards, computed from the exact sum and count.
    #[track_caller]
    pub fn avg(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::avg(column))
    }

    /// The smallest value of a column over the rows of all shards.
    #[track_caller]
    pub fn min(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::min(column))
    }

    /// The largest value of a column over the rows of all shards.
    #[track_caller]
    pub fn max(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::max(column))
    }

    /// One row for each combination of values in the named columns, with aggregates over its rows:
    /// `group_by("country", [count(), sum("population").named("people")])`.
    #[track_caller]
    pub fn group_by(self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged> {
        self.merged()?.group_by(columns, aggregates)
    }
}

impl Merged {
    pub(crate) fn new(table: merge::Merged, coverage: Coverage) -> Merged {
        Merged { table, coverage }
    }

    /// Sorts all rows. Rows that compare as equal keep the order of the members.
    #[track_caller]
    pub fn sorted_by(self, order: &str) -> Result<Merged> {
        Ok(Merged { table: self.table.sorted_by(order)?, ..self })
    }

    /// The first `n` rows in this order.
    #[track_caller]
    pub fn top(self, n: usize, order: &str) -> Result<Merged> {
        Ok(Merged { table: self.table.top(n, order)?, ..self })
    }

    /// Groups the rows and sorts the groups by their values. The result is a table: `group_by(..)?.top(3, "-people")?`.
    #[track_caller]
    pub fn group_by(self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged> {
        Ok(Merged { table: self.table.group_by(columns, aggregates)?, ..self })
    }

    /// Several aggregates in one pass, as one row of your own type or a [`Value`].
    #[track_caller]
    pub fn aggregate<T: DeserializeOwned>(&self, aggregates: impl AsRef<[Aggregate]>) -> Result<T> {
        Ok(skitai_wire::from_value(self.table.aggregate(aggregates)?)?)
    }

    /// The value of one aggregate.
    #[track_caller]
    pub fn value(&self, aggregate: Aggregate) -> Result<Value> {
        Ok(self.table.value(aggregate)?)
    }

    /// The rows as your own type.
    #[track_caller]
    pub fn rows_as<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let mut rows = Vec::with_capacity(self.table.rows().len());
        for row in self.table.into_rows() {
            rows.push(skitai_wire::from_value(row)?);
        }
        Ok(rows)
    }

    /// The rows as maps in the order of the columns. `row[0]` is a column by its index, which also reaches two columns
    /// of the same name.
    pub fn rows(&self) -> &[Value] {
        self.table.rows()
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    /// The rows as a CSV page: a line of names, then the rows; texts are quoted if needed.
    pub fn csv(&self) -> Response {
        let mut names: Vec<&str> = self.columns().iter().map(Column::name).collect();
        if names.is_empty() {
            // A filter made these rows, or they came without their columns.
            names = self
                .rows()
                .first()
                .and_then(Value::as_map)
                .into_iter()
                .flat_map(Map::iter)
                .map(|pair| pair.0)
                .collect();
        }
        let body = csv::write(&names, self.rows().iter());
        Response::new(200).header("content-type", "text/csv; charset=utf-8; header=present").body(body)
    }

    /// The rows as a page of NDJSON: one row per line.
    #[track_caller]
    pub fn ndjson(&self) -> Result<Response> {
        let mut body = Vec::new();
        for row in self.rows() {
            body.extend(skitai_wire::json::to_vec(row)?);
            body.push(b'\n');
        }
        Ok(Response::new(200).header("content-type", "application/x-ndjson").body(body))
    }

    /// How many shards sent these rows, and why the others did not.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }
}

impl Serialize for Merged {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows().serialize(serializer)
    }
}
