//! Types, and how long files are kept.

use crate::harness::{Conn, End, Scenario, TestServer, eventually};

#[test]
fn files_of_today_have_their_types() {
    let mut scenario = TestServer::site_of(&["/ = public"]);
    let kinds = [
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.avif", "image/avif"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.woff2", "font/woff2"),
        ("a.js.map", "application/json"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.unheard-of", "application/octet-stream"),
    ];
    for (name, _) in kinds {
        scenario = scenario.file(&format!("public/{name}"), "x");
    }
    let site = scenario.start();
    for (name, kind) in kinds {
        assert_eq!(site.get(&format!("/{name}")).expect_code(200).header("content-type"), kind, "{name}");
    }
}

#[test]
fn what_never_changes_is_kept_for_good() {
    let files = |scenario: Scenario| {
        ["public/index.html", "public/assets/deep/a.css", "public/app.0a1b2c3d.js", "public/app.js", "docs/a.css"]
            .into_iter()
            .fold(scenario, |scenario, name| scenario.file(name, "x"))
    };
    let rules =
        "[mount /]\nimmutable = assets/**, *.????????.js\nstatic_max_age = 60\n[mount /docs]\nstatic_max_age = 1h";
    let site = files(TestServer::site_of(&["/ = public", "/docs = docs"])).section(rules).start();
    let age = |path: &str| site.get(path).expect_code(200).header("cache-control").to_owned();
    let forever = "public, max-age=31536000, immutable";
    for (path, expected) in [
        ("/assets/deep/a.css", forever),
        ("/app.0a1b2c3d.js", forever),
        ("/app.js", "max-age=60"),
        ("/", "max-age=60"),
        // A longer section says something else of the age alone.
        ("/docs/a.css", "max-age=3600"),
    ] {
        assert_eq!(age(path), expected, "{path}");
    }
    let reply = site.get("/assets/deep/a.css");
    let known = [("If-None-Match", reply.header("etag"))];
    let known = site.ask("GET", "/assets/deep/a.css", &known, b"").expect_code(304);
    assert_eq!(known.header("cache-control"), forever);
    // In devel mode nothing is kept.
    let devel =
        files(TestServer::site_of(&["/ = public", "/docs = docs"])).server("devel", "yes").section(rules).start();
    assert_eq!(devel.get("/app.0a1b2c3d.js").header("cache-control"), "max-age=0");
}

/// A file that becomes shorter while it is sent is cut: never whole by its looks.
#[test]
fn a_file_that_shrinks_is_cut() {
    let scenario = TestServer::site_of(&["/ = public"]).file("public/big.bin", &"x".repeat(30_000_000));
    let path = scenario.dir().join("public/big.bin");
    let site = scenario.start();
    let mut conn = Conn::narrow(site.port());
    conn.send("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(conn.sip(1000).is_some());
    std::fs::File::options().write(true).open(path).unwrap().set_len(1000).unwrap();
    let (rest, end) = conn.until_end();
    assert!(rest.len() < 29_000_000 && end != End::Never, "{} octets, {end:?}", rest.len());
    eventually("the log says why", || site.log().contains("has become shorter").then_some(()));
}
