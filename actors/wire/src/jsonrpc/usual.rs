//! The usual request, read in one go: an object of JSON-RPC 2.0, each member once, no escapes in its names.
//!
//! Whatever is not usual is `None`, without a word why: [`request`](super::request) then reads it member by member, so that
//! every complaint is made in one place and knows the request's id.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::request::{Params, Request, good_id};
use crate::limits::Limits;
use crate::value::Value;
use crate::value::deserialize::Budget;

/// The request that is the whole of `body`, if it is usual.
pub(super) fn request<'a>(body: &'a str, limits: &Limits) -> Option<Request<'a>> {
    let mut reader = serde_json::Deserializer::from_str(body);
    let request = Usual(limits).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(request)
}

struct Usual<'l>(&'l Limits);

impl<'de> DeserializeSeed<'de> for Usual<'_> {
    type Value = Request<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Request<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Usual<'_> {
    type Value = Request<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Request<'de>, A::Error> {
        let unusual = |what| A::Error::custom(what);
        let (mut is_v2, mut method, mut params, mut id) = (false, None, None, None);
        while let Some(name) = members.next_key::<&'de str>()? {
            match name {
                "jsonrpc" if !is_v2 => is_v2 = members.next_value::<&'de str>()? == "2.0",
                "method" if method.is_none() => method = Some(members.next_value::<&'de str>()?),
                "params" if params.is_none() => {
                    let budget = Budget::new(self.0);
                    params = Some(match members.next_value_seed(budget.seed())? {
                        Value::List(items) => Params::Positional(items),
                        Value::Map(pairs) => Params::Named(pairs),
                        _ => return Err(unusual("params")),
                    });
                }
                "id" if id.is_none() => id = Some(members.next_value::<&'de RawValue>()?),
                "jsonrpc" | "method" | "params" | "id" => return Err(unusual("twice")),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        match method {
            Some(method) if is_v2 && good_id(id, false).is_some() == id.is_some() => {
                Ok(Request { method: Cow::Borrowed(method), params: params.unwrap_or_default(), id, v1: false })
            }
            _ => Err(unusual("members")),
        }
    }
}
