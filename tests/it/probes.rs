//! What load balancers ask, `/status/ready`, `/status/live` and `/ping`: without a login, and behind the site's own
//! paths.

use crate::harness::TestServer;

#[test]
fn probes_are_answered_without_a_login() {
    let site = TestServer::site().start();
    for (path, text) in
        [("/status/ready", r#"{"ready":true}"#), ("/status/live", r#"{"live":true}"#), ("/ping", "pong\n")]
    {
        let reply = site.get(path).expect_code(200);
        assert_eq!((reply.text().as_str(), reply.header("cache-control")), (text, "no-store"));
        let head = site.ask("HEAD", path, &[], b"").expect_code(200);
        assert_eq!(head.header("content-length"), text.len().to_string());
        let refused = site.post(path, "text/plain", "x").expect_code(405);
        assert_eq!(refused.header("allow"), "GET, HEAD");
    }
    site.get("/status").expect_code(401);
    site.get("/status/unready").expect_code(404);
    site.get("/ping/pong").expect_code(404);
}

#[test]
fn an_apps_own_paths_stand_before_them() {
    let site = TestServer::site_of(&["/ = probed"]).start();
    assert_eq!(site.get("/ping").expect_code(200).text(), "the app's ping");
    assert_eq!(site.post("/ping", "text/plain", "").expect_code(200).text(), "the app's ping");
    assert_eq!(site.get("/status/ready").expect_code(200).text(), "the app is ready");
    assert_eq!(site.get("/status/live").expect_code(200).text(), r#"{"live":true}"#);
    let site = TestServer::site_of(&["/status = probed", "/ = public"]).file("public/ping", "a file").start();
    assert_eq!(site.get("/status/ping").expect_code(200).text(), "the app's ping");
    assert_eq!(site.get("/ping").expect_code(200).text(), "a file");
    assert_eq!(site.get("/status/ready").expect_code(200).text(), r#"{"ready":true}"#);
}

#[test]
fn a_page_for_everything_makes_no_server_ready() {
    let site = TestServer::site_of(&["/ = catching"]).start();
    assert_eq!(site.get("/ping").expect_code(200).text(), "a page for ping");
    assert_eq!(site.get("/status/ready").expect_code(200).text(), r#"{"ready":true}"#);
    assert_eq!(site.post("/status/live", "text/plain", "").expect_code(405).header("allow"), "GET, HEAD");
    // Mounted at that very path, it was meant.
    let site = TestServer::site_of(&["/status = catching"]).start();
    assert_eq!(site.get("/status/ready").expect_code(200).text(), "a page for ready");
}

#[test]
fn services_of_actix_web_have_the_first_word_too() {
    let site = TestServer::site_of(&["/ = services"]).start();
    for path in ["/ping", "/status/live"] {
        site.get(path).expect_code(200);
        site.ask("HEAD", path, &[], b"").expect_code(200);
    }
    site.get("/pong").expect_code(404);
}
