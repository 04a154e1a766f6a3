use std::collections::BTreeMap;

use proptest::prelude::*;
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::*;
use crate::{Bytes, DateTime, Error, Limits, Map, Value};

fn single(text: &str) -> Result<Request<'_>, Invalid<'_>> {
    match parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Incoming::Single(request) => request,
        Incoming::Batch(_) => panic!("{text} is no batch"),
    }
}

fn batch(text: &str) -> Vec<Result<Request<'_>, Invalid<'_>>> {
    match parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Incoming::Batch(requests) => requests,
        Incoming::Single(_) => panic!("{text} is a batch"),
    }
}

fn id<'a>(request: &Request<'a>) -> Option<&'a str> {
    match &request.id {
        Some(Cow::Borrowed(id)) => Some(id.get()),
        Some(Cow::Owned(id)) => panic!("{id} was copied"),
        None => None,
    }
}

fn ints(numbers: &[i64]) -> Params {
    Params::Positional(numbers.iter().map(|&number| Value::Int(number)).collect())
}

// The requests of section 7 of the JSON-RPC 2.0 specification.

#[test]
fn spec_positional_parameters() {
    for (text, params, expected) in [
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#, ints(&[42, 23]), "1"),
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#, ints(&[23, 42]), "2"),
    ] {
        let request = single(text).unwrap();
        assert_eq!((&*request.method, &request.params, id(&request)), ("subtract", &params, Some(expected)));
        assert!(!request.v1);
    }
}

