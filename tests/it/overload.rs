//! Too much for one cluster harms nobody else, and handlers that hold up their worker are named.

use std::time::{Duration, Instant};

use crate::harness::{Conduct, Conn, Member, TestServer};

/// With two connections, twenty calls may wait for one of them.
const CAPACITY: usize = 22;

#[test]
fn a_hanging_cluster_refuses_at_once_when_it_is_full_and_slows_nobody() {
    let hanging = Member::start(Conduct::Hangs);
    let members = format!("[@members]\nmembers = {}\nconnections = 2", hanging.node());
    let site = TestServer::site().server("threads", "1").section(&members).start();
    let quick = || {
        let began = Instant::now();
        site.get("/defaults?needed=1").expect_code(200);
        began.elapsed()
    };
    let best = |count: usize| (0..count).map(|_| quick()).min().expect("at least one");
    let alone = best(20);
    let held: Vec<Conn> = (0..CAPACITY)
        .map(|_| {
            let mut conn = site.conn();
            conn.send("GET /full?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n");
            conn
        })
        .collect();
    hanging.wait_for_requests(2);
    // One worker serves them in the order they came; this answer says that it has seen them all.
    quick();
    for _ in 0..CAPACITY * 9 {
        let began = Instant::now();
        let refused = site.get("/full?cluster=members/rpc2").expect_code(503);
        assert!(began.elapsed() < Duration::from_secs(1), "a refusal took {:?}", began.elapsed());
        assert_eq!(refused.header("retry-after"), "1");
        assert!(refused.text().contains("no_permit"), "{}", refused.text());
    }
    let beside = best(20);
    assert!(beside < alone * 10 + Duration::from_millis(20), "alone {alone:?}, beside a full cluster {beside:?}");
    assert_eq!(hanging.requests(), 2, "what waits for a connection is not sent");
    // Once they leave there is room again.
    drop(held);
    hanging.abandoned();
    let mut conn = site.conn();
    conn.send("GET /full?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n");
    hanging.wait_for_requests(3);
}

#[test]
fn devel_mode_names_a_handler_that_holds_its_worker() {
    let held = |devel: &str| {
        let site = TestServer::site().server("devel", devel).start();
        site.get("/defaults?needed=1").expect_code(200);
        site.get("/hold?millis=60").expect_code(200);
        let log = site.stop().2;
        log.lines().filter(|line| line.contains("held its worker")).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = held("yes");
    assert!(lines.iter().any(|line| line.contains("testsite::hold")), "{lines:?}");
    assert!(held("no").is_empty(), "outside devel mode nobody looks");
}
