//! Aggregates over many rows: `count()`, `sum("population")`, `avg("population").named("mean")`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Unmergeable;
use super::class::Class;
use super::key::{Nullable, key};
use super::table::{MergedColumn, Table};
use super::total::Total;
use crate::outcome::columns::{Column, ColumnType};
use crate::wire::Value;

/// One column of an aggregated row. Its name is the function's, as in SQL, unless [`named`](Aggregate::named).
#[derive(Clone, Debug)]
pub struct Aggregate {
    what: What,
    name: Arc<str>,
}

#[derive(Clone, Debug)]
enum What {
    Rows,
    Count(String),
    Sum(String),
    Avg(String),
    AvgOf { sums: String, counts: String },
    Best(String, Ordering),
}

/// The number of rows.
pub fn count() -> Aggregate {
    Aggregate::new(What::Rows, "count")
}

/// The number of rows whose value in this column is not NULL.
pub fn count_of(column: &str) -> Aggregate {
    Aggregate::new(What::Count(column.to_owned()), "count")
}

/// The exact sum of a column. Integers give an integer (decimal text beyond 64 bits), numerics a numeric, doubles the
/// double nearest to the true sum. NULLs do not count; the sum of no values is NULL. Applied to each shard's own count,
/// it gives the count of all shards.
pub fn sum(column: &str) -> Aggregate {
    Aggregate::new(What::Sum(column.to_owned()), "sum")
}

/// The average of a column: its exact sum, divided once at the end. For integers and numerics it has as many digits as
/// PostgreSQL's `avg`. It needs the rows themselves: an average of the shards' averages would be wrong; use [`avg_of`]
/// for that.
pub fn avg(column: &str) -> Aggregate {
    Aggregate::new(What::Avg(column.to_owned()), "avg")
}

/// The average of all rows, from the columns `sum(x)` and `count(x)` of each shard.
pub fn avg_of(sums: &str, counts: &str) -> Aggregate {
    Aggregate::new(What::AvgOf { sums: sums.to_owned(), counts: counts.to_owned() }, "avg")
}

/// The least value of a column, by its type's order. NULLs do not count.
pub fn min(column: &str) -> Aggregate {
    Aggregate::new(What::Best(column.to_owned(), Ordering::Less), "min")
}

/// The greatest value of a column, by its type's order; NaN is greater than all other numbers. NULLs do not count.
pub fn max(column: &str) -> Aggregate {
    Aggregate::new(What::Best(column.to_owned(), Ordering::Greater), "max")
}

impl Aggregate {
    fn new(what: What, name: &str) -> Aggregate {
        Aggregate { what, name: name.into() }
    }

    /// The same aggregate under another column name, as SQL's `AS`.
    pub fn named(self, name: &str) -> Aggregate {
        Aggregate { name: name.into(), ..self }
    }

    /// The column of its results.
    pub(crate) fn column(&self, table: &Table) -> Column {
        let ty = match &self.what {
            What::Best(column, _) => table.described(column).ty().clone(),
            What::Rows | What::Count(_) => ColumnType::of_counts(),
            What::Sum(column) | What::Avg(column) | What::AvgOf { sums: column, .. } => {
                table.described(column).ty().of_sums()
            }
        };
        Column::new(self.name.clone(), ty)
    }

    /// An empty accumulator for the rows of this table.
    pub(crate) fn open(&self, table: &Table) -> Result<Account, Unmergeable> {
        let numbers = |column: &String| table.find(column)?.numbers();
        Ok(match &self.what {
            What::Rows => Account::Rows(0),
            What::Count(column) => Account::Count(table.find(column)?, 0),
            What::Sum(column) => Account::Sum(numbers(column)?, Total::default()),
            What::Avg(column) => Account::Avg(numbers(column)?, Total::default()),
            What::AvgOf { sums, counts } => {
                Account::AvgOf((numbers(sums)?, Total::default()), (numbers(counts)?, Total::default()))
            }
            What::Best(column, wanted) => Account::Best(table.find(column)?.orderly()?, *wanted, None),
        })
    }
}

/// The accumulator of an aggregate. Its size does not grow with the rows.
#[derive(Clone, Debug)]
pub(crate) enum Account {
    Rows(i64),
    Count(MergedColumn, i64),
    Sum(MergedColumn, Total),
    Avg(MergedColumn, Total),
    AvgOf((MergedColumn, Total), (MergedColumn, Total)),
    Best(MergedColumn, Ordering, Option<(Nullable, Value)>),
}

impl Account {
    pub(crate) fn add(&mut self, row: &Value) -> Result<(), Unmergeable> {
        match self {
            Account::Rows(count) => *count += 1,
            Account::Count(column, count) => *count += i64::from(!column.of(row).is_nil()),
            Account::Sum(column, total) | Account::Avg(column, total) => take(column, total, row)?,
            Account::AvgOf((sums, total), (counts, divisor)) => {
                take(sums, total, row)?;
                take(counts, divisor, row)?;
            }
            Account::Best(column, wanted, best) => {
                let value = column.of(row);
                if value.is_nil() {
                    return Ok(());
                }
                let key = key(column.class(), value).ok_or_else(|| column.unfit(value))?;
                if best.as_ref().is_none_or(|(best, _)| key.cmp(best) == *wanted) {
                    *best = Some((key, value.clone()));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn close(self) -> Value {
        match self {
            Account::Rows(count) | Account::Count(_, count) => Value::Int(count),
            Account::Sum(_, total) => total.sum(),
            Account::Avg(column, total) => total.average(column.class()),
            Account::AvgOf((column, total), (_, counts)) => {
                counts.divisor().map_or(Value::Nil, |count| total.over(&count, column.class()))
            }
            Account::Best(_, _, best) => best.map_or(Value::Nil, |(_, value)| value),
        }
    }
}

fn take(column: &MergedColumn, total: &mut Total, row: &Value) -> Result<(), Unmergeable> {
    let value = column.of(row);
    if value.is_nil() {
        return Ok(());
    }
    total.add(value).ok_or_else(|| column.unfit(value))
}

impl MergedColumn {
    /// The column, if its type can be summed.
    fn numbers(self) -> Result<MergedColumn, Unmergeable> {
        match self.class() {
            Class::Number | Class::Own => Ok(self),
            _ => Err(self.no_number()),
        }
    }
}
