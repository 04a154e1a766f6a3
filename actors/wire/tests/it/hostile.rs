//! Input made to hurt: it is refused, quickly, and what is large but honest is read in linear time.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use skitai_wire::{Limits, Value, json, jsonrpc, xmlrpc};

use crate::properties::read_every_way;

/// Debug builds on a busy machine stay far below this; anything quadratic goes far beyond.
const QUICK: Duration = Duration::from_secs(10);

fn quickly<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < QUICK, "{what} took {:?}", start.elapsed());
    result
}

fn refused(what: &str, xml: &str) -> String {
    quickly(what, || xmlrpc::parse_call(xml.as_bytes(), &Limits::default())).expect_err(what).to_string()
}

fn call(params: &str) -> String {
    format!("<methodCall><methodName>f</methodName><params><param>{params}</param></params></methodCall>")
}

#[test]
fn deep_nesting() {
    for open in ["<value><array><data>", "<value><struct><member><name>a</name>", "<a>", "<value>", "<!--", "&lt;<b>"] {
        let error = refused(open, &call(&open.repeat(100_000)));
        assert!(error.len() < 500, "{error}");
    }
    for open in ["[", "{\"a\":", "[{\"a\":[", "[[1],["] {
        let text = open.repeat(100_000);
        quickly(open, || json::parse_value(text.as_bytes())).unwrap_err();
        quickly(open, || jsonrpc::parse(text.as_bytes())).unwrap_err();
        let closed = format!("{{\"result\":{}", "[".repeat(100_000) + &"]".repeat(100_000) + "}");
        quickly(open, || jsonrpc::parse_response(closed.as_bytes(), &Limits::default())).unwrap_err();
        let members = format!("{{\"id\":{closed},\"x\":{closed},\"method\":\"f\",\"params\":{closed}}}");
        assert!(matches!(quickly(open, || jsonrpc::parse(members.as_bytes())), Ok(jsonrpc::Incoming::Single(Err(_)))));
    }
}

#[test]
fn entities_that_multiply() {
    let mut dtd = String::from("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">");
    for level in 1..10 {
        dtd += &format!("<!ENTITY lol{level} \"{}\">", format!("&lol{};", level - 1).repeat(10));
    }
    let bomb = format!("{dtd}]>{}", call("<value>&lol9;</value>"));
    assert!(refused("billion laughs", &bomb).contains("a DTD is not accepted"));
    assert!(refused("without the DTD", &call("<value>&lol9;</value>")).contains("entity &lol9; is not accepted"));
    let file = call("<value>&xxe;</value>");
    let external = format!("<!DOCTYPE x [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]>{file}");
    assert!(refused("external entity", &external).contains("a DTD is not accepted"));
}

#[test]
fn too_much_of_everything() {
    let many = call(&format!("<value><array><data>{}</data></array></value>", "<value/>".repeat(1_000_001)));
    let error = xmlrpc::parse_call(many.as_bytes(), &Limits::default()).unwrap_err();
    assert!(error.message.contains("more than 1000000 values"), "{error}");
    let huge = vec![b' '; (64 << 20) + 1];
    quickly("bytes", || xmlrpc::parse_call(&huge, &Limits::default())).unwrap_err();
    quickly("bytes", || xmlrpc::parse_response(&huge, &Limits::default())).unwrap_err();
    quickly("bytes", || jsonrpc::parse(&huge)).unwrap_err();
    quickly("bytes", || json::parse_value(&huge)).unwrap_err();
}

/// The time for twice as much is about twice the time: measured on shapes that have been quadratic in other parsers.
#[test]
fn time_is_linear() {
    type Shape = (&'static str, fn(usize) -> String);
    let shapes: [Shape; 9] = [
        ("attributes", |n| {
            let many: String = (0..n).map(|at| format!(" a{at}='{at}'")).collect();
            call(&format!("<value{many}/>"))
        }),
        ("one long text", |n| call(&format!("<value>{}</value>", "x".repeat(10 * n)))),
        ("entities", |n| call(&format!("<value>{}</value>", "&amp;".repeat(n)))),
        ("comments in text", |n| call(&format!("<value>{}</value>", "a<!---->".repeat(n)))),
        ("sections", |n| call(&format!("<value>{}</value>", "<![CDATA[a]]>".repeat(n)))),
        ("white space", |n| call(&format!("<value/>{}", " \n".repeat(10 * n)))),
        ("names", |n| {
            let member = |at| format!("<member><name>name{at}</name><value>1</value></member>");
            call(&format!("<value><struct>{}</struct></value>", (0..n).map(member).collect::<String>()))
        }),
        ("empty structs after a large one", |n| {
            let large: String = (0..100).map(|at| format!("<member><name>{at}</name><value/></member>")).collect();
            let small = "<value><struct/></value>".repeat(n);
            call(&format!("<value><array><data><value><struct>{large}</struct></value>{small}</data></array></value>"))
        }),
        ("base64", |n| call(&format!("<value><base64>{}</base64></value>", "AAAA\n".repeat(n)))),
    ];
    for (name, shape) in shapes {
        let documents = [shape(4_000), shape(64_000)];
        let linear = || {
            let [small, large] = documents.each_ref().map(|xml| {
                let start = Instant::now();
                xmlrpc::parse_call(xml.as_bytes(), &Limits::default())
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                start.elapsed()
            });
            // Sixteen times the input: linear is 16, quadratic 256. The constant keeps noise out of the shortest runs.
            (large < small * 64 + Duration::from_millis(50)).then_some(()).ok_or((small, large))
        };
        // A busy machine holds up some of them; what is quadratic is so every time.
        let last = (0..20).map(|_| linear()).find(Result::is_ok);
        assert!(last.is_some(), "{name}: {:?}", linear());
    }
}

#[test]
fn a_long_list_is_an_honest_one() {
    let rows: Vec<Value> = (0..50_000).map(|at| Value::from_pairs([("id", Value::from(at))])).collect();
    let rows = Value::from(rows);
    let xml = xmlrpc::write_response(&rows).unwrap();
    assert_eq!(xmlrpc::parse_response(&xml, &Limits::default()).unwrap(), Ok(rows.clone()));
    assert_eq!(json::parse_value(&json::to_vec(&rows).unwrap()).unwrap(), rows);
}

/// What the fuzzers have found to reach different code (`fuzz/corpus`) does no harm here either.
#[test]
fn the_corpus_of_the_fuzzers() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in ["xmlrpc", "jsonrpc"] {
        let inputs: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() > 100, "{} inputs for {target}", inputs.len());
        for input in inputs {
            read_every_way(&fs::read(input).unwrap());
        }
    }
}
