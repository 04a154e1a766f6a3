//! Sites of a single page: whatever path it has made is answered with its file.

use crate::harness::TestServer;

fn site() -> TestServer {
    TestServer::site_of(&["/ = testsite", "/app = public"])
        .file("public/index.html", "the single page")
        .file("public/assets/a.js", "a script")
        .section("[mount /app]\nfallback = index.html")
        .start()
}

#[test]
fn a_page_that_nobody_has_is_the_fallback() {
    let site = site();
    let browser = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")];
    for path in ["/app/", "/app/users/7", "/app/users/7?tab=2", "/app/users/john.doe", "/app/deep/page.html"] {
        let reply = site.ask("GET", path, &browser, b"").expect_code(200);
        assert_eq!(
            (&*reply.text(), reply.header("content-type")),
            ("the single page", "text/html; charset=utf-8"),
            "{path}"
        );
        // A page that is kept would name scripts that are gone.
        assert_eq!(reply.header("cache-control"), "no-cache", "{path}");
        let known = [browser[0], ("If-None-Match", reply.header("etag"))];
        site.ask("GET", path, &known, b"").expect_code(304);
    }
    assert_eq!(site.get("/app/users/7").expect_code(200).text(), "the single page");
    assert_eq!(site.ask("HEAD", "/app/users/7", &browser, b"").expect_code(200).header("content-length"), "15");
    assert_eq!(site.get("/app/assets/a.js").expect_code(200).text(), "a script");
}

#[test]
fn what_is_no_page_is_missing() {
    let site = site();
    // A browser would run the page as a script, or take it for data.
    site.get("/app/assets/gone.js").expect_code(404);
    site.get("/app/assets/gone.css?v=1").expect_code(404);
    site.ask("GET", "/app/users/7", &[("Accept", "application/json")], b"").expect_code(404);
    site.ask("GET", "/app/users/7", &[("Accept", "*/*"), ("Sec-Fetch-Mode", "cors")], b"").expect_code(404);
    site.post("/app/users/7", "application/x-www-form-urlencoded", "").expect_code(404);
    // Behind which gate that is, depends on who reads it.
    site.get("/app/../secret").expect_code(400);
    site.get("/elsewhere").expect_code(404);
}

#[test]
fn routes_and_probes_stand_before_it() {
    let site = TestServer::site_of(&["/ = public", "/ = testsite"])
        .file("public/index.html", "the single page")
        .section("[mount /]\nfallback = index.html")
        .start();
    assert_eq!(site.get("/defaults?needed=1").expect_code(200).header("content-type"), "application/json");
    assert_eq!(site.get("/nobody/has/this").expect_code(200).text(), "the single page");
    // A route that is there does not become a page by another method.
    assert_ne!(site.get("/status/ready").text(), "the single page");
    assert!(site.get("/status/ready").expect_code(200).text().contains("ready"));
}
