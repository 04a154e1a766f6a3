//! The columns of a result: their names, and the types that say how their values compare.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use postgres_types::Type;

/// All columns of a result, in the order of the statement. Shared by the rows, which take their names from it.
pub type Columns = Arc<[Column]>;

/// One column of a result. A name may occur twice.
#[derive(Clone, PartialEq)]
pub struct Column {
    name: Arc<str>,
    ty: ColumnType,
}

/// The database's description of a column's type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnType {
    /// Every value is of this type.
    #[cfg(feature = "postgres")]
    Postgres(Type),
    /// Every value has its own type; this is the declared type, if the column belongs to a table.
    Sqlite(Option<Arc<str>>),
}

impl ColumnType {
    /// The type of a count of rows.
    pub(crate) fn of_counts() -> ColumnType {
        #[cfg(feature = "postgres")]
        return ColumnType::Postgres(Type::INT8);
        #[cfg(not(feature = "postgres"))]
        ColumnType::Sqlite(None)
    }

    /// The type of sums and averages of this column. It holds every such number exactly, except for floats.
    pub(crate) fn of_sums(&self) -> ColumnType {
        match self {
            #[cfg(feature = "postgres")]
            ColumnType::Postgres(Type::FLOAT4 | Type::FLOAT8) => ColumnType::Postgres(Type::FLOAT8),
            #[cfg(feature = "postgres")]
            ColumnType::Postgres(_) => ColumnType::Postgres(Type::NUMERIC),
            ColumnType::Sqlite(declared) => ColumnType::Sqlite(declared.clone()),
        }
    }
}

impl Column {
    pub(crate) fn new(name: Arc<str>, ty: ColumnType) -> Column {
        Column { name, ty }
    }

    /// The column's name, as the statement gives it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's name of its type: `int4`, `_text` (an array of texts), an enum's own name. For SQLite the
    /// declared type; empty for an expression, whose values have types of their own.
    pub fn type_name(&self) -> &str {
        match &self.ty {
            #[cfg(feature = "postgres")]
            ColumnType::Postgres(ty) => ty.name(),
            ColumnType::Sqlite(declared) => declared.as_deref().unwrap_or_default(),
        }
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn ty(&self) -> &ColumnType {
        &self.ty
    }
}

impl fmt::Debug for Column {
    /// `name: type`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.type_name())
    }
}
