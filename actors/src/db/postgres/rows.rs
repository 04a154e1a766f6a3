//! Rows as the server sent them.

use std::cell::Cell;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use tokio_postgres::Row;

use crate::db::columns::{Column, Columns};
use crate::db::types;
use crate::kit::placed::boxed;
use crate::wire::{Error, Field, Fields, Value, from_fields, from_value};

/// Rows that nobody has looked at yet. They are decoded once: all of them to a value, or each straight to a type of the
/// reader's. Decoding cannot fail: whatever the octets are, they are worth something (see `types`).
pub(crate) struct RawRows {
    /// In their place for a few, which is what most statements have.
    rows: SmallVec<[Row; 8]>,
    columns: Columns,
    value: OnceLock<Value>,
}

impl RawRows {
    /// Room for rows that have these columns.
    pub(super) fn of(columns: Columns) -> Box<RawRows> {
        boxed(|| RawRows { rows: SmallVec::new(), columns, value: OnceLock::new() })
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// A list of maps.
    pub(crate) fn value(&self) -> &Value {
        self.value.get_or_init(|| self.decoded())
    }

    pub(crate) fn into_value(mut self: Box<Self>) -> Value {
        self.value.take().unwrap_or_else(|| self.decoded())
    }

    fn decoded(&self) -> Value {
        Value::List(self.rows.iter().map(|row| types::row(row, &self.columns)).collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Each row as a type of one's own, by the names of the columns, behind those that are there.
    pub(crate) fn typed_into<T: DeserializeOwned>(mut self: Box<Self>, all: &mut Vec<T>) -> Result<(), Error> {
        if let Some(value) = self.value.take() {
            for row in value.into_list() {
                all.push(from_value(row)?);
            }
            return Ok(());
        }
        let reading = Cell::new(Reading::Unknown);
        for row in &self.rows {
            let row = Columned { row, columns: &self.columns, reading: &reading };
            let mut read = from_fields(row);
            if read.is_err() && matches!(reading.get(), Reading::InOrder(_)) {
                // By their names, now and for the rest: the type may know no other way, and an error names its field.
                reading.set(Reading::ByName);
                read = from_fields(row);
            }
            all.push(read?);
        }
        Ok(())
    }
}

/// How rows become values of a type.
#[derive(Clone, Copy)]
enum Reading {
    Unknown,
    /// The type has the columns for its fields, in their order: these.
    InOrder(&'static [&'static str]),
    ByName,
}

/// One row with the names of its columns.
#[derive(Clone, Copy)]
struct Columned<'r> {
    row: &'r Row,
    columns: &'r Columns,
    reading: &'r Cell<Reading>,
}

impl Fields for Columned<'_> {
    fn count(&self) -> usize {
        self.columns.len()
    }

    fn name(&self, at: usize) -> &str {
        self.columns[at].name()
    }

    fn take(&mut self, at: usize) -> Field<'_> {
        types::field(self.row, at)
    }

    fn are(&self, names: &'static [&'static str]) -> bool {
        match self.reading.get() {
            Reading::ByName => false,
            // One type's fields are in one place, and every row is read as the same type.
            Reading::InOrder(known) if std::ptr::eq(known, names) => true,
            Reading::Unknown | Reading::InOrder(_) => {
                let is_same = self.columns.iter().map(Column::name).eq(names.iter().copied());
                if is_same {
                    self.reading.set(Reading::InOrder(names));
                }
                is_same
            }
        }
    }
}
