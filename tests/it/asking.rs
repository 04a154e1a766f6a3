//! What a handler sees of its request: head, types, environment, and who really sent it.

use serde_json::Value;

use crate::harness::raw::request;
use crate::harness::{TestServer, eventually};

const LOOPBACK: &str = "127.0.0.1";

fn asked(site: &TestServer, headers: &[(&str, &str)]) -> Value {
    site.ask("GET", "/asked", headers, b"").expect_code(200).json()
}

#[test]
fn a_handler_sees_the_head_as_it_was_sent() {
    let site = TestServer::site().start();
    let headers =
        [("content-TYPE", "Text/XML ; charset=utf-8"), ("User-Agent", "tests/1"), ("x-odd", "a, b"), ("X-Odd", "c")];
    let reply = site.ask("PUT", "/asked?a=1;b#c", &headers, b"12345").expect_code(200).json();
    assert_eq!(
        (&reply["command"], &reply["method"], &reply["version"]),
        (&"put".into(), &"PUT".into(), &"1.1".into()),
        "{reply}"
    );
    assert_eq!(reply["kind"], "Text/XML");
    assert_eq!((&reply["main"], &reply["sub"]), (&"Text".into(), &"XML".into()));
    assert_eq!((&reply["agent"], &reply["odd"], &reply["body"]), (&"tests/1".into(), &"a, b".into(), &5.into()));
    // Host, Content-Length, and the four above.
    assert_eq!(reply["count"], 6, "{reply}");
    assert_eq!((&reply["remote"], &reply["peer"]), (&LOOPBACK.into(), &LOOPBACK.into()));

    let mut conn = site.conn();
    conn.send("GET /asked;v=1?b=2;3 HTTP/1.0\r\n\r\n");
    assert_eq!(conn.read().code, 404, "parameters are a part of the path");
    let mut conn = site.conn();
    conn.send("GET /asked?b=2;3 HTTP/1.0\r\n\r\n");
    let reply = conn.read().json();
    assert_eq!(reply["version"], "1.0");
    assert_eq!(reply["split"], serde_json::json!(["/asked", null, "?b=2;3", null]));
    for name in ["kind", "main", "sub", "agent", "odd"] {
        assert_eq!(reply[name], Value::Null, "{name} was not sent");
    }
    for (kind, main, sub) in
        [("", Value::Null, Value::Null), ("text", "text".into(), Value::Null), (";a=b", Value::Null, Value::Null)]
    {
        let reply = site.ask("PUT", "/asked", &[("Content-Type", kind)], b"").json();
        assert_eq!((&reply["main"], &reply["sub"]), (&main, &sub), "{kind:?}");
    }
}

#[test]
fn a_forged_address_is_not_believed_of_anybody() {
    let site = TestServer::site().start();
    let forged =
        [("X-Forwarded-For", "1.2.3.4"), ("Forwarded", "for=1.2.3.4;proto=https"), ("X-Forwarded-Proto", "https")];
    let reply = asked(&site, &forged);
    assert_eq!(
        (&reply["remote"], &reply["secure"], &reply["scheme"]),
        (&LOOPBACK.into(), &false.into(), &"http".into())
    );
    // A proxy elsewhere is trusted, but this is not that one.
    let site = TestServer::site().server("trusted_proxies", "10.0.0.0/8, fd00::/8").start();
    let reply = asked(&site, &forged);
    assert_eq!((&reply["remote"], &reply["secure"]), (&LOOPBACK.into(), &false.into()));
}

