//! Whom and what a client asks for: raw UTF-8 in a target, hosts that are none, absolute targets, and the methods that
//! the server itself answers.

use serde_json::{Value, json};

use super::{beside_a_healthy_client, get, last, logged, refused};
use crate::harness::raw::request;
use crate::harness::{Scenario, TestServer, call};

const MOZART: &str = "%EB%AA%A8%EC%B0%A8%EB%A5%B4%ED%8A%B8";

fn site() -> Scenario {
    TestServer::site().server("access_log", "access.log")
}

#[test]
fn raw_utf_8_in_a_target_is_read_as_if_it_were_escaped() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        for target in ["/asked?keyword=모차르트".to_owned(), format!("/asked?keyword={MOZART}")] {
            let mut conn = site.conn();
            conn.send(get(&target)).send(get("/defaults?needed=1"));
            let answer = conn.read().expect_code(200).json();
            assert_eq!(answer["uri"], format!("/asked?keyword={MOZART}"), "{answer}");
            assert_eq!(answer["split"][2], format!("?keyword={MOZART}"), "{answer}");
            conn.read().expect_code(200);
            assert_eq!(logged(&site, conn.own_port(), 200)[3], format!("/asked?keyword={MOZART}"));
        }
        // As an argument, as a path, beside what is escaped already, and of a length that is no four.
        let text = |target: &str| site.get(target).expect_code(200).text();
        assert_eq!(text("/path/모차르트/größe"), "모차르트/größe");
        assert_eq!(text("/path/gr%C3%B6ße%20x"), "größe x");
        assert_eq!(site.get("/defaults?needed=1&composer=ÿ𝄞é").expect_code(200).json()["composer"], "ÿ𝄞é");
        let missing = site.get("/없음").expect_code(404);
        assert!(missing.text().contains("/%EC%97%86%EC%9D%8C"), "{}", missing.text());
    });
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn octets_that_are_no_utf_8_are_the_clients_mistake() {
    let site = site().start();
    let mut clients = Vec::new();
    beside_a_healthy_client(&site, || {
        for octets in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"gr\xf6\xdfe"] {
            let mut conn = site.conn();
            let target = [b"GET /path/", octets, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            conn.send(target);
            // Read as if they were escaped they lead nowhere; to refuse them is as good.
            let code = conn.read().code;
            assert!(matches!(code, 400 | 404), "{octets:?}: {code}");
            clients.push((conn.own_port(), code));
        }
    });
    clients.into_iter().for_each(|(client, code)| drop(logged(&site, client, code)));
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn a_host_that_is_none_is_400_and_the_end() {
    let site = site().start();
    let hosts = [
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a/\r\n",
        "Host:\r\n",
        "Host: \t\r\n",
        "Host: h\r\nHost: h\r\n",
        "Host: h\r\nX: 1\r\nhost: other\r\n",
        "",
        "X-Host: h\r\n",
        "Host: u@h\r\n",
        "Host: h:80x\r\n",
        "Host: h?q\r\n",
        "Host: h#f\r\n",
        "Host: h\\b\r\n",
        "Host: [::1\r\n",
    ];
    beside_a_healthy_client(&site, || {
        let mut clients = Vec::new();
        for host in hosts {
            let mut conn = site.conn();
            // Which one it was, where it fails.
            eprintln!("{host:?}");
            conn.send(format!("GET /host HTTP/1.1\r\n{host}\r\n") + &get("/noted/hosts/behind"));
            refused(&mut conn, 400);
            clients.push(conn.own_port());
        }
        clients.into_iter().for_each(|client| drop(logged(&site, client, 400)));
        assert!(super::notes(&site, "hosts").is_empty(), "what came along is not executed");
        for host in ["h", "h:80", "127.0.0.1:5000", "[::1]:80", "xn--bcher-kva.example", "a_b", "A.Example.", "h:"] {
            let mut conn = site.conn();
            conn.send(format!("GET /host HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(2));
            let answer = [conn.read(), conn.read()].map(|reply| reply.expect_code(200).json()[0].clone());
            assert_eq!(answer, [json!(host), json!(host)]);
        }
        // HTTP/1.0 may leave it out.
        let mut old = site.conn();
        old.send("GET /host HTTP/1.0\r\n\r\n");
        assert_eq!(old.read().expect_code(200).json()[0], Value::Null);
        assert!(old.ends());
    });
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn a_target_that_is_none_is_400_and_the_end() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        let mut clients = Vec::new();
        for target in ["hello", "host", "h:80", "*", "http:/host", "http://", "http:///host", "?a=1", "/a b", "/a\u{1}"]
        {
            let mut conn = site.conn();
            eprintln!("{target:?}");
            conn.send(get(target) + &get("/noted/targets/behind"));
            refused(&mut conn, 400);
            clients.push(conn.own_port());
        }
        clients.into_iter().for_each(|client| drop(logged(&site, client, 400)));
        assert!(super::notes(&site, "targets").is_empty(), "what came along is not executed");
        for target in ["//", "/..", "/a:b", "/a@b", "/?a?b", "/a|b\"c<d>^`{e}"] {
            let mut conn = site.conn();
            conn.send(get(target) + &get("/defaults?needed=2"));
            let first = conn.read();
            assert!(matches!(first.code, 200 | 400 | 404), "{target}: {}", first.code);
            if first.code != 400 {
                assert_eq!(conn.read().expect_code(200).json()["needed"], 2);
            }
        }
    });
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn the_authority_of_a_target_wins_over_host() {
    let site = site().start();
    let asked = |target: &str, host: &str| {
        let mut conn = site.conn();
        conn.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n") + &last("/host"));
        let answer = conn.read().expect_code(200).json();
        assert_eq!(conn.read().expect_code(200).json(), json!(["h", "/host", null]), "the next has its own");
        (answer[0].as_str().map(str::to_owned), answer[1].as_str().unwrap().to_owned())
    };
    beside_a_healthy_client(&site, || {
        for (target, host, wins) in [
            ("http://h.example/host?a=1", "other.example", "h.example"),
            ("http://h.example:81/host?a=1", "other.example:82", "h.example:81"),
            ("HTTP://H.Example/host?a=1", "other", "H.Example"),
            ("http://[::1]:81/host?a=1", "other", "[::1]:81"),
            ("http://h.example/host?a=1", "h.example", "h.example"),
            ("/host?a=1", "other.example", "other.example"),
        ] {
            let (host, uri) = asked(target, host);
            let host = host.expect("a host");
            assert!(host.eq_ignore_ascii_case(wins), "{target}: {host}");
            assert!(uri.ends_with("/host?a=1"), "{target}: {uri}");
        }
    });
    // The authority alone, without a path, is the root.
    let mut conn = site.conn();
    conn.send("GET http://h.example HTTP/1.1\r\nHost: h.example\r\n\r\n".to_owned() + &last("/host"));
    conn.read().expect_code(404);
    conn.read().expect_code(200);
}

#[test]
fn options_of_the_server_and_of_its_rpc_are_answered() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        for (target, allowed) in [("*", "GET"), ("/RPC2", "POST"), ("/rpc2", "POST"), ("/rpc3", "POST")] {
            for more in ["", "Content-Length: 0\r\n", "Content-Length: 5\r\nContent-Type: text/plain\r\n"] {
                let mut conn = site.conn();
                let body = if more.contains('5') { "hello" } else { "" };
                conn.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: h\r\n{more}\r\n{body}"));
                conn.send(get("/defaults?needed=8"));
                let reply = conn.read();
                assert!(matches!(reply.code, 200 | 204), "{target}: {} {}", reply.code, reply.text());
                assert_eq!(reply.text(), "", "{target}");
                let allow: Vec<&str> = reply.header("allow").split(',').map(str::trim).collect();
                assert!(allow.contains(&allowed), "{target}: {allow:?}");
                assert_eq!(conn.read().expect_code(200).json()["needed"], 8, "{target}");
            }
        }
        // What is asked there is answered as ever, and an app's own OPTIONS stays its own.
        let ask = call::xml("defaults", &["<int>1</int>"]);
        let mut conn = site.conn();
        conn.send(request("POST", "/RPC2", &[("Content-Type", "text/xml")], ask.as_bytes()));
        conn.read().expect_code(200);
        let answer = site.ask("OPTIONS", "/noted/options/own", &[], b"").expect_code(200);
        assert_eq!(answer.text(), "options own");
    });
}
