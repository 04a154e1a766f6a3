//! Bodies of replies that are not what their head says: they end in a reset, so that nothing of them is ever taken for
//! the next reply. And panics while a body is sent: one connection ends, it is counted and logged, and others go on.

use super::{beside_a_healthy_client, get, notes};
use crate::harness::raw::find;
use crate::harness::{End, TestServer, eventually};

/// The body of the first reply, all that came behind the head.
fn cut(site: &TestServer, request: &str) -> (String, End) {
    let mut conn = site.conn();
    conn.send(request);
    let (bytes, end) = conn.until_end();
    // A reset may come before anything was sent.
    let head = find(&bytes, b"\r\n\r\n").map_or(bytes.len(), |head| head + 4);
    (String::from_utf8_lossy(&bytes[head..]).into_owned(), end)
}

#[test]
fn more_or_fewer_octets_than_announced_end_in_a_reset() {
    let site = TestServer::site().route("/at = services").start();
    beside_a_healthy_client(&site, || {
        for (path, most) in [("/at/longer", "announced"), ("/at/shorter", "anno")] {
            for behind in ["", &get("/noted/untrue/behind")] {
                let (body, end) = cut(&site, &(get(path) + behind));
                assert!(most.starts_with(&body), "{path}: {body:?}");
                assert_eq!(end, End::Reset, "{path}");
            }
            let (body, end) = cut(&site, &get(path).replace("HTTP/1.1", "HTTP/1.0"));
            assert!(most.starts_with(&body) && end == End::Reset, "{path}: {body:?}, {end:?}");
        }
        // Of a HEAD there is no body that could be untrue.
        let mut conn = site.conn();
        conn.send(get("/at/longer").replace("GET", "HEAD") + &get("/at/deep/twin"));
        assert_eq!(conn.read_head().expect_code(200).header("content-length"), "9");
        assert_eq!(conn.read().expect_code(200).text(), "deep twin");
    });
    assert!(notes(&site, "untrue").is_empty(), "what follows a cut is not executed");
}

#[test]
fn a_client_that_asked_for_the_next_in_time_gets_no_octet_of_the_former() {
    let site = TestServer::site().route("/at = services").start();
    for _ in 0..20 {
        let mut conn = site.conn();
        conn.send(get("/at/deep/one") + &get("/at/longer") + &get("/at/deep/two"));
        assert_eq!(conn.read().expect_code(200).text(), "deep one");
        let (rest, end) = conn.until_end();
        let rest = String::from_utf8_lossy(&rest);
        assert!(!rest.contains("forged") && !rest.contains("deep two") && end == End::Reset, "{end:?}: {rest}");
    }
}

#[test]
fn a_panic_in_a_body_ends_one_connection_and_is_counted_and_logged() {
    let site = TestServer::site().panics_expected().server("threads", "1").route("/at = services").start();
    let panics = || crate::status::tree(&site)["requests"]["panics"].as_u64().expect("a count");
    // One that is under way on the same thread.
    let mut other = site.begin("/pieces?pieces=20&millis=50");
    other.read_head().expect_code(200);
    for (nth, path) in ["/breaks?how=panic", "/pieces?pieces=1&end=panics", "/at/body-panics"].into_iter().enumerate() {
        let counted = panics();
        beside_a_healthy_client(&site, || {
            let (body, end) = cut(&site, &(get(path) + &get("/noted/panics/behind")));
            assert!(!body.contains("panics behind") && end == End::Reset, "{path}: {end:?}");
        });
        eventually("it is counted", || (panics() > counted).then_some(()));
        let lines = || site.log().lines().filter(|line| line.contains("panicked")).count();
        eventually("it is logged", || (lines() > nth).then_some(()));
    }
    let mut octets = 0;
    while let Some(chunk) = other.next_chunk() {
        octets += chunk.len();
    }
    assert_eq!(octets, 20 << 16, "the other stream is whole");
    assert!(notes(&site, "panics").is_empty());
}
