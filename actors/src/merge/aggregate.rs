//! What is computed over many rows: `count()`, `sum("population")`, `avg("population").named("mean")`.

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

/// How many rows there are.
pub fn count() -> Aggregate {
    Aggregate::new(What::Rows, "count")
}

/// How many rows have a value there that is not NULL.
pub fn count_of(column: &str) -> Aggregate {
    Aggregate::new(What::Count(column.to_owned()), "count")
}

/// The exact sum of a column: of whole numbers a whole number (its decimal text beyond 64 bits), of numerics a numeric,
/// of doubles the double nearest to the true sum. NULLs do not count; of nothing it is NULL. Over the counts that each
/// shard made of its rows it is the count of all.
pub fn sum(column: &str) -> Aggregate {
    Aggregate::new(What::Sum(column.to_owned()), "sum")
}

/// The average of a column, its exact sum divided once at the end; of whole numbers and numerics with as many digits as
/// PostgreSQL's `avg` has. It is made of rows: an average of the shards' averages would be wrong, for which there is
/// [`avg_of`].
pub fn avg(column: &str) -> Aggregate {
    Aggregate::new(What::Avg(column.to_owned()), "avg")
}

/// The average of all rows from each shard's own `sum(x)` and `count(x)`.
pub fn avg_of(sums: &str, counts: &str) -> Aggregate {
    Aggregate::new(What::AvgOf { sums: sums.to_owned(), counts: counts.to_owned() }, "avg")
}

/// The least value of a column in the order of its type. NULLs do not count.
pub fn min(column: &str) -> Aggregate {
    Aggregate::new(What::Best(column.to_owned(), Ordering::Less), "min")
}

/// The greatest value of a column in the order of its type; NaN is greater than all other numbers. NULLs do not count.
pub fn max(column: &str) -> Aggregate {
    Aggregate::new(What::Best(column.to_owned(), Ordering::Greater), "max")
}

impl Aggregate {
    fn new(what: What, name: &str) -> Aggregate {
        Aggregate { what, name: name.into() }
    }

    /// The same under another name, like SQL's `AS`.
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

    /// An empty account of it over the rows of this table.
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

/// What has been counted so far. Its size does not grow with the rows.
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
    /// The column, if sums of it make sense.
    fn numbers(self) -> Result<MergedColumn, Unmergeable> {
        match self.class() {
            Class::Number | Class::Own => Ok(self),
            _ => Err(self.no_number()),
        }
    }
}
