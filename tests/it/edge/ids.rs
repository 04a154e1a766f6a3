//! The id of a request: given by a trusted proxy or made, and the same in log, answer, error page and calls.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{Conduct, Member, Reply, TestServer, call, eventually, foreign};

#[test]
fn an_id_is_the_proxys_or_made() {
    let site = TestServer::site().server("trusted_proxies", "127.0.0.1").start();
    let ask = |id: &str| site.ask("GET", "/identified", &[("X-Request-Id", id)], b"").expect_code(200);
    let given = ask("1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(given.text(), "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(given.header_all("x-request-id"), ["1-5759e988-bd862e3fe1be46a994272793"]);
    // One that could break a log is none.
    for bad in ["a b", "\"quoted\"", &"x".repeat(129)] {
        let made = ask(bad).text();
        assert!(made.len() == 32 && made.bytes().all(|digit| digit.is_ascii_hexdigit()), "{made}");
    }
    // Every answer has what was given, of files and refusals too.
    for path in ["/defaults?needed=1", "/nothing-here", "/ping", "/status"] {
        let reply = site.ask("GET", path, &[("X-Request-Id", "given")], b"");
        assert_eq!(reply.header("x-request-id"), "given", "{path}");
    }
    // A stranger's word is no id.
    let site = TestServer::site().start();
    let reply = site.ask("GET", "/identified", &[("X-Request-Id", "strange")], b"").expect_code(200);
    assert_ne!(reply.text(), "strange");
    assert_eq!(reply.header("x-request-id"), reply.text());
}

#[test]
fn every_error_and_every_answer_of_rpc_has_an_id_of_its_own() {
    let site = TestServer::site().server("server_names", "x").start();
    let mut seen = BTreeSet::new();
    let mut has_one = |reply: &Reply, what: &str| {
        let id = reply.header("x-request-id").to_owned();
        assert!(id.len() == 32 && seen.insert(id.clone()), "{what}: {id:?}");
        id
    };
    let named = |head: &str| site.conn().send(format!("{head} HTTP/1.1\r\nHost: x\r\n\r\n")).read();
    for (target, code) in [("/defaults", 400), ("/nothing-here", 404)] {
        has_one(&named(&format!("GET {target}")).expect_code(code), target);
    }
    // No log speaks of these.
    for target in ["/defaults?needed=1", "/ping"] {
        assert_eq!(named(&format!("GET {target}")).expect_code(200).header("x-request-id"), "", "{target}");
    }
    has_one(&site.conn().send("GET / HTTP/1.1\r\nHost: other\r\n\r\n").read().expect_code(421), "another name");
    // Answers of RPC are 200, whatever they say.
    for (kind, path, body) in [
        ("application/json", "/rpc3", call::json("no.such", &json!([]))),
        ("application/json", "/rpc3", "{".to_owned()),
        ("application/json-rpc", "/", r#"[{"jsonrpc":"2.0","method":"no.such","id":1}]"#.to_owned()),
        ("application/json-rpc", "/", r#"{"jsonrpc":"2.0","method":"no.such"}"#.to_owned()),
        ("text/xml", "/RPC2", call::xml("no.such", &[])),
        ("text/xml", "/RPC2", "<nothing".to_owned()),
    ] {
        has_one(&site.ask("POST", path, &[("Content-Type", kind)], body.as_bytes()), &body);
    }
    // What is no request, too: the log has it by that id.
    let id = has_one(&site.conn().send("GET / HTTP/1.1\nHost: x\r\n\r\n").read().expect_code(400), "a lone LF");
    eventually("the log has it", || site.log().contains(&format!("request={id}")).then_some(()));
}

#[test]
fn logs_pages_and_members_have_the_same_id() {
    let member = Member::start(Conduct::Fine("<string>one</string>"));
    let site = TestServer::site()
        .server("trusted_proxies", "127.0.0.1")
        .server("access_log", "access.log")
        .cluster("mysearch", &[&member])
        .panics_expected()
        .start();
    let url = site.url("/panic");
    let page = foreign::curl(&["-H", "X-Request-Id: given-7", "-H", "Accept: text/html", &url]);
    assert!(page.contains("<code>given-7</code>"), "{page}");
    eventually("the log has it", || site.log().contains("request=\"given-7\"").then_some(()));
    let line = eventually("the access log has it", || {
        let text = std::fs::read_to_string(site.dir().join("access.log")).unwrap_or_default();
        text.lines().find(|line| line.ends_with(" given-7")).map(str::to_owned)
    });
    assert!(line.contains(" GET /panic 500 "), "{line}");
    site.ask("GET", "/outcomes?cluster=mysearch", &[("X-Request-Id", "given-8")], b"").expect_code(200);
    let heard = member.heads();
    assert!(heard[0].contains("\r\nx-request-id: given-8\r\n"), "{heard:?}");
}
