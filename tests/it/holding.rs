//! A handler that holds its thread is named while it holds it.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{TestServer, eventually};
use crate::status::basic;

fn site(devel: &str) -> TestServer {
    TestServer::site().route("/holding = holding").server("devel", devel).server("threads", "2").start()
}

fn lines(site: &TestServer, word: &str) -> Vec<String> {
    site.log().lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

/// The status page, as a thread that is free gives it.
fn held(site: &TestServer) -> Value {
    let login = basic("admin", crate::harness::server::ADMIN_PASSWORD);
    let mut conn = site.conn();
    conn.send(format!("GET /status/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n"));
    conn.read().expect_code(200).json()
}

#[test]
fn who_holds_a_thread_is_named_while_it_does() {
    let site = site("yes");
    // What waits, or computes on the blocking pool, holds nobody.
    let (mut waits, mut plain) = (site.begin("/holding/waits"), site.begin("/holding/holds-plainly?ms=1600"));
    waits.read().expect_code(504);
    plain.read().expect_code(200);
    assert_eq!(lines(&site, "holds its thread"), [""; 0]);
    assert_eq!(held(&site)["held"].as_array().map(Vec::len), Some(0));
    assert_eq!(held(&site)["process"]["tasks"]["watchdog"], 1);

    let mut holding = site.begin("/holding/holds?ms=6000");
    let line = eventually("it is named", || lines(&site, "holds its thread").pop());
    assert!(line.contains("WARN") && line.contains("holding::holds"), "{line}");
    assert!(line.contains("rule=\"/holds\"") && line.contains("thread="), "{line}");
    assert_eq!(lines(&site, "has let go"), [""; 0], "it still holds it");
    let now = held(&site);
    assert_eq!(now["held"][0]["rule"], "/holds", "{now}");
    assert!(now["held"][0]["handler"].as_str().unwrap().ends_with("holding::holds"), "{now}");
    holding.read().expect_code(200);
    let end = eventually("its end is told", || lines(&site, "has let go").pop());
    assert!(end.contains("holding::holds"), "{end}");
    eventually("the page forgets it", || (held(&site)["held"].as_array()?.is_empty()).then_some(()));
    // One line for each hold, however often the watchdog looked.
    assert_eq!((lines(&site, "holds its thread").len(), lines(&site, "has let go").len()), (1, 1), "{}", site.log());
    site.begin("/holding/holds?ms=1700").read().expect_code(200);
    eventually("each hold has its lines", || (lines(&site, "has let go").len() == 2).then_some(()));
    assert_eq!(lines(&site, "holds its thread").len(), 2);
}

#[test]
fn production_waits_five_seconds_before_it_speaks() {
    let site = site("no");
    let mut short = site.begin("/holding/holds?ms=2500");
    let mut long = None;
    short.read().expect_code(200);
    assert_eq!(lines(&site, "holds its thread"), [""; 0]);
    let conn = long.insert(site.begin("/holding/holds?ms=6500"));
    let line = eventually("it is named", || lines(&site, "holds its thread").pop());
    let so_far: f64 = line.split("for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(so_far >= 5.0, "{line}");
    conn.read().expect_code(200);
    let (status, took, log, _) = site.stop();
    assert!(status.success() && took < Duration::from_secs(20), "{took:?}");
    assert!(!log.contains("1 watchdog"), "it ends with the site: {log}");
}
