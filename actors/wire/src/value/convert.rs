//! `From` for the types that app authors use.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Bytes, DateTime, Map, Value};

macro_rules! from {
    ($($plain:ty => |$x:ident| $value:expr;)*) => {$(
        impl From<$plain> for Value {
            fn from($x: $plain) -> Value {
                $value
            }
        }
    )*};
}

from! {
    () => |_unit| Value::Nil;
    bool => |x| Value::Bool(x);
    i8 => |x| Value::Int(x.into());
    i16 => |x| Value::Int(x.into());
    i32 => |x| Value::Int(x.into());
    i64 => |x| Value::Int(x);
    isize => |x| Value::Int(x as i64);
    u8 => |x| Value::Int(x.into());
    u16 => |x| Value::Int(x.into());
    u32 => |x| Value::Int(x.into());
    u64 => |x| i64::try_from(x).map_or(Value::UInt(x), Value::Int);
    usize => |x| Value::from(x as u64);
    f32 => |x| Value::Double(x.into());
    f64 => |x| Value::Double(x);
    char => |x| Value::String(x.into());
    &str => |x| Value::String(x.into());
    &String => |x| Value::String(x.clone());
    String => |x| Value::String(x);
    Arc<str> => |x| Value::String((*x).into());
    Cow<'_, str> => |x| Value::String(x.into_owned());
    DateTime => |x| Value::DateTime(x.0);
    Bytes => |x| Value::Bytes(x.0);
    Map => |x| Value::Map(x);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Value {
        option.map_or(Value::Nil, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    /// A list. For octets use [`Bytes`], not a `Vec<u8>`.
    fn from(items: Vec<T>) -> Value {
        items.into_iter().collect()
    }
}

impl<T: Into<Value> + Clone> From<&[T]> for Value {
    fn from(items: &[T]) -> Value {
        items.iter().cloned().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Value {
        items.into_iter().collect()
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(map: BTreeMap<K, V>) -> Value {
        Value::Map(map.into_iter().collect())
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>, S> From<HashMap<K, V, S>> for Value {
    fn from(map: HashMap<K, V, S>) -> Value {
        Value::Map(map.into_iter().collect())
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Map {
        Map(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
