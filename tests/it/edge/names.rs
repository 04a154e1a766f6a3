//! Names: what a site answers to, in `Host` and in absolute targets, and what is made of the name.

use serde_json::json;

use crate::harness::{Reply, TestServer, call, foreign};

/// What comes of a head as it is.
fn sent(site: &TestServer, head: &str) -> Reply {
    site.conn().send(head).read()
}

#[test]
fn another_name_is_answered_with_421_before_anything_runs() {
    let site = TestServer::site().server("server_names", "example.org, *.shop.example").start();
    // (target, host, code)
    for (target, host, code) in [
        ("/noted/n/one", "example.org", 200),
        ("/noted/n/two", "EXAMPLE.org.:8443", 200),
        ("/noted/n/three", "a.b.shop.example", 200),
        ("http://example.org/noted/n/four", "evil.example", 200),
        ("/noted/n/x", "evil.example", 421),
        ("/noted/n/x", "shop.example", 421),
        ("/noted/n/x", "example.org.evil.example", 421),
        ("/noted/n/x", "127.0.0.1", 421),
        ("http://evil.example/noted/n/x", "example.org", 421),
        ("http://127.0.0.1/noted/n/x", "example.org", 421),
        ("/static-is-no-exception", "evil.example", 421),
        // Who asks probes asks by address.
        ("/status/ready", "10.0.0.7:5000", 200),
        ("/ping", "10.0.0.7", 200),
        ("/status", "10.0.0.7", 421),
    ] {
        let reply = sent(&site, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(reply.code, code, "{target} for {host}: {}", reply.text());
    }
    assert_eq!(sent(&site, "GET /noted/n/x HTTP/1.0\r\n\r\n").code, 421);
    let notes = sent(&site, "GET /notes/n HTTP/1.1\r\nHost: example.org\r\n\r\n").json();
    assert_eq!(notes, json!(["one", "two", "three", "four"]));
    let rpc = call::json("system.listMethods", &json!([]));
    let head = format!(
        "POST /rpc3 HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{rpc}",
        rpc.len()
    );
    assert_eq!(sent(&site, &head).code, 421);
    let resolve = format!("evil.example:{}:127.0.0.1", site.port());
    let url = format!("http://evil.example:{}/defaults?needed=1", site.port());
    let said = foreign::curl(&["--resolve", &resolve, "-w", " %{http_code}", &url]);
    assert!(said.ends_with(" 421") && said.contains("`evil.example` is not answered here"), "{said}");
}

#[test]
fn an_authors_server_answers_to_this_machine_alone() {
    let site = TestServer::site().server("devel", "yes").start();
    for (host, code) in [
        ("localhost", 200),
        ("app.localhost:5000", 200),
        ("127.0.0.1", 200),
        ("[::1]:5000", 200),
        ("rebound.example", 421),
        ("localhost.example", 421),
    ] {
        let reply = sent(&site, &format!("GET /defaults?needed=1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(reply.code, code, "{host}: {}", reply.text());
    }
    let site = TestServer::site().server("devel", "yes").server("server_names", "my.test").start();
    for (host, code) in [("my.test", 200), ("localhost", 200), ("other.test", 421)] {
        sent(&site, &format!("GET /defaults?needed=1 HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect_code(code);
    }
}

#[test]
fn whole_addresses_have_the_name_that_was_judged() {
    let site = TestServer::site()
        .server("server_names", "*.shop.example, shop.example")
        .server("trusted_proxies", "127.0.0.1")
        .server("introspection", "public")
        .start();
    let ask = |head: &str| sent(&site, head).expect_code(200).json();
    let told = ask("GET http://www.shop.example:8443/whole HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert_eq!(
        told,
        json!(["https://www.shop.example:8443/whole", "https://www.shop.example:8443", "www.shop.example"])
    );
    let told = ask("GET /whole HTTP/1.1\r\nHost: WWW.Shop.EXAMPLE.:8443\r\n\r\n");
    assert_eq!(told, json!(["http://www.shop.example:8443/whole", "http://www.shop.example:8443", "www.shop.example"]));
    let head = "Host: www.shop.example\r\nX-Forwarded-Proto: https\r\n\r\n";
    let document = ask(&format!("GET /status/methods/openrpc.json HTTP/1.1\r\n{head}"));
    assert_eq!(document["servers"][0]["url"], "https://www.shop.example/rpc3");
    let page = sent(&site, &format!("GET /status/methods/ HTTP/1.1\r\n{head}")).expect_code(200).text();
    assert!(page.contains("https://www.shop.example"), "{page}");
}
