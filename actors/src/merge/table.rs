//! The rows of all shards as one table, with the classes by which its columns compare.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Unmergeable;
use super::class::{Class, Nulls};
use super::key::{Nullable, key};
use super::order::{SortOrder, Term};
use crate::outcome::Outcome;
use crate::outcome::columns::{Column, ColumnType, Columns};
use crate::wire::Value;

/// The rows of all shards, by member, each member's rows in their order.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Columns,
    /// For each column its class, or how the shards disagree about it.
    classes: Vec<Result<Class, Arc<str>>>,
    /// The member that described the columns. `None` if no answer has a column list: then any unknown name is a column
    /// of NULLs.
    described: Option<Arc<str>>,
    nulls: Nulls,
    rows: Vec<Value>,
}

/// A column that was found by its name.
#[derive(Clone, Debug)]
pub(crate) struct MergedColumn {
    name: Arc<str>,
    /// Its usual index in a row; a filter may have moved it.
    place: usize,
    class: Class,
    nulls: Nulls,
}

static NIL: Value = Value::Nil;

impl Table {
    /// No rows and no columns yet.
    pub(crate) fn empty() -> Table {
        Table { columns: Arc::new([]), classes: Vec::new(), described: None, nulls: Nulls::Greatest, rows: Vec::new() }
    }

    pub(crate) fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Result<Table, Unmergeable> {
        let mut table = Table::empty();
        for outcome in outcomes {
            if let Some(columns) = &outcome.columns {
                table.learn(columns, &outcome.node)?;
            }
            match outcome.data.into_value() {
                Value::List(rows) if rows.iter().all(|row| row.as_map().is_some()) => {
                    if table.rows.is_empty() {
                        table.rows = rows
                    } else {
                        table.rows.extend(rows)
                    }
                }
                other => {
                    let kind = match &other {
                        Value::List(rows) => rows.iter().find(|row| row.as_map().is_none()).map_or("list", Value::kind),
                        other => other.kind(),
                    };
                    return Err(Unmergeable::NoRows { node: outcome.node, kind });
                }
            }
        }
        Ok(table)
    }

    /// Adds the columns of one shard: the first shard describes the table, the others must agree.
    pub(crate) fn learn(&mut self, columns: &Columns, node: &Arc<str>) -> Result<(), Unmergeable> {
        match self.described.clone() {
            None => {
                self.describe(columns);
                self.described = Some(node.clone());
                Ok(())
            }
            Some(first) => self.agree(columns, &first, node),
        }
    }

    fn describe(&mut self, columns: &Columns) {
        self.columns = columns.clone();
        for column in columns.iter() {
            let (class, nulls) = Class::of(column);
            self.classes.push(Ok(class));
            self.nulls = nulls;
        }
    }

    /// Checks that a shard has the same columns. Different types are an error only for columns that are compared.
    fn agree(&mut self, columns: &Columns, first: &Arc<str>, node: &Arc<str>) -> Result<(), Unmergeable> {
        if Arc::ptr_eq(&self.columns, columns) {
            return Ok(());
        }
        let names = |columns: &[Column]| columns.iter().map(Column::name).collect::<Vec<_>>().join(", ");
        if columns.len() != self.columns.len()
            || columns.iter().zip(self.columns.iter()).any(|(mine, theirs)| mine.name() != theirs.name())
        {
            let (mine, theirs) = (names(&self.columns), names(columns));
            return Err(Unmergeable::Differ { what: format!("{first} has columns {mine}; {node} has {theirs}") });
        }
        for ((class, known), column) in self.classes.iter_mut().zip(self.columns.iter()).zip(columns.iter()) {
            if class.as_ref().is_ok_and(|class| *class != Class::of(column).0) {
                let what = format!(
                    "column `{}` is {} on {first} and {} on {node}",
                    column.name(),
                    known.type_name(),
                    column.type_name()
                );
                *class = Err(what.into());
            }
        }
        Ok(())
    }

    /// The description of a column; one without a type if there is none.
    pub(crate) fn described(&self, name: &str) -> Column {
        let known = self.columns.iter().find(|column| column.name() == name);
        known.cloned().unwrap_or_else(|| Column::new(name.into(), ColumnType::Sqlite(None)))
    }

    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(crate) fn rows(&self) -> &[Value] {
        &self.rows
    }

    pub(crate) fn into_rows(self) -> Vec<Value> {
        self.rows
    }

