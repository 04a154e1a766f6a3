//! Five members that end in five ways: one account in their order, and one error that has all of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Chaos, TestServer};

#[test]
fn five_ways_to_end_are_told_in_order() {
    let chaos = Chaos::start(5);
    for (member, faults) in ["pass", "error 500", "fault 4711", "hang", "refuse"].into_iter().enumerate() {
        chaos.set(member, faults);
    }
    let site = TestServer::site().section(&chaos.section("members", "")).start();
    let began = Instant::now();
    let account = site.get("/outcomes?cluster=members/rpc2&timeout=1000").expect_code(200).json();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(3), "it took {took:?}");

    let outcomes = account["outcomes"].as_array().unwrap();
    let column = |name: &str| outcomes.iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    let nodes: Vec<Value> = (0..5).map(|member| json!(chaos.node(member))).collect();
    assert_eq!(column("node"), nodes, "the order of the configuration");
    assert_eq!(column("status"), [3, 2, 2, 1, 0].map(Value::from), "{account:#}");
    let reasons = ["ok", "http_status", "fault", "deadline", "refused"];
    assert_eq!(column("reason"), reasons.map(Value::from), "{account:#}");
    let coverage =
        json!({"asked": 5, "ok": 1, "partial": 0, "failed": 2, "timed_out": 1, "cancelled": 0, "not_sent": 1});
    assert_eq!(account["coverage"], coverage);

    // Three were needed: one error with the count of the good one and the reasons of the others.
    let refused = site.get("/required?cluster=members/rpc2&least=3&timeout=1000").expect_code(502).text();
    assert!(refused.contains("1 of 5 ok"), "{refused}");
    for (member, reason) in reasons.into_iter().enumerate().skip(1) {
        assert!(refused.contains(&format!("{} {reason}: ", chaos.node(member))), "{refused}");
    }
    let answers = site.get("/required?cluster=members/rpc2&least=1&timeout=1000").expect_code(200).json();
    assert_eq!(answers.as_array().map(Vec::len), Some(1), "{answers}");
}

#[test]
fn five_dead_members_are_an_error_and_never_an_empty_list() {
    let chaos = Chaos::start(5);
    let site = TestServer::site().section(&chaos.section("members", "")).start();
    for faults in ["refuse", "reset", "error 503", "fault 1", "hang"] {
        chaos.set_all(faults);
        for rule in ["required?least=0", "fetch?way=map"] {
            let reply = site.get(&format!("/{rule}&cluster=members/rpc2&timeout=300"));
            assert!([502, 504].contains(&reply.code), "{faults}, {rule}: {} {}", reply.code, reply.text());
            for member in 0..5 {
                assert!(reply.text().contains(&chaos.node(member)), "{faults}, {rule}: {}", reply.text());
            }
        }
    }
}
