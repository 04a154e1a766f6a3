//! The rows of many shards as those of one database: sorted, limited, counted, summed, grouped.
//!
//! The result equals the answer of one database that holds all rows. So values compare as PostgreSQL compares them in
//! columns of their type: numerics by their exact value, NaN greater than all other numbers, enums in their declared
//! order, NULLs last, or first when the order descends. Texts are the exception: they compare by their bytes, as under
//! `COLLATE "C"`, because only the server knows the collation rules of a language. Rows of SQLite compare as in SQLite.
//!
//! Nothing here does I/O. Read in this order:
//!
//! - this file: [`Merged`], the merged table, and [`Unmergeable`], why there is none;
//! - `table`: the rows, their columns and the sorting; `order`: the syntax of an order;
//! - `class` and `key`: how a column compares, and a value made comparable; `moment` and `network`: keys of times and
//!   of addresses;
//! - `sorted`: a k-way merge of sorted streams, with one row of each shard in memory; `running`: aggregates over rows
//!   that are not kept;
//! - `aggregate`: counts, sums and groups; `total`: exact sums; `decimal`: numbers of any length.
#![cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "the classes of types are PostgreSQL's"))]

mod aggregate;
mod class;
mod decimal;
mod key;
mod moment;
mod network;
mod order;
mod running;
mod sorted;
mod table;
mod total;

use std::sync::Arc;

pub use aggregate::{Aggregate, avg, avg_of, count, count_of, max, min, sum};
pub use running::Running;
pub(crate) use sorted::{SortedMerge, checked};
pub(crate) use table::Table;

use crate::outcome::Outcome;
use crate::outcome::columns::Column;
use crate::wire::{Map, Value};

/// The rows of all shards as one table. Until sorted, they are concatenated in the order of the members.
#[derive(Clone, Debug)]
pub struct Merged {
    table: Table,
}

/// Why rows could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmergeable {
    /// Neither a row nor the column list has a column of this name.
    #[error("there is no column `{column}`; the rows have {has}")]
    NoColumn {
        /// The name that was requested.
        column: String,
        /// The names that exist.
        has: String,
    },
    /// The text is not an order, or not a list of names.
    #[error("`{text}` is no order: {why}; write names with `-` before those that descend: \"country, -population\"")]
    Order {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The type has no order here.
    #[error("column `{column}` is of type {ty}, which is not ordered here; let the statement cast it")]
    NoOrder {
        /// The column.
        column: String,
        /// Its type.
        ty: String,
    },
    /// A sum or an average of a column that has no numbers.
    #[error("column `{column}` has no numbers, of which alone there is a sum; let the statement cast it")]
    NoNumber {
        /// The column.
        column: String,
    },
    /// A value's kind does not match its column's type; a filter may have changed it.
    #[error("column `{column}` has a value of kind {kind}, which does not compare with the others")]
    Unfit {
        /// The column.
        column: String,
        /// The kind of the value.
        kind: &'static str,
    },
    /// The shards answered with different columns.
    #[error("the shards disagree: {what}")]
    Differ {
        /// Which member has which column.
        what: String,
    },
    /// A shard's rows are not sorted by the order of the merge.
    #[error(
        "{node} sent its row {row} before one that comes first in the order `{order}`; let its statement say ORDER BY the \
         same, with COLLATE \"C\" on texts, which are compared by their bytes here"
    )]
    Disorder {
        /// The member.
        node: Arc<str>,
        /// Which of its rows came too early, counted from 1.
        row: u64,
        /// The order.
        order: String,
    },
    /// An answer that is not a list of rows.
    #[error("{node} answered with {kind} where rows are expected")]
    NoRows {
        /// The member.
        node: Arc<str>,
        /// The kind of the value instead.
        kind: &'static str,
    },
}

impl Merged {
    /// Concatenates the rows of the good outcomes. An error if their columns differ or an answer is not a list of rows.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Result<Merged, Unmergeable> {
        Table::of(outcomes).map(|table| Merged { table })
    }

    /// Names and types of the columns; empty if the answers do not describe them.
    pub fn columns(&self) -> &[Column] {
        self.table.columns()
    }

    /// The rows, in their order.
    pub fn rows(&self) -> &[Value] {
        self.table.rows()
    }

    /// The rows, without the table.
    pub fn into_rows(self) -> Vec<Value> {
        self.table.into_rows()
    }

    /// Sorts all rows: `"-population, name"`, or as in SQL, `"population desc nulls last, name"`. The sort is stable:
    /// equal rows stay in the order of the members. An error for an invalid order, an unknown column, or a type without
    /// order.
    pub fn sorted_by(mut self, order: &str) -> Result<Merged, Unmergeable> {
        self.table.sort(order, None)?;
        Ok(self)
    }

    /// The first `n` rows of an order: `top(10, "-population")`. If each shard was asked for its own first `n` in the
    /// same order, these are the first `n` of all shards. Errors as for [`sorted_by`](Merged::sorted_by).
    pub fn top(mut self, n: usize, order: &str) -> Result<Merged, Unmergeable> {
        self.table.sort(order, Some(n))?;
        Ok(self)
    }

    /// Several aggregates in one pass, as one row: `[count(), sum("population")]`. An error for an unknown column, or a
    /// type that the aggregate cannot take.
    pub fn aggregate(&self, aggregates: impl AsRef<[Aggregate]>) -> Result<Value, Unmergeable> {
        let mut running = Running::over(&self.table, None, aggregates.as_ref())?;
        for row in self.rows() {
            running.add(row)?;
        }
        Ok(running.total())
    }

    /// The value of one aggregate. Errors as for [`aggregate`](Merged::aggregate).
    pub fn value(&self, aggregate: Aggregate) -> Result<Value, Unmergeable> {
        let Value::Map(Map(mut pairs)) = self.aggregate([aggregate])? else { return Ok(Value::Nil) };
        Ok(pairs.pop().map_or(Value::Nil, |(_, value)| value))
    }

    /// One row for each combination of values in the named columns: `group_by("country", [count(),
    /// max("population")])`. Groups are sorted by their values, NULL last. Errors as for
    /// [`aggregate`](Merged::aggregate), and for a column type without order.
    pub fn group_by(&self, columns: &str, aggregates: impl AsRef<[Aggregate]>) -> Result<Merged, Unmergeable> {
        let mut running = Running::over(&self.table, Some(columns), aggregates.as_ref())?;
        for row in self.rows() {
            running.add(row)?;
        }
        running.groups()
    }
}
