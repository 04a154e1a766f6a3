//! Foreign implementations agree with ours, in both directions: dxr in Rust, and the standard library of Python.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use skitai_wire::{Limits, Value, json, xmlrpc};

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

/// Values of Python's codec as JSON has them; what both scripts begin with.
const PLAIN: &str = r#"
import base64
import xmlrpc.client as x
def plain(v):
    if isinstance(v, x.DateTime): return v.value
    if isinstance(v, x.Binary): return base64.b64encode(v.data).decode()
    if isinstance(v, list): return [plain(i) for i in v]
    if isinstance(v, dict): return {k: plain(i) for k, i in v.items()}
    return v
"#;

/// Reads our call and answers with what it read, once as XML of its own and once as JSON.
const PYTHON: &str = r#"
import json, sys
x.Marshaller.dispatch[int] = lambda self, v, write: write("<value><i8>%d</i8></value>" % v)
params, method = x.loads(sys.stdin.buffer.read())
assert method == "echo", method
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
        .args(["-c", &[PLAIN, PYTHON].concat()])
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
    let seen = json::parse_value(seen).unwrap();
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

/// Makes values of its own, sends each as a call or a response, and wants it back as the same: as `xmlrpc.client` reads
/// it, and as JSON. A failure names its seed.
const MAKER: &str = r#"
import datetime, json, random, struct, sys
seed = random.randrange(2**32)
r = random.Random(seed)
def text():
    letters = "abc <>&'\"\\/\t\n]äß€\U0001f600\x7f\x85\u2028"
    return "".join(r.choice(letters) for _ in range(r.randrange(12)))
def number():
    while True:
        d = struct.unpack("d", r.randbytes(8))[0] if r.random() < .5 else r.uniform(-1e6, 1e6)
        if d - d == 0: return d
def leaf():
    return r.choice([lambda: r.randrange(-2**31, 2**31), lambda: r.random() < .5, number, text, lambda: None,
        lambda: x.Binary(r.randbytes(r.randrange(120))),
        lambda: x.DateTime(datetime.datetime(r.randrange(1000, 10000), 1, 28, r.randrange(24), 59, 5))])()
def value(depth):
    if depth == 0 or r.random() < .4: return leaf()
    if r.random() < .5: return [value(depth - 1) for _ in range(r.randrange(5))]
    return {text().strip(): value(depth - 1) for _ in range(r.randrange(5))}
def send(data):
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()
def receive():
    return sys.stdin.buffer.read(struct.unpack(">I", sys.stdin.buffer.read(4))[0])
for turn in range(int(sys.argv[1])):
    sent = value(5)
    encoding = r.choice([None, "utf-8", "us-ascii", "iso-8859-1"])
    params = (sent,)
    xml = x.dumps(params, methodname="f", encoding=encoding, allow_none=True)
    send(xml.encode(encoding or "utf-8", "xmlcharrefreplace"))
    (back,), method = x.loads(receive())
    assert back == sent and method == "g", f"seed {seed}, turn {turn}: sent {sent!r}, got {back!r}"
    back = json.loads(receive())
    assert back == plain(sent), f"seed {seed}, turn {turn}: sent {sent!r}, got {back!r} as JSON"
    send(json.dumps(plain(sent)).encode())
    assert json.loads(receive()) == plain(sent), f"seed {seed}, turn {turn}: {sent!r} as JSON"
send(b"")
"#;

#[test]
fn python_gets_back_what_it_made() {
    let turns = 1_000;
    let mut python = Command::new("python3")
        .args(["-c", &[PLAIN, MAKER].concat(), &turns.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3: install the package python3");
    let (mut to, mut from) = (python.stdin.take().unwrap(), python.stdout.take().unwrap());
    let mut receive = || {
        let mut length = [0; 4];
        from.read_exact(&mut length).expect("python3 failed; its message is above");
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut bytes).unwrap();
        bytes
    };
    let mut send = |bytes: &[u8]| {
        to.write_all(&u32::try_from(bytes.len()).unwrap().to_be_bytes()).unwrap();
        to.write_all(bytes).unwrap();
    };
    for _ in 0..turns {
        let call = xmlrpc::parse_call(&receive(), &Limits::default()).unwrap();
        assert_eq!((&*call.method, call.params.len()), ("f", 1));
        send(&xmlrpc::write_call("g", &call.params).unwrap());
        send(&json::to_vec(&call.params[0]).unwrap());
        send(&json::to_vec(&json::parse_value(&receive()).unwrap()).unwrap());
    }
    assert!(receive().is_empty());
    assert!(python.wait().unwrap().success());
}
