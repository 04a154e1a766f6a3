//! Any bytes as XML-RPC: no panic and no stall; the shortcut past the events decides what the events decide; what was
//! read and can be written is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skitai_fuzz::{check_error, depth, document, in_time, limits};
use skitai_wire::{Error, Limits, Map, Value, xmlrpc};

fuzz_target!(|input: &[u8]| {
    let document = document(input);
    in_time(&document, || read(&document));
});

fn read(document: &[u8]) {
    let limits = limits();
    let call = xmlrpc::parse_call(document, &limits);
    let response = xmlrpc::parse_response(document, &limits);
    if let Some(slow) = without_shortcut(document) {
        same(&call, &xmlrpc::parse_call(&slow, &limits));
        same(&response, &xmlrpc::parse_response(&slow, &limits));
    }
    match call {
        Ok(call) => {
            if let Ok(xml) = xmlrpc::write_call(&call.method, &call.params) {
                let again = xmlrpc::parse_call(&xml, &Limits::default()).expect("a call of ours");
                assert_eq!(again.method, call.method);
                same_values(Value::List(call.params), Value::List(again.params));
            }
        }
        Err(error) => check_error(&error, document),
    }
    match response {
        Ok(Ok(value)) => {
            assert!(depth(&value) <= limits.depth);
            if let Ok(xml) = xmlrpc::write_response(&value) {
                let again = xmlrpc::parse_response(&xml, &Limits::default()).expect("a response of ours");
                same_values(value, again.expect("no fault was written"));
            }
        }
        Ok(Err(fault)) => {
            let xml = xmlrpc::write_fault(fault.code, &fault.message);
            let again = xmlrpc::parse_response(&xml, &Limits::default()).expect("a fault of ours");
            assert_eq!(again.expect_err("no value was written").code, fault.code);
        }
        Err(error) => check_error(&error, document),
    }
}

/// The elements that the shortcut knows.
#[rustfmt::skip]
const NAMES: [&str; 27] = [
    "methodCall", "methodName", "methodResponse", "params", "param", "fault", "value", "array", "data", "struct", "member",
    "name", "string", "int", "i1", "i2", "i4", "i8", "biginteger", "double", "float", "bigdecimal", "boolean", "base64",
    "dateTime.iso8601", "dateTime", "nil",
];

/// The document with a blank in its tags, which the shortcut does not know. There is none such where a tag may be text,
/// or part of another tag: within quotes a tag goes on.
fn without_shortcut(document: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).ok()?;
    if text.contains("<!") || text.contains("<?") || text.contains(['"', '\'']) {
        return None;
    }
    let blanks = NAMES.iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("<{name}>"), &format!("<{name} >")).replace(&format!("</{name}>"), &format!("</{name} >"))
    });
    Some(blanks.into_bytes())
}

/// Equal outcomes, or errors that differ in nothing but the byte, and in what they show of the document.
fn same<T: PartialEq + std::fmt::Debug>(fast: &Result<T, Error>, slow: &Result<T, Error>) {
    match (fast, slow) {
        (Ok(fast), Ok(slow)) => assert_eq!(fast, slow),
        (Err(fast), Err(slow)) => assert_eq!((&fast.path, unshown(fast)), (&slow.path, unshown(slow))),
        _ => panic!("{fast:?} with the shortcut, {slow:?} without"),
    }
}

/// The message without what it shows of the document, which may be cut, and be cut elsewhere.
fn unshown(error: &Error) -> (&str, &str) {
    let message = error.message.trim_end_matches('…');
    let start = message.find('<').unwrap_or(message.len());
    (&message[..start], message[start..].rsplit_once('>').map_or("", |(_, end)| end))
}

/// Equal but for the dashes of dates, which are not written.
fn same_values(read: Value, again: Value) {
    assert_eq!(dashless(read), dashless(again));
}

fn dashless(value: Value) -> Value {
    match value {
        Value::DateTime(text) => Value::DateTime(text.replace(['-', 'T', ' '], "")),
        Value::List(items) => Value::List(items.into_iter().map(dashless).collect()),
        Value::Map(map) => Value::Map(Map(map.0.into_iter().map(|(name, value)| (name, dashless(value))).collect())),
        other => other,
    }
}
