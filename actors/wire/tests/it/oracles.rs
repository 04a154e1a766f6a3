//! Foreign implementations agree with ours, in both directions: dxr in Rust, and the standard library of Python.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use skitai_wire::{Limits, Value, xmlrpc};

use crate::values::common_value;

/// The same value as dxr has it.
fn foreign(value: &Value) -> dxr::Value {
    match value {
        Value::Nil => dxr::Value::Nil,
        Value::Bool(truth) => dxr::Value::Boolean(*truth),
        Value::Int(number) => i32::try_from(*number).map_or(dxr::Value::Long(*number), dxr::Value::Integer),
        Value::Double(number) => dxr::Value::Double(*number),
        Value::String(text) => dxr::Value::String(text.clone()),
        Value::DateTime(text) => dxr::Value::DateTime(text.parse().expect("a canonical date")),
        Value::Bytes(bytes) => dxr::Value::Base64(bytes.clone()),
        Value::List(items) => dxr::Value::Array(items.iter().map(foreign).collect()),
        Value::Map(map) => {
            dxr::Value::Struct(map.iter().map(|(name, value)| (name.to_owned(), foreign(value))).collect())
        }
        Value::UInt(_) => panic!("XML-RPC has no such number"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dxr_agrees(value in common_value()) {
        let theirs = dxr::MethodResponse { value: foreign(&value) };
        let read = xmlrpc::parse_response(theirs.to_xml().unwrap().as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(read, Ok(value.clone()));
        let written = String::from_utf8(xmlrpc::write_response(&value).unwrap()).unwrap();
        prop_assert_eq!(dxr::MethodResponse::from_xml(&written).unwrap().value, theirs.value);
        let written = String::from_utf8(xmlrpc::write_call("a.b", &(&value, 1)).unwrap()).unwrap();
        let call = dxr::MethodCall::from_xml(&written).unwrap();
        prop_assert_eq!(call.name, "a.b");
        prop_assert_eq!(call.params, vec![foreign(&value), dxr::Value::Integer(1)]);
    }
}

/// Reads our call and answers with what it read, once as XML of its own and once as JSON.
const PYTHON: &str = r#"
import base64, json, sys, xmlrpc.client as x
x.Marshaller.dispatch[int] = lambda self, v, write: write("<value><i8>%d</i8></value>" % v)
params, method = x.loads(sys.stdin.buffer.read())
assert method == "echo", method
def plain(v):
    if isinstance(v, x.DateTime): return v.value
    if isinstance(v, x.Binary): return base64.b64encode(v.data).decode()
    if isinstance(v, list): return [plain(i) for i in v]
    if isinstance(v, dict): return {k: plain(i) for k, i in v.items()}
    return v
sys.stdout.buffer.write(x.dumps((list(params),), methodresponse=True, allow_none=True).encode())
sys.stdout.buffer.write(b"\0")
sys.stdout.buffer.write(json.dumps(plain(list(params))).encode())
sys.stdout.buffer.write(b"\0")
sys.stdout.buffer.write(x.dumps(x.Fault(7, "a < b"), methodresponse=True).encode())
"#;

#[test]
fn python_agrees() {
    let mut runner = TestRunner::deterministic();
    let mut values: Vec<Value> =
        (0..300).map(|_| common_value().new_tree(&mut runner).expect("nothing is filtered out").current()).collect();
    values.push(Value::from("line\nfeed\r\nand return, tab\t and ]]> \u{85}\u{2028}"));
    values.push(Value::from([f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e300, 0.1]));

    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3: install the package python3");
    let call = xmlrpc::write_call("echo", &values).unwrap();
    python.stdin.take().expect("it is piped").write_all(&call).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 failed; its message is above");

    let parts: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
    let [echoed, seen, fault] = parts[..] else { panic!("{} parts instead of three", parts.len()) };
    let seen = skitai_wire::json::parse_value(seen).unwrap();
    let expected: Value = Value::List(values.clone());
    assert_eq!(seen.to_string(), expected.to_string(), "what Python read is what we wrote");
    // Python writes carriage returns raw, where XML makes them line feeds.
    let returns = values.iter().position(|value| value.as_str().is_some_and(|text| text.contains('\r'))).unwrap();
    values[returns] = Value::from(values[returns].as_str().unwrap().replace("\r\n", "\n"));
    let echoed = xmlrpc::parse_response(echoed, &Limits::default()).unwrap();
    assert_eq!(echoed, Ok(Value::List(values)), "what Python wrote is what we read");
    let fault = xmlrpc::parse_response(fault, &Limits::default()).unwrap();
    assert_eq!(fault, Err(xmlrpc::Fault { code: 7, message: "a < b".into() }));
}
