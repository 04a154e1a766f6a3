//! Aggregates over rows that are not kept: one set of accumulators per group.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aggregate::{Account, Aggregate};
use super::key::Nullable;
use super::table::{MergedColumn, Table};
use super::{Merged, Unmergeable, order};
use crate::outcome::Outcome;
use crate::outcome::columns::{Column, Columns};
use crate::wire::{Map, Value};

/// The values of a group's first row, and the group's accumulators.
type Group = (Vec<Value>, Vec<Account>);

/// Aggregates in progress. Their size grows with the number of groups, not of rows.
#[derive(Clone, Debug)]
pub struct Running {
    by: Vec<MergedColumn>,
    empty: Vec<Account>,
    groups: BTreeMap<Vec<Nullable>, Group>,
    /// The columns of the result.
    columns: Columns,
}

impl Running {
    /// For the rows of this table: over all, or per combination of values in the columns `by`.
    pub(crate) fn over(table: &Table, by: Option<&str>, aggregates: &[Aggregate]) -> Result<Running, Unmergeable> {
        let names = by.map_or_else(|| Ok(Vec::new()), order::names)?;
        let found = names.iter().map(|name| table.find(name)?.orderly()).collect::<Result<Vec<_>, _>>()?;
        let empty = aggregates.iter().map(|aggregate| aggregate.open(table)).collect::<Result<Vec<_>, _>>()?;
        let keys = names.into_iter().map(|name| {
            let column = table.described(&name);
            Column::new(name.into(), column.ty().clone())
        });
        let columns = keys.chain(aggregates.iter().map(|aggregate| aggregate.column(table))).collect();
        Ok(Running { by: found, empty, groups: BTreeMap::new(), columns })
    }

    /// Adds one row.
    pub fn add(&mut self, row: &Value) -> Result<(), Unmergeable> {
        let keys = self.by.iter().map(|column| column.key(row)).collect::<Result<Vec<_>, _>>()?;
        let new = || (self.by.iter().map(|column| column.of(row).clone()).collect(), self.empty.clone());
        let (_, accounts) = self.groups.entry(keys).or_insert_with(new);
        accounts.iter_mut().try_for_each(|account| account.add(row))
    }

    /// The aggregates of all rows, as one row; also if there were no rows.
    pub fn total(mut self) -> Value {
        let (_, (values, accounts)) = self.groups.pop_first().unwrap_or_else(|| (Vec::new(), (Vec::new(), self.empty)));
        row(&self.columns, values, accounts)
    }

    /// One row for each group, sorted by the groups' values.
    pub fn groups(self) -> Result<Merged, Unmergeable> {
        let rows = self.groups.into_values().map(|(values, accounts)| row(&self.columns, values, accounts));
        let mut outcome = Outcome::completed(Arc::from("groups"), Value::List(rows.collect()));
        outcome.columns = Some(self.columns);
        Merged::of([outcome])
    }
}

fn row(columns: &Columns, values: Vec<Value>, accounts: Vec<Account>) -> Value {
    let names = columns.iter().map(|column| column.shared_name().clone());
    let values = values.into_iter().chain(accounts.into_iter().map(Account::close));
    Value::Map(Map(names.zip(values).collect()))
}
