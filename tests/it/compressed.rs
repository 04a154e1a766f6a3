//! Answers that are compressed while they are sent, and answers that a client may keep.

use std::time::{Duration, Instant};

use crate::harness::{Conn, End, Reply, TestServer, bound, curl};

fn site() -> TestServer {
    TestServer::site().start()
}

const BROWSER: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");

#[test]
fn text_and_data_are_compressed_for_who_reads_it() {
    let site = site();
    for path in ["/packing/page?times=40", "/packing/data?times=2000", "/packing/headed?times=50&name=X-A&value=b"] {
        let plain = site.get(path).expect_code(200);
        assert!(plain.header("content-encoding").is_empty(), "{path}: without Accept-Encoding nothing is");
        // A cache must know that others get it otherwise.
        let varies = |reply: &Reply| {
            let by = |value: &&&str| value.eq_ignore_ascii_case("accept-encoding");
            assert_eq!(reply.header_all("vary").iter().filter(by).count(), 1, "{path}: {:?}", reply.headers);
        };
        varies(&plain);
        for accepted in ["gzip", "br", "br;q=0.5, gzip"] {
            let packed = site.ask("GET", path, &[("Accept-Encoding", accepted)], b"").expect_code(200);
            let coding = packed.header("content-encoding").to_owned();
            assert_eq!(coding, if accepted == "br" { "br" } else { "gzip" }, "{path}");
            varies(&packed);
            assert!(packed.body.len() * 3 < plain.body.len(), "{path}: {}", packed.body.len());
            let url = site.url(path);
            let said = curl(&["--compressed", "-H", &format!("Accept-Encoding: {accepted}"), &url]);
            assert_eq!(said, plain.text(), "{path} {accepted}");
        }
        // A short body is known to its end when it is sent.
        let head = site.ask("GET", path, &[BROWSER], b"");
        assert_eq!(head.header("transfer-encoding").is_empty(), !path.contains("2000"), "{path}: {:?}", head.headers);
    }
}

/// What BREACH needs: many answers that a strange page has asked for, whose lengths are seen on the wire of TLS.
#[test]
fn over_tls_a_page_of_another_site_gets_nothing_compressed() {
    let site = TestServer::site().server("trusted_proxies", "127.0.0.1").start();
    let coding = |proto: &str, more: &[(&str, &str)]| {
        let of_proxy = [BROWSER, ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", proto)];
        let headers = [&of_proxy, more].concat();
        let reply = site.ask("GET", "/packing/page?times=40", &headers, b"").expect_code(200);
        assert!(reply.header("vary").to_ascii_lowercase().contains("accept-encoding"), "{:?}", reply.headers);
        reply.header("content-encoding").to_owned()
    };
    let site_of = |value| ("Sec-Fetch-Site", value);
    let own = ("Referer", "https://127.0.0.1:443/page?x#y");
    let strange = ("Referer", "https://evil.example/127.0.0.1");
    for more in [
        &[][..],
        &[own],
        &[site_of("same-origin")],
        &[site_of("same-site"), strange],
        &[site_of("none")],
        &[site_of("cross-site"), ("Sec-Fetch-User", "?1"), strange],
    ] {
        assert_eq!(coding("https", more), "gzip", "{more:?}");
    }
    for more in [
        &[site_of("cross-site")][..],
        &[site_of("cross-site"), own],
        &[strange],
        &[("Referer", "https://127.0.0.1.evil.example/")],
        &[("Referer", "https://evil.example?https://127.0.0.1/")],
        &[("Referer", "null")],
    ] {
        assert_eq!(coding("https", more), "", "{more:?}");
        assert_eq!(coding("http", more), "gzip", "in clear text there is nothing to learn: {more:?}");
    }
}

#[test]
fn what_is_not_to_be_touched_is_not() {
    let site = site();
    let coding =
        |path: &str| site.ask("GET", path, &[BROWSER], b"").expect_code(200).header("content-encoding").to_owned();
    assert_eq!(coding("/packing/headed?times=50&name=X-A&value=b"), "gzip");
    for (name, value) in [
        ("Cache-Control", "public,%20no-transform"),
        ("Content-Encoding", "identity"),
        ("Content-Type", "image/png"),
        ("Content-Type", "text/event-stream"),
        ("Content-Digest", "sha-256=:x:"),
    ] {
        let kept = coding(&format!("/packing/headed?times=50&name={name}&value={value}"));
        assert_ne!(kept, "gzip", "{name}: {value}");
    }
    // Short ones would become longer.
    assert_eq!(coding("/packing/page?times=5"), "");
    let old = {
        let mut conn = site.conn();
        conn.send("GET /packing/page?times=40 HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
        conn.read()
    };
    assert_eq!(old.header("content-encoding"), "");
    let off = TestServer::site().section("[mount /]\ncompress = no").start();
    let reply = off.ask("GET", "/packing/page?times=40", &[BROWSER], b"").expect_code(200);
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), ("", ""));
}

