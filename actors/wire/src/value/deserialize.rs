//! A value from any self-describing serde format, with limits for foreign input.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::marked::VALUE;
use super::{Map, Value};
use crate::limits::Limits;
use crate::names::Names;

/// Maximum of entries allocated in advance because a format claims a length.
const TRUSTED_LENGTH: usize = 1024;

/// The rest of a document's limits, and its names so far.
#[derive(Debug)]
pub(crate) struct Budget {
    depth: usize,
    values: usize,
    left: Cell<usize>,
    names: RefCell<Names>,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Budget {
        Budget { depth: limits.depth, values: limits.values, left: Cell::new(limits.values), names: RefCell::default() }
    }

    /// A seed that reads one value of the document.
    pub(crate) fn seed(&self) -> Seed<'_> {
        Seed { budget: self, depth: self.depth }
    }

    fn spend<E: de::Error>(&self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format_args!("more than {} values", self.values))),
        }
    }
}

/// Reads one value; `depth` is how many containers may still be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Seed { depth, ..self }),
            None => Err(E::custom(format_args!("nested more than {} deep", self.budget.depth))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let unlimited = Limits { depth: usize::MAX, values: usize::MAX, bytes: usize::MAX };
        Budget::new(&unlimited).seed().deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(map) => Ok(map),
            other => Err(de::Error::custom(format_args!("expected a map, got {}", other.kind()))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.spend()?;
        deserializer.deserialize_newtype_struct(VALUE, self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut items = Vec::with_capacity(list.size_hint().unwrap_or(0).min(TRUSTED_LENGTH));
        while let Some(item) = list.next_element_seed(within)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let within = self.deeper()?;
        let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(TRUSTED_LENGTH));
        while let Some(name) = map.next_key_seed(Name(&self.budget.names))? {
            pairs.push((name, map.next_value_seed(within)?));
        }
        Ok(Value::Map(Map(pairs)))
    }

    /// Only our own deserializer answers `VALUE` with an enum: a point in time.
    fn visit_enum<A: EnumAccess<'de>>(self, point: A) -> Result<Value, A::Error> {
        let ((), text) = point.variant()?;
        text.newtype_variant().map(Value::DateTime)
    }
}

/// Reads the name of a pair.
struct Name<'b>(&'b RefCell<Names>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a value")
    }

    fn visit_str<E>(self, name: &str) -> Result<Arc<str>, E> {
        Ok(self.0.borrow_mut().intern(name))
    }
}
