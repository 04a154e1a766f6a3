//! What one request must never do to another: panics, unread bodies, pipelining, chunked bodies, clients that leave.

use std::thread::scope;
use std::time::{Duration, Instant};

use crate::harness::raw::request;
use crate::harness::{Conduct, Member, TestServer, bound, call};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_panic_is_one_500_and_one_log_line_and_harms_no_other_request() {
    let slow = Member::start(Conduct::SlowHead(Duration::from_millis(700), "<string>unharmed</string>"));
    // One thread, so that the panic and the request in flight share a thread.
    let site = TestServer::site().panics_expected().server("threads", "1").cluster("members", &[&slow]).start();
    scope(|threads| {
        let inflight = threads.spawn(|| site.get("/outcomes?cluster=members/rpc2&way=map&timeout=5000"));
        slow.wait_for_requests(1);
        for _ in 0..3 {
            site.get("/panic").expect_code(500);
        }
        let account = inflight.join().unwrap().expect_code(200).json();
        assert_eq!(account["outcomes"][0]["data"], "unharmed");
    });
    site.get("/defaults?needed=1").expect_code(200);
    let log = site.stop().2;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
    assert_eq!(lines.len(), 3, "one line for each panic:\n{log}");
    for line in lines {
        assert!(line.contains("site/main.rs"), "the line says where: {line}");
    }
}

#[test]
fn a_panic_over_rpc_is_a_fault_and_the_connection_goes_on() {
    let site = TestServer::site().panics_expected().start();
    let mut conn = site.conn();
    for _ in 0..2 {
        conn.send(request("POST", "/", &[("Content-Type", "text/xml")], call::xml("panic", &[]).as_bytes()));
        let fault = conn.read().expect_code(200).text();
        assert!(fault.contains("<fault>"), "{fault}");
        let json = call::json("panic", &serde_json::json!([]));
        conn.send(request("POST", "/", &[("Content-Type", "application/json-rpc")], json.as_bytes()));
        let error = conn.read().expect_code(200).json();
        assert_eq!(error["error"]["code"], -32603, "{error}");
    }
    // What the code said to itself is for the log, not for the client.
    assert!(!site.get("/panic").expect_code(500).text().contains("on purpose"));
}

#[test]
fn a_plain_fn_may_panic_too() {
    let site = TestServer::site().panics_expected().start();
    for _ in 0..40 {
        site.get("/panic-plain").expect_code(500);
    }
    assert_eq!(site.get("/blocking?n=10").expect_code(200).text(), "55");
    let log = site.stop().2;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
    assert_eq!(lines.len(), 40, "one line for each panic:\n{log}");
    assert!(lines.iter().all(|line| line.contains("site/main.rs")), "each line says where:\n{log}");
}

#[test]
fn a_plain_fn_computes_and_waits_without_stopping_its_thread() {
    let takes = Duration::from_secs(2);
    let slow = Member::start(Conduct::SlowHead(takes, "<int>1</int>"));
    let site = TestServer::site().server("threads", "1").cluster("members", &[&slow]).start();
    scope(|threads| {
        let waiting = threads.spawn(|| site.get("/blocking?n=10&cluster=members/rpc2"));
        slow.wait_for_requests(1);
        let began = Instant::now();
        site.get("/defaults?needed=1").expect_code(200);
        let limit = bound(Duration::from_millis(400), takes);
        assert!(began.elapsed() < limit, "the thread stood still for {:?}", began.elapsed());
        assert_eq!(waiting.join().unwrap().expect_code(200).text(), "56");
    });
}

