//! Long because it is one table of cases per feature of the format, both ways.
use std::collections::BTreeMap;

use serde::Serialize;

use super::*;
use crate::{Bytes, DateTime, Error, Limits, Map, Value};

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn string(text: &str) -> Value {
    Value::from(text)
}

/// A response around this `<value>`.
fn response(value: &str) -> String {
    format!("<?xml version='1.0'?><methodResponse><params><param>{value}</param></params></methodResponse>")
}

fn read(value: &str) -> Result<Value, Error> {
    parse_response(response(value).as_bytes(), &Limits::default()).map(|answer| answer.expect("no fault was sent"))
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut out = Vec::new();
    write_value(&mut out, value)?;
    Ok(String::from_utf8(out).expect("XML is written as UTF-8"))
}

fn call(xml: &str) -> Result<Call, Error> {
    parse_call(xml.as_bytes(), &Limits::default())
}

#[test]
fn every_type_is_read() {
    let table: &[(&str, Value)] = &[
        ("<value>untyped</value>", string("untyped")),
        ("<value> kept </value>", string(" kept ")),
        ("<value/>", string("")),
        ("<value></value>", string("")),
        ("<value><string/></value>", string("")),
        ("<value> <string> a\tb </string> </value>", string(" a\tb ")),
        ("<value><int>-7</int></value>", int(-7)),
        ("<value><i1>1</i1></value>", int(1)),
        ("<value><i2>+2</i2></value>", int(2)),
        ("<value><i4> 4\n</i4></value>", int(4)),
        ("<value><i8>9223372036854775807</i8></value>", int(i64::MAX)),
        ("<value><i8>-9223372036854775808</i8></value>", int(i64::MIN)),
        ("<value><i8>9223372036854775808</i8></value>", Value::UInt(1 << 63)),
        ("<value><biginteger>18446744073709551615</biginteger></value>", Value::UInt(u64::MAX)),
        ("<value><ex:i8 xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'>8</ex:i8></value>", int(8)),
        ("<value xmlns:ex='urn:x' a='1' a='2'><ex:nil/></value>", Value::Nil),
        ("<value><nil/></value>", Value::Nil),
        ("<value><nil> </nil></value>", Value::Nil),
        ("<value><boolean>1</boolean></value>", Value::Bool(true)),
        ("<value><boolean> 0 </boolean></value>", Value::Bool(false)),
        ("<value><boolean>true</boolean></value>", Value::Bool(true)),
        ("<value><boolean>False</boolean></value>", Value::Bool(false)),
        ("<value><double>-1.5</double></value>", Value::Double(-1.5)),
        ("<value><float>1e300</float></value>", Value::Double(1e300)),
        ("<value><ex:bigdecimal>12.50</ex:bigdecimal></value>", Value::Double(12.5)),
        ("<value><double> .5 </double></value>", Value::Double(0.5)),
        ("<value><array/></value>", Value::List(vec![])),
        ("<value><array><data/></array></value>", Value::List(vec![])),
        (
            "<value><array>\n <data>\n <value>a</value> <value><i4>1</i4></value> </data></array></value>",
            [string("a"), int(1)].into(),
        ),
        ("<value><struct/></value>", Value::Map(Map::default())),
    ];
    for (xml, value) in table {
        assert_eq!(&read(xml).unwrap_or_else(|error| panic!("{xml}: {error}")), value, "{xml}");
    }
}

#[test]
fn every_form_of_a_date_is_kept_as_text() {
    for date in [
        "19980717T14:08:55",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05Z",
        "20260102T030405",
        "20260102T03:04:05.123+0200",
        "20260102T24:00:00",
        "20260102T03:04:60",
    ] {
        let expected = Value::DateTime(date.to_owned());
        assert_eq!(read(&format!("<value><dateTime.iso8601> {date} </dateTime.iso8601></value>")).unwrap(), expected);
        assert_eq!(read(&format!("<value><ex:dateTime>{date}</ex:dateTime></value>")).unwrap(), expected);
    }
}

