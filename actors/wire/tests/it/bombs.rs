//! Bombs: what is refused costs the same however much of it there is.

use std::time::{Duration, Instant};

use skitai_wire::jsonrpc::{self, Incoming};
use skitai_wire::{Limits, json, xmlrpc};

use crate::counted::most_memory;

/// Memory a refusal may take, whatever the size of what is refused.
const ROOM: usize = 64 << 10;
/// Sizes of each bomb, in bytes. The larger one is within the limit of a document, so it is its shape that is refused.
const SIZES: [usize; 2] = [2 << 20, 32 << 20];

/// A bomb that goes off early: its first bytes, and what follows them as often as there is room.
struct Bomb {
    name: &'static str,
    head: &'static str,
    unit: &'static str,
    /// Part of the error.
    refused: &'static str,
}

impl Bomb {
    fn of(&self, size: usize) -> Vec<u8> {
        [self.head.as_bytes(), &self.unit.as_bytes().repeat(size / self.unit.len())].concat()
    }

    /// Sees it refused at every size in the same room, and the larger one in little more time than the smaller.
    fn defuse(&self, read: impl Fn(&[u8]) -> String) {
        let documents = SIZES.map(|size| self.of(size));
        let times = || {
            documents.each_ref().map(|document| {
                let start = Instant::now();
                let (memory, error) = most_memory(|| read(document));
                assert!(memory < ROOM, "{} of {} bytes took {memory} bytes", self.name, document.len());
                assert!(error.contains(self.refused), "{} of {} bytes: {error}", self.name, document.len());
                start.elapsed()
            })
        };
        // That text is UTF-8, and has no NUL, is seen at gigabytes a second; 30 MiB of it take some milliseconds.
        // Reading that much would take hundreds. A busy machine holds up some of the attempts, and slow work is slow in
        // all of them.
        let quick = |[small, large]: [Duration; 2]| large < small + Duration::from_millis(150);
        assert!((0..20).any(|_| quick(times())), "{}: {:?}", self.name, times());
    }
}

const CALL: &str = "<methodCall><methodName>f</methodName><params><param>";
const LAUGHS: &str = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">";

#[test]
fn xml_bombs_are_refused_at_once() {
    let bombs = [
        Bomb { name: "billion laughs", head: LAUGHS, unit: "<!ENTITY a \"&lol2;\">", refused: "a DTD is not accepted" },
        Bomb { name: "a DTD without end", head: "<!DOCTYPE a [", unit: "<!-- x -->", refused: "a DTD is not accepted" },
        Bomb { name: "laughs without a DTD", head: CALL, unit: "<value>&lol9;", refused: "&lol9; is not accepted" },
        Bomb { name: "arrays", head: CALL, unit: "<value><array><data>", refused: "nested more than 64 deep" },
        Bomb { name: "spaced arrays", head: CALL, unit: " <value a=''>\n<array><data >", refused: "more than 64 deep" },
        Bomb {
            name: "structs",
            head: CALL,
            unit: "<value><struct><member><name>a</name>",
            refused: "more than 64 deep",
        },
        Bomb { name: "elements", head: CALL, unit: "<value>", refused: "is not a type of XML-RPC" },
        Bomb { name: "no XML-RPC", head: "", unit: "<a>", refused: "<a> where <method" },
        Bomb { name: "text", head: "", unit: "no XML at all", refused: "text before the document" },
    ];
    for bomb in &bombs {
        bomb.defuse(|document| xmlrpc::parse_call(document, &Limits::default()).unwrap_err().to_string());
    }
    for bomb in bombs.iter().filter(|bomb| !bomb.head.starts_with(CALL)) {
        bomb.defuse(|document| xmlrpc::parse_response(document, &Limits::default()).unwrap_err().to_string());
    }
}

