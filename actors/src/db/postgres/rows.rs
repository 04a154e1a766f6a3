//! Rows as the server sent them.

use std::cell::Cell;
use std::sync::OnceLock;

use smallvec::SmallVec;
use tokio_postgres::Row;

use crate::db::types;
use crate::kit::placed::boxed;
use crate::outcome::columns::ColumnType;
use crate::outcome::{Column, Columns, LazyRows};
use crate::wire::{Error, Field, Fields, Value};

/// Rows as received. Decoding cannot fail: octets of any kind have a value (see `types`).
pub(crate) struct RawRows {
    /// Stored inline up to eight rows, which most statements do not exceed.
    rows: SmallVec<[Row; 8]>,
    columns: Columns,
    value: OnceLock<Value>,
}

impl RawRows {
    /// An empty list for rows with these columns.
    pub(super) fn of(columns: Columns) -> Box<RawRows> {
        boxed(|| RawRows { rows: SmallVec::new(), columns, value: OnceLock::new() })
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    fn decoded(&self) -> Value {
        Value::List(self.rows.iter().map(|row| types::row(row, &self.columns)).collect())
    }
}

impl LazyRows for RawRows {
    fn value(&self) -> &Value {
        self.value.get_or_init(|| self.decoded())
    }

    fn into_value(mut self: Box<Self>) -> Value {
        self.value.take().unwrap_or_else(|| self.decoded())
    }

    fn count(&self) -> usize {
        self.rows.len()
    }

    fn take_value(&mut self) -> Option<Value> {
        self.value.take()
    }

    fn read(&self, reader: &mut dyn FnMut(&mut dyn Fields) -> Result<(), Error>) -> Result<(), Error> {
        let reading = Cell::new(RowReading::Unknown);
        for row in &self.rows {
            let mut row = Columned { row, columns: &self.columns, reading: &reading };
            let mut read = reader(&mut row);
            if read.is_err() && matches!(reading.get(), RowReading::InOrder(_)) {
                // By name for this row and the rest: the type may not accept a sequence, and an error by name states
                // its field.
                reading.set(RowReading::ByName);
                read = reader(&mut row);
            }
            read?;
        }
        Ok(())
    }
}

/// How rows are deserialised into a type.
#[derive(Clone, Copy)]
enum RowReading {
    Unknown,
    /// The type's fields are the columns in their order; these are the fields' names.
    InOrder(&'static [&'static str]),
    ByName,
}

/// One row with the names of its columns.
#[derive(Clone, Copy)]
struct Columned<'r> {
    row: &'r Row,
    columns: &'r Columns,
    reading: &'r Cell<RowReading>,
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
            RowReading::ByName => false,
            // The field names of a type are one static array, and all rows are read as the same type.
            RowReading::InOrder(known) if std::ptr::eq(known, names) => true,
            RowReading::Unknown | RowReading::InOrder(_) => {
                let is_same = self.columns.iter().map(Column::name).eq(names.iter().copied());
                if is_same {
                    self.reading.set(RowReading::InOrder(names));
                }
                is_same
            }
        }
    }
}

/// Columns as the server describes them.
pub(super) fn described(columns: &[tokio_postgres::Column]) -> Columns {
    let ty = |column: &tokio_postgres::Column| ColumnType::Postgres(column.type_().clone());
    columns.iter().map(|column| Column::new(column.name().into(), ty(column))).collect()
}
