//! Parameters as text that the server types for itself, and whole numbers for whole-number places as they are.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::db::text;
use crate::wire::Value;

/// One parameter on its way out.
pub(super) struct Bound<'a>(pub(super) &'a Value);

/// The type that tells the server to find out itself.
pub(super) fn untyped() -> Type {
    Type::UNKNOWN
}

impl std::fmt::Debug for Bound<'_> {
    /// tokio-postgres prints parameters at log level debug; data of users does not belong there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Bound<'_> {
    /// A whole number on its way to a place of its own size: nothing is gained by writing it as text.
    fn whole(&self, ty: &Type) -> Option<i64> {
        match self.0 {
            Value::Int(number) if *ty == Type::INT8 => Some(*number),
            _ => None,
        }
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        if let Some(number) = self.whole(ty) {
            out.put_i64(number);
            return Ok(IsNull::No);
        }
        match self.0 {
            Value::String(text) | Value::DateTime(text) => out.extend_from_slice(text.as_bytes()),
            Value::List(_) if matches!(*ty, Type::JSON | Type::JSONB) => {
                out.extend_from_slice(text::json(self.0).as_bytes());
            }
            value => match text::text(value) {
                Some(text) => out.extend_from_slice(text.as_bytes()),
                None => return Ok(IsNull::Yes),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if self.whole(ty).is_some() { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}