#[test]
fn json_bombs_are_refused_at_once() {
    let answers = [
        Bomb { name: "lists", head: "{\"result\":", unit: "[", refused: "nested more than 64 deep" },
        Bomb { name: "maps", head: "{\"result\":", unit: "{\"a\":", refused: "nested more than 64 deep" },
        Bomb { name: "a list", head: "", unit: "[", refused: "a JSON-RPC response, which is an object" },
    ];
    for bomb in &answers {
        bomb.defuse(|document| jsonrpc::parse_response(document, &Limits::default()).unwrap_err().to_string());
    }
    let nested = Bomb { name: "lists", head: "", unit: "[[{\"a\":", refused: "nested more than 64 deep" };
    nested.defuse(|document| json::parse_value(document).unwrap_err().to_string());
    let no_json = Bomb { name: "text", head: "", unit: "no JSON at all", refused: "expected" };
    no_json.defuse(|document| jsonrpc::parse(document).unwrap_err().to_string());
}

/// A request's id may follow whatever is wrong with the rest, so a request is seen to its end: a bit of memory for each
/// of its brackets, and time that grows with it, but no more of either than its bytes and the limit of a document.
#[test]
fn deep_json_requests_are_refused_with_their_id() {
    for depth in [1_000, 100_000, 1_000_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let text = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"f\",\"params\":{open}{close},\"id\":7}}");
        let start = Instant::now();
        let (memory, parsed) = most_memory(|| jsonrpc::parse(text.as_bytes()));
        let Ok(Incoming::Single(Err(invalid))) = parsed else { panic!("{depth} deep is refused") };
        assert!(invalid.message.contains("nested more than 64 deep"), "{}", invalid.message);
        assert_eq!(invalid.id.as_deref().map(|id| id.get()), Some("7"));
        assert!(memory < ROOM + 3 * text.len(), "{depth} deep took {memory} bytes");
        assert!(start.elapsed() < Duration::from_secs(10), "{depth} deep took {:?}", start.elapsed());
    }
}

#[test]
fn a_hundred_megabytes_are_refused_unseen() {
    let huge = vec![b'<'; 100 << 20];
    let limits = Limits::default();
    let readers: [(&str, &dyn Fn() -> String); 5] = [
        ("a call", &|| xmlrpc::parse_call(&huge, &limits).unwrap_err().to_string()),
        ("a response", &|| xmlrpc::parse_response(&huge, &limits).unwrap_err().to_string()),
        ("a request", &|| jsonrpc::parse(&huge).unwrap_err().to_string()),
        ("an answer", &|| jsonrpc::parse_response(&huge, &limits).unwrap_err().to_string()),
        ("a value", &|| json::parse_value(&huge).unwrap_err().to_string()),
    ];
    for (name, read) in readers {
        let start = Instant::now();
        let (memory, error) = most_memory(read);
        assert!(error.contains("104857600 bytes, more than the limit of 67108864"), "{name}: {error}");
        assert!(memory < 4096, "{name} took {memory} bytes");
        // To read as much would take seconds.
        assert!(start.elapsed() < Duration::from_secs(1), "{name} took {:?}", start.elapsed());
    }
}

/// What is within every limit but one is refused before the memory beyond it is taken.
#[test]
fn too_many_values_take_no_more_than_those_allowed() {
    let limits = Limits { values: 10_000, ..Limits::default() };
    for unit in ["<value/>", "<value>1</value>", "<value><int>1</int></value>"] {
        let document = format!("{CALL}<value><array><data>{}", unit.repeat(1_000_000));
        let (memory, error) = most_memory(|| xmlrpc::parse_call(document.as_bytes(), &limits).unwrap_err());
        assert!(error.message.contains("more than 10000 values"), "{error}");
        assert!(memory < 4 << 20, "{unit} took {memory} bytes");
    }
    let document = format!("[{}1]", "1,".repeat(1_000_000));
    let (memory, error) = most_memory(|| json::parse_value_within(document.as_bytes(), &limits).unwrap_err());
    assert!(error.message.contains("more than 10000 values"), "{error}");
    assert!(memory < 4 << 20, "JSON took {memory} bytes");
}