#[test]
fn a_trusted_proxy_is_believed_and_nobody_behind_it() {
    let site = TestServer::site().server("trusted_proxies", "10.0.0.0/8, 127.0.0.1").start();
    for (header, value, client) in [
        ("X-Forwarded-For", "192.0.2.7", "192.0.2.7"),
        ("X-Forwarded-For", "10.9.9.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("X-Forwarded-For", "192.0.2.7, what?", LOOPBACK),
        ("X-Forwarded-For", "192.0.2.7, , 10.0.0.2", "10.0.0.2"),
        ("X-Forwarded-For", ",,,,\",=;[[", LOOPBACK),
        ("Forwarded", "for=1.2.3.4, for=\"[2001:db8::1]:80\"", "2001:db8::1"),
        ("Forwarded", "for=1.2.3.4, for=\"[2001:db8::1", LOOPBACK),
        ("X-Real-IP", "192.0.2.7", LOOPBACK),
    ] {
        let reply = asked(&site, &[(header, value)]);
        assert_eq!((&reply["remote"], &reply["peer"]), (&client.into(), &LOOPBACK.into()), "{header}: {value}");
    }
    let secure = |headers: &[(&str, &str)]| asked(&site, headers)["scheme"].clone();
    assert_eq!(secure(&[("X-Forwarded-Proto", "https")]), "https");
    assert_eq!(secure(&[("X-Forwarded-Proto", "http")]), "http");
    assert_eq!(secure(&[("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https, http")]), "http");
    assert_eq!(secure(&[("Forwarded", "for=192.0.2.7;proto=https")]), "https");
}

#[test]
fn one_header_alone_can_be_named() {
    let both = [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.8")];
    for (said, client) in [("forwarded", "192.0.2.8"), ("X-Forwarded-For", "192.0.2.7")] {
        let site = TestServer::site().server("trusted_proxies", LOOPBACK).server("forwarded_header", said).start();
        assert_eq!(asked(&site, &both)["remote"], client, "{said}");
    }
}

#[test]
fn the_access_log_has_the_client_behind_the_proxy() {
    let site = TestServer::site().server("trusted_proxies", LOOPBACK).server("access_log", "access.log").start();
    asked(&site, &[("X-Forwarded-For", "1.1.1.1, 192.0.2.7")]);
    asked(&site, &[("X-Forwarded-For", "192.0.2.8:4711")]);
    asked(&site, &[]);
    let clients = eventually("three lines", || {
        let text = std::fs::read_to_string(site.dir().join("access.log")).unwrap_or_default();
        let clients: Vec<String> = text.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect();
        (clients.len() == 3).then_some(clients)
    });
    // Each thread writes its own lines.
    assert!(clients.contains(&"192.0.2.7".to_owned()) && clients.contains(&"192.0.2.8:4711".to_owned()), "{clients:?}");
    assert!(clients.iter().any(|client| client.starts_with("127.0.0.1:")), "{clients:?}");
}

#[test]
fn a_socket_for_both_kinds_of_addresses_shows_each_as_it_is() {
    let site = TestServer::site().without("ip").server("trusted_proxies", LOOPBACK).start();
    let reply = asked(&site, &[]);
    assert_eq!((&reply["remote"], &reply["peer"]), (&LOOPBACK.into(), &LOOPBACK.into()));
    assert_eq!(asked(&site, &[("X-Forwarded-For", "192.0.2.7")])["remote"], "192.0.2.7");
}

#[test]
fn the_environment_is_the_requests_and_nothing_of_the_process() {
    let site = TestServer::site().route("/mounted = testsite").server("trusted_proxies", LOOPBACK).start();
    let headers = [
        ("User-Agent", "tests/1"),
        ("Accept", "text/html"),
        ("Accept", "*/*"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("Proxy", "http://evil.example"),
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
    ];
    let env = site.ask("GET", "/mounted/env/a%20b/%C3%BC%2f?x=%201", &headers, b"").expect_code(200).json();
    let port = site.port().to_string();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/mounted/env/a%20b/%C3%BC%2f?x=%201"),
        ("SCRIPT_NAME", "/mounted"),
        ("PATH_INFO", "/env/a b/ü/"),
        ("QUERY_STRING", "x=%201"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("SERVER_NAME", LOOPBACK),
        ("SERVER_PORT", &port),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("wsgi.url_scheme", "https"),
        ("REQUEST_SCHEME", "https"),
        ("HTTPS", "on"),
        ("HTTP_USER_AGENT", "tests/1"),
        ("HTTP_ACCEPT", "text/html, */*"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_X_FORWARDED_FOR", "192.0.2.7"),
    ] {
        assert_eq!(env[name], value, "{name} in {env}");
    }
    for name in ["HTTP_PROXY", "PATH", "HOME", "REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_TYPE"] {
        assert_eq!(env[name], Value::Null, "{name} in {env}");
    }

    let body = request("POST", "/env/x", &[("Content-Type", "text/plain"), ("Host", "")], b"123");
    // The second Host would be refused; here there is one that names the site.
    let body =
        String::from_utf8(body).unwrap().replace("Host: \r\n", "").replace("Host: 127.0.0.1", "Host: example.com:81");
    let env = site.conn().send(body).read().expect_code(200).json();
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/env/x"),
        ("QUERY_STRING", ""),
        ("CONTENT_TYPE", "text/plain"),
        ("CONTENT_LENGTH", "3"),
        ("SERVER_NAME", "example.com"),
        ("wsgi.url_scheme", "http"),
    ] {
        assert_eq!(env[name], value, "{name} in {env}");
    }
    assert_eq!(env["HTTPS"], Value::Null);
    assert!(env["REMOTE_PORT"].as_str().is_some_and(|port| port.parse::<u16>().is_ok()), "{env}");

    let call = r#"{"jsonrpc":"2.0","id":1,"method":"env","params":["x"]}"#;
    let env = site.post("/rpc3", "application/json", call).json();
    assert_eq!(env["result"]["GATEWAY_INTERFACE"], "JSONRPC/2.0", "{env}");
}
