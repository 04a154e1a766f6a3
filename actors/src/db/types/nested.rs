//! Values that contain values: arrays, composites, ranges and multiranges.

use std::sync::Arc;

use tokio_postgres::types::{Field as Column, Type};

use super::bytes::ByteFields;
use super::decode_at;
use crate::wire::{Map, Value};

/// A value with more dimensions than PostgreSQL's maximum of 6 is malformed.
const MAX_DIMENSIONS: usize = 6;

/// A value inside one at this depth.
fn element(depth: usize, ty: &Type, raw: Option<&[u8]>) -> Value {
    raw.map_or(Value::Nil, |raw| decode_at(depth + 1, ty, raw))
}

/// A list, nested if there are several dimensions. Lower bounds are dropped, as in the server's JSON.
pub(super) fn array(depth: usize, ty: &Type, field: &mut ByteFields<'_>) -> Option<Value> {
    let dimensions = usize::try_from(field.i32()?).ok().filter(|count| *count <= MAX_DIMENSIONS)?;
    field.take(8)?; // whether there are NULLs, and the element's OID: both are known from elsewhere
    let sizes = (0..dimensions)
        .map(|_| {
            // The server sends no empty dimension. A huge dimension of empty ones would be an endless list made of no
            // bytes.
            let size = usize::try_from(field.i32()?).ok().filter(|size| *size > 0);
            field.i32()?; // lower bound
            size
        })
        .collect::<Option<Vec<usize>>>()?;
    if sizes.is_empty() {
        return Some(Value::List(Vec::new()));
    }
    list(depth, ty, &sizes, field).map(Value::List)
}

fn list(depth: usize, ty: &Type, sizes: &[usize], field: &mut ByteFields<'_>) -> Option<Vec<Value>> {
    let (size, inner) = sizes.split_first()?;
    // Not `with_capacity(size)`: the size comes from the server and is not checked against the bytes.
    (0..*size)
        .map(|_| match inner {
            [] => field.nested().map(|raw| element(depth, ty, raw)),
            _ => list(depth, ty, inner, field).map(Value::List),
        })
        .collect()
}

/// A map of the composite's columns; an anonymous record's are `f1`, `f2`, … as in the server's JSON.
pub(super) fn composite(depth: usize, columns: Option<&[Column]>, field: &mut ByteFields<'_>) -> Option<Value> {
    let count = usize::try_from(field.i32()?).ok()?;
    let pairs = (0..count)
        .map(|index| {
            let oid = field.u32()?;
            let raw = field.nested()?;
            let column = columns.and_then(|columns| columns.get(index));
            let ty = column.map(|column| column.type_().clone()).or_else(|| Type::from_oid(oid));
            let name: Arc<str> = column.map_or_else(|| format!("f{}", index + 1).into(), |column| column.name().into());
            // The type of an anonymous record's column is unknown if it is user-defined; its bytes are still returned.
            Some((name, element(depth, &ty.unwrap_or(Type::ANY), raw)))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Value::Map(Map(pairs)))
}

/// The hstore extension's map of texts.
pub(super) fn hstore(field: &mut ByteFields<'_>) -> Option<Value> {
    let count = usize::try_from(field.i32()?).ok()?;
    let text = |raw: &[u8]| std::str::from_utf8(raw).ok().map(str::to_owned);
    let pairs = (0..count)
        .map(|_| {
            let name: Arc<str> = text(field.nested()??)?.into();
            let value = match field.nested()? {
                Some(raw) => Value::String(text(raw)?),
                None => Value::Nil,
            };
            Some((name, value))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Value::Map(Map(pairs)))
}

const EMPTY: u8 = 0x01;
const LOWER_INCLUDED: u8 = 0x02;
const UPPER_INCLUDED: u8 = 0x04;
const LOWER_OPEN: u8 = 0x08;
const UPPER_OPEN: u8 = 0x10;

/// The range as text that the server can read back.
pub(super) fn range(depth: usize, ty: &Type, field: &mut ByteFields<'_>) -> Option<String> {
    let flags = field.u8()?;
    if flags & EMPTY != 0 {
        return Some("empty".to_owned());
    }
    let mut bound = |open: u8| -> Option<String> {
        if flags & open != 0 { Some(String::new()) } else { Some(bound_text(&element(depth, ty, field.nested()?))) }
    };
    let (lower, upper) = (bound(LOWER_OPEN)?, bound(UPPER_OPEN)?);
    let left = if flags & LOWER_INCLUDED == 0 { '(' } else { '[' };
    let right = if flags & UPPER_INCLUDED == 0 { ')' } else { ']' };
    Some(format!("{left}{lower},{upper}{right}"))
}

pub(super) fn multirange(depth: usize, ty: &Type, field: &mut ByteFields<'_>) -> Option<String> {
    let count = usize::try_from(field.i32()?).ok()?;
    let ranges = (0..count)
        .map(|_| {
            let mut inner = ByteFields(field.nested()??);
            range(depth, ty, &mut inner).filter(|_| inner.is_empty())
        })
        .collect::<Option<Vec<_>>>()?;
    Some(format!("{{{}}}", ranges.join(",")))
}

/// Quoted by the rules for range literals.
fn bound_text(value: &Value) -> String {
    let text = crate::db::text::text(value).unwrap_or_default();
    let special = |c: char| c.is_whitespace() || "()[],\"\\".contains(c);
    if !text.is_empty() && !text.contains(special) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
}
