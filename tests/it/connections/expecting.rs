//! `Expect: 100-continue`: one 100 where the body is wanted, none where it is refused, and nobody has to wait for it.

use super::{SECOND, beside_a_healthy_client, get, last, notes};
use crate::harness::{Conn, Scenario, TestServer, curl};

fn site() -> Scenario {
    TestServer::site().server("max_body", "64k").server("body_timeout", "5s")
}

/// The head of a POST that waits for a 100 Continue.
fn head(path: &str, framing: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\n{framing}\r\n\r\n")
}

fn begun(site: &TestServer, path: &str, framing: &str) -> Conn {
    let mut conn = site.conn();
    conn.send(head(path, framing));
    conn
}

#[test]
fn a_body_over_the_limit_is_413_without_a_100() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        for length in ["1000000000000", "65537", "100000", "1000000000000000000"] {
            let mut conn = begun(&site, "/noted/over/x", &format!("Content-Length: {length}"));
            // No 100 goes before it.
            let reply = conn.read().expect_code(413);
            assert_eq!(reply.json()["error"]["code"], 413, "{length}");
            // A client that was not asked for its body may send another request where the connection is kept.
            conn.send_reluctantly(get("/noted/over/next").as_bytes());
            if reply.header("connection").eq_ignore_ascii_case("close") {
                assert!(conn.ends(), "{length}");
            }
        }
        assert!(!notes(&site, "over").contains(&"x".to_owned()));
    });
}

#[test]
fn a_body_within_the_limit_is_asked_for_once() {
    let site = site().start();
    let chunked = "Transfer-Encoding: chunked";
    beside_a_healthy_client(&site, || {
        for (framing, body) in [
            ("Content-Length: 5".to_owned(), "hello".to_owned()),
            ("Content-Length: 65536".to_owned(), "x".repeat(65_536)),
            (chunked.to_owned(), "5\r\nhello\r\n0\r\n\r\n".to_owned()),
            (chunked.to_owned(), "5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n".to_owned()),
        ] {
            let mut conn = begun(&site, "/noted/within/x", &framing);
            let answer = conn.read();
            assert_eq!((answer.code, answer.headers.len()), (100, 0), "{framing}");
            // It is asked for once, however slowly it comes.
            for half in body.as_bytes().chunks(body.len() / 2 + 1) {
                conn.send(half);
                std::thread::sleep(SECOND / 50);
            }
            assert_eq!(conn.read().expect_code(200).text(), "within x", "{framing}");
            conn.send(last("/noted/within/next"));
            assert_eq!(conn.read().expect_code(200).text(), "within next", "{framing}");
            assert!(conn.ends());
        }
    });
    assert_eq!(notes(&site, "within"), ["x", "next"].repeat(4));
}

#[test]
fn a_client_that_does_not_wait_is_served_too() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        for _ in 0..20 {
            let mut conn = site.conn();
            conn.send(head("/noted/eager/x", "Content-Length: 5") + "hello" + &last("/noted/eager/next"));
            let mut codes = Vec::new();
            while let Some(reply) = conn.try_read(true) {
                codes.push(reply.code);
            }
            // The body is there; whether it is asked for all the same is the server's choice, but once.
            assert!(codes == [200, 200] || codes == [100, 200, 200], "{codes:?}");
        }
    });
    assert_eq!(notes(&site, "eager"), ["x", "next"].repeat(20));
}

#[test]
fn what_needs_no_body_and_who_knows_no_100_gets_none() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        // There is nothing to ask for; to say so all the same is the server's choice, but once.
        let get = "GET /noted/none/get HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n".to_owned();
        for bare in [head("/noted/none/empty", "Content-Length: 0"), get] {
            let mut conn = site.conn();
            conn.send(bare + &last("/noted/none/next"));
            let codes: Vec<u16> = std::iter::from_fn(|| conn.try_read(true)).map(|reply| reply.code).collect();
            assert!(codes == [200, 200] || codes == [100, 200, 200], "{codes:?}");
        }
        // HTTP/1.0 has no such reply (RFC 9110, 10.1.1).
        let mut conn = site.conn();
        let old = head("/noted/none/old", "Content-Length: 5").replace("HTTP/1.1", "HTTP/1.0");
        conn.send(old + "hello");
        assert_eq!(conn.read().expect_code(200).text(), "none old");
        // In any case, as names of expectations are.
        let mut conn = site.conn();
        conn.send(head("/noted/none/case", "Content-Length: 5").replace("100-continue", "100-Continue"));
        conn.read().expect_code(100);
        conn.send("hello");
        conn.read().expect_code(200);
    });
    assert_eq!(notes(&site, "none"), ["empty", "next", "get", "next", "old", "case"]);
}

#[test]
fn an_early_refusal_needs_no_100_and_a_body_that_was_asked_for_and_does_not_come_is_408() {
    let site = site().server("body_timeout", "500ms").start();
    beside_a_healthy_client(&site, || {
        let mut conn = begun(&site, "/noted/late/x", "Content-Length: 5");
        conn.read().expect_code(100);
        conn.read().expect_code(408);
        assert!(conn.ends());
        for (path, code) in [("/no/such/page", 404), ("/guarded/inside", 401)] {
            let mut conn = begun(&site, path, "Content-Length: 5");
            let mut reply = conn.read();
            if reply.code == 100 {
                conn.send("hello");
                reply = conn.read();
            }
            reply.expect_code(code);
        }
    });
    assert!(notes(&site, "late").is_empty());
}

#[test]
fn curl_sends_its_body_when_it_is_told_to() {
    let site = site().start();
    let url = site.url("/noted/curl/x");
    let body = format!("@{}", site.dir().join("body").display());
    std::fs::write(site.dir().join("body"), "x".repeat(60_000)).unwrap();
    let answer = curl(&["-H", "Expect: 100-continue", "-H", "Content-Type: text/plain", "--data-binary", &body, &url]);
    assert_eq!(answer, "curl x");
    std::fs::write(site.dir().join("body"), "x".repeat(600_000)).unwrap();
    let answer =
        curl(&["-w", "%{http_code}", "-o", "/dev/null", "-H", "Expect: 100-continue", "--data-binary", &body, &url]);
    assert_eq!(answer, "413");
    assert_eq!(notes(&site, "curl"), ["x"]);
}
