//! Comparison of values: `row["population"] >= 100_000`, `v["name"] == "Bonn"`, and the order of two values.
//!
//! Against a plain Rust number every kind of number compares by size, exactly. Values that cannot be compared are
//! neither equal, less nor greater. Two values are equal only if they are of the same kind; for sorting, numbers
//! compare by size.

use std::cmp::Ordering;

use super::Value;

/// Compares a whole number with a double without rounding either.
fn int_with_double(int: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // `as` saturates beyond the range of i128, which keeps the order.
    let floor = double.floor();
    Some(int.cmp(&(floor as i128)).then(if double > floor { Ordering::Less } else { Ordering::Equal }))
}

fn with_int(value: &Value, other: i128) -> Option<Ordering> {
    match value {
        Value::Int(number) => Some(i128::from(*number).cmp(&other)),
        Value::UInt(number) => Some(i128::from(*number).cmp(&other)),
        Value::Double(number) => int_with_double(other, *number).map(Ordering::reverse),
        _ => None,
    }
}

fn with_double(value: &Value, other: f64) -> Option<Ordering> {
    match value {
        Value::Int(number) => int_with_double(i128::from(*number), other),
        Value::UInt(number) => int_with_double(i128::from(*number), other),
        Value::Double(number) => number.partial_cmp(&other),
        _ => None,
    }
}

fn with_str(value: &Value, other: &str) -> Option<Ordering> {
    value.as_str().map(|text| text.cmp(other))
}

fn with_bool(value: &Value, other: bool) -> Option<Ordering> {
    value.as_bool().map(|truth| truth.cmp(&other))
}

macro_rules! compares {
    ($($plain:ty => |$value:ident, $other:ident| $compare:expr;)*) => {$(
        impl PartialEq<$plain> for Value {
            fn eq(&self, other: &$plain) -> bool {
                self.partial_cmp(other) == Some(Ordering::Equal)
            }
        }
        impl PartialOrd<$plain> for Value {
            fn partial_cmp(&self, $other: &$plain) -> Option<Ordering> {
                let $value = self;
                $compare
            }
        }
        impl PartialEq<Value> for $plain {
            fn eq(&self, other: &Value) -> bool {
                other == self
            }
        }
        impl PartialOrd<Value> for $plain {
            fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
                other.partial_cmp(self).map(Ordering::reverse)
            }
        }
    )*};
}

compares! {
    i8 => |v, o| with_int(v, i128::from(*o));
    i16 => |v, o| with_int(v, i128::from(*o));
    i32 => |v, o| with_int(v, i128::from(*o));
    i64 => |v, o| with_int(v, i128::from(*o));
    isize => |v, o| with_int(v, *o as i128);
    u8 => |v, o| with_int(v, i128::from(*o));
    u16 => |v, o| with_int(v, i128::from(*o));
    u32 => |v, o| with_int(v, i128::from(*o));
    u64 => |v, o| with_int(v, i128::from(*o));
    usize => |v, o| with_int(v, *o as i128);
    f32 => |v, o| with_double(v, f64::from(*o));
    f64 => |v, o| with_double(v, *o);
    bool => |v, o| with_bool(v, *o);
    str => |v, o| with_str(v, o);
    &str => |v, o| with_str(v, o);
    String => |v, o| with_str(v, o);
}

impl PartialOrd for Value {
    /// For sorting merged rows: numbers by size, text by code point, lists item by item, nil equal to nil.
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        let by_size = match (self, other) {
            (Value::Int(a), b) => with_int(b, i128::from(*a)).map(Ordering::reverse),
            (Value::UInt(a), b) => with_int(b, i128::from(*a)).map(Ordering::reverse),
            (Value::Double(a), b) => with_double(b, *a).map(Ordering::reverse),
            (Value::Nil, Value::Nil) => Some(Ordering::Equal),
            (Value::Bool(a), Value::Bool(b)) => a.partial_cmp(b),
            (Value::String(a), Value::String(b)) | (Value::DateTime(a), Value::DateTime(b)) => a.partial_cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.partial_cmp(b),
            (Value::List(a), Value::List(b)) => a.partial_cmp(b),
            (Value::Map(a), Value::Map(b)) if a == b => Some(Ordering::Equal),
            _ => None,
        };
        // 1 and 1.0 are not equal values, so an order that agrees with `==` must put one of them first.
        by_size.map(|order| order.then_with(|| number_rank(self).cmp(&number_rank(other))))
    }
}

fn number_rank(value: &Value) -> u8 {
    u8::from(matches!(value, Value::Double(_)))
}