#[test]
fn base64_comes_in_every_wrapping() {
    for text in
        ["aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", " aGVs\r\n bG8g\n\td29y bGQ= \n", "<![CDATA[aGVsbG8gd29ybGQ=]]>"]
    {
        let value = read(&format!("<value><base64>{text}</base64></value>")).unwrap();
        assert_eq!(value, Value::Bytes(b"hello world".to_vec()), "{text:?}");
    }
    assert_eq!(read("<value><base64/></value>").unwrap(), Value::Bytes(vec![]));
    assert!(read("<value><base64>a*b</base64></value>").unwrap_err().message.contains("not base64"));
}

#[test]
fn text_is_put_together_from_its_pieces() {
    let table = [
        ("a&lt;b&gt;c&amp;d&quot;e&apos;f", "a<b>c&d\"e'f"),
        ("&#65;&#x42;&#x1F600;", "AB\u{1f600}"),
        ("a<!-- no -->b<?pi no?>c", "abc"),
        ("<![CDATA[<&>]]>&amp;<![CDATA[ ]]]]><![CDATA[>]]>", "<&>& ]]>"),
        ("one\r\ntwo\rthree&#13;", "one\ntwo\nthree\r"),
        ("<![CDATA[one\r\ntwo]]>", "one\ntwo"),
        ("ä€\u{1f600}", "ä€\u{1f600}"),
        ("\u{1}", "\u{1}"),
    ];
    for (xml, text) in table {
        assert_eq!(read(&format!("<value>{xml}</value>")).unwrap(), string(text), "{xml:?}");
        assert_eq!(read(&format!("<value><string>{xml}</string></value>")).unwrap(), string(text), "{xml:?}");
    }
}

#[test]
fn members_come_in_any_order() {
    let xml = "<value><struct>
        <member><name>a</name><value><int>1</int></value></member>
        <member><value><struct><member><value>deep</value><name>x</name></member></struct></value><name>b</name></member>
        <member><name/><value/></member>
        <member><name>a</name><value><int>2</int></value></member>
      </struct></value>";
    let value = read(xml).unwrap();
    let expected = Value::from_pairs([
        ("a", int(1)),
        ("b", Value::from_pairs([("x", string("deep"))])),
        ("", string("")),
        ("a", int(2)),
    ]);
    assert_eq!(value, expected);
    assert!(value["a"] == 1, "the first of two equal names is found");
}

#[test]
fn rows_share_the_names_of_their_columns() {
    let row = "<value><struct><member><name>id</name><value>1</value></member></struct></value>";
    let value = read(&format!("<value><array><data>{row}{row}</data></array></value>")).unwrap();
    let name = |at: usize| &value[at].as_map().unwrap().0[0].0;
    assert!(std::sync::Arc::ptr_eq(name(0), name(1)));
}

#[test]
fn calls_are_read() {
    let none = Call { method: "system.listMethods".into(), params: vec![] };
    assert_eq!(call("<methodCall><methodName>\n system.listMethods </methodName></methodCall>").unwrap(), none);
    let with_params = "<methodCall><methodName>system.listMethods</methodName><params/></methodCall>";
    assert_eq!(call(with_params).unwrap(), none);
    let params_first = "<?xml version=\"1.0\"?><!-- c --><?pi?>
        <methodCall a='b'><params><param><value>1</value></param> <param><value><i4>2</i4></value></param></params>
        <methodName>f</methodName></methodCall><!-- end -->\n<?end?>";
    assert_eq!(call(params_first).unwrap(), Call { method: "f".into(), params: vec![string("1"), int(2)] });
}

