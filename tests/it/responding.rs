//! What a handler may set on its reply: status, headers, cookies; errors that it makes; connections that it closes.

use crate::harness::call::json;
use crate::harness::{TestServer, eventually};

#[test]
fn headers_are_added_replaced_and_taken_back() {
    let site = TestServer::site().start();
    let reply = site.get("/respond?status=202").expect_code(202);
    assert_eq!(reply.text(), r#"(Some("2"), Some("1"), false, true)"#);
    assert_eq!(reply.header_all("x-twice"), ["1", "2"]);
    assert_eq!(reply.header_all("x-once"), ["2"]);
    assert_eq!(reply.header_all("x-gone"), [""; 0]);
    assert_eq!(reply.header_all("content-type"), ["text/plain"]);
}

#[test]
fn a_header_that_is_none_is_not_sent_and_the_log_says_so() {
    let site = TestServer::site().start();
    for query in
        ["name=a%0d%0ab&value=c", "name=x-a&value=b%0d%0aSet-Cookie:+c=d", "name=&value=x", "name=a:+b&value=c"]
    {
        let reply = site.get(&format!("/headers?{query}")).expect_code(200);
        assert_eq!((&*reply.text(), reply.header("set-cookie"), reply.header("x-a")), ("sent", "", ""), "{query}");
    }
    eventually("the log says so", || site.log().contains("is not valid HTTP and was not sent").then_some(()));
}

#[test]
fn an_error_is_a_page_with_its_words_and_a_fault_over_rpc() {
    let site = TestServer::site().start();
    let page = site.ask("GET", "/error?status=405", &[("Accept", "text/html")], b"").expect_code(405);
    assert!(page.text().contains("Method Not Allowed") && page.header("content-type").starts_with("text/html"));
    assert_eq!(
        site.get("/error?status=404&why=no+such+city").expect_code(404).json()["error"]["message"],
        "no such city"
    );
    site.get("/error?status=200").expect_code(500);
    let call = json("error", &serde_json::json!([403, "not you"]));
    let answer = site.post("/", "application/json-rpc", call).expect_code(200).json();
    assert_eq!((&answer["error"]["message"], &answer["error"]["code"]), (&"not you".into(), &(-32403).into()));
}

#[test]
fn an_abort_answers_and_closes_the_connection() {
    let site = TestServer::site().start();
    let two = |path: &str| {
        let mut conn = site.conn();
        conn.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\nGET /asked HTTP/1.1\r\nHost: x\r\n\r\n"));
        conn
    };
    let mut conn = two("/error?status=403");
    assert_eq!((conn.read().code, conn.read().code), (403, 200), "an error leaves the connection as it is");
    let mut conn = two("/abort?status=403");
    let reply = conn.read().expect_code(403);
    assert_eq!(reply.header("connection"), "close");
    assert_eq!(reply.json()["error"]["message"], "not from there");
    assert!(conn.ends(), "the second request is not answered");
    // Over RPC too, where the error is a fault.
    let mut conn = site.conn();
    let call = json("abort", &serde_json::json!([403]));
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json-rpc\r\n";
    conn.send(format!("{head}Content-Length: {}\r\n\r\n{call}", call.len()));
    let reply = conn.read().expect_code(200);
    assert_eq!(reply.json()["error"]["code"], -32403);
    assert!(conn.ends());
}

#[test]
fn a_redirect_keeps_what_is_set_beside_it() {
    let site = TestServer::site().start();
    let reply = site.get("/away?to=/newloc%3Fa%3D1").expect_code(302);
    assert_eq!((reply.header("location"), reply.header("x-beside")), ("/newloc?a=1", "kept"));
    let split = site.get("/away?to=/a%0d%0aSet-Cookie:+b=c").expect_code(302);
    assert_eq!((split.header("location"), split.header("set-cookie")), ("/a%0D%0ASet-Cookie:%20b=c", ""));
}

#[test]
fn cookies_are_set_as_they_are_built() {
    let site = TestServer::site().start();
    let bake = |query: &str| site.get(&format!("/bake?name=a&{query}")).expect_code(200);
    for (query, line) in [
        ("value=b", "a=b; SameSite=Lax; Path=/"),
        ("value=b&max_age=60&path=/shop", "a=b; SameSite=Lax; Path=/shop; Max-Age=60"),
        ("value=b&expires=4102444800", "a=b; SameSite=Lax; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT"),
        ("value=b&domain=example.com&site=strict", "a=b; SameSite=Strict; Path=/; Domain=example.com"),
        ("value=b&flags=http_only,secure&site=none", "a=b; HttpOnly; SameSite=None; Secure; Path=/"),
        ("value=%ED%95%9C%3B+%22", "a=%ED%95%9C%3B%20%22; SameSite=Lax; Path=/"),
        ("flags=delete", "a=; SameSite=Lax; Path=/; Max-Age=0"),
    ] {
        assert_eq!(bake(query).header_all("set-cookie"), [line], "{query}");
    }
    assert_eq!(bake("value=%ED%95%9C").json(), "한", "it is read as it was set");
    assert_eq!(bake("value=b&max_age=0").json(), serde_json::Value::Null, "and what is deleted is not there");
}

#[test]
fn cookies_that_no_browser_would_keep_are_errors_that_say_why() {
    let site = TestServer::site().start();
    let long = "x".repeat(4_100);
    for (query, why) in [
        ("name=a%3bb", "its name must be"),
        ("name=", "its name must be"),
        ("name=a&path=shop", "its path must"),
        ("name=a&domain=a%3bb", "its domain must"),
        ("name=a&site=none", "SameSite=None"),
        ("name=__Host-a&flags=secure&path=/x", "__Host-"),
        (&format!("name=a&value={long}"), "4096"),
    ] {
        let reply = site.get(&format!("/bake?{query}")).expect_code(500);
        assert_eq!(reply.header("set-cookie"), "");
        let message = reply.json()["error"]["message"].clone();
        assert!(message.as_str().is_some_and(|message| message.contains(why)), "{why}: {message}");
    }
}

#[test]
fn cookies_are_read_whatever_else_is_in_the_head() {
    let site = TestServer::site().start();
    let mut conn = site.conn();
    conn.send(b"GET /jar HTTP/1.1\r\nHost: x\r\nCookie: odd; a=1;;=;b=%zz%ff; c=\"q\"; \xff=\xfe\r\nCookie: a=2; d=%E2%82%AC\r\n\r\n");
    let read = conn.read().expect_code(200).json();
    let pairs = serde_json::json!([
        ["a", "1"],
        ["", ""],
        ["b", "%zz\u{fffd}"],
        ["c", "q"],
        ["\u{fffd}", "\u{fffd}"],
        ["d", "€"]
    ]);
    assert_eq!(read, pairs);
    let cleared = site.ask("GET", "/jar?clear=true", &[("Cookie", "a=1; b c=2; d=3")], b"").expect_code(200);
    let lines = cleared.header_all("set-cookie");
    assert_eq!(lines, ["a=; SameSite=Lax; Path=/; Max-Age=0", "d=; SameSite=Lax; Path=/; Max-Age=0"]);
    let many = (0..2_000).map(|number| format!("c{number}=1")).collect::<Vec<_>>().join("; ");
    let read = site.ask("GET", "/jar", &[("Cookie", &many)], b"").expect_code(200).json();
    assert_eq!(read.as_array().map(Vec::len), Some(2_000));
}