#[test]
fn a_part_of_a_file_is_never_compressed_and_a_whole_has_a_weak_tag() {
    let site = TestServer::site_of(&["/ = public"]).file("public/a.txt", &"0123456789".repeat(500)).start();
    let plain = site.get("/a.txt").expect_code(200);
    let packed = site.ask("GET", "/a.txt", &[BROWSER], b"").expect_code(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!((packed.header("etag"), packed.header("accept-ranges")), (&*format!("W/{}", plain.header("etag")), ""));
    let part = site.ask("GET", "/a.txt", &[BROWSER, ("Range", "bytes=0-2047")], b"").expect_code(206);
    assert_eq!((part.header("content-encoding"), part.body.len()), ("", 2048));
    let known = [BROWSER, ("If-None-Match", packed.header("etag"))];
    site.ask("GET", "/a.txt", &known, b"").expect_code(304);
    // The tag of the compressed one starts no range of the other.
    let ranged = [("Range", "bytes=0-1"), ("If-Range", packed.header("etag"))];
    site.ask("GET", "/a.txt", &ranged, b"").expect_code(200);
}

#[test]
fn a_stream_that_pauses_is_sent_so_far() {
    let site = site();
    let mut conn = site.conn();
    conn.send("GET /packing/drips HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = conn.read_head().expect_code(200);
    assert_eq!(head.header("content-encoding"), "gzip");
    // The whole first line comes, though the stream goes on for ever.
    let mut packed = Vec::new();
    while !String::from_utf8_lossy(&unpacked(&packed)).contains("\"\n") {
        packed.extend(conn.next_chunk().expect("more of the first line"));
    }
}

#[test]
fn a_stream_that_fails_is_cut() {
    let site = site();
    for times in [0, 1, 50] {
        let mut conn = Conn::to(site.port());
        conn.send(format!(
            "GET /packing/fails?times={times} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n"
        ));
        let (received, end) = conn.until_end();
        assert!(!received.ends_with(b"0\r\n\r\n"), "{times}: it looks whole");
        assert_ne!(end, End::Never, "{times}");
    }
    assert!(site.log().contains("the end is missing"), "{}", site.log());
}

/// A page that calls nothing does not wait for handlers that hold up the pool.
#[test]
fn a_long_page_needs_no_thread_of_the_pool() {
    let site = TestServer::site().server("threads", "1").start();
    let _held: Vec<_> = (0..60).map(|_| site.begin("/packing/holds")).collect();
    let begun = Instant::now();
    let page = site.ask("GET", "/packing/page?times=20000", &[BROWSER], b"").expect_code(200);
    assert_eq!(page.header("content-encoding"), "gzip");
    assert!(begun.elapsed() < bound(Duration::from_millis(300), Duration::from_secs(3)), "{:?}", begun.elapsed());
}

#[test]
fn what_may_be_kept_has_a_time_and_a_tag() {
    let site = site();
    for how in ["head", "reply", "cookie"] {
        let path = format!("/packing/kept?version=1&how={how}");
        let first = site.get(&path).expect_code(200);
        let age = if how == "cookie" { "private, max-age=60" } else { "max-age=60" };
        assert_eq!(first.header("cache-control"), age, "{how}");
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.len() > 20, "{how}: {tag}");
        let asked = || site.get("/packing/kept/asked").text().parse::<usize>().unwrap();
        let before = asked();
        let known = site.ask("GET", &path, &[("If-None-Match", &tag)], b"").expect_code(304);
        assert_eq!(
            (known.header("etag"), known.header("cache-control"), known.text().as_str()),
            (&*tag, age, ""),
            "{how}"
        );
        assert_eq!(asked(), before + 1, "{how}: the handler runs all the same");
        assert_eq!(site.ask("HEAD", &path, &[], b"").expect_code(200).header("etag"), tag, "{how}");
        let next = format!("/packing/kept?version=2&how={how}");
        let changed = site.ask("GET", &next, &[("If-None-Match", &tag)], b"").expect_code(200);
        assert_eq!(changed.text(), "version 2", "{how}");
        site.ask("GET", &path, &[("If-Match", "\"other\"")], b"").expect_code(412);
        for nonsense in ["", "\"", tag.trim_start_matches("W/\"")] {
            site.ask("GET", &path, &[("If-None-Match", nonsense)], b"").expect_code(200);
        }
        let posted = site.post(&path, "application/x-www-form-urlencoded", "").expect_code(200);
        assert_eq!(posted.header("etag"), "", "{how}");
    }
    let own = site.get("/packing/kept?version=1&how=tagged").expect_code(200);
    assert_eq!((own.header("etag"), own.header("cache-control")), ("\"my-own\"", "no-cache"));
    site.ask("GET", "/packing/kept?version=1&how=tagged", &[("If-None-Match", "\"my-own\"")], b"").expect_code(304);
    let gone = site.get("/packing/kept?version=1&how=gone").expect_code(404);
    assert_eq!((gone.header("etag"), gone.header("cache-control")), ("", ""));
    // The tag is of what the client sees, compressed or not.
    let plain = site.get("/packing/kept/data").expect_code(200);
    let packed = site.ask("GET", "/packing/kept/data", &[BROWSER], b"").expect_code(200);
    assert_eq!((packed.header("content-encoding"), packed.header("etag")), ("gzip", plain.header("etag")));
}

/// As much as can be unpacked of what has come.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let _ = flate2::read::GzDecoder::new(packed).read_to_end(&mut text);
    text
}
