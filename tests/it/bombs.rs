//! Bombs sent to a running server: they are refused at once, and leave nothing behind in its memory.

use std::time::{Duration, Instant};

use crate::harness::{TestServer, curl};
use crate::uploads;

const MIB: usize = 1 << 20;
/// What a server may grow by, however often and whatever is thrown at it: each of its two threads keeps room for a few
/// bodies of the largest size it takes.
const ROOM: usize = 64 * MIB;
/// From the first byte that curl sends to the last that it reads, on a busy machine.
const QUICK: Duration = Duration::from_secs(5);

/// Documents that unfold, each at a size within the body's limit of 5 MiB.
fn bombs() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let mut laughs = String::from("<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol0 \"lol\">");
    for level in 1..10 {
        laughs += &format!("<!ENTITY lol{level} \"{}\">", format!("&lol{};", level - 1).repeat(10));
    }
    let call = "<methodCall><methodName>echo</methodName><params><param>";
    let filler = "<!-- ha -->".repeat(300_000);
    let deep = |depth: usize| format!("{call}{}", "<value><array><data>".repeat(depth));
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{open}{close},\"id\":\"seven\"}}")
    };
    vec![
        ("laughs", "text/xml", format!("{laughs}]>{call}<value>&lol9;</value>"), "a DTD is not accepted"),
        (
            "padded laughs",
            "text/xml",
            format!("{laughs}{filler}]>{call}<value>&lol9;</value>"),
            "a DTD is not accepted",
        ),
        ("100 000 deep", "text/xml", deep(100_000), "nested more than 64 deep"),
        ("250 000 deep", "text/xml", deep(250_000), "nested more than 64 deep"),
        ("100 000 deep", "application/json-rpc", nested(100_000), "nested more than 64 deep"),
        ("2 500 000 deep", "application/json-rpc", nested(2_500_000), "nested more than 64 deep"),
        ("never closed", "application/json-rpc", "[".repeat(5 * MIB - 1), "EOF"),
    ]
}

/// Everything at once: curl sends the file, its answer comes quickly, and the server is no larger for it.
#[test]
fn bombs_are_refused_and_nothing_is_left_of_them() {
    let demo = TestServer::demo().start();
    demo.get("/hello").expect_code(200);
    let before = demo.memory();
    for (name, kind, bomb, refused) in bombs() {
        let file = demo.dir().join("bomb");
        std::fs::write(&file, &bomb).unwrap();
        for _ in 0..5 {
            let started = Instant::now();
            let data = format!("@{}", file.display());
            let header = format!("content-type: {kind}");
            let answer = curl(&["--data-binary", &data, "-H", &header, "-H", "expect:", &demo.url("/RPC2")]);
            assert!(answer.contains(refused), "{name} as {kind}: {answer}");
            assert!(answer.len() < 2048, "{name} as {kind} is answered in {} bytes", answer.len());
            assert!(started.elapsed() < QUICK, "{name} as {kind} took {:?}", started.elapsed());
            let grown = demo.memory().saturating_sub(before);
            assert!(grown < ROOM, "{name} as {kind}: the server grew by {} KiB", grown >> 10);
        }
        if kind == "application/json-rpc" && bomb.ends_with('}') {
            let answer = demo.post("/", kind, &bomb).expect_code(200).json();
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&(-32600).into(), &"seven".into()));
        }
    }
    demo.get("/hello").expect_code(200);
}

/// 100 MB are refused by what they announce, or, unannounced, after what the server takes.
#[test]
fn a_hundred_megabytes_are_refused_before_they_are_here() {
    let demo = TestServer::demo().start();
    demo.get("/hello").expect_code(200);
    let before = demo.memory();
    let file = demo.dir().join("huge");
    // Sparse: it is not on the disk either.
    std::fs::File::create(&file).unwrap().set_len(100 * MIB as u64).unwrap();
    let data = format!("@{}", file.display());
    for kind in ["text/xml", "application/json-rpc"] {
        for length in ["expect:", "transfer-encoding: chunked"] {
            let header = format!("content-type: {kind}");
            let url = demo.url("/RPC2");
            let started = Instant::now();
            // The server may close before all is sent; what it said is read nevertheless.
            let seen = curl(&[
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-T",
                &data[1..],
                "-X",
                "POST",
                "-H",
                &header,
                "-H",
                length,
                &url,
            ]);
            assert_eq!(seen, "413", "{kind}, {length}");
            assert!(started.elapsed() < QUICK, "{kind}, {length} took {:?}", started.elapsed());
            let grown = demo.memory().saturating_sub(before);
            assert!(grown < ROOM, "{kind}, {length}: the server grew by {} KiB", grown >> 10);
        }
    }
    demo.get("/hello").expect_code(200);
}

#[test]
fn the_names_of_parts_count_as_the_fields_do() {
    let site = uploads::site().server("max_body", "64k").server("max_upload", "3m").start();
    let named = |n: usize| format!("Content-Disposition: form-data; name=\"{n}{}\"", "x".repeat(30_000));
    let heads: Vec<String> = (0..3).map(named).collect();
    let parts: Vec<(&str, &[u8])> = heads.iter().map(|head| (head.as_str(), &b""[..])).collect();
    site.post("/up/form", uploads::TYPE, uploads::body(&parts[..2])).expect_code(200);
    let text = uploads::message(site.post("/up/form", uploads::TYPE, uploads::body(&parts)), 413);
    assert!(text.contains("65536 bytes") && text.contains("`2xxx"), "{text}");
}
