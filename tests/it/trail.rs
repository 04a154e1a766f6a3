//! The record of a request: kept if it was slow, failed or partial; with the course of every call, instant by instant,
//! and the reason of every choice.

mod bounds;
mod courses;
mod discreet;
mod statements;

use serde_json::Value;

use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Reply, Scenario, TestServer, eventually};
use crate::status::basic;

/// A site that keeps every request.
fn keeping() -> Scenario {
    TestServer::site().server("slow", "0")
}

fn as_admin(site: &TestServer, path: &str) -> Reply {
    site.ask("GET", path, &[("Authorization", &basic("admin", ADMIN_PASSWORD))], b"")
}

/// The records that are kept, in short, newest first; those of looking at them are left out.
fn listed(site: &TestServer) -> Vec<Value> {
    let told = as_admin(site, "/status.json?filter=trail").expect_code(200).json();
    let all = told["trail"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|short| !short["path"].as_str().unwrap().starts_with("/status")).collect()
}

/// The record of the request that this is the reply to.
#[track_caller]
fn record_of(site: &TestServer, reply: &Reply) -> Value {
    let id = reply.header("x-request-id");
    assert!(!id.is_empty(), "{reply:?}");
    record_with(site, id)
}

#[track_caller]
fn record_with(site: &TestServer, id: &str) -> Value {
    let path = format!("/status/trail/{id}.json");
    let told = eventually("the record is kept", || {
        let reply = as_admin(site, &path);
        (reply.code == 200).then(|| reply.json())
    });
    let record = told["records"][0].clone();
    assert_eq!(record["id"], *id, "{told:#}");
    adds_up(&record);
    record
}

/// The parts of every try lie one behind the other, without a gap, and are all of it.
#[track_caller]
fn adds_up(record: &Value) {
    for one in tries(record) {
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number: {one:#}"));
        let mut at = number(&one["at_us"]);
        for part in one["parts"].as_array().unwrap() {
            assert_eq!(number(&part["at_us"]), at, "{one:#}");
            at += number(&part["us"]);
        }
        assert_eq!(at, number(&one["at_us"]) + number(&one["took_us"]), "{one:#}");
        assert!(at <= number(&record["total_us"]), "{record:#}");
    }
}

fn tries(record: &Value) -> Vec<Value> {
    let calls = record["calls"].as_array().unwrap();
    calls.iter().flat_map(|call| call["tries"].as_array().unwrap().clone()).collect()
}

/// The milliseconds of a try's part; 0 without it.
fn part(one: &Value, name: &str) -> f64 {
    let parts = one["parts"].as_array().unwrap().iter().filter(|part| part["name"] == *name);
    parts.map(|part| part["us"].as_f64().unwrap() / 1e3).sum()
}

fn last_part(one: &Value) -> &str {
    one["parts"].as_array().unwrap().last().expect("a part")["name"].as_str().unwrap()
}
