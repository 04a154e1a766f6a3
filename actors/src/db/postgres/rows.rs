//! Rows as the server sent them.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use crate::db::columns::Columns;
use crate::db::types;
use crate::wire::{Error, Field, Fields, Value, from_fields, from_value};

/// Rows that nobody has looked at yet. They are decoded once: all of them to a value, or each straight to a type of the
/// reader's. Decoding cannot fail: whatever the octets are, they are worth something (see `types`).
pub(crate) struct RawRows {
    rows: Vec<Row>,
    columns: Columns,
    value: OnceLock<Value>,
}

impl RawRows {
    /// Every row has these columns.
    pub(super) fn new(rows: Vec<Row>, columns: Columns) -> RawRows {
        RawRows { rows, columns, value: OnceLock::new() }
    }

    /// A list of maps.
    pub(crate) fn value(&self) -> &Value {
        self.value.get_or_init(|| self.decoded())
    }

    pub(crate) fn into_value(mut self) -> Value {
        self.value.take().unwrap_or_else(|| self.decoded())
    }

    fn decoded(&self) -> Value {
        Value::List(self.rows.iter().map(|row| types::row(row, &self.columns)).collect())
    }

    /// Each row as a type of one's own, by the names of the columns.
    pub(crate) fn typed<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Error> {
        if let Some(value) = self.value.take() {
            return value.into_list().into_iter().map(from_value).collect();
        }
        // Not an iterator's `collect`: one of results does not know how many there are.
        let mut all = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            all.push(from_fields(Columned { row, columns: &self.columns })?);
        }
        Ok(all)
    }
}

/// One row with the names of its columns.
struct Columned<'r> {
    row: &'r Row,
    columns: &'r Columns,
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
}
