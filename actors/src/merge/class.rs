//! How the values of a column compare, which depends on its type: the same decoded text may be a number or a date.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use postgres_types::{Kind, Type};

use crate::outcome::columns::{Column, ColumnType};

/// A way to compare. Types of one class compare with each other, as in PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Class {
    /// Each value by its own kind: SQLite, and answers without a column list.
    Own,
    Bool,
    /// Whole numbers, doubles, and numerics as their exact text.
    Number,
    /// By bytes, as `COLLATE "C"`: only the server knows the collation rules of a language.
    Text,
    /// `char(n)`: blanks at the end do not count.
    Padded,
    Bytes,
    Date,
    Timestamp,
    Time,
    TimeTz,
    Interval,
    Inet,
    Lsn,
    /// The labels in their declared order.
    Enum(Arc<[String]>),
    Array(Box<Class>),
    Composite(Vec<Class>),
    /// The type has no order here; its name.
    None(Arc<str>),
}

/// Where NULLs are sorted if the order does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// PostgreSQL: a NULL is greater than everything.
    Greatest,
    /// SQLite: a NULL is less than everything.
    Least,
}

impl Class {
    pub(crate) fn of(column: &Column) -> (Class, Nulls) {
        match column.ty() {
            #[cfg(feature = "postgres")]
            ColumnType::Postgres(ty) => (of_type(ty), Nulls::Greatest),
            ColumnType::Sqlite(_) => (Class::Own, Nulls::Least),
        }
    }
}

#[cfg(feature = "postgres")]
fn of_type(ty: &Type) -> Class {
    match *ty {
        Type::BOOL => Class::Bool,
        Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::FLOAT4
        | Type::FLOAT8
        | Type::NUMERIC
        | Type::MONEY
        | Type::OID
        | Type::XID8 => Class::Number,
        // Texts of a fixed alphabet, whose byte order is their order: hexadecimal in lower case, zeros and ones.
        Type::UUID | Type::MACADDR | Type::MACADDR8 | Type::BIT | Type::VARBIT => Class::Text,
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN => Class::Text,
        Type::BPCHAR => Class::Padded,
        Type::BYTEA => Class::Bytes,
        Type::DATE => Class::Date,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Class::Timestamp,
        Type::TIME => Class::Time,
        Type::TIMETZ => Class::TimeTz,
        Type::INTERVAL => Class::Interval,
        Type::INET | Type::CIDR => Class::Inet,
        Type::PG_LSN => Class::Lsn,
        _ => match ty.kind() {
            Kind::Enum(labels) => Class::Enum(labels.as_slice().into()),
            Kind::Domain(base) => of_type(base),
            Kind::Array(element) => match of_type(element) {
                Class::None(_) => Class::None(ty.name().into()),
                element => Class::Array(Box::new(element)),
            },
            Kind::Composite(fields) => {
                let classes: Vec<Class> = fields.iter().map(|field| of_type(field.type_())).collect();
                if classes.iter().any(|class| matches!(class, Class::None(_))) {
                    Class::None(ty.name().into())
                } else {
                    Class::Composite(classes)
                }
            }
            _ => Class::None(ty.name().into()),
        },
    }
}
