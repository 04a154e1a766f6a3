//! A plain `fn` may compute between its call and its wait: the call is on its way at once.

use std::time::Duration;

use crate::harness::{Chaos, TestServer};

#[test]
fn the_member_is_asked_before_the_handler_has_computed() {
    // Long, so that a busy machine has the time to send a request meanwhile.
    const COMPUTES: u64 = 1_500;
    let chaos = Chaos::start(1);
    let site = TestServer::site().server("threads", "1").section(&chaos.section("members", "")).start();
    let mut conn = site.conn();
    conn.send(format!("GET /computing?cluster=members/rpc2&millis={COMPUTES} HTTP/1.1\r\nHost: x\r\n\r\n"));
    chaos.wait_for_requests(1);
    // Still at work: what it asked for was answered long ago, and nothing comes to the client.
    assert!(conn.is_silent_for(Duration::from_millis(COMPUTES / 3)), "the member was asked after the work");
    assert_eq!(chaos.counted("answered"), [1]);
    assert_eq!(conn.read().expect_code(200).text(), "1");
}
