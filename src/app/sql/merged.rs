//! Rows of all shards as those of one database: `was.dmap(..).execute(..).getswait(..).await.top(10, "-population")?`.
//!
//! What every one of these needs is what [`Results::ok`] needs: a good answer, and as many as a completion rule asked
//! for. Where a hole would be wrong, say `.require(All)?` first, or `.all_or_error()` before `execute`.

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

/// The rows of all shards that answered, as one table. It is `Serialize`: a handler may return it, and a client sees a
/// list of rows.
#[derive(Clone, Debug)]
pub struct Merged {
    table: merge::Merged,
    coverage: Coverage,
}

impl Results {
    /// The rows of all good answers as one table, in the order of the members and of each one's rows.
    pub fn merged(self) -> Result<Merged> {
        let coverage = self.coverage();
        let table = merge::Merged::of(self.good()?)?;
        Ok(Merged { table, coverage })
    }

    /// The rows of all shards in an order: `"-population, name"`, or `"population desc nulls last, name"`.
    pub fn sorted_by(self, order: &str) -> Result<Merged> {
        self.merged()?.sorted_by(order)
    }

    /// The first `n` rows of all shards: `top(10, "-population")`. Let each shard send no more than its own first `n`
    /// (`ORDER BY population DESC LIMIT 10`).
    pub fn top(self, n: usize, order: &str) -> Result<Merged> {
        self.merged()?.top(n, order)
    }

    /// How many rows all shards sent. For rows the shards themselves have counted it is [`sum`](Results::sum).
    pub fn count(self) -> Result<i64> {
        Ok(self.merged()?.rows().len().try_into()?)
    }

    /// The exact sum of a column over the rows of all shards; nil where there is nothing to add.
    pub fn sum(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::sum(column))
    }

    /// The average of a column over the rows of all shards, computed from exact sum and count.
    pub fn avg(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::avg(column))
    }

    /// The least value of a column over the rows of all shards.
    pub fn min(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::min(column))
    }

    /// The greatest value of a column over the rows of all shards.
    pub fn max(self, column: &str) -> Result<Value> {
        self.merged()?.value(merge::max(column))
    }

    /// One row for each combination of values in the named columns, with what is computed over its rows:
    /// `group_by("country", [count(), sum("population").named("people")])`.
    pub fn group_by(self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged> {
        self.merged()?.group_by(columns, aggregates)
    }
}

impl Merged {
    pub(crate) fn new(table: merge::Merged, coverage: Coverage) -> Merged {
        Merged { table, coverage }
    }

    /// All rows in an order. Rows that are equal in it keep the order of the members.
    pub fn sorted_by(self, order: &str) -> Result<Merged> {
        Ok(Merged { table: self.table.sorted_by(order)?, ..self })
    }

    /// The first `n` rows of an order.
    pub fn top(self, n: usize, order: &str) -> Result<Merged> {
        Ok(Merged { table: self.table.top(n, order)?, ..self })
    }

    /// Groups of rows, in the order of the groups' values: again a table, so `group_by(..)?.top(3, "-people")?`.
    pub fn group_by(self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged> {
        Ok(Merged { table: self.table.group_by(columns, aggregates)?, ..self })
    }

    /// Several aggregates in one pass, as one row of one's own type or a [`Value`].
    pub fn aggregate<T: DeserializeOwned>(&self, aggregates: impl AsRef<[Aggregate]>) -> Result<T> {
        Ok(skitai_wire::from_value(self.table.aggregate(aggregates)?)?)
    }

    /// One aggregate's value.
    pub fn value(&self, aggregate: Aggregate) -> Result<Value> {
        Ok(self.table.value(aggregate)?)
    }

    /// The rows as a type of one's own.
    pub fn rows_as<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        self.table.into_rows().into_iter().map(|row| Ok(skitai_wire::from_value(row)?)).collect()
    }

    /// The rows as they are: maps in the order of the columns. A column by its number is `row[0]`, which also tells
    /// apart two of one name.
    pub fn rows(&self) -> &[Value] {
        self.table.rows()
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    /// The rows as a page of CSV: a line of names, then the rows, texts quoted where they need it.
    pub fn csv(&self) -> Response {
        let mut names: Vec<&str> = self.columns().iter().map(Column::name).collect();
        if names.is_empty() {
            // Rows that a filter made, or that came without their columns.
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

    /// The rows as a page of NDJSON: one row a line.
    pub fn ndjson(&self) -> Result<Response> {
        let mut body = Vec::new();
        for row in self.rows() {
            body.extend(skitai_wire::json::to_vec(row)?);
            body.push(b'\n');
        }
        Ok(Response::new(200).header("content-type", "application/x-ndjson").body(body))
    }

    /// How many shards these rows are of, and what became of the others.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }
}

impl Serialize for Merged {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows().serialize(serializer)
    }
}
