//! A form as the author's own type: text becomes a number where the type wants one, as for arguments.

use std::vec;

use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use skitai_wire::{Error as Wrong, Map, Value};

use super::argument::{Number, truth, wrong};
use super::bind::{Given, shortened};
use super::form::Form;
use crate::app::error::Error;

impl Form {
    /// Reads the values into your own type: `let account: Account = form.read()?`. Text becomes a number or a truth
    /// value if the field is one, by the same rules as for arguments. A name given once becomes a list of one if the
    /// field is a list; names without a field are ignored, and files are not read. A value that does not fit is a 400
    /// that names the field.
    ///
    /// ```
    /// # use skitai::prelude::*;
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     article: String,
    ///     pieces: u32,
    ///     #[serde(default)]
    ///     notes: Vec<String>,
    /// }
    ///
    /// #[route("/order")]
    /// async fn order(form: Form) -> Result<String> {
    ///     let order: Order = form.read()?; // article=tea&pieces=2&notes=quickly
    ///     Ok(format!("{} × {}, {} notes", order.pieces, order.article, order.notes.len()))
    /// }
    /// ```
    #[track_caller]
    pub fn read<T: DeserializeOwned>(&self) -> crate::app::Result<T> {
        T::deserialize(Field(Value::Map(self.values.clone())))
            .map_err(|wrong| Error::new(400, format!("the form: {wrong}")))
    }
}

/// A value of a form, where text has no type.
struct Field(Value);

impl<'de> IntoDeserializer<'de, Wrong> for Field {
    type Deserializer = Field;

    fn into_deserializer(self) -> Field {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match self.0 {
                Value::String(text) => visitor.$visit(Number::of(&Given::Text(text)).map_err(Wrong::custom)?),
                value => value.$method(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Field {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::List(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Field))),
            Value::Map(Map(pairs)) => visitor.visit_map(FieldPairs { pairs: pairs.into_iter(), value: None }),
            value => value.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i8;
        deserialize_i16 visit_i16;
        deserialize_i32 visit_i32;
        deserialize_i64 visit_i64;
        deserialize_u8 visit_u8;
        deserialize_u16 visit_u16;
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
        deserialize_f32 visit_f32;
        deserialize_f64 visit_f64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => match truth(&text) {
                Some(truth) => visitor.visit_bool(truth),
                None => Err(Wrong::custom(wrong("true or false", &Given::Text(text)))),
            },
            value => value.deserialize_bool(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::List(_) => self.deserialize_any(visitor),
            one => visitor.visit_seq(SeqDeserializer::new(std::iter::once(Field(one)))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(Wrong::invalid_type(Unexpected::Other("no text"), &"one of the words this field takes")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// The fields of a form. An error in one is reported with its name.
struct FieldPairs {
    pairs: vec::IntoIter<(std::sync::Arc<str>, Value)>,
    value: Option<(std::sync::Arc<str>, Value)>,
}

impl<'de> MapAccess<'de> for FieldPairs {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.pairs.next() else { return Ok(None) };
        let key = seed.deserialize((&*name).into_deserializer());
        self.value = Some((name, value));
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.value.take().ok_or_else(|| Wrong::custom("a value was asked for before its name"))?;
        seed.deserialize(Field(value)).map_err(|wrong| Wrong::custom(format_args!("`{}` {wrong}", shortened(&name))))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        article: String,
        pieces: u8,
        price: f64,
        size: Size,
        gift: bool,
        note: Option<String>,
        codes: Vec<i64>,
    }

    fn form(pairs: &[(&str, Value)]) -> Form {
        let values = Map(pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect());
        Form { values, files: Vec::new() }
    }

    fn good() -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        vec![
            ("article", text("7")),
            ("pieces", text(" 2 ")),
            ("price", text("1.5")),
            ("size", text("large")),
            ("gift", text("on")),
            ("codes", text("5")),
            ("unknown", text("x")),
        ]
    }

    #[test]
    fn text_is_what_its_field_wants() {
        let order: Order = form(&good()).read().expect("it fits");
        let (article, codes) = ("7".to_owned(), vec![5]);
        assert_eq!(order, Order { article, pieces: 2, price: 1.5, size: Size::Large, gift: true, note: None, codes });
        let mut typed = good();
        typed[1].1 = Value::Int(3);
        typed[4].1 = Value::Bool(false);
        typed[5].1 = Value::List(vec![Value::Int(1), Value::String("2".to_owned())]);
        let order: Order = form(&typed).read().expect("it fits");
        assert_eq!((order.pieces, order.gift, order.codes), (3, false, vec![1, 2]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |text: &str| Value::String(text.to_owned());
        for (name, value, expected) in [
            ("pieces", text("300"), "`pieces` must be a whole number from 0 to 255, got \"300\""),
            ("price", text("cheap"), "`price` must be a number"),
            ("price", text("inf"), "`price` must be a number"),
            ("gift", text("perhaps"), "`gift` must be true or false"),
            ("codes", Value::List(vec![text("1"), text("x")]), "`codes` must be a whole number"),
            ("size", text("medium"), "`size`"),
            ("article", Value::List(vec![text("a"), text("b")]), "`article`"),
        ] {
            let mut pairs = good();
            pairs.retain(|(known, _)| *known != name);
            pairs.push((name, value));
            let error = form(&pairs).read::<Order>().expect_err(name);
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(expected), "{error}");
        }
        let error = form(&good()[1..]).read::<Order>().expect_err("one is missing");
        assert!(error.to_string().contains("missing field `article`"), "{error}");
    }
}
