//! `app.js.br`, `.zst` and `.gz` beside `app.js`.

use std::time::{Duration, SystemTime};

use crate::harness::{Scenario, TestServer, curl};

fn site() -> Scenario {
    let text = "text of the page, ".repeat(200);
    TestServer::site_of(&["/ = public"])
        .file("public/app.js", &text)
        .file("public/app.js.br", "as brotli")
        .file("public/app.js.zst", "as zstandard")
        .file("public/app.js.gz", "as gzip")
        .file("public/alone.css", "only itself")
        .file("public/photo.jpg", "a picture")
        .file("public/photo.jpg.gz", "never sent for it")
}

#[test]
fn the_coding_that_a_client_likes_best_is_sent_with_a_tag_of_its_own() {
    let site = site().start();
    let get = |accepted: &str| site.ask("GET", "/app.js", &[("Accept-Encoding", accepted)], b"").expect_code(200);
    let mut tags = Vec::new();
    for (accepted, coding, begins) in [
        ("gzip, deflate, br, zstd", "br", "as brotli"),
        ("zstd, gzip", "zstd", "as zstandard"),
        ("gzip", "gzip", "as gzip"),
        ("br;q=0.1, gzip;q=0.9", "gzip", "as gzip"),
        ("br;q=0, zstd;q=0, *", "gzip", "as gzip"),
        ("deflate, identity", "", "text of the page"),
        ("identity;q=1, *;q=0", "", "text of the page"),
    ] {
        let reply = get(accepted);
        assert_eq!(reply.header("content-encoding"), coding, "{accepted}");
        assert!(reply.text().starts_with(begins), "{accepted}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8", "{accepted}");
        // Who keeps one of them for others must ask anew for another coding.
        assert_eq!(reply.header_all("vary"), ["Accept-Encoding"], "{accepted}");
        tags.push(reply.header("etag").to_owned());
        let head = site.ask("HEAD", "/app.js", &[("Accept-Encoding", accepted)], b"").expect_code(200);
        let same =
            ["etag", "content-encoding", "content-length", "vary"].map(|name| head.header(name) == reply.header(name));
        assert_eq!(same, [true; 4], "{accepted}: {:?}", head.headers);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
    let known = [("Accept-Encoding", "br"), ("If-None-Match", &*get("br").header("etag").to_owned())];
    assert_eq!(site.ask("GET", "/app.js", &known, b"").expect_code(304).header_all("vary"), ["Accept-Encoding"]);
    let other = [("Accept-Encoding", "gzip"), known[1]];
    site.ask("GET", "/app.js", &other, b"").expect_code(200);
    // A part is one of what is sent.
    let part = site.ask("GET", "/app.js", &[("Accept-Encoding", "gzip"), ("Range", "bytes=3-6")], b"");
    assert_eq!(part.expect_code(206).text(), "gzip");
}

#[test]
fn what_is_older_or_not_asked_for_is_not_sent() {
    let scenario = site().file("public/stale.txt", &"of today".repeat(300)).file("public/stale.txt.gz", "of yesterday");
    let old = std::fs::File::options().write(true).open(scenario.dir().join("public/stale.txt.gz")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(86_400)).unwrap();
    let site = scenario.section("[mount /]\ncompress = no").start();
    let get = |path: &str| site.ask("GET", path, &[("Accept-Encoding", "gzip")], b"").expect_code(200);
    assert!(get("/stale.txt").text().starts_with("of today"));
    assert_eq!(get("/photo.jpg").text(), "a picture");
    assert_eq!(get("/alone.css").header_all("vary"), Vec::<&str>::new());
    // Without the header it is as it lies there.
    assert!(site.get("/app.js").text().starts_with("text of"));
    // Under its own name it is a file like any other.
    assert_eq!((&*get("/app.js.gz").text(), get("/app.js.gz").header("content-encoding")), ("as gzip", ""));
}

#[test]
fn a_mount_may_do_without() {
    let site = site().section("[mount /]\nprecompressed = no\ncompress = no").start();
    let reply = site.ask("GET", "/app.js", &[("Accept-Encoding", "br, gzip")], b"").expect_code(200);
    assert!(reply.text().starts_with("text of") && reply.header("content-encoding").is_empty());
}

/// curl unpacks what gzip has packed.
#[test]
fn curl_reads_what_is_packed() {
    let scenario = TestServer::site_of(&["/ = public"]).file("public/page.txt", &"a page ".repeat(50));
    let packed = std::process::Command::new("gzip").arg("-k").arg(scenario.dir().join("public/page.txt")).status();
    assert!(packed.unwrap().success());
    let site = scenario.start();
    let said = curl(&["--compressed", "-w", "%{size_download}", &site.url("/page.txt")]);
    assert!(said.starts_with(&"a page ".repeat(50)), "{said}");
    let size: usize = said.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(size < 100, "{size} octets were sent");
}
