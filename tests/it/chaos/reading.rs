//! A client that stops reading stops the members' work for it, and one that leaves ends it.

use std::time::{Duration, Instant};

use crate::harness::{Chaos, TestServer, eventually};

#[test]
fn a_client_that_stops_reading_stalls_the_fan_out_behind_it() {
    const ROUNDS: u64 = 2_000;
    let chaos = Chaos::start(2);
    chaos.set_all("bytes 65536");
    let site = TestServer::site().section(&chaos.section("members", "")).start();
    let memory = site.memory();
    let mut conn = site.conn();
    conn.send(format!("GET /rounds?cluster=members/rpc2&rounds={ROUNDS} HTTP/1.1\r\nHost: x\r\n\r\n"));
    conn.read_head().expect_code(200);
    let mut asked = 0;
    let stalled = eventually("the members are left alone", || {
        let before = std::mem::replace(&mut asked, chaos.counted("requests")[0]);
        std::thread::sleep(Duration::from_millis(200));
        (before == asked && asked > 0).then_some(asked)
    });
    assert!(stalled < ROUNDS / 4, "{stalled} of {ROUNDS} rounds for a client that reads nothing");
    let grown = site.memory().saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes for {stalled} rounds of 128 KiB");
    // It reads on, and the work goes on.
    for _ in 0..20 {
        conn.next_chunk().expect("more of it");
    }
    eventually("the members are asked again", || (chaos.counted("requests")[0] > stalled).then_some(()));
}

#[test]
fn answers_come_in_the_order_of_their_arrival_and_a_client_that_leaves_ends_the_rest() {
    let chaos = Chaos::start(10);
    // The first of the configuration is the last to answer.
    for member in 0..10 {
        chaos.set(member, &format!("latency {}", (10 - member) * 100));
    }
    let site = TestServer::site().section(&chaos.section("members", "")).start();
    let mut conn = site.conn();
    let ask = "GET /arrivals?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n";
    conn.send(ask).read_head().expect_code(200);
    let began = Instant::now();
    let mut nodes = Vec::new();
    let mut first = None;
    while let Some(line) = conn.next_chunk() {
        first.get_or_insert_with(|| began.elapsed());
        nodes.push(serde_json::from_slice::<serde_json::Value>(&line).unwrap()["node"].as_str().unwrap().to_owned());
    }
    assert_eq!(nodes, (0..10).rev().map(|member| chaos.node(member)).collect::<Vec<_>>());
    assert!(first.unwrap() < began.elapsed() / 2, "the first came after {first:?} of {:?}", began.elapsed());

    chaos.zero();
    chaos.set_all("hang");
    chaos.set(9, "pass");
    conn.send(ask).read_head().expect_code(200);
    conn.next_chunk().expect("the one that answers");
    chaos.wait_for_requests(10);
    drop(conn);
    let left = Instant::now();
    eventually("the others see their caller leave", || {
        (chaos.counted("lost") == [1, 1, 1, 1, 1, 1, 1, 1, 1, 0]).then_some(())
    });
    // Sooner than any time of their own ends: the members have 10 s, the stream 20.
    assert!(left.elapsed() < Duration::from_secs(5), "they were held for {:?}", left.elapsed());
}