#[test]
fn spec_named_parameters() {
    for (text, expected) in [
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#, "3"),
        (r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#, "4"),
    ] {
        let request = single(text).unwrap();
        let Params::Named(map) = &request.params else { panic!("{:?}", request.params) };
        assert!(map["minuend"] == 42 && map["subtrahend"] == 23 && map.len() == 2);
        assert_eq!(id(&request), Some(expected));
    }
}

#[test]
fn spec_notifications() {
    let update = single(r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#).unwrap();
    assert_eq!((&*update.method, &update.params, id(&update)), ("update", &ints(&[1, 2, 3, 4, 5]), None));
    let foobar = single(r#"{"jsonrpc": "2.0", "method": "foobar"}"#).unwrap();
    assert_eq!((&*foobar.method, &foobar.params, id(&foobar)), ("foobar", &Params::None, None));
}

#[test]
fn spec_non_existent_method() {
    let request = single(r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#).unwrap();
    assert_eq!(id(&request), Some(r#""1""#));
    assert_eq!(
        write_error(request.id.as_deref(), -32601, "Method not found", None, false),
        br#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":"1"}"#
    );
}

#[test]
fn spec_invalid_json() {
    let error = parse(br#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#).unwrap_err();
    assert!(error.offset.is_some());
    let error = parse(
        br#"[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method"
]"#,
    )
    .unwrap_err();
    assert_eq!(error.offset, Some(101), "{error}");
}

#[test]
fn spec_invalid_requests() {
    let invalid = single(r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#).unwrap_err();
    assert!(invalid.id.is_none());
    let invalid = single("[]").unwrap_err();
    assert!(invalid.id.is_none());
    assert_eq!(
        write_error(invalid.id.as_deref(), -32600, "Invalid Request", None, false),
        br#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}"#
    );
    let one = batch("[1]");
    assert!(matches!(&one[..], [Err(Invalid { id: None, .. })]));
    assert_eq!(batch("[1,2,3]").iter().filter(|entry| entry.is_err()).count(), 3);
}

#[test]
fn spec_batch() {
    let requests = batch(
        r#"[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]"#,
    );
    let ids: Vec<_> = requests.iter().map(|entry| entry.as_ref().ok().map(id)).collect();
    assert_eq!(
        ids,
        [Some(Some(r#""1""#)), Some(None), Some(Some(r#""2""#)), None, Some(Some(r#""5""#)), Some(Some(r#""9""#))]
    );
    let notifications = batch(
        r#"[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]"#,
    );
    assert!(notifications.iter().all(|entry| entry.as_ref().is_ok_and(|request| request.id.is_none())));
}

// Cases that the specification leaves open, or that servers meet in practice.

#[test]
fn ids_are_echoed_as_they_came() {
    for text in ["1", "-1", "1.0", "1e3", "123456789012345678901234567890", r#""\u0041""#, "null"] {
        let request = format!(r#"{{"jsonrpc":"2.0","method":"f","id": {text} }}"#);
        let request = single(&request).unwrap();
        assert_eq!(id(&request), Some(text));
        let answer = write_result(&request.id.unwrap(), &19, false).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), format!(r#"{{"jsonrpc":"2.0","result":19,"id":{text}}}"#));
    }
}

#[test]
fn what_is_no_request_says_why() {
    for (text, id, message) in [
        (r#"{"jsonrpc":"2.0","id":7}"#, Some("7"), "method is missing"),
        (r#"{"jsonrpc":"2.0","method":null,"id":7}"#, Some("7"), "method is not a string"),
        (r#"{"jsonrpc":"2.0","method":"f","params":1,"id":7}"#, Some("7"), "params is neither"),
        (r#"{"jsonrpc":"2.0","method":"f","params":"a","id":7}"#, Some("7"), "params is neither"),
        (r#"{"jsonrpc":"2.0","method":"f","id":true}"#, None, "id is neither"),
        (r#"{"jsonrpc":"2.0","method":"f","id":[1]}"#, None, "id is neither"),
        (r#"{"jsonrpc":"3.0","method":"f","id":7}"#, Some("7"), "jsonrpc is not"),
        (r#"{"jsonrpc":2.0,"method":"f","id":7}"#, Some("7"), "jsonrpc is not"),
        (r#"{"jsonrpc":"2.0","method":"f","method":"g","id":7}"#, None, "duplicate field `method`"),
        (r#"{"jsonrpc":"2.0","method":"\ud800","id":7}"#, Some("7"), "method is not a string"),
        (r#"{"jsonrpc":"2.0","method":"f","params":[1e999],"id":7}"#, Some("7"), "number out of range"),
        ("17", None, "a request is an object"),
        ("null", None, "a request is an object"),
    ] {
        let invalid = single(text).unwrap_err();
        assert_eq!(invalid.id.as_deref().map(RawValue::get), id, "{text}");
        assert!(invalid.message.contains(message), "{text}: {}", invalid.message);
        assert!(!invalid.message.contains(" line "), "{text}: {}", invalid.message);
    }
}

#[test]
fn version_1_is_understood() {
    let request = single(r#"{"method":"echo","params":["a"],"id":1}"#).unwrap();
    assert!(request.v1 && id(&request) == Some("1"));
    let notification = single(r#"{"method":"echo","params":[],"id":null}"#).unwrap();
    assert!(notification.v1 && notification.id.is_none());
    let bitcoin = single(r#"{"jsonrpc":"1.0","method":"echo","params":[],"id":null}"#).unwrap();
    assert!(bitcoin.v1 && id(&bitcoin) == Some("null"));
    let any_id = single(r#"{"method":"echo","params":[],"id":{"a":[1]}}"#).unwrap();
    assert_eq!(id(&any_id), Some(r#"{"a":[1]}"#));
    let id = request.id.unwrap();
    assert_eq!(write_result(&id, "a", true).unwrap(), br#"{"result":"a","error":null,"id":1}"#);
    assert_eq!(
        write_error(Some(&id), 1, "x", None, true),
        br#"{"result":null,"error":{"code":1,"message":"x"},"id":1}"#
    );
}

#[test]
fn names_and_numbers_keep_what_they_are() {
    let text =
        r#"{"jsonrpc":"2.0","method":"a\"b","params":[9223372036854775808,18446744073709551615,1.5,null],"id":1}"#;
    let request = single(text).unwrap();
    assert_eq!(request.method, "a\"b");
    assert_eq!(
        request.params,
        Params::Positional(vec![Value::UInt(1 << 63), Value::UInt(u64::MAX), Value::Double(1.5), Value::Nil])
    );
    let plain = single(r#"{"method":"plain","id":1,"params":null}"#).unwrap();
    assert!(matches!(plain.method, std::borrow::Cow::Borrowed("plain")));
    assert_eq!(plain.params, Params::None);
    let marked = b"\xef\xbb\xbf{\"method\":\"f\"}";
    assert!(matches!(parse(marked), Ok(Incoming::Single(Ok(_)))));
}

#[test]
fn depth_and_batches_are_limited() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","method":"f","params":{open}{close},"id":1}}"#)
    };
    assert!(single(&nested(64)).is_ok());
    for depth in [65, 100_000] {
        let text = nested(depth);
        let invalid = single(&text).unwrap_err();
        assert!(invalid.message.contains("nested more than 64 deep"), "{}", invalid.message);
        assert_eq!(invalid.id.as_deref().map(RawValue::get), Some("1"));
    }
    let entries = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(batch(&entries(10_000)).len(), 10_000);
    let text = entries(10_001);
    assert!(single(&text).unwrap_err().message.contains("10001 requests"));
}

#[test]
fn calls_are_written_by_the_shape_of_their_parameters() {
    let text = |call: Result<Vec<u8>, Error>| String::from_utf8(call.unwrap()).unwrap();
    let start = r#"{"jsonrpc":"2.0","method":"f""#;
    assert_eq!(text(write_call(1, "f", &())), format!(r#"{start},"id":1}}"#));
    assert_eq!(text(write_call(2, "f", &(1, "a"))), format!(r#"{start},"params":[1,"a"],"id":2}}"#));
    let named = BTreeMap::from([("a", 1)]);
    assert_eq!(text(write_call(3, "f", &named)), format!(r#"{start},"params":{{"a":1}},"id":3}}"#));
    assert_eq!(text(write_call(4, "f", "x")), format!(r#"{start},"params":["x"],"id":4}}"#));
    let marked = (DateTime("1".into()), Bytes(vec![0]));
    assert_eq!(text(write_call(5, "f", &marked)), format!(r#"{start},"params":["1","AA=="],"id":5}}"#));
    assert_eq!(text(write_call(u64::MAX, "f", &[f64::NAN])), format!(r#"{start},"params":[null],"id":{}}}"#, u64::MAX));
}

#[test]
fn responses_are_read() {
    let read = |text: &str| parse_response(text.as_bytes(), &Limits::default()).map(|response| response.answer);
    assert_eq!(read(r#"{"jsonrpc":"2.0","result":[1,{"a":null}],"id":1}"#).unwrap().unwrap()[1]["a"], Value::Nil);
    assert_eq!(read(r#"{"jsonrpc":"2.0","result":null,"id":1}"#).unwrap(), Ok(Value::Nil));
    assert_eq!(read(r#"{"result":1,"error":null,"id":1}"#).unwrap(), Ok(Value::Int(1)));
    let error = read(r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no","data":[1]},"id":1}"#).unwrap();
    let expected = RpcError { code: -32000, message: "no".into(), data: Value::from([1]) };
    assert_eq!(error, Err(expected.clone()));
    assert_eq!(
        read(r#"{"result":null,"error":{"code":-32000,"message":"no","data":[1]},"id":1}"#).unwrap(),
        Err(expected)
    );
    let bare = read(r#"{"result":null,"error":"broken","id":1}"#).unwrap().unwrap_err();
    assert_eq!((bare.code, &*bare.message), (0, "broken"));
    assert_eq!(bare.to_string(), "error 0: broken");
    let odd = read(r#"{"result":null,"error":{"reason":"x"},"id":1}"#).unwrap().unwrap_err();
    assert_eq!((odd.code, &*odd.message), (0, r#"{"reason":"x"}"#));

    for (text, message) in [
        ("", "EOF"),
        ("[]", "a JSON-RPC response, which is an object"),
        ("{}", "neither result nor error"),
        (r#"{"jsonrpc":"2.0","id":null}"#, "neither result nor error"),
        (r#"{"error":null}"#, "neither result nor error"),
        (r#"{"jsonrpc":"7","result":1,"id":1}"#, "jsonrpc is neither"),
        (r#"{"result":1,"result":2}"#, "result occurs twice"),
        (r#"{"result":1} x"#, "trailing characters"),
        (r#"{"result":1"#, "EOF"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    let three = r#"{"result":[1,2]}"#;
    let limits = Limits { values: 2, ..Limits::default() };
    assert!(parse_response(three.as_bytes(), &limits).unwrap_err().message.contains("more than 2 values"));
}

#[test]
fn an_error_is_an_error_however_odd() {
    let read = |text: &str| parse_response(text.as_bytes(), &Limits::default()).expect(text);
    for (text, code, message) in [
        (r#"{"jsonrpc":"2.0","error":{"code":"-32000","message":"no"},"id":1}"#, -32000, "no"),
        (r#"{"jsonrpc":"2.0","error":{"code":"E_FULL","message":"no"},"id":1}"#, 0, "E_FULL: no"),
        (r#"{"jsonrpc":"2.0","error":{"code":3,"message":"no"},"result":1,"id":1}"#, 3, "no"),
        (r#"{"jsonrpc":"2.0","error":{"code":3,"message":"no"},"result":{"a":1},"id":1}"#, 3, "no"),
        (r#"{"jsonrpc":"2.0","error":"no","result":[],"id":1}"#, 0, "no"),
        (r#"{"jsonrpc":"2.0","error":{"code":1.5},"id":1}"#, 0, "1.5"),
        (r#"{"jsonrpc":"2.0","error":{},"id":1}"#, 0, "{}"),
        (r#"{"jsonrpc":"2.0","error":["no"],"result":null,"id":1}"#, 0, r#"["no"]"#),
        (r#"{"jsonrpc":2.0,"error":{"code":3,"message":"no"},"id":1}"#, 3, "no"),
        (r#"{"version":"1.1","error":{"name":"JSONRPCError","code":3,"message":"no"},"id":1}"#, 3, "no"),
    ] {
        let error = read(text).answer.expect_err(text);
        assert_eq!((error.code, &*error.message), (code, message), "{text}");
    }
    // What some servers send as no error.
    for none in ["null", "false", "0", r#""""#, "[]", "{}"] {
        let text = format!(r#"{{"jsonrpc":"2.0","error":{none},"result":1,"id":1}}"#);
        assert_eq!(read(&text).answer, Ok(Value::Int(1)), "{text}");
    }
    // A gateway that speaks JSON uses the codes of HTTP, and has neither version nor id.
    assert!(!read(r#"{"error":{"code":503,"message":"no"}}"#).is_marked);
    assert!(read(r#"{"error":{"code":-32601,"message":"no"}}"#).is_marked);
}

#[test]
fn an_answer_under_our_id_without_a_result_is_nil() {
    let read = |text: &str| parse_response(text.as_bytes(), &Limits::default()).expect(text).to_call(7);
    for text in [
        r#"{"jsonrpc":"2.0","id":7}"#,
        r#"{"jsonrpc":"2.0","id":"7"}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":null}"#,
        r#"{"id":7}"#,
    ] {
        assert_eq!(read(text), Ok(Ok(Value::Nil)), "{text}");
    }
    assert!(read(r#"{"jsonrpc":"2.0","id":8}"#).unwrap_err().message.contains("the answer to call 8"));
}

#[test]
fn a_response_belongs_to_the_call_of_its_id() {
    let read = |id: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","result":5{id}}}"#);
        parse_response(text.as_bytes(), &Limits::default()).unwrap().to_call(7)
    };
    for id in [r#","id":7"#, r#","id":"7""#, r#","id":7.0"#, r#","id":70e-1"#] {
        assert_eq!(read(id), Ok(Ok(Value::Int(5))), "{id}");
    }
    for id in [
        "8",
        "-7",
        "7.5",
        r#""8""#,
        r#""07""#,
        r#"" 7""#,
        r#""7.0""#,
        "true",
        "[7]",
        r#"{"id":7}"#,
        "18446744073709551623",
        "null",
    ] {
        let error = read(&format!(r#","id":{id}"#)).expect_err(id);
        assert!(error.message.contains('7'), "{error}");
    }
    assert!(read("").unwrap_err().message.contains("without an id"));
    let twice = parse_response(br#"{"result":5,"id":7,"id":8}"#, &Limits::default());
    assert!(twice.unwrap_err().message.contains("id occurs twice"));
}

#[test]
fn an_error_without_an_id_is_of_the_call_that_was_not_understood() {
    let read = |id: &str| {
        let text = format!(r#"{{"error":{{"code":-700,"message":"what?"}}{id}}}"#);
        parse_response(text.as_bytes(), &Limits::default()).unwrap()
    };
    for id in ["", r#","id":null"#, r#","id":7"#] {
        let error = read(id).to_call(7).expect(id).unwrap_err();
        assert_eq!((error.code, &*error.message), (-700, "what?"), "{id}");
    }
    assert!(read(r#","id":999"#).to_call(7).unwrap_err().message.contains("999"));
    assert!(!read("").is_marked && !read("").has_id(7));
}

#[test]
fn two_calls_that_ask_the_same_differ_in_their_ids_alone() {
    let (one, two) = (write_call(7, "f", &("7",)).unwrap(), write_call(1_000, "f", &("7",)).unwrap());
    assert_eq!(without_id(&one, 7), without_id(&two, 1_000));
    assert_ne!(without_id(&one, 7), without_id(&write_call(7, "f", &("8",)).unwrap(), 7));
    assert_eq!(without_id(b"{}", 7), b"{}");
}

#[test]
fn errors_carry_their_data() {
    let data = Value::Map(Map(vec![("argument".into(), Value::from("a"))]));
    assert_eq!(
        String::from_utf8(write_error(None, -32602, "\"a\" is missing", Some(&data), false)).unwrap(),
        r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"\"a\" is missing","data":{"argument":"a"}},"id":null}"#
    );
    assert_eq!(write_raw_result(RawValue::NULL, b"[1]", false), br#"{"jsonrpc":"2.0","result":[1],"id":null}"#);
}

#[test]
fn the_usual_way_reads_what_the_careful_way_reads() {
    let limits = Limits::default();
    let texts = [
        r#"{"jsonrpc":"2.0","method":"a","params":[1,{"b":[null,true]}],"id":7}"#,
        r#" { "id" : "x\"y", "params" : {"b": 1.5}, "method" : "m\u0041" , "jsonrpc" : "2.0" } "#,
        r#"{"jsonrpc":"2.0","method":"a"}"#,
        r#"{"jsonrpc":"2.0","method":"a","id":null,"more":[1,2]}"#,
        r#"{"jsonrpc":"2.0","method":"a","id":null,"params":["x"]}"#,
        r#"{"jsonrpc":"2.0","method":"a","id":18446744073709551616}"#,
        r#"{"jsonrpc":"2.0","method":"a","params":null,"id":1}"#,
        r#"{"jsonrpc":"2.0","method":"a","params":3,"id":1}"#,
        r#"{"jsonrpc":"2.0","method":"a","method":"b","id":1}"#,
        r#"{"jsonrpc":"2.0","jsonrpc":"2.0","method":"a","id":1}"#,
        r#"{"jsonrpc":"2.1","method":"a","id":1}"#,
        r#"{"method":"a","params":[],"id":1}"#,
        r#"{"jsonrpc":"2.0","method":"a","id":[1]}"#,
        r#"{"jsonrpc":"2.0","method":5,"id":1}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"j\u0073onrpc":"2.0","method":"a","id":1}"#,
    ];
    let usual = texts.iter().filter(|text| is_read_alike(text)).count();
    assert_eq!(usual, 4, "of these, so many are usual");
    for text in [r#"{"jsonrpc":"2.0","method":"a"} x"#, r#"{"jsonrpc":"2.0","method":"a","params":[1,"#, ""] {
        assert!(super::fast_path::request(text, &limits).is_none());
    }
    let two = r#"{"jsonrpc":"2.0","method":"a","params":[1,2]}"#;
    for (values, depth) in [(0, 64), (1, 64), (2, 64), (3, 0)] {
        assert!(super::fast_path::request(two, &Limits { values, depth, ..limits }).is_none(), "{values} {depth}");
    }
    assert!(super::fast_path::request(two, &Limits { values: 3, depth: 1, ..limits }).is_some());
}

/// Whether the fast path accepts it. If it does, both paths return the same result.
fn is_read_alike(text: &str) -> bool {
    let limits = Limits::default();
    let Some(quick) = super::fast_path::request(text, &limits) else { return false };
    let whole = serde_json::from_str::<&RawValue>(text).unwrap_or_else(|error| panic!("{text} is no JSON: {error}"));
    let careful = super::request::request(whole, &limits);
    let careful = careful.unwrap_or_else(|invalid| panic!("{text}: {invalid:?}"));
    assert_eq!(format!("{quick:?}"), format!("{careful:?}"), "{text}");
    true
}

/// Values of which the fast path takes some and leaves others, and some that are not JSON.
const VALUES: &[&str] = &[
    "0",
    "-0",
    "7",
    "-12",
    "01",
    "-",
    "+1",
    "1.5",
    "1e3",
    "1E",
    "999999999999999999",
    "9999999999999999999",
    "1x",
    "true",
    "false",
    "null",
    "tru",
    "nulll",
    r#""""#,
    r#""ä €""#,
    r#""a\"b""#,
    "\"a\tb\"",
    r#""2.0""#,
    r#""add""#,
    "[]",
    "[ ]",
    "[,]",
    "[1,]",
    "[1 2]",
    "[ 1 , -2\n]",
    r#"["a",true,false,null,3]"#,
    "[1.5]",
    "[[1],{}]",
    "[01]",
    "{}",
    r#"{"a": [1]}"#,
    r#"{"a" 1}"#,
    "[-0]",
    "[-5]",
    "[9999999999999999999]",
    "[-999999999999999999]",
    r#"["\u00e4"]"#,
    "[1e2]",
    "[12,]",
    "[truex]",
    "",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_usual_is_read_alike(
        mut members in Just(vec!["jsonrpc", "method", "params", "id"]).prop_shuffle(),
        dropped in prop::option::weighted(0.3, 0_usize..4),
        more in prop::option::weighted(0.2, prop::sample::select(vec!["more", "id", "params", "method"])),
        values in prop::collection::vec(prop::sample::select(VALUES), 6),
        usual in prop::collection::vec(prop::bool::weighted(0.9), 6),
        blank in prop::sample::select(vec!["", " ", "\n\t", "\r"]),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        dropped.map(|at| members.remove(at));
        members.extend(more);
        let member = |(at, name): (usize, &&str)| {
            let value = match (usual[at], *name) {
                (true, "jsonrpc") => r#""2.0""#,
                (true, "method") => r#""add""#,
                _ => values[at],
            };
            format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}")
        };
        let text = format!("{{{}}}{blank}", members.iter().enumerate().map(member).collect::<Vec<_>>().join(","));
        let end = cut.map_or(text.len(), |cut| text.floor_char_boundary(cut.index(text.len())));
        is_read_alike(&text[..end]);
    }
}