    /// Finds a column by its name; the first if there are several.
    pub(crate) fn find(&self, name: &str) -> Result<MergedColumn, Unmergeable> {
        if let Some(place) = self.columns.iter().position(|column| column.name() == name) {
            let class = self.classes[place].clone().map_err(|what| Unmergeable::Differ { what: what.to_string() })?;
            return Ok(MergedColumn {
                name: self.columns[place].shared_name().clone(),
                place,
                class,
                nulls: self.nulls,
            });
        }
        // A filter may have added it, or the answer has no column list.
        let place = |row: &Value| row.as_map()?.0.iter().position(|(known, _)| **known == *name);
        match self.rows.iter().find_map(place) {
            Some(place) => Ok(MergedColumn { name: name.into(), place, class: Class::Own, nulls: self.nulls }),
            None if self.rows.is_empty() && self.described.is_none() => {
                Ok(MergedColumn { name: name.into(), place: 0, class: Class::Own, nulls: self.nulls })
            }
            None => {
                let mut has: Vec<&str> = self.columns.iter().map(Column::name).collect();
                if self.described.is_none() {
                    has = self.rows[0].as_map().into_iter().flat_map(|row| row.iter().map(|(name, _)| name)).collect();
                }
                Err(Unmergeable::NoColumn { column: name.to_owned(), has: has.join(", ") })
            }
        }
    }

    /// Sorts the rows, stably: equal rows stay in the order of the members. With `keep`, keeps only that many of the
    /// first rows, by a selection instead of a full sort.
    pub(crate) fn sort(&mut self, order: &str, keep: Option<usize>) -> Result<(), Unmergeable> {
        let sorting = Sorting::new(self, order)?;
        let mut keyed = Vec::with_capacity(self.rows.len());
        for (place, row) in self.rows.iter().enumerate() {
            keyed.push((sorting.keys(row)?, place));
        }
        let compare = |a: &(Keys, usize), b: &(Keys, usize)| sorting.compare(&a.0, &b.0).then(a.1.cmp(&b.1));
        match keep {
            Some(0) => keyed.clear(),
            Some(keep) if keep < keyed.len() => {
                keyed.select_nth_unstable_by(keep - 1, compare);
                keyed.truncate(keep);
                keyed.sort_unstable_by(compare);
            }
            // A merge sort: fast if every shard sends sorted rows, because it detects sorted runs.
            _ => keyed.sort_by(|a, b| sorting.compare(&a.0, &b.0)),
        }
        let mut rows = std::mem::take(&mut self.rows);
        self.rows = keyed.into_iter().map(|(_, place)| std::mem::take(&mut rows[place])).collect();
        Ok(())
    }
}

/// The keys of one row, one for each term of the order.
pub(crate) type Keys = Box<[Nullable]>;

/// An order over the columns of a table.
#[derive(Clone, Debug)]
pub(crate) struct Sorting(Vec<(MergedColumn, Term)>);

impl Sorting {
    pub(crate) fn new(table: &Table, order: &str) -> Result<Sorting, Unmergeable> {
        let term = |term: Term| Ok((table.find(&term.column)?.orderly()?, term));
        SortOrder::parse(order)?.0.into_iter().map(term).collect::<Result<_, _>>().map(Sorting)
    }

    pub(crate) fn keys(&self, row: &Value) -> Result<Keys, Unmergeable> {
        self.0.iter().map(|(column, _)| column.key(row)).collect()
    }

    pub(crate) fn compare(&self, a: &Keys, b: &Keys) -> Ordering {
        for ((mine, theirs), (column, term)) in a.iter().zip(b.iter()).zip(&self.0) {
            let ordering = match (&mine.0, &theirs.0) {
                (Some(mine), Some(theirs)) if term.descending => theirs.cmp(mine),
                (Some(mine), Some(theirs)) => mine.cmp(theirs),
                (mine, theirs) => {
                    let first = term.nulls_first.unwrap_or((column.nulls == Nulls::Greatest) == term.descending);
                    let ordering = mine.is_none().cmp(&theirs.is_none());
                    if first { ordering.reverse() } else { ordering }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

impl MergedColumn {
    pub(crate) fn class(&self) -> &Class {
        &self.class
    }

    /// The row's value in this column; NULL if the row has none.
    pub(crate) fn of<'r>(&self, row: &'r Value) -> &'r Value {
        let Some(map) = row.as_map() else { return &NIL };
        match map.0.get(self.place) {
            Some((name, value)) if *name == self.name => value,
            _ => map.get(&self.name).unwrap_or(&NIL),
        }
    }

    pub(crate) fn key(&self, row: &Value) -> Result<Nullable, Unmergeable> {
        let value = self.of(row);
        key(&self.class, value).ok_or_else(|| self.unfit(value))
    }

    /// The column, if its type has an order here.
    pub(crate) fn orderly(self) -> Result<MergedColumn, Unmergeable> {
        match &self.class {
            Class::None(ty) => Err(Unmergeable::NoOrder { column: self.name.to_string(), ty: ty.to_string() }),
            _ => Ok(self),
        }
    }

    pub(crate) fn no_number(&self) -> Unmergeable {
        Unmergeable::NoNumber { column: self.name.to_string() }
    }

    pub(crate) fn unfit(&self, value: &Value) -> Unmergeable {
        Unmergeable::Unfit { column: self.name.to_string(), kind: value.kind() }
    }
}
