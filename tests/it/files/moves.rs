//! Redirects and rewrites.

use crate::harness::{TestServer, curl};

fn site() -> crate::harness::Scenario {
    TestServer::site_of(&["/ = testsite", "/docs = docs", "/closed = closed"])
        .file("docs/v3/a.txt", "of the third version")
        .file("closed/a.txt", "for few")
        .server("trusted_proxies", "127.0.0.1")
}

#[test]
fn a_redirect_keeps_the_rest_and_the_query() {
    let site = site()
        .section(
            "[mount /]\nredirects = /old /new, /blog/* /articles/* 301, /away/* https://example.org/x/* 308,\n  \
             /with /new?a=1, /up/* /*",
        )
        .start();
    for (path, code, location) in [
        ("/old", 302, "/new"),
        ("/old?a=1&b=%20", 302, "/new?a=1&b=%20"),
        ("/%6fld", 302, "/new"),
        ("/blog/2026/a%20b", 301, "/articles/2026/a%20b"),
        ("/blog", 301, "/articles/"),
        ("/away/b?c", 308, "https://example.org/x/b?c"),
        ("/with?b=2", 302, "/new?a=1"),
        // Never another site.
        ("/up//evil.example/", 302, "/evil.example/"),
        ("/up/%5cevil.example", 302, "/%5Cevil.example"),
        ("/up/%2fevil.example", 302, "/%2Fevil.example"),
    ] {
        let reply = site.get(path).expect_code(code);
        assert_eq!(reply.header("location"), location, "{path}");
        let head = site.ask("HEAD", path, &[], b"").expect_code(code);
        assert_eq!(head.header("location"), location, "{path}");
    }
    site.get("/old/").expect_code(404);
    site.get("/blogs").expect_code(404);
    assert_eq!(site.post("/away/b", "text/plain", "x").expect_code(308).header("location"), "https://example.org/x/b");
    let said = curl(&["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", &site.url("/old?q=1")]);
    assert_eq!(said, format!("302 {}", site.url("/new?q=1")));
}

#[test]
fn a_rewrite_is_seen_by_nobody() {
    let scenario = site()
        .server("access_log", "access.log")
        .section("[mount /docs]\nrewrites = /docs/latest/* /docs/v3/*")
        .section("[mount /]\nrewrites = /short /defaults, /side/* /closed/*")
        .section("[mount /closed]\nallow = 10.0.0.0/8");
    let log = scenario.dir().join("access.log");
    let site = scenario.start();
    assert_eq!(site.get("/docs/latest/a.txt").expect_code(200).text(), "of the third version");
    assert_eq!(site.get("/docs/%6catest/a.txt").expect_code(200).text(), "of the third version");
    site.get("/docs/latest/none.txt").expect_code(404);
    // A route, with the query.
    assert_eq!(site.get("/short?needed=1").expect_code(200).text(), site.get("/defaults?needed=1").text());
    // The gate of where it leads is the gate.
    let ask = |client: &str| site.ask("GET", "/side/a.txt", &[("X-Forwarded-For", client)], b"");
    assert_eq!(ask("10.0.0.1").expect_code(200).text(), "for few");
    ask("203.0.113.9").expect_code(403);
    // The log has what was asked for.
    let said = crate::harness::eventually("the access log", || {
        std::fs::read_to_string(&log)
            .ok()
            .filter(|text| ["/side/a.txt", "/docs/latest/a.txt"].iter().all(|asked| text.contains(asked)))
    });
    assert!(!said.contains("/docs/v3"), "{said}");
}

#[test]
fn who_may_not_come_in_is_led_nowhere() {
    let site =
        site().section("[mount /closed]\nallow = 10.0.0.0/8\nredirects = /closed/old https://secret.example/").start();
    let ask = |client: &str| site.ask("GET", "/closed/old", &[("X-Forwarded-For", client)], b"");
    assert_eq!(ask("203.0.113.9").expect_code(403).header("location"), "");
    assert_eq!(ask("10.0.0.1").expect_code(302).header("location"), "https://secret.example/");
}
