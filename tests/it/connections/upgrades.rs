//! `Upgrade` that nobody takes is ignored: the request is answered as if it had not been there, and the connection goes
//! on (RFC 9110, 7.8). Where a service takes it, it is taken.

use std::time::{Duration, Instant};

use super::{beside_a_healthy_client, get, last};
use crate::harness::{Conn, Reply, TestServer, call, curl};

/// What Java's client sends with its first request.
const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n";

/// What a browser sends for a WebSocket.
const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Every way to ask for another protocol.
const WAYS: [&str; 8] = [
    H2C,
    WEBSOCKET,
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket, h2c\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
    "Upgrade:\r\nConnection: Upgrade\r\n",
];

fn post(path: &str, kind: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

fn chunked(path: &str, kind: &str, more: &str, body: &str) -> String {
    let (begin, end) = body.split_at(body.len() / 2);
    let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n");
    let chunks = [begin, end].map(|part| format!("{:x}\r\n{part}\r\n", part.len())).concat();
    format!("{head}{more}\r\n{chunks}0\r\n\r\n")
}

/// An answer that promises no other protocol.
#[track_caller]
fn plain(reply: Reply, code: u16, way: &str) -> Reply {
    let reply = reply.expect_code(code);
    assert!(!reply.header("connection").to_ascii_lowercase().contains("upgrade"), "{way:?}: {:?}", reply.headers);
    assert_eq!(reply.header("upgrade"), "", "{way:?}: {:?}", reply.headers);
    reply
}

/// What follows on the same connection is answered.
#[track_caller]
fn goes_on(conn: &mut Conn) {
    conn.send(get("/add?a=20&b=22"));
    assert_eq!(conn.read().expect_code(200).text(), "42");
}

#[test]
fn a_page_is_given_at_once_whatever_else_was_asked_for() {
    let demo = TestServer::demo().server("body_timeout", "20s").start();
    let since = Instant::now();
    for way in WAYS {
        let mut conn = demo.conn();
        // In one piece with what follows, then one after the other.
        conn.send(format!("GET /hello HTTP/1.1\r\nHost: h\r\n{way}\r\n") + &get("/add?a=1&b=2"));
        assert_eq!(plain(conn.read(), 200, way).text(), "Hello World", "{way:?}");
        assert_eq!(plain(conn.read(), 200, way).text(), "3", "{way:?}");
        goes_on(&mut conn);
        let mut conn = demo.conn();
        for _ in 0..3 {
            conn.send(format!("GET /hello HTTP/1.1\r\nHost: h\r\n{way}\r\n"));
            assert_eq!(plain(conn.read(), 200, way).text(), "Hello World", "{way:?}");
        }
        goes_on(&mut conn);
    }
    assert!(since.elapsed() < Duration::from_secs(10), "somebody was waited for: {:?}", since.elapsed());
}

#[test]
fn a_post_has_its_body_read_and_is_answered() {
    let demo = TestServer::demo().server("body_timeout", "20s").start();
    let since = Instant::now();
    let (xml, json) = ("text/xml", "application/json");
    for way in WAYS {
        for make in [post, chunked] {
            let mut conn = demo.conn();
            let ask = make("/add", json, way, r#"{"a": 1, "b": 2}"#);
            // Whole, and with its body behind its head.
            conn.send(&ask);
            assert_eq!(plain(conn.read(), 200, way).text(), "3", "{way:?}");
            goes_on(&mut conn);
            let body = ask.find("\r\n\r\n").unwrap() + 4;
            conn.send(&ask[..body]);
            assert!(conn.is_silent_for(Duration::from_millis(20)), "nothing is said before the body is there");
            conn.send(&ask[body..]);
            assert_eq!(plain(conn.read(), 200, way).text(), "3", "{way:?}");
            goes_on(&mut conn);
            conn.send(make("/RPC2", xml, way, &call::xml("add", &["<int>40</int>", "<int>2</int>"])));
            assert!(plain(conn.read(), 200, way).text().contains(">42<"), "{way:?}");
            goes_on(&mut conn);
        }
    }
    assert!(since.elapsed() < Duration::from_secs(15), "somebody was waited for: {:?}", since.elapsed());
}

#[test]
fn a_hundred_posts_of_javas_client_are_a_hundred_answers() {
    let demo = TestServer::demo().start();
    let mut conn = demo.conn();
    for n in 0..100 {
        conn.send(post("/add", "application/json", H2C, &format!(r#"{{"a": {n}, "b": 1}}"#)));
        assert_eq!(plain(conn.read(), 200, H2C).text(), (n + 1).to_string());
    }
    // All at once, too.
    let all: String =
        (0..50).map(|n| post("/add", "application/json", H2C, &format!(r#"{{"a": {n}, "b": 1}}"#))).collect();
    conn.send(all);
    for n in 0..50 {
        assert_eq!(plain(conn.read(), 200, H2C).text(), (n + 1).to_string());
    }
}

#[test]
fn errors_files_streams_and_heads_ignore_it_as_well() {
    let site = TestServer::site().route("/files = public").file("public/a.txt", "a file").start();
    beside_a_healthy_client(&site, || {
        for way in WAYS {
            let mut conn = site.conn();
            let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{way}\r\n");
            for (path, code) in [("/no/such", 404), ("/guarded/inside", 401), ("/nothing", 204), ("/moved", 302)] {
                conn.send(ask("GET", path));
                plain(conn.read(), code, way);
            }
            conn.send(ask("GET", "/files/a.txt"));
            assert_eq!(plain(conn.read(), 200, way).text(), "a file");
            conn.send(ask("HEAD", "/files/a.txt"));
            plain(conn.read_head(), 200, way);
            conn.send(ask("GET", "/breaks?how=well"));
            assert_eq!(plain(conn.read(), 200, way).text(), "chunk 0\nchunk 1\nchunk 2\n");
            conn.send(last("/defaults?needed=1"));
            conn.read().expect_code(200);
            assert!(conn.ends());
        }
    });
}

#[test]
fn a_service_that_takes_it_has_it_and_one_that_does_not_says_so() {
    let demo = TestServer::demo().start();
    for connection in ["Upgrade", "keep-alive, Upgrade", "upgrade"] {
        let mut conn = demo.conn();
        // Behind another request, as a browser's connection may be used.
        conn.send(get("/hello"));
        conn.read().expect_code(200);
        let way = WEBSOCKET.replace("Connection: Upgrade", &format!("Connection: {connection}"));
        conn.send(format!("GET /websocket/echo HTTP/1.1\r\nHost: h\r\n{way}\r\n"));
        let reply = conn.read_head().expect_code(101);
        assert_eq!(reply.header("connection").to_ascii_lowercase(), "upgrade");
        assert_eq!(reply.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        conn.send(b"\x81\x82\0\0\0\0ok");
        assert_eq!(conn.sip(4).expect("an echo"), b"\x81\x02ok");
    }
    // Without what makes it a WebSocket it is refused in plain HTTP.
    let mut conn = demo.conn();
    conn.send(get("/websocket/echo"));
    plain(conn.read(), 400, "none");
    goes_on(&mut conn);
}

#[test]
fn curl_asks_for_http_2_and_gets_http_1() {
    let demo = TestServer::demo().start();
    let (hello, add) = (demo.url("/hello"), demo.url("/add"));
    let answer = curl(&["--http2", "-w", " %{http_version} %{num_connects}\n", &hello, &hello]);
    assert_eq!(answer, "Hello World 1.1 1\nHello World 1.1 0\n");
    let answer = curl(&["--http2", "-d", "a=1&b=2", "-w", " %{http_version}", &add]);
    assert_eq!(answer, "3 1.1");
}
