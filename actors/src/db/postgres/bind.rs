//! Parameters as text whose type the server finds out; whole numbers in binary form for integer parameters.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::db::text;
use crate::wire::Value;

/// A parameter as the driver sends it.
pub(super) struct Bound<'a>(pub(super) &'a Value);

/// The pseudo-type with which the server infers the parameter's type itself.
pub(super) fn untyped() -> Type {
    Type::UNKNOWN
}

impl std::fmt::Debug for Bound<'_> {
    /// Hides the value: tokio-postgres logs parameters at level debug, and users' data must not be logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Bound<'_> {
    /// The number in binary form, if the parameter has an integer type; text would gain nothing.
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
