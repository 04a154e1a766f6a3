//! What browsers are told: CORS on every answer, whatever it is, and security headers.

use serde_json::json;

use crate::harness::{Reply, TestServer, call, foreign};

const APP: &str = "https://app.example";

fn site() -> TestServer {
    TestServer::site()
        .route("/guarded = behind")
        .section(
            "[mount /]\ncors_origins = https://app.example, https://*.shop.example\ncors_credentials = yes\n\
             cors_headers = Content-Type, X-Own\ncors_expose = X-Own\ncors_max_age = 1h\nrate = 1000/s",
        )
        .section("[mount /guarded]\ncors_origins = *\ndeny = 203.0.113.0/24")
        .server("trusted_proxies", "127.0.0.1")
        .start()
}

fn preflight(site: &TestServer, path: &str, origin: &str, method: &str, headers: &str) -> Reply {
    let asked =
        [("Origin", origin), ("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", headers)];
    let asked: Vec<_> = asked.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    site.ask("OPTIONS", path, &asked, b"")
}

fn allowed(reply: &Reply) -> &str {
    reply.header("access-control-allow-origin")
}

#[test]
fn a_preflight_is_answered_and_reaches_no_handler() {
    let site = site();
    let told = preflight(&site, "/noted/cors/x", APP, "DELETE", "content-type, x-own").expect_code(204);
    assert_eq!(allowed(&told), APP);
    assert_eq!(told.header("access-control-allow-credentials"), "true");
    assert_eq!(told.header("access-control-allow-methods"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    assert_eq!(told.header("access-control-allow-headers"), "content-type, x-own");
    assert_eq!(told.header("access-control-max-age"), "3600");
    for name in ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"] {
        assert!(told.header("vary").contains(name), "{:?}", told.headers);
    }
    assert_eq!(
        allowed(&preflight(&site, "/noted/cors/x", "https://a.b.shop.example", "POST", "").expect_code(204)),
        "https://a.b.shop.example"
    );
    // (origin, method, headers, what is said)
    for (origin, method, headers, why) in [
        ("https://evil.example", "POST", "", "cors_origins"),
        ("http://app.example", "POST", "", "cors_origins"),
        ("https://shop.example", "POST", "", "cors_origins"),
        ("null", "POST", "", "cors_origins"),
        (APP, "BREW", "", "cors_methods"),
        (APP, "POST", "X-Other", "cors_headers"),
    ] {
        let refused = preflight(&site, "/noted/cors/x", origin, method, headers).expect_code(403);
        assert!(refused.text().contains(why), "{}", refused.text());
        assert_eq!(allowed(&refused), "");
    }
    assert_eq!(site.get("/notes/cors").json(), json!([]));
    // OPTIONS without a question is the site's own.
    let own = site.ask("OPTIONS", "/noted/cors/own", &[("Origin", APP)], b"").expect_code(200);
    assert_eq!((allowed(&own), site.get("/notes/cors").json()), (APP, json!(["own"])));
}

#[test]
fn every_answer_says_who_may_read_it() {
    let site = site();
    let from = |path: &str| site.ask("GET", path, &[("Origin", APP)], b"");
    for (path, code) in
        [("/defaults?needed=1", 200), ("/defaults", 400), ("/nothing-here", 404), ("/late", 504), ("/ping", 200)]
    {
        let reply = from(path);
        assert_eq!((reply.code, allowed(&reply)), (code, APP), "{path}: {:?}", reply.headers);
        assert!(reply.header_all("vary").iter().any(|names| names.contains("Origin")), "{path}: {:?}", reply.headers);
        let exposed = reply.header("access-control-expose-headers");
        for name in
            ["X-Coverage", "X-Request-Id", "X-Error-Id", "Server-Timing", "Retry-After", "RateLimit-Remaining", "X-Own"]
        {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    let body = call::json("no.such", &json!([]));
    let rpc = site.ask("POST", "/rpc3", &[("Origin", APP), ("Content-Type", "application/json")], body.as_bytes());
    assert_eq!(allowed(&rpc), APP);
    // Another origin, and none: an answer that a cache keeps apart.
    for headers in [&[("Origin", "https://evil.example")][..], &[]] {
        let reply = site.ask("GET", "/defaults?needed=1", headers, b"").expect_code(200);
        assert_eq!((allowed(&reply), reply.header("access-control-allow-credentials")), ("", ""));
        assert!(reply.header_all("vary").iter().any(|names| names.contains("Origin")), "{:?}", reply.headers);
    }
    // For everybody, a refusal too.
    let open = site.ask("GET", "/guarded/told", &[("Origin", "https://evil.example")], b"").expect_code(200);
    assert_eq!((allowed(&open), open.header("access-control-allow-credentials")), ("*", ""));
    let denied = [("Origin", "https://evil.example"), ("X-Forwarded-For", "203.0.113.9")];
    assert_eq!(allowed(&site.ask("GET", "/guarded/told", &denied, b"").expect_code(403)), "*");
    let asked = [denied[1], denied[0], ("Access-Control-Request-Method", "GET")];
    site.ask("OPTIONS", "/guarded/told", &asked, b"").expect_code(403);
    let url = site.url("/defaults");
    let said = foreign::curl(&["-i", "-H", &format!("Origin: {APP}"), &url]).to_lowercase();
    assert!(said.contains("access-control-allow-origin: https://app.example\r\n"), "{said}");
}

#[test]
fn security_headers_are_on_every_answer_and_leave_the_apps_own() {
    let site = TestServer::site()
        .route("/guarded = behind")
        .section("[mount /]\nsecurity_headers = yes\ncontent_security_policy = default-src 'self'; frame-src https://x.example")
        .section("[mount /guarded]\nsecurity_headers = no\npermissions_policy = camera=()")
        .start();
    for path in ["/defaults?needed=1", "/nothing-here"] {
        let reply = site.get(path);
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("x-frame-options"), "SAMEORIGIN", "{path}");
        assert_eq!(reply.header("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
        assert_eq!(reply.header("content-security-policy"), "default-src 'self'; frame-src https://x.example");
    }
    let own = site.get("/framed").expect_code(200);
    assert_eq!(own.header_all("x-frame-options"), ["DENY"]);
    let other = site.get("/guarded/told").expect_code(200);
    assert_eq!((other.header("x-frame-options"), other.header("permissions-policy")), ("", "camera=()"));
    // The server's own pages have them without a word.
    let site = TestServer::site().start();
    assert_eq!(site.get("/status").header("x-frame-options"), "SAMEORIGIN");
    assert_eq!(site.get("/defaults?needed=1").header("x-frame-options"), "");
}

#[test]
fn no_browser_guesses_the_type_of_an_answer() {
    let site = TestServer::site().file("public/note.txt", "<script>").route("/notes = public").start();
    let call = call::json("nothing", &serde_json::json!([]));
    for (what, reply) in [
        ("data", site.get("/defaults?needed=1").expect_code(200)),
        ("a page", site.get("/path/x").expect_code(200)),
        ("a file", site.get("/notes/note.txt").expect_code(200)),
        ("no such page", site.get("/no-such-page").expect_code(404)),
        ("no such argument", site.get("/defaults").expect_code(400)),
        ("a wrong method", site.ask("DELETE", "/defaults", &[], b"").expect_code(405)),
        ("options", site.ask("OPTIONS", "/RPC2", &[], b"").expect_code(204)),
        ("an error of RPC", site.post("/rpc3", "application/json", call).expect_code(200)),
        ("a probe", site.get("/status/ready").expect_code(200)),
    ] {
        assert_eq!(reply.header_all("x-content-type-options"), ["nosniff"], "{what}");
    }
}
