//! What holds for every mount holds for one that leads to a cluster: who may come in, how many at a time, what browsers
//! are told. What is refused reaches no member.

use std::sync::{Arc, Mutex, mpsc};

use super::member::wait_for;
use super::{RawMember, before};
use crate::harness::{TestServer, eventually};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
const APP: &str = "https://app.example";

fn behind(member: &RawMember, keys: &str) -> TestServer {
    let site = before(member).server("trusted_proxies", "127.0.0.1");
    site.section(&format!("[mount /articles]\n{keys}")).start()
}

#[test]
fn who_may_not_come_in_reaches_no_member() {
    let member = RawMember::answering(FINE);
    let site = behind(&member, "allow = 10.0.0.0/8\ncors_origins = https://app.example");
    let from = |address: &str, path: &str| site.ask("GET", path, &[("X-Forwarded-For", address)], b"");
    from("10.1.2.3", "/articles/a").expect_code(200);
    for path in ["/articles", "/articles/a", "//articles/a", "/articles%2fa", "/./articles/a", "/%61rticles/a"] {
        let reply = from("192.0.2.1", path);
        assert!(matches!(reply.code, 400 | 403 | 404), "{path}: {}", reply.code);
    }
    assert_eq!(member.asked().len(), 1, "{:?}", member.asked());
}

#[test]
fn requests_under_way_are_counted_to_the_end_of_their_answers() {
    let (go, waits) = mpsc::channel::<()>();
    let waits = Arc::new(Mutex::new(waits));
    let member = RawMember::start(move |talk| {
        talk.request()?;
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
        waits.lock().unwrap().recv().ok()?;
        talk.send("rest")
    });
    let site = behind(&member, "max_in_flight = 1");
    let mut first = site.conn();
    first.send("GET /articles/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(first.read_head().code, 200);
    let reply = site.get("/articles/2").expect_code(503);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(member.asked().len(), 1);
    go.send(()).unwrap();
    assert_eq!(first.until_end().0, b"halfrest");
    go.send(()).unwrap();
    eventually("the next one is let in", || {
        let reply = site.get("/articles/3");
        (reply.code == 200).then_some(())
    });
    wait_for(&member, 2);
}

#[test]
fn a_client_has_its_rate() {
    let member = RawMember::answering(FINE);
    let site = behind(&member, "rate = 2/h");
    let ask = || site.ask("POST", "/articles/RPC2", &[("X-Forwarded-For", "10.0.0.1")], b"<x/>");
    assert_eq!(ask().expect_code(200).header("ratelimit-remaining"), "1");
    ask().expect_code(200);
    assert_ne!(ask().expect_code(429).header("retry-after"), "");
    assert_eq!(member.asked().len(), 2);
    site.ask("GET", "/articles", &[("X-Forwarded-For", "10.0.0.2")], b"").expect_code(200);
}

#[test]
fn browsers_are_told_what_the_mount_says() {
    let member = RawMember::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nX-Frame-Options: DENY\r\nX-Request-Id: theirs\r\n\
         Content-Length: 4\r\n\r\nfine",
    );
    let site = behind(&member, "cors_origins = https://app.example\nsecurity_headers = yes");
    let asked = [("Origin", APP), ("Access-Control-Request-Method", "PUT")];
    site.ask("OPTIONS", "/articles/a", &asked, b"").expect_code(204);
    assert!(member.asked().is_empty(), "a preflight is answered here");
    let reply = site.ask("GET", "/articles/a", &asked[..1], b"").expect_code(200);
    assert_eq!(reply.header_all("access-control-allow-origin"), [APP]);
    assert_eq!(reply.header_all("x-frame-options"), ["DENY"], "what the member says stays");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    // The member was told the id that the client gets.
    assert_eq!(reply.header_all("x-request-id"), [member.only().header("x-request-id")]);
    // OPTIONS that is no preflight is the member's.
    site.ask("OPTIONS", "/articles/a", &[], b"").expect_code(200);
    assert_eq!(member.asked().len(), 2);
    drop(member);
    let failed = site.ask("GET", "/articles/a", &asked[..1], b"").expect_code(502);
    assert_eq!(failed.header_all("access-control-allow-origin"), [APP], "a script may read errors");
}

#[test]
fn texts_are_compressed_and_paths_are_moved() {
    let text = "long ".repeat(1000);
    let answer = |more: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let member = RawMember::start({
        let text = text.clone();
        move |talk| {
            let asked = talk.request()?;
            let packed =
                if asked.line().contains("/packed") { "Content-Encoding: x-own\r\n" } else { "ETag: \"a\"\r\n" };
            talk.send(answer(packed, &text))
        }
    });
    let site = behind(&member, "redirects = /articles/old /articles/new\nrewrites = /articles/short /articles/long");
    let reply = site.ask("GET", "/articles/text", &[("Accept-Encoding", "gzip")], b"").expect_code(200);
    assert_eq!((reply.header("content-encoding"), reply.header("etag")), ("gzip", "W/\"a\""));
    assert!(reply.body.len() < 500, "{}", reply.body.len());
    let reply = site.ask("GET", "/articles/packed", &[("Accept-Encoding", "gzip")], b"").expect_code(200);
    assert_eq!((reply.header("content-encoding"), reply.text() == text), ("x-own", true));
    assert_eq!(site.get("/articles/old").expect_code(302).header("location"), "/articles/new");
    assert_eq!(site.get("/articles/short").expect_code(200).text(), text);
    assert_eq!(member.asked().last().unwrap().line(), "GET /long HTTP/1.1");
}

#[test]
fn a_name_that_is_not_ours_reaches_no_member() {
    let member = RawMember::answering(FINE);
    let site = before(&member).server("server_names", "example.org").start();
    let ask = |host: &str| site.conn().send(format!("GET /articles HTTP/1.1\r\nHost: {host}\r\n\r\n")).read().code;
    assert_eq!((ask("example.org"), ask("evil.example")), (200, 421));
    assert_eq!(member.asked().len(), 1);
}
