//! PostgreSQL's binary column values → [`Value`], without loss.
//!
//! Results come in the binary format, so every type is decoded here from its bytes: built-in types by OID, user-defined
//! types by kind. A value that [`Value`] cannot hold exactly becomes the server's own text (a numeric, an interval, a
//! range). A type that is unknown here becomes a map `{"$type": name, "hex": bytes}`, which is ugly but exact.
//!
//! - [`bytes`]: reads fields off a slice and never panics;
//! - [`numeric`], [`time`], [`network`], [`json`]: one family of types each;
//! - [`geometry`]: geometric types, and the lexemes of a text search;
//! - [`nested`]: arrays, composites, ranges.

mod bytes;
mod geometry;
mod json;
mod nested;
mod network;
mod numeric;
mod time;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::outcome::columns::{Column, Columns};
use crate::wire::{Field, Map, Value};
use bytes::ByteFields as Octets;
pub(super) use time::moment;

/// A row as a map, in the order of its columns.
pub(super) fn row(row: &Row, columns: &Columns) -> Value {
    let pair = |(at, of): (usize, &Column)| (of.shared_name().clone(), field(row, at).into());
    Value::Map(Map(columns.iter().enumerate().map(pair).collect()))
}

/// One value of a row, borrowed from the row if it is text.
pub(super) fn field(row: &Row, at: usize) -> Field<'_> {
    let DecodedColumn(field) = row.get(at);
    field
}

/// One column of one row, decoded when tokio-postgres hands out the bytes; text stays borrowed.
struct DecodedColumn<'a>(Field<'a>);

