//! Values by the protocol that can carry them, for the tests beside this file.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use skitai_wire::Value;

/// Text XML 1.0 can carry.
fn xml_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| {
        let bad = |c: char| c < ' ' && !"\t\n\r".contains(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
        text.chars().map(|c| if bad(c) { '\u{fffd}' } else { c }).collect()
    })
}

/// Text that is the same after trimming, as names are.
fn name() -> BoxedStrategy<String> {
    "[a-zäA-Z_.<>&' -]{0,12}".prop_map(|name| name.trim().to_owned()).boxed()
}

/// A name dxr can read: it refuses empty ones.
fn common_name() -> BoxedStrategy<String> {
    "[a-zäA-Z_.<>&'-]{1,12}".boxed()
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON and XML-RPC have finite numbers alone", |number| number.is_finite())
}

fn nested(leaf: impl Strategy<Value = Value> + 'static, name: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(5, 48, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::List),
            btree_map(name.clone(), inner, 0..8).prop_map(|map: BTreeMap<String, Value>| Value::from(map)),
        ]
    })
}

fn plain_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i32>().prop_map(|number| Value::Int(number.into())),
        finite().prop_map(Value::Double),
    ]
}

/// What comes back from XML-RPC as it went.
pub(crate) fn xml_value() -> impl Strategy<Value = Value> {
    nested(
        prop_oneof![
            plain_leaf(),
            xml_text().prop_map(Value::String),
            "[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}".prop_map(Value::DateTime),
            vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ],
        name(),
    )
}

/// What comes back from JSON as it went.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    nested(
        prop_oneof![plain_leaf(), any::<u64>().prop_map(Value::from), any::<String>().prop_map(Value::String)],
        name(),
    )
}

/// Every kind of value.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![xml_value(), json_value()]
}

/// What every XML-RPC implementation can carry: text without line ends, canonical dates.
pub(crate) fn common_value() -> impl Strategy<Value = Value> {
    nested(
        prop_oneof![
            plain_leaf(),
            "[a-zäöü€<>&'\"😀 ;-]{0,20}".prop_map(|text| Value::String(text.trim().to_owned())),
            "20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])T[01][0-9]:[0-5][0-9]:[0-5][0-9]".prop_map(Value::DateTime),
            vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ],
        common_name(),
    )
}

/// Bytes made of the words of the protocol, in no order.
pub(crate) fn any_bytes_of_xml() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(
        &[
            "<methodCall>",
            "<methodResponse>",
            "</methodCall>",
            "</methodResponse>",
            "<methodName>",
            "</methodName>",
            "<params>",
            "</params>",
            "<params/>",
            "<param>",
            "</param>",
            "<param/>",
            "<value>",
            "</value>",
            "<value/>",
            "<fault>",
            "</fault>",
            "<array>",
            "</array>",
            "<array/>",
            "<data>",
            "</data>",
            "<data/>",
            "<struct>",
            "</struct>",
            "<struct/>",
            "<member>",
            "</member>",
            "<name>",
            "</name>",
            "<name/>",
            "<int>",
            "</int>",
            "<base64>",
            "</base64>",
            "<nil/>",
            "<ex:nil/>",
            "<i8>",
            "</i8>",
            "<?xml version='1.0' encoding='iso-8859-1'?>",
            "<?pi?>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<!DOCTYPE",
            "&amp;",
            "&#65;",
            "&#x",
            "&x;",
            ";",
            "12",
            " ",
            "\r\n",
            "a",
            "ä",
            "faultCode",
            "<",
            ">",
            "'",
            "\"",
            "[",
            "]",
            "{",
            "}",
            ":",
            ",",
            "\"result\":",
            "\"method\":",
            "null",
        ][..],
    );
    vec(word, 0..60).prop_map(|words| words.concat().into_bytes())
}
