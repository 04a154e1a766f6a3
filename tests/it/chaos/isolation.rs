//! A cluster that hangs under ten times what it can hold: refusals are quick, memory is flat, others go on, and when
//! the hang ends so does the trouble.

use std::thread::scope;
use std::time::{Duration, Instant};

use crate::harness::drive::{errors, quantile};
use crate::harness::{Chaos, Conn, Steady, TestServer, bound, eventually};

/// Two connections for the one thread, and ten calls that wait for each.
const CAPACITY: usize = 22;

#[test]
fn a_hanging_cluster_refuses_quickly_takes_no_memory_and_recovers() {
    let chaos = Chaos::start(1);
    let section = chaos.section("members", "connections = 2\nmember_timeout = 30");
    let site = TestServer::site().server("threads", "1").section(&section).start();
    let beside = || {
        let ended = Steady::on(&site, 150, 300).clients(4).run(|_| "/defaults?needed=1".to_owned());
        assert_eq!(errors(&ended).0, 0, "{}", errors(&ended).1);
        quantile(&ended, 0.9)
    };
    let alone = beside();
    chaos.set_all("hang");
    let flood = |requests: usize| {
        let ended = Steady::on(&site, requests, 300).clients(4).run(|_| "/full?cluster=members/rpc2".to_owned());
        for one in &ended {
            assert_eq!(one.code, 503, "{one:?}");
        }
        quantile(&ended, 0.9)
    };
    let mut held: Vec<Conn> = (0..CAPACITY).map(|_| site.conn()).collect();
    for conn in &mut held {
        conn.send("GET /full?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    chaos.wait_for_requests(2);
    flood(CAPACITY);
    let memory = site.memory();
    let (refused, others) = scope(|threads| {
        let flooding = threads.spawn(|| flood(CAPACITY * 9));
        (beside(), flooding.join().unwrap())
    });
    assert!(refused < Duration::from_secs(1), "a refusal took {refused:?}");
    assert!(others < alone * 10 + Duration::from_millis(50), "alone {alone:?}, beside a full cluster {others:?}");
    let grown = site.memory().saturating_sub(memory);
    assert!(grown < 16 << 20, "{grown} bytes more");
    assert_eq!(chaos.counted("requests"), [2], "what waits for a connection is not sent");

    chaos.set_all("pass");
    let ended = Instant::now();
    eventually("the cluster answers again", || (site.get("/full?cluster=members/rpc2").code == 200).then_some(()));
    // Whoever waited is served as well.
    for conn in &mut held {
        conn.read().expect_code(200);
    }
    let limit = bound(Duration::from_secs(5), Duration::from_secs(20));
    assert!(ended.elapsed() < limit, "recovery took {:?}", ended.elapsed());
}