#[test]
fn encodings_are_those_declared() {
    let document = |encoding: &str, text: &[u8]| {
        let head = format!("<?xml version='1.0' {encoding}?><methodResponse><params><param><value>");
        [head.as_bytes(), text, b"</value></param></params></methodResponse>"].concat()
    };
    let read = |bytes: &[u8]| parse_response(bytes, &Limits::default());
    let umlaut = Ok(string("ä"));
    assert_eq!(read(&document("", "ä".as_bytes())).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='utf-8'", "ä".as_bytes())).unwrap(), umlaut);
    assert_eq!(read(&document("encoding = \"UTF8\"", "ä".as_bytes())).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='US-ASCII'", b"&#228;")).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='iso-8859-1'", b"\xe4")).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='ISO-8859-1'", b"a&#228;")).unwrap(), Ok(string("aä")));
    assert_eq!(read(&[b"\xef\xbb\xbf", &document("", "ä".as_bytes())[..]].concat()).unwrap(), umlaut);
    assert_eq!(read(&[b" \n", &document("", "ä".as_bytes())[..]].concat()).unwrap(), umlaut);

    let wrong = document("", b"ab\xe4");
    assert_eq!(read(&wrong).unwrap_err().offset, Some(wrong.iter().position(|&byte| byte == 0xe4).unwrap()));
    assert!(read(&document("encoding='utf-7'", b"")).unwrap_err().message.contains("utf-7"));
    // As .NET and PowerShell write documents: with a mark in two octets a character, or with a declaration that is not
    // so.
    let wide: Vec<u8> = String::from_utf8(document("encoding='utf-16'", "ä".as_bytes()))
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(read(&[&b"\xff\xfe"[..], &wide].concat()).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='utf-16'", "ä".as_bytes())).unwrap(), umlaut);
    assert_eq!(read(&document("encoding='windows-1252'", b"\x80")).unwrap(), Ok(string("€")));
    assert_eq!(read(&document("encoding='euc-kr'", b"\xb8\xf0")).unwrap(), Ok(string("모")));
    // The header counts before the declaration, and a mark before both.
    let said = |label: &str, bytes: &[u8]| parse_response_in(Some(label), bytes, &Limits::default()).unwrap();
    assert_eq!(said("ISO-8859-1", &document("", b"\xe4")), umlaut);
    assert_eq!(said("iso-8859-1", &document("encoding='utf-8'", b"\xe4")), umlaut);
    assert_eq!(said("utf-8", &document("encoding='iso-8859-1'", "ä".as_bytes())), umlaut);
    let marked = [&b"\xef\xbb\xbf"[..], &document("encoding='iso-8859-1'", "ä".as_bytes())].concat();
    assert_eq!(said("iso-8859-1", &marked), umlaut);
    let korean = document("encoding='euc-kr'", b"\xb8\xf0<x/>");
    let at = read(&korean).unwrap_err().offset.unwrap();
    assert_eq!(&korean[at..at + 3], b"<x/", "{at}");
    // An offset counts the bytes received, not those of the decoded text.
    let latin = document("encoding='iso-8859-1'", b"\xe4\xe4<x/>");
    assert_eq!(read(&latin).unwrap_err().offset, Some(latin.windows(4).position(|four| four == b"<x/>").unwrap()));
}

#[test]
fn faults_are_read_in_either_order() {
    let code = "<member><name>faultCode</name><value><int>4</int></value></member>";
    let text = "<member><name>faultString</name><value><string>Too many.</string></value></member>";
    for members in
        [format!("{code}{text}"), format!("{text}{code}"), format!("{text}{}", code.replace("int", "string"))]
    {
        let xml = format!("<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>");
        let fault = parse_response(xml.as_bytes(), &Limits::default()).unwrap().unwrap_err();
        assert_eq!(fault, Fault { code: 4, message: "Too many.".into() });
        assert_eq!(fault.to_string(), "fault 4: Too many.");
    }
}

#[test]
fn a_fault_is_a_fault_however_odd() {
    let code = |value: &str| format!("<member><name>faultCode</name><value>{value}</value></member>");
    let text = "<member><name>faultString</name><value>no</value></member>";
    let fields = |fields: &str| format!("<fault><value><struct>{fields}</struct></value></fault>");
    let table = [
        (fields(text), 0, "no"),
        (fields(&(code("<string>4</string>") + text)), 4, "no"),
        (fields(&(code("<string>warning -- Oops</string>") + text)), 0, "warning -- Oops: no"),
        (fields(&code("<string>warning -- Oops</string>")), 0, "warning -- Oops"),
        (fields(&(code("<double>4.0</double>") + text)), 4, "no"),
        (fields(&(code("<nil/>") + text)), 0, "no"),
        (fields(&code("<int>4</int>")), 4, r#"{"faultCode":4}"#),
        (fields("<member><name> faultcode </name><value><i4>4</i4></value></member>"), 4, r#"{" faultcode ":4}"#),
        ("<fault><value><string>no</string></value></fault>".to_owned(), 0, "no"),
        ("<fault><value>no</value></fault>".to_owned(), 0, "no"),
        ("<fault/>".to_owned(), 0, "a failure without a word"),
        (format!("<params><param><value>1</value></param></params>{}", fields(text)), 0, "no"),
        (format!("{}<params/>", fields(text)), 0, "no"),
    ];
    for (inner, code, message) in table {
        let xml = format!("<methodResponse>{inner}</methodResponse>");
        let fault = parse_response(xml.as_bytes(), &Limits::default()).expect(&xml).expect_err(&xml);
        assert_eq!(fault, Fault { code, message: message.into() }, "{xml}");
    }
}

#[test]
fn the_names_of_a_foundkeep_their_blanks() {
    let member =
        |name: &str, value: i64| format!("<member><name>{name}</name><value><int>{value}</int></value></member>");
    for end in ["", "<!-- read by events from here on -->"] {
        let names = [" a", "a", "a ", "\ta\n", "", " "];
        let members: String = names.iter().zip(0..).map(|(name, at)| member(name, at)).collect();
        let found = read(&format!("<value><struct>{end}{members}</struct></value>")).unwrap();
        for (name, at) in names.iter().zip(0..) {
            assert_eq!(found[*name], int(at), "{name:?}");
        }
        // What was read is written so.
        assert_eq!(read(&written(&found).unwrap()).unwrap(), found);
    }
    // The name of a method is a word.
    assert_eq!(call("<methodCall><methodName> f\n</methodName></methodCall>").unwrap().method, "f");
}

#[test]
fn a_raw_nul_is_refused_as_its_reference_is() {
    for text in ["a\0b", "&#0;", "&#x0;"] {
        let error = read(&format!("<value><string>{text}</string></value>")).unwrap_err();
        assert!(error.offset.is_some(), "{text:?}: {error}");
    }
    let xml = "<methodCall><methodName>f</methodName></methodCall>\0";
    assert_eq!(
        call(xml).unwrap_err().to_string(),
        format!("U+0000 is no character of XML (at byte {})", xml.len() - 1)
    );
    // Other control characters are read: clients send them.
    assert_eq!(read("<value><string>a\u{1}\u{8}b</string></value>").unwrap(), string("a\u{1}\u{8}b"));
}

#[test]
fn a_method_without_a_value_answers_nil() {
    for params in ["<params/>", "<params></params>", "<params> </params>", "<params><param/></params>"] {
        let xml = format!("<methodResponse>{params}</methodResponse>");
        assert_eq!(parse_response(xml.as_bytes(), &Limits::default()).expect(&xml), Ok(Value::Nil), "{xml}");
    }
    // Each of them counts: memory is bounded by the number of values.
    let many = format!("<methodResponse><params>{}</params></methodResponse>", "<param/>".repeat(4));
    let limits = Limits { values: 3, ..Limits::default() };
    assert!(parse_response(many.as_bytes(), &limits).unwrap_err().message.contains("more than 3 values"));
}

#[test]
fn what_is_not_xml_rpc_is_refused_with_its_place() {
    let table = [
        ("<value><int>x</int></value>", "value/int", "not a whole number: \"x\""),
        ("<value><int/></value>", "value/int", "not a whole number"),
        ("<value><i4>1 2</i4></value>", "value/i4", "not a whole number"),
        ("<value><biginteger>18446744073709551616</biginteger></value>", "value/biginteger", "64 bits"),
        ("<value><boolean>2</boolean></value>", "value/boolean", "0 or 1"),
        ("<value><double>NaN</double></value>", "value/double", "not a finite number"),
        ("<value><double>inf</double></value>", "value/double", "not a finite number"),
        ("<value><double>1e999</double></value>", "value/double", "not a finite number"),
        ("<value><nil>x</nil></value>", "value/nil", "nil is empty"),
        ("<value><decimal>1</decimal></value>", "value", "<decimal> is not a type"),
        ("<value>a<int>1</int></value>", "value", "text beside <int>: \"a\""),
        ("<value><int>1</int>a</value>", "value", "text between elements"),
        ("<value><int>1</int><int>1</int></value>", "value", "does not belong here"),
        ("<value><string><b>x</b></string></value>", "value/string", "<b> does not belong here"),
        ("<value>&custom;</value>", "value", "entity &custom; is not accepted"),
        ("<value>&#0;</value>", "value", "is no character"),
        ("<value>&#xD800;</value>", "value", "is no character"),
        ("<value>&#+65;</value>", "value", "is no character"),
        ("<value>a & b</value>", "value", "not well-formed"),
        ("<value><struct><member><value/></member></struct></value>", "value/struct/member[1]", "without <name>"),
        ("<value><struct><member><name>n</name></member></struct></value>", "value/struct/n", "without <value>"),
        (
            "<value><struct><member><name>n</name><value/><value/></member></struct></value>",
            "value/struct/n",
            "not twice",
        ),
        (
            "<value><struct><member><name>a</name><value><struct><member><name>b</name><value><array><data><value/><value>\
             <int>?</int></value></data></array></value></member></struct></value></member></struct></value>",
            "value/struct/a/value/struct/b/value/array/data/value[2]/int",
            "not a whole number",
        ),
        ("<value><array><value/></array></value>", "value/array", "<value> does not belong here"),
        ("<value><array><data/><data/></array></value>", "value/array", "not twice"),
        ("<value/><value/>", "", "not twice"),
        ("x", "", "text between elements"),
        ("<value></valu>", "value", "not well-formed"),
    ];
    for (xml, path, message) in table {
        let error = read(xml).expect_err(xml);
        let path = format!("methodResponse/params/param[1]/{path}");
        assert_eq!(error.path, path.trim_end_matches('/'), "{xml}");
        assert!(error.message.contains(message), "{xml}: {error}");
        assert!(error.offset.is_some(), "{xml}: {error}");
    }
}

#[test]
fn documents_that_are_none_are_refused() {
    let table = [
        ("", "no document"),
        ("   ", "no document"),
        ("hello", "text before the document"),
        ("<html></html>", "<html> where <methodCall> was expected"),
        ("<methodResponse/>", "<methodResponse> where <methodCall> was expected"),
        ("<methodCall/>", "no <methodName>"),
        ("<methodCall><methodName/></methodCall>", "the method is empty"),
        ("<methodCall><methodName>f</methodName>", "ends before"),
        ("<methodCall><methodName>f</methodName></methodCall>x", "text after"),
        ("<methodCall><methodName>f</methodName></methodCall>&amp;", "text after"),
        ("<methodCall><methodName>f</methodName></methodCall><a/>", "<a> after"),
        ("<methodCall><methodName>f</methodName></methodCall></a>", "not well-formed"),
        ("<methodCall><methodName>f</methodName><methodName>g</methodName></methodCall>", "not twice"),
        ("<methodCall><methodName>f</methodName><params/><params/></methodCall>", "not twice"),
        ("<methodCall><methodName>f</methodName><?xml version='1.0'?></methodCall>", "an XML declaration within"),
        ("<!DOCTYPE a><methodCall><methodName>f</methodName></methodCall>", "a DTD is not accepted"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall/>", "a DTD is not accepted"),
        ("<methodCall><methodName>f</methodName><params><param/></params></methodCall>", "without <value>"),
        ("<methodCall", "not well-formed"),
    ];
    for (xml, message) in table {
        let error = call(xml).expect_err(xml);
        assert!(error.to_string().contains(message), "{xml}: {error}");
    }
    for (xml, message) in [
        ("<methodResponse/>", "neither <params> nor <fault>"),
        ("<methodResponse><params/><params/></methodResponse>", "not twice"),
        ("<methodResponse><fault/><fault/></methodResponse>", "not twice"),
        ("<methodResponse><params><param/><param/></params></methodResponse>", "2 values"),
    ] {
        let error = parse_response(xml.as_bytes(), &Limits::default()).expect_err(xml);
        assert!(error.to_string().contains(message), "{xml}: {error}");
    }
}

#[test]
fn an_error_says_where_and_does_not_repeat_the_input() {
    let xml = "<methodCall><methodName>f</methodName><params><param><value/></param><param><value><int>x</int></value>";
    let error = call(xml).unwrap_err();
    assert_eq!(error.to_string(), "methodCall/params/param[2]/value/int: not a whole number: \"x\" (at byte 89)");

    let long = "x".repeat(10_000);
    for xml in [
        format!("<value><int>{long}</int></value>"),
        format!("<value><{long}/></value>"),
        format!("<value><int>1</int></{long}>"),
        format!("<value>&{long};</value>"),
        format!("<value>a<{long}>"),
        format!("<value><struct><member><name>{long}</name><value><int/></value></member></struct></value>"),
    ] {
        let error = read(&xml).unwrap_err();
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[test]
fn limits_hold_at_their_edges() {
    let nested = |depth: usize| {
        let (open, close) = ("<value><array><data>", "</data></array></value>");
        response(&format!("{}{}", open.repeat(depth), close.repeat(depth)))
    };
    let read = |xml: &str, limits: &Limits| parse_response(xml.as_bytes(), limits);
    let default = Limits::default();
    assert!(read(&nested(64), &default).is_ok());
    assert!(read(&nested(65), &default).unwrap_err().message.contains("nested more than 64 deep"));

    let three = response("<value><array><data><value/><value/></data></array></value>");
    assert!(read(&three, &Limits { values: 3, ..default }).is_ok());
    assert!(read(&three, &Limits { values: 2, ..default }).unwrap_err().message.contains("more than 2 values"));
    assert!(read(&three, &Limits { bytes: three.len(), ..default }).is_ok());
    assert!(read(&three, &Limits { bytes: three.len() - 1, ..default }).unwrap_err().message.contains("bytes"));
}

#[derive(Serialize)]
struct City {
    name: &'static str,
    #[serde(rename = "a<b")]
    odd: Option<u8>,
    at: DateTime,
    flag: Bytes,
}

#[derive(Serialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Box { w: i32 },
}

#[test]
fn every_type_is_written() {
    let table: Vec<(Result<String, Error>, &str)> = vec![
        (written(&1), "<int>1</int>"),
        (written(&i64::from(i32::MAX)), "<int>2147483647</int>"),
        (written(&i64::from(i32::MIN)), "<int>-2147483648</int>"),
        (written(&2_147_483_648_i64), "<i8>2147483648</i8>"),
        (written(&i64::MIN), "<i8>-9223372036854775808</i8>"),
        (written(&(i64::MAX as u64)), "<i8>9223372036854775807</i8>"),
        (written(&true), "<boolean>1</boolean>"),
        (written(&false), "<boolean>0</boolean>"),
        (written(&0.1), "<double>0.1</double>"),
        (written(&1.0), "<double>1.0</double>"),
        (written(&-0.0), "<double>-0.0</double>"),
        (written(&"a<b>&\r\n\t"), "<string>a&lt;b&gt;&amp;&#13;\n\t</string>"),
        (written(""), "<string></string>"),
        (written(&'ä'), "<string>ä</string>"),
        (written("\u{fffd}\u{7f}"), "<string>\u{fffd}\u{7f}</string>"),
        (written(&()), "<nil/>"),
        (written(&None::<i32>), "<nil/>"),
        (written(&Value::Nil), "<nil/>"),
        (written(&Some(1)), "<int>1</int>"),
        (written(&DateTime("20260102T03:04:05".into())), "<dateTime.iso8601>20260102T03:04:05</dateTime.iso8601>"),
        (written(&Bytes(b"hello world".to_vec())), "<base64>aGVsbG8gd29ybGQ=</base64>"),
        (written(&Value::Bytes(vec![])), "<base64></base64>"),
        (
            written(&(1, "a")),
            "<array><data><value><int>1</int></value><value><string>a</string></value></data></array>",
        ),
        (written(&[0; 0]), "<array><data></data></array>"),
        (
            written(&BTreeMap::from([(7, true)])),
            "<struct><member><name>7</name><value><boolean>1</boolean></value></member></struct>",
        ),
        (written(&Shape::Point), "<string>Point</string>"),
        (
            written(&Shape::Circle(0.5)),
            "<struct><member><name>Circle</name><value><double>0.5</double></value></member></struct>",
        ),
        (
            written(&Shape::Line(1, 2)),
            "<struct><member><name>Line</name><value><array><data><value><int>1</int></value><value><int>2</int></value>\
             </data></array></value></member></struct>",
        ),
        (
            written(&Shape::Box { w: 1 }),
            "<struct><member><name>Box</name><value><struct><member><name>w</name><value><int>1</int></value></member>\
             </struct></value></member></struct>",
        ),
        (
            written(&City { name: "Bonn", odd: None, at: DateTime("1".into()), flag: Bytes(vec![0]) }),
            "<struct><member><name>name</name><value><string>Bonn</string></value></member>\
             <member><name>a&lt;b</name><value><nil/></value></member>\
             <member><name>at</name><value><dateTime.iso8601>1</dateTime.iso8601></value></member>\
             <member><name>flag</name><value><base64>AA==</base64></value></member></struct>",
        ),
        // Types with a text form are written as text.
        (written(&std::net::Ipv4Addr::LOCALHOST), "<string>127.0.0.1</string>"),
    ];
    for (at, (xml, expected)) in table.into_iter().enumerate() {
        assert_eq!(xml.unwrap_or_else(|error| panic!("{at}: {error}")), format!("<value>{expected}</value>"));
    }
}

#[test]
fn points_in_time_are_written_as_the_specification_spells_them() {
    for (text, written_as) in [
        ("19980717T14:08:55", "19980717T14:08:55"),
        ("1998-07-17T14:08:55", "19980717T14:08:55"),
        ("1998-07-17 14:08", "19980717T14:08"),
        ("1998-07-17T14:08:55.123456+02:00", "19980717T14:08:55.123456+02:00"),
        ("1998-07-17T14:08:55Z", "19980717T14:08:55Z"),
        ("1998-07-17", "1998-07-17"),
        ("14:08:55", "14:08:55"),
        ("12026-07-17T14:08:55", "12026-07-17T14:08:55"),
        ("1998-07-17\u{e4}14:08:55", "1998-07-17\u{e4}14:08:55"),
        ("infinity", "infinity"),
    ] {
        let xml = written(&DateTime(text.into())).unwrap();
        assert_eq!(xml, format!("<value><dateTime.iso8601>{written_as}</dateTime.iso8601></value>"));
        assert_eq!(written(&Value::DateTime(text.into())).unwrap(), xml);
    }
}

#[test]
fn doubles_are_short_and_come_back_the_same() {
    for number in [1e300, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 1e15, 123_456_789.123, -1e-7] {
        let xml = written(&number).unwrap();
        assert!(xml.len() < 64, "{xml}");
        assert_eq!(read(&xml).unwrap(), Value::Double(number), "{xml}");
    }
}

#[test]
fn what_xml_rpc_cannot_carry_is_not_written() {
    let row = |value: Value| Value::List(vec![Value::Nil, Value::from_pairs([("a", value)])]);
    let deep = |depth: usize| (0..depth).fold(Value::Nil, |inner, _| Value::List(vec![inner]));
    for (error, message) in [
        (written(&row(Value::from("x\u{1}"))), "[1].a: the character U+0001 at byte 1"),
        (written(&row(Value::from("\u{ffff}"))), "[1].a: the character U+FFFF"),
        (written(&row(Value::Double(f64::NAN))), "[1].a: XML-RPC has no number NaN"),
        (written(&row(Value::Double(f64::INFINITY))), "[1].a: XML-RPC has no number inf"),
        (written(&row(Value::UInt(u64::MAX))), "[1].a: 18446744073709551615 does not fit"),
        (written(&u128::MAX), "does not fit"),
        (written(&Value::from_pairs([("\u{2}", Value::Nil)])), "U+0002"),
        (written(&BTreeMap::from([((1, 2), 3)])), "a name must be text, not a tuple"),
        (written(&deep(65)), "nested more than 64 deep"),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(written(&deep(64)).is_ok());
    let mut out = b"before".to_vec();
    assert!(write_value(&mut out, &(1, f64::NAN)).is_err());
    assert_eq!(out, b"before", "nothing is left of a value that failed");
    assert!(write_call("a\u{1}", &()).is_err());
}

#[test]
fn calls_are_written_by_the_shape_of_their_parameters() {
    let params = |xml: Result<Vec<u8>, Error>| parse_call(&xml.unwrap(), &Limits::default()).unwrap().params;
    assert!(params(write_call("f", &())).is_empty());
    assert_eq!(params(write_call("f", &(1, "a"))), [int(1), string("a")]);
    assert_eq!(params(write_call("f", &[1, 2][..])), [int(1), int(2)]);
    assert_eq!(params(write_call("f", &vec![Value::Nil, int(2)])), [Value::Nil, int(2)]);
    assert_eq!(params(write_call("f", &Value::List(vec![int(1)]))), [int(1)]);
    assert_eq!(params(write_call("f", &((1, 2),))), [Value::from([1, 2])]);
    assert_eq!(params(write_call("f", "text")), [string("text")]);
    assert_eq!(params(write_call("f", &None::<i32>)), [Value::Nil]);
    assert_eq!(params(write_call("f", &Bytes(vec![1, 2]))), [Value::Bytes(vec![1, 2])]);
    assert_eq!(params(write_call("f", &BTreeMap::from([("a", 1)]))), [Value::from_pairs([("a", int(1))])]);
    assert_eq!(params(write_call("f", &Shape::Line(1, 2)))[0]["Line"], Value::from([1, 2]));
    assert_eq!(params(write_call("f", &(f64::MAX, DateTime("1".into())))).len(), 2);
    let error = write_call("f", &(1, (2, f64::NAN))).unwrap_err();
    assert_eq!(error.path, "params[1][1]");
}

#[test]
fn documents_are_byte_for_byte_these() {
    let text = |xml: Vec<u8>| String::from_utf8(xml).unwrap();
    assert_eq!(
        text(write_call("a&b", &(1,)).unwrap()),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodCall><methodName>a&amp;b</methodName><params><param><value>\
         <int>1</int></value></param></params></methodCall>"
    );
    assert_eq!(
        text(write_response("x").unwrap()),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param><value><string>x</string></value>\
         </param></params></methodResponse>"
    );
    assert_eq!(
        text(write_fault(-32601, "no <method>\u{1}\u{ffff}")),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><fault><value><struct><member><name>faultCode\
         </name><value><int>-32601</int></value></member><member><name>faultString</name><value><string>no \
         &lt;method&gt;\u{fffd}\u{fffd}</string></value></member></struct></value></fault></methodResponse>"
    );
}

#[test]
fn large_octets_cross() {
    for length in [0, 1, 2, 3, 3071, 3072, 3073, 100_000] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        let xml = write_response(&Value::Bytes(bytes.clone())).unwrap();
        assert_eq!(parse_response(&xml, &Limits::default()).unwrap(), Ok(Value::Bytes(bytes)));
    }
}
