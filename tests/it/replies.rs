//! Replies that an object makes piece by piece, and replies of files.

use std::time::Duration;

use serde_json::json;

use crate::harness::data::root;
use crate::harness::{Conn, TestServer, curl, eventually};

/// Pieces made, aborts, ends.
fn calls_of_pieces(site: &TestServer) -> [u64; 3] {
    let counts = site.get("/pieces/told").expect_code(200).json();
    [0, 1, 2].map(|at| counts[at].as_u64().unwrap())
}

#[test]
fn an_object_is_asked_for_one_piece_after_the_other_and_closed_once() {
    let site = TestServer::site().start();
    let reply = site.get("/pieces?pieces=30").expect_code(200);
    assert_eq!((reply.body.len(), reply.header("content-type")), (30 << 16, "text/plain"));
    eventually("it is closed at its end", || (calls_of_pieces(&site) == [30, 0, 1]).then_some(()));
    // A HEAD makes nothing and is no abort; neither is a call over RPC, which cannot carry it.
    site.ask("HEAD", "/pieces?pieces=30", &[], b"").expect_code(200);
    let call = json!({"jsonrpc": "2.0", "method": "pieces", "params": [30], "id": 1}).to_string();
    assert!(site.post("/", "application/json-rpc", call).expect_code(200).text().contains("stream"));
    eventually("what is never sent is closed, too", || (calls_of_pieces(&site) == [30, 0, 3]).then_some(()));
    // HTTP/1.0 knows no chunks: the end of the connection is the end.
    let mut old = site.conn();
    old.send("GET /pieces?pieces=2 HTTP/1.0\r\n\r\n");
    assert_eq!(old.read().expect_code(200).body.len(), 2 << 16);
}

#[test]
fn a_client_that_resets_aborts_the_object() {
    const PIECES: usize = 4_000;
    let site = TestServer::site().start();
    let mut conn = site.begin(&format!("/pieces?pieces={PIECES}"));
    conn.read_head().expect_code(200);
    // Nothing is read from here on: the sockets fill up and then the object is no longer asked.
    let mut made = 0;
    eventually("the object is left alone", || {
        let before = std::mem::replace(&mut made, calls_of_pieces(&site)[0]);
        // A kernel fills the last of a window when its timer rings, after a fifth of a second and more.
        std::thread::sleep(Duration::from_millis(700));
        (before == made && made > 0).then_some(())
    });
    assert!(made < PIECES as u64 / 4, "{made} of {PIECES} pieces were made for a client that reads nothing");
    conn.reset();
    eventually("it is aborted, then closed", || (calls_of_pieces(&site) == [made, 1, 1]).then_some(()));
    // While it works on a piece, too.
    let mut conn = site.begin("/pieces?pieces=1000&millis=200");
    conn.read_head().expect_code(200);
    conn.next_chunk().expect("a piece");
    conn.reset();
    eventually("it is aborted, then closed", || (calls_of_pieces(&site)[1..] == [2, 2]).then_some(()));
}

#[test]
fn an_object_that_fails_or_panics_cuts_the_reply_and_is_closed() {
    let site = TestServer::site().panics_expected().start();
    for (end, closed) in [("fails", 1), ("panics", 2)] {
        let mut conn = site.begin(&format!("/pieces?pieces=2&end={end}"));
        conn.read_head().expect_code(200);
        assert!(conn.try_rest().is_none(), "{end}: the reply has no end");
        eventually("it is closed", || (calls_of_pieces(&site)[1..] == [0, closed]).then_some(()));
        eventually("the log says why", || site.log().contains("the pieces broke").then_some(()));
    }
}

#[test]
fn many_objects_share_the_bounded_pool() {
    let site = TestServer::site().start();
    // More of them than the pool and its queue take at once: each waits for its turn, none is refused.
    const STREAMS: usize = 320;
    let mut streams: Vec<Conn> = (0..STREAMS).map(|_| site.begin("/pieces?pieces=1&millis=20")).collect();
    for conn in &mut streams {
        assert_eq!(conn.read().expect_code(200).body.len(), 1 << 16);
    }
    eventually("each is closed", || (calls_of_pieces(&site) == [STREAMS as u64, 0, STREAMS as u64]).then_some(()));
}

#[test]
fn a_file_is_replied_with_ranges_and_validators() {
    let site = TestServer::site().file("public/a/page.txt", "0123456789").file("secret.txt", "secret").start();
    let page = site.get("/named?name=a/page.txt").expect_code(200);
    assert_eq!(page.text(), "0123456789");
    assert!(page.header("content-type").starts_with("text/plain"), "{:?}", page.headers);
    let etag = page.header("etag").to_owned();
    assert!(!etag.is_empty() && !page.header("last-modified").is_empty(), "{:?}", page.headers);
    assert_eq!(site.ask("GET", "/named?name=a/page.txt", &[("If-None-Match", &etag)], b"").expect_code(304).text(), "");
    let part = site.ask("GET", "/named?name=a/page.txt", &[("Range", "bytes=2-4")], b"").expect_code(206);
    assert_eq!((part.text().as_str(), part.header("content-range")), ("234", "bytes 2-4/10"));
    site.ask("GET", "/named?name=a/page.txt", &[("Range", "bytes=99-")], b"").expect_code(416);
    let head = site.ask("HEAD", "/named?name=a/page.txt", &[], b"").expect_code(200);
    assert_eq!(head.header("content-length"), "10");
    let typed = site.get("/named?name=a/page.txt&content_type=text/x-mine").expect_code(200);
    assert_eq!(typed.header_all("content-type"), ["text/x-mine"]);
    for name in
        ["no.txt", "a", "../secret.txt", "a/../../secret.txt", "%2e%2e/secret.txt", "..%5Csecret.txt", "%00", ""]
    {
        let refused = site.get(&format!("/named?name={name}")).expect_code(404);
        assert!(refused.json()["error"]["message"].is_string(), "{name}");
    }
    let call = json!({"jsonrpc": "2.0", "method": "named", "params": ["a/page.txt"], "id": 1}).to_string();
    assert!(site.post("/", "application/json-rpc", call).expect_code(200).json()["error"].is_object());
}

#[test]
fn the_demo_streams_the_files_of_its_folder_and_no_others() {
    let demo = TestServer::demo().start();
    let data = std::fs::read_to_string(root().join("apps/demo/data/cities.csv")).unwrap();
    let head = demo.ask("HEAD", "/streaming?filename=cities.csv", &[], b"").expect_code(200);
    assert_eq!(
        (head.header("content-type"), head.header("cache-control")),
        ("text/csv; charset=utf-8", "max-age=3600")
    );
    assert_eq!(curl(&[&demo.url("/streaming?filename=cities.csv")]), data);
    assert_eq!(curl(&["--range", "0-9", &demo.url("/download?filename=cities.csv")]), data[..10]);
    for name in ["../Cargo.toml", "/etc/passwd", "no.csv", "..", ""] {
        demo.get(&format!("/streaming?filename={name}")).expect_code(404);
        demo.get(&format!("/download?filename={name}")).expect_code(404);
    }
}
