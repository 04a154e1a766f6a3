//! Errors are whole: nothing that was said of a success stays on one, and a program gets it in the form that it asks
//! for.

use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, call};

/// Headers that belong to the representation of a success.
const OF_SUCCESS: [&str; 13] = [
    "cache-control",
    "cdn-cache-control",
    "content-disposition",
    "content-language",
    "content-encoding",
    "content-location",
    "etag",
    "expires",
    "last-modified",
    "accept-ranges",
    "link",
    "location",
    "x-accel-redirect",
];

const OF_ANY: [(&str, &str); 7] = [
    ("www-authenticate", "Basic"),
    ("retry-after", "7"),
    ("vary", "Accept-Language"),
    ("x-own", "stays"),
    ("content-security-policy", "default-src 'self'"),
    ("strict-transport-security", "max-age=7"),
    ("access-control-allow-origin", "*"),
];

fn site() -> TestServer {
    TestServer::site().route("/failing = flawed").panics_expected().start()
}

fn has(reply: &Reply, name: &str) -> bool {
    reply.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

#[track_caller]
fn is_whole(reply: &Reply, but: &[&str]) {
    for name in OF_SUCCESS.iter().filter(|name| !but.contains(name)) {
        assert!(!has(reply, name), "{name} stays: {:?}", reply.headers);
    }
    for (name, value) in OF_ANY {
        assert!(reply.header_all(name).contains(&value), "{name} is gone: {:?}", reply.headers);
    }
    assert!(reply.header("set-cookie").starts_with("kept=yes"), "cookies stay");
}

#[test]
fn what_was_said_of_a_success_is_not_said_of_its_error() {
    let site = site();
    let fine = site.get("/failing/report?how=fine").expect_code(201);
    assert!(OF_SUCCESS.iter().all(|name| has(&fine, name)), "{:?}", fine.headers);
    assert_eq!(fine.header("content-type"), "text/csv");
    for (how, status) in [("error", 404), ("internal", 500), ("panic", 500), ("late", 504), ("file", 500)] {
        let reply = site.get(&format!("/failing/report?how={how}"));
        let status = if how == "file" { reply.code } else { status };
        assert_eq!((reply.code, reply.header("content-type")), (status, "application/json"), "{how}");
        assert!(status >= 400, "{how}");
        is_whole(&reply, &[]);
        let page = site.ask("GET", &format!("/failing/report?how={how}"), &[("Accept", "text/html")], b"");
        assert_eq!((page.code, page.header("content-type")), (status, "text/html; charset=utf-8"), "{how}");
        is_whole(&page, &[]);
    }
    is_whole(&site.get("/failing/plain-report").expect_code(410), &[]);
    is_whole(&site.get("/failing/after/report?how=fine").expect_code(500), &[]);
    // What no cache may keep stays so.
    let private = site.get("/failing/report?how=private").expect_code(403);
    assert_eq!(private.header("cache-control"), "private, NO-STORE");
    is_whole(&private, &["cache-control"]);
    // What a teardown sets is said of the error.
    let torn = site.get("/failing/torn/report?how=error").expect_code(404);
    assert_eq!(torn.header_all("cache-control"), ["max-age=5"]);
    is_whole(&torn, &["cache-control"]);
    // A fault of RPC is no success either.
    for reply in [
        site.post("/failing", "application/json-rpc", call::json("report", &json!(["error"]))),
        site.post("/failing", "text/xml", call::xml("report", &["<string>error</string>"])),
    ] {
        is_whole(&reply.expect_code(200), &[]);
    }
}

fn problem(site: &TestServer, path: &str, accept: &str) -> (Reply, Value) {
    let reply = site.ask("GET", path, &[("Accept", accept)], b"");
    assert_eq!(reply.header("content-type"), "application/problem+json", "{path}: {}", reply.text());
    assert!(reply.header_all("vary").contains(&"Accept"), "{:?}", reply.headers);
    let value = reply.json();
    (reply, value)
}

#[test]
fn who_asks_for_problems_gets_them() {
    let site = site();
    let (reply, value) = problem(&site, "/failing/coded", "application/problem+json");
    let due =
        json!({"type": "about:blank", "title": "Conflict", "status": 409, "detail": "already there", "code": 4711});
    assert_eq!((reply.code, value), (409, due));
    let (reply, value) = problem(&site, "/failing/report?how=internal", "application/json, application/problem+json");
    assert_eq!(reply.header("x-error-id"), value["id"], "{value}");
    assert_eq!((&value["detail"], &value["code"]), (&json!("Internal Server Error"), &json!(-32603)));
    let (reply, value) = problem(&site, "/failing/two?one=x", "application/problem+json;q=0.5, */*;q=0.1");
    assert_eq!((reply.code, value["errors"].as_array().map(Vec::len)), (400, Some(2)), "{value}");
    assert_eq!(value["errors"][0]["detail"], "argument `one` must be a whole number, got \"x\"");
    let (_, value) = problem(&site, "/failing/two?one=x&other=1", "application/problem+json");
    assert_eq!(value.get("errors"), None, "the detail says it: {value}");
    let (reply, value) = problem(&site, "/nowhere", "application/problem+json");
    assert_eq!((reply.code, &value["code"], &value["title"]), (404, &json!(-32404), &json!("Not Found")));
    let wrong = site.ask("DELETE", "/failing/two", &[("Accept", "application/problem+json")], b"").expect_code(405);
    assert_eq!((wrong.header("allow"), &wrong.json()["status"]), ("GET, HEAD, POST", &json!(405)));
    // Who does not ask, or prefers something else, gets that.
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/problem+json;q=0", "application/json"),
        ("application/problem+json;q=0.4, application/json", "application/json"),
        ("text/html, application/problem+json", "text/html; charset=utf-8"),
    ] {
        let reply = site.ask("GET", "/failing/coded", &[("Accept", accept)], b"").expect_code(409);
        assert_eq!(reply.header("content-type"), content_type, "{accept}");
    }
    // A success is not touched by it.
    let fine = site.ask("GET", "/failing/two?one=1&other=2", &[("Accept", "application/problem+json")], b"");
    assert_eq!((fine.code, fine.header("content-type"), &*fine.text()), (200, "application/json", "3"));
}
