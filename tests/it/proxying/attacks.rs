//! What an enemy between clients and members tried, and found.

use std::time::Duration;

use super::{RawMember, before};
use crate::harness::{End, TestServer};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

#[test]
fn a_folded_header_of_a_member_is_one_line() {
    for folded in [" two", "\ttwo", "  two\r\n three", " two\r\nX-B: 1\r\n 2"] {
        let member =
            RawMember::answering(format!("HTTP/1.1 200 OK\r\nX-A: one\r\n{folded}\r\nContent-Length: 4\r\n\r\nfine"));
        let site = before(&member).start();
        let reply = site.get("/articles/a").expect_code(200);
        assert!(reply.header("x-a").starts_with("one two"), "{folded:?}: {}", reply.header("x-a"));
        assert_eq!(reply.text(), "fine");
        let (_, _, log, _) = site.stop();
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn no_spelling_of_a_path_leads_past_a_gate_to_a_member() {
    let member = RawMember::answering(FINE);
    let web = format!("[@web]\nmembers = {}", member.node());
    let site = TestServer::site().route("/gate = @web").route("/gate/secret = @web").section(&web);
    let site = site.section("[mount /gate/secret]\ndeny = 127.0.0.1").start();
    let spellings = [
        "/gate/secret",
        "/gate/secret/x",
        "/gate/secret\\x",
        "/gate\\secret/x",
        "/gate/secret;jsessionid=1/admin",
        "/gate/secret;/admin",
        "/gate/;x/secret/admin",
        "/gate/secret%5cx",
        "/gate/secret%3bx",
        "/gate/secret%3fx",
        "/gate/secret%23x",
        "/gate/secret%00",
        "/gate/secret./x",
        "/gate/secret.",
        "/gate/secret%20/x",
        "/gate//secret/x",
        "/gate/%73ecret/x",
        "/gate/x/..;/secret/x",
        "/gate/x%5c..%5csecret",
    ];
    for path in spellings {
        let mut conn = site.conn();
        conn.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        let reply = conn.read();
        assert!(matches!(reply.code, 400 | 403), "{path}: {}", reply.code);
    }
    assert!(member.asked().is_empty(), "{:?}", member.asked());
    // What has one reading goes on as it is written, beside that mount too.
    for path in ["/gate/a;b=c", "/gate/a.b", "/gate/secrets;x", "/gate/a%20b"] {
        site.get(path).expect_code(200);
    }
}

#[test]
fn a_body_that_follows_an_answer_to_head_is_nobodys() {
    let member = RawMember::start(|talk| {
        loop {
            let head = talk.head()?;
            if head.starts_with("HEAD") {
                talk.send("HTTP/1.1 200 OK\r\nContent-Length: 62\r\n\r\n")?;
                // After the connection would have been given to somebody else.
                std::thread::sleep(Duration::from_millis(50));
                talk.send("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\nwhat another one may read")?;
            } else {
                std::thread::sleep(Duration::from_millis(100));
                talk.send(FINE)?;
            }
        }
    });
    let site = before(&member).start();
    for _ in 0..5 {
        site.ask("HEAD", "/articles/a", &[], b"").expect_code(200);
        assert_eq!(site.get("/articles/b").expect_code(200).text(), "fine");
    }
}

#[test]
fn a_client_that_pauses_is_no_silent_member() {
    let member = RawMember::start(|talk| {
        talk.head()?;
        talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")?;
        // The rest of the body is its sign to end.
        loop {
            let some = talk.some()?;
            if some.windows(3).any(|three| three == b"end") {
                break;
            }
        }
        talk.send("3\r\nend\r\n0\r\n\r\n")
    });
    let node = member.node();
    let site = TestServer::site().route("/articles = @web");
    let site = site.section(&format!("[@web]\nmembers = {node}\nmember_timeout = 1s")).start();
    let mut conn = site.conn();
    conn.send("POST /articles HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc");
    assert_eq!(conn.read_head().code, 200);
    std::thread::sleep(Duration::from_millis(1800));
    conn.send("end");
    let (body, end) = conn.until_end();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("begun") && text.contains("end") && end == End::Finished, "{text} {end:?}");
}

#[test]
fn names_with_underlines_are_no_way_round() {
    let member = RawMember::answering(FINE);
    let keys = "[mount /articles]\nproxy_request_headers = X-Secret: s3cret, -X-Gone";
    let site = before(&member).section(keys).start();
    let sent = [
        ("X_Secret", "evil"),
        ("x-Gone", "a"),
        ("X_Gone", "b"),
        ("Content_Length", "50"),
        ("Transfer_Encoding", "chunked"),
        ("Proxy_Authorization", "Basic eDp5"),
        ("X_Kept", "c"),
    ];
    site.ask("GET", "/articles/a", &sent, b"").expect_code(200);
    let asked = member.only();
    assert_eq!((asked.header("x-secret").as_str(), asked.header("x_kept").as_str()), ("s3cret", "c"));
    for gone in ["x_secret", "x-gone", "x_gone", "content_length", "transfer_encoding", "proxy_authorization"] {
        assert_eq!(asked.all(gone), Vec::<String>::new(), "{gone}");
    }
}

#[test]
fn an_error_that_is_reset_does_not_look_whole() {
    let member = RawMember::start(|talk| {
        talk.head()?;
        talk.send("HTTP/1.1 500 x\r\nConnection: close\r\n\r\nabc")?;
        std::thread::sleep(Duration::from_millis(100));
        talk.reset()
    });
    let site = before(&member).start();
    let mut conn = site.conn();
    conn.send("GET /articles HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    conn.read_head().expect_code(500);
    let (body, end) = conn.until_end();
    assert!(end == End::Reset && !body.ends_with(b"0\r\n\r\n"), "{end:?} {body:?}");
}
