//! Panics everywhere under load: every request has its answer, within its time, and the server is as good as before.

use std::time::Duration;

use crate::harness::drive::quantile;
use crate::harness::{Chaos, Steady, TestServer};

#[test]
fn panics_under_load_leave_no_request_without_an_answer() {
    let chaos = Chaos::start(3);
    chaos.set(2, "hang");
    let site =
        TestServer::site().panics_expected().server("deadline", "3").section(&chaos.section("members", "")).start();
    let paths = [
        ("/panic", 500),
        ("/outcomes?cluster=members/rpc2&timeout=200", 200),
        ("/panic-plain", 500),
        ("/filtered?cluster=members/rpc2", 200),
        ("/defaults?needed=1", 200),
        ("/blocking?n=10", 200),
    ];
    let ended = Steady::on(&site, 600, 300).clients(32).run(|nth| paths[nth % paths.len()].0.to_owned());
    for (nth, one) in ended.iter().enumerate() {
        assert_eq!(one.code, paths[nth % paths.len()].1, "{}: {one:?}", paths[nth % paths.len()].0);
    }
    assert!(quantile(&ended, 1.0) < Duration::from_secs(10), "{:?}", quantile(&ended, 1.0));
    site.get("/blocking?n=10").expect_code(200);
    assert_eq!(site.log().lines().filter(|line| line.contains("panicked")).count(), 200);
}