#[test]
fn many_requests_go_over_one_connection() {
    let demo = TestServer::demo().start();
    let mut conn = demo.conn();
    for n in 0..100 {
        conn.send(format!("GET /add?a={n}&b=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(conn.read().expect_code(200).text(), (n + 1).to_string());
    }
}

#[test]
fn after_an_early_error_the_unread_body_is_never_taken_for_a_request() {
    let demo = TestServer::demo().start();
    // A body that looks like a request: smuggled if its bytes are parsed as one.
    let smuggled = "GET /add?a=600&b=66 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(25_000);
    let (missing, refused) = ("/no/such/page", "/hello");
    for (method, path, code) in [("POST", missing, 404), ("PUT", refused, 405), ("POST", "/add", 400)] {
        let mut conn = demo.conn();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n",
            smuggled.len()
        );
        conn.send(head);
        conn.send_reluctantly(smuggled.as_bytes());
        conn.send_reluctantly(b"GET /add?a=1&b=2 HTTP/1.1\r\nHost: x\r\n\r\n");
        // The error may be lost to a reset; a second response, where there is one, is to our second request.
        let Some(first) = conn.try_read(true) else { continue };
        first.expect_code(code);
        if let Some(second) = conn.try_read(true) {
            assert_eq!(second.expect_code(200).text(), "3", "after {method} {path}");
        }
    }
    demo.get("/hello").expect_code(200);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let demo = TestServer::demo().start();
    let mut conn = demo.conn();
    let many: String = (0..50).map(|n| format!("GET /add?a={n}&b=0 HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    conn.send(many);
    for n in 0..50 {
        assert_eq!(conn.read().expect_code(200).text(), n.to_string());
    }
    // A POST between two GETs: its body is its own.
    let post = String::from_utf8(request("POST", "/add", &[("Content-Type", FORM)], b"a=1&b=2")).unwrap();
    let get = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    conn.send(format!("{get}{post}{get}"));
    let texts = [conn.read(), conn.read(), conn.read()].map(|reply| reply.expect_code(200).text());
    assert_eq!(texts, ["Hello World", "3", "Hello World"]);
}

#[test]
fn chunked_and_dripping_bodies_are_taken() {
    let demo = TestServer::demo().start();
    let mut conn = demo.conn();
    conn.send(format!("POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for byte in ["a", "=", "4", "0", "&", "b=", "2"] {
        conn.send(format!("{:x}\r\n{byte}\r\n", byte.len()));
        std::thread::sleep(Duration::from_millis(10));
    }
    conn.send("0\r\n\r\n");
    assert_eq!(conn.read().expect_code(200).text(), "42");

    let xml = call::xml("add", &["<int>40</int>", "<int>2</int>"]);
    for part in request("POST", "/", &[("Content-Type", "text/xml")], xml.as_bytes()).chunks(50) {
        conn.send(part);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(conn.read().expect_code(200).text().contains(">42<"));
}

#[test]
fn connection_close_and_http_1_0_are_honoured() {
    let demo = TestServer::demo().start();
    for bytes in ["GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /hello HTTP/1.0\r\n\r\n"] {
        let mut conn = demo.conn();
        conn.send(bytes);
        assert_eq!(conn.read().expect_code(200).text(), "Hello World");
        assert!(conn.ends(), "the connection stays after {bytes:?}");
    }
}

#[test]
fn a_client_that_sends_half_a_request_holds_nobody_up() {
    let demo = TestServer::demo().server("threads", "1").start();
    let mut halves: Vec<_> = (0..50).map(|_| demo.conn()).collect();
    for half in &mut halves {
        half.send("POST /add HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=1");
    }
    let began = Instant::now();
    demo.get("/hello").expect_code(200);
    let limit = bound(Duration::from_secs(1), Duration::from_secs(10));
    assert!(began.elapsed() < limit, "it took {:?}", began.elapsed());
    assert!(halves[0].is_silent_for(Duration::from_millis(50)), "half a request was answered");
}

#[test]
fn sixty_four_clients_at_once_all_get_their_own_answer() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = TestServer::site().cluster("members", &[&member]).start();
    scope(|threads| {
        for client in 0..64 {
            let site = &site;
            threads.spawn(move || {
                let mut conn = site.conn();
                for turn in 0..20 {
                    let n = client * 100 + turn;
                    conn.send(format!("GET /float/{n}.5 HTTP/1.1\r\nHost: x\r\n\r\n"));
                    assert_eq!(conn.read().expect_code(200).text(), format!("{n}.5"));
                    if turn % 5 == 0 {
                        conn.send(
                            "GET /outcomes?cluster=members/rpc2&way=map&timeout=10000 HTTP/1.1\r\nHost: x\r\n\r\n",
                        );
                        assert_eq!(conn.read().expect_code(200).json()["coverage"]["ok"], 1);
                    }
                }
            });
        }
    });
    assert_eq!(member.requests(), 64 * 4);
}

#[test]
fn clients_that_leave_free_what_they_held() {
    let hanging = Member::start(Conduct::Hangs);
    let site = TestServer::site().server("threads", "1").cluster("members", &[&hanging]).start();
    // More than a member's connections: if one of them were kept, the last ones would not be asked.
    for round in 1..=150 {
        let mut conn = site.conn();
        conn.send("GET /outcomes?cluster=members/rpc2&way=map&timeout=25000 HTTP/1.1\r\nHost: x\r\n\r\n");
        hanging.wait_for_requests(round);
    }
    site.get("/defaults?needed=1").expect_code(200);
}