impl<'a> FromSql<'a> for DecodedColumn<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(DecodedColumn(match *ty {
            Type::TEXT | Type::VARCHAR if let Ok(text) = std::str::from_utf8(raw) => Field::Text(text),
            _ => Field::Value(decode(ty, raw)),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(DecodedColumn(Field::Value(Value::Nil)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value nested deeper than this becomes its bytes, because decoding is recursive: a server could otherwise overflow
/// the stack by a row of rows.
const MAX_DEPTH: usize = 64;

/// The value of a column that is not NULL.
#[inline]
pub(super) fn decode(ty: &Type, raw: &[u8]) -> Value {
    decode_at(0, ty, raw)
}

/// The same for a value inside `depth` others.
#[inline]
fn decode_at(depth: usize, ty: &Type, raw: &[u8]) -> Value {
    let value = if depth > MAX_DEPTH { None } else { common(depth, ty, raw) };
    value.unwrap_or_else(|| unknown(ty, raw))
}

/// The two most common types, tested before the long match over all of them.
#[inline]
fn common(depth: usize, ty: &Type, raw: &[u8]) -> Option<Value> {
    match *ty {
        Type::INT4 => raw.try_into().ok().map(|raw| Value::Int(i32::from_be_bytes(raw).into())),
        Type::INT8 => raw.try_into().ok().map(|raw| Value::Int(i64::from_be_bytes(raw))),
        _ => known(depth, ty, raw),
    }
}

#[cold]
fn unknown(ty: &Type, raw: &[u8]) -> Value {
    Value::from_pairs([("$type", Value::String(ty.name().to_owned())), ("hex", Value::String(bytes::hex(raw)))])
}

/// `None` for a type that is unknown here, and for bytes that are malformed for their type.
fn known(depth: usize, ty: &Type, raw: &[u8]) -> Option<Value> {
    let mut field = Octets(raw);
    let value = match *ty {
        Type::BOOL => Value::Bool(field.u8()? != 0),
        Type::INT2 => Value::Int(field.i16()?.into()),
        Type::FLOAT4 => Value::Double(numeric::widened(f32::from_bits(field.u32()?))),
        Type::FLOAT8 => Value::Double(f64::from_bits(field.u64()?)),
        Type::NUMERIC => Value::String(numeric::numeric(&mut field)?),
        Type::MONEY => Value::String(numeric::money(field.i64()?)),
        Type::OID
        | Type::XID
        | Type::CID
        | Type::REGPROC
        | Type::REGPROCEDURE
        | Type::REGOPER
        | Type::REGOPERATOR
        | Type::REGCLASS
        | Type::REGTYPE
        | Type::REGCONFIG
        | Type::REGDICTIONARY
        | Type::REGNAMESPACE
        | Type::REGROLE
        | Type::REGCOLLATION => Value::Int(field.u32()?.into()),
        Type::XID8 => unsigned(field.u64()?),
        Type::PG_LSN => Value::String(format!("{:X}/{:X}", field.u32()?, field.u32()?)),
        Type::TID => Value::String(format!("({},{})", field.u32()?, field.u16()?)),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML | Type::REFCURSOR => {
            text(field.rest())?
        }
        Type::CHAR => Value::String(numeric::single_char(field.u8()?)),
        Type::BYTEA => Value::Bytes(field.rest().to_vec()),
        Type::DATE => Value::DateTime(time::date(field.i32()?)),
        Type::TIME => Value::DateTime(time::time(field.i64()?)),
        Type::TIMETZ => Value::DateTime(time::timetz(field.i64()?, field.i32()?)),
        Type::TIMESTAMP => Value::DateTime(time::timestamp(field.i64()?, "")),
        Type::TIMESTAMPTZ => Value::DateTime(time::timestamp(field.i64()?, "+00:00")),
        Type::INTERVAL => Value::String(time::interval(field.i64()?, field.i32()?, field.i32()?)),
        Type::UUID => Value::String(network::uuid(&mut field)?),
        Type::JSON => json::json(field.rest())?,
        // The first byte is the version of the binary format; 1 is the only version so far.
        Type::JSONB if field.u8()? == 1 => json::json(field.rest())?,
        Type::JSONPATH if field.u8()? == 1 => text(field.rest())?,
        Type::INET | Type::CIDR => Value::String(network::inet(&mut field)?),
        Type::MACADDR | Type::MACADDR8 => Value::String(network::mac(field.rest())),
        Type::BIT | Type::VARBIT => Value::String(numeric::bits(&mut field)?),
        Type::POINT => Value::String(geometry::point(&mut field)?),
        Type::LINE => Value::String(geometry::line(&mut field)?),
        Type::LSEG => Value::String(geometry::segment(&mut field)?),
        Type::BOX => Value::String(geometry::rectangle(&mut field)?),
        Type::CIRCLE => Value::String(geometry::circle(&mut field)?),
        Type::PATH => Value::String(geometry::path(&mut field)?),
        Type::POLYGON => Value::String(geometry::polygon(&mut field)?),
        Type::TS_VECTOR => Value::String(geometry::words(&mut field)?),
        Type::VOID => Value::Nil,
        Type::RECORD => nested::composite(depth, None, &mut field)?,
        _ => return by_kind(depth, ty, raw),
    };
    field.is_empty().then_some(value)
}

fn by_kind(depth: usize, ty: &Type, raw: &[u8]) -> Option<Value> {
    let mut field = Octets(raw);
    let value = match ty.kind() {
        Kind::Enum(_) => text(field.rest())?,
        Kind::Domain(base) => return common(depth, base, raw),
        Kind::Array(element) => nested::array(depth, element, &mut field)?,
        Kind::Composite(fields) => nested::composite(depth, Some(fields), &mut field)?,
        Kind::Range(element) => Value::String(nested::range(depth, element, &mut field)?),
        Kind::Multirange(element) => Value::String(nested::multirange(depth, element, &mut field)?),
        // citext is the one text type of a widespread extension; its binary form is the text itself.
        Kind::Simple if ty.name() == "citext" => text(field.rest())?,
        // Two more common extensions; ltree's text is preceded by a version byte.
        Kind::Simple if ty.name() == "ltree" && field.u8()? == 1 => text(field.rest())?,
        Kind::Simple if ty.name() == "hstore" => nested::hstore(&mut field)?,
        _ => return None,
    };
    field.is_empty().then_some(value)
}

fn text(raw: &[u8]) -> Option<Value> {
    std::str::from_utf8(raw).ok().map(|text| Value::String(text.to_owned()))
}

fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| Value::String(number.to_string()), Value::Int)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Type, decode};

    #[test]
    fn a_row_of_rows_of_rows_does_not_overflow_the_stack() {
        let mut raw = Vec::new();
        for inside in (0..100_000_u32).rev() {
            let (oid, length) = (Type::RECORD.oid().to_be_bytes(), (inside * 12 + 4).to_be_bytes());
            raw.extend([[0, 0, 0, 1], oid, length].concat());
        }
        raw.extend([0; 4]);
        let mut value = &decode(&Type::RECORD, &raw);
        let mut depth = 0;
        while let Some(inner) = value.get("f1") {
            (value, depth) = (inner, depth + 1);
        }
        assert_eq!((depth, value.get("$type")), (65, Some(&"record".into())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn no_bytes_make_a_decoder_panic(oid in 1_u32..6_300, raw in proptest::collection::vec(any::<u8>(), 0..48)) {
            if let Some(ty) = Type::from_oid(oid) {
                decode(&ty, &raw);
            }
        }

        #[test]
        fn no_counts_make_a_decoder_panic(oid in 1_u32..6_300, raw in proptest::collection::vec(0_u8..4, 0..64)) {
            if let Some(ty) = Type::from_oid(oid) {
                decode(&ty, &raw);
            }
        }
    }
}
