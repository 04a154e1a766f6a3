//! The table of `docs/PROTOCOLS.md` that says how each value crosses each protocol is written by the code it is about.

use std::fmt::Write as _;
use std::path::Path;

use skitai_wire::{Bytes, DateTime, Limits, Value, json, xmlrpc};

/// The text of the document's table, with `BLESS=1` put there first.
#[test]
fn the_table_says_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROTOCOLS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(HEAD).expect("docs/PROTOCOLS.md has the table");
    let end = rest.find("\n\n").expect("something follows the table") + 1;
    let table = table();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{HEAD}{table}{}", &rest[end..])).unwrap();
    } else {
        assert_eq!(&rest[..end], table, "BLESS=1 writes the table anew");
    }
}

const HEAD: &str = "| value | over XML-RPC | read again as | in JSON and over JSON-RPC | read again as |\n\
                    | --- | --- | --- | --- | --- |\n";

fn table() -> String {
    let rows = [
        ("`Nil`, `()`, `None`", Value::Nil),
        ("`Bool(true)`", Value::Bool(true)),
        ("`Int`, 32 bits", Value::Int(2_147_483_647)),
        ("`Int`, more", Value::Int(2_147_483_648)),
        ("`UInt`, beyond 63 bits", Value::UInt(1 << 63)),
        ("`Double`", Value::Double(0.1)),
        ("`Double`, whole", Value::Double(1.0)),
        ("`Double`, NaN or infinite", Value::Double(f64::NAN)),
        ("`String`", Value::from("a < b")),
        ("`String`, with U+0001", Value::from("\u{1}")),
        ("`DateTime`", Value::DateTime("1998-07-17T14:08:55Z".into())),
        ("`Bytes`", Value::Bytes(b"hello".to_vec())),
        ("`List`", Value::from([1])),
        ("`Map`", Value::from_pairs([("a", Value::Int(1))])),
    ];
    let mut table = String::new();
    for (name, value) in rows {
        let (xml, xml_back) = over_xml(&value);
        let (json, json_back) = over_json(&value);
        writeln!(table, "| {name} | {xml} | {xml_back} | {json} | {json_back} |").unwrap();
    }
    table
}

/// What is written for the value, and what that is read as: `same`, or the other value.
fn over_xml(value: &Value) -> (String, String) {
    let mut xml = Vec::new();
    if xmlrpc::write_value(&mut xml, value).is_err() {
        return ("a fault".into(), "–".into());
    }
    let text = String::from_utf8(xml).unwrap();
    let inner = text.strip_prefix("<value>").unwrap().strip_suffix("</value>").unwrap();
    let again = xmlrpc::parse_response(&xmlrpc::write_response(value).unwrap(), &Limits::default()).unwrap().unwrap();
    (format!("`{inner}`"), read_as(value, &again))
}

fn over_json(value: &Value) -> (String, String) {
    let text = json::to_vec(value).unwrap();
    let again = json::parse_value(&text).unwrap();
    (format!("`{}`", String::from_utf8(text).unwrap()), read_as(value, &again))
}

fn read_as(value: &Value, again: &Value) -> String {
    match again {
        again if again == value => "the same".into(),
        Value::Nil => "`Nil`".into(),
        Value::DateTime(text) => format!("`DateTime`, `{text}`"),
        Value::String(_) => "`String`".into(),
        other => panic!("{value:?} comes back as {other:?}; say so in the table"),
    }
}

/// What JSON has no type for arrives where a type of one's own asks for it.
#[test]
fn types_of_ones_own_get_back_what_json_cannot_say() {
    let sent = (Bytes(vec![0, 255]), DateTime("19980717T14:08:55".into()));
    let text = json::to_vec(&sent).unwrap();
    let read: (Bytes, DateTime) = skitai_wire::from_value(json::parse_value(&text).unwrap()).unwrap();
    assert_eq!(read, sent);
}
