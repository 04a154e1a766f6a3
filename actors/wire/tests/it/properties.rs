//! What holds for every value and for every run of bytes.

use crate::values::{any_bytes_of_xml, any_value, json_value, xml_value};
use proptest::prelude::*;
use skitai_wire::{Limits, Value, from_value, json, jsonrpc, to_value, xmlrpc};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_cross_xml_rpc(value in xml_value()) {
        let limits = Limits::default();
        let xml = xmlrpc::write_response(&value).unwrap();
        prop_assert_eq!(xmlrpc::parse_response(&xml, &limits).unwrap(), Ok(value.clone()));
        let xml = xmlrpc::write_call("some.method", &(&value, &value)).unwrap();
        let call = xmlrpc::parse_call(&xml, &limits).unwrap();
        prop_assert_eq!(call.method, "some.method");
        prop_assert_eq!(call.params, vec![value.clone(), value]);
    }

    #[test]
    fn faults_cross_xml_rpc(code in any::<i64>(), message in ".*") {
        let xml = xmlrpc::write_fault(code, &message);
        let fault = xmlrpc::parse_response(&xml, &Limits::default()).unwrap().unwrap_err();
        prop_assert_eq!(fault.code, code);
        prop_assert_eq!(fault.message.chars().count(), message.chars().count());
    }

    #[test]
    fn values_cross_json(value in json_value()) {
        let text = json::to_vec(&value).unwrap();
        prop_assert_eq!(&json::parse_value(&text).unwrap(), &value);
        prop_assert_eq!(String::from_utf8(text.clone()).unwrap(), value.to_string());
        prop_assert_eq!(&serde_json::from_slice::<Value>(&text).unwrap(), &value);
        let call = jsonrpc::write_call(7, "f", &(&value,)).unwrap();
        let Ok(jsonrpc::Incoming::Single(Ok(request))) = jsonrpc::parse(&call) else { panic!("a call of ours") };
        prop_assert_eq!(request.params, jsonrpc::Params::Positional(vec![value.clone()]));
        let answer = jsonrpc::write_result(&request.id.unwrap(), &value, false).unwrap();
        prop_assert_eq!(jsonrpc::parse_response(&answer, &Limits::default()).unwrap().to_call(7).unwrap(), Ok(value));
    }

    #[test]
    fn values_are_types_too(value in any_value()) {
        prop_assert_eq!(&to_value(&value).unwrap(), &value);
        prop_assert_eq!(&from_value::<Value>(value.clone()).unwrap(), &value);
    }

    #[test]
    fn an_order_agrees_with_equality(a in any_value(), b in any_value()) {
        use std::cmp::Ordering;
        prop_assert_eq!(a == b, a.partial_cmp(&b) == Some(Ordering::Equal));
        prop_assert_eq!(a.partial_cmp(&b), b.partial_cmp(&a).map(Ordering::reverse));
    }

    #[test]
    fn no_bytes_make_a_panic(bytes in any::<Vec<u8>>()) {
        read_every_way(&bytes);
    }

    #[test]
    fn no_xml_makes_a_panic(bytes in any_bytes_of_xml()) {
        read_every_way(&bytes);
    }

    #[test]
    fn no_damage_makes_a_panic(value in xml_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut bytes in [xmlrpc::write_response(&value).unwrap(), json::to_vec(&value).unwrap()] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            read_every_way(&bytes);
            read_every_way(&bytes[..at]);
            read_every_way(&bytes[at..]);
        }
    }
}

/// All doors through which bytes come in. Whatever comes of it, an error fits on a line or two.
pub(crate) fn read_every_way(bytes: &[u8]) {
    let limits = Limits::default();
    let errors = [
        xmlrpc::parse_call(bytes, &limits).err(),
        xmlrpc::parse_response(bytes, &limits).err(),
        jsonrpc::parse(bytes).err(),
        jsonrpc::parse_response(bytes, &limits).err(),
        json::parse_value(bytes).err(),
    ];
    for error in errors.into_iter().flatten() {
        assert!(error.to_string().len() < 600, "{error}");
        assert!(error.offset.is_none_or(|offset| offset <= bytes.len()), "{error}");
    }
}
