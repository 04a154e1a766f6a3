//! How much is kept, and where it is found.

use serde_json::{Value, json};

use super::{as_admin, keeping, listed, record_of, tries};
use crate::harness::{Conduct, Member, TestServer, eventually};
use crate::processes::serving;

/// What the status says of the records.
fn told(site: &TestServer) -> Value {
    as_admin(site, "/status.json?filter=records").expect_code(200).json()["records"].clone()
}

#[test]
fn the_ring_is_bounded_by_bytes() {
    const LIMIT: u64 = 20_000;
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = keeping().server("trace_ring", &LIMIT.to_string()).cluster("one", &[&member]).start();
    // A hundred records a second are made at most, so that not all of these are.
    let first = site.get("/outcomes?cluster=one&path=first").expect_code(200);
    let id = first.header("x-request-id").to_owned();
    record_of(&site, &first);
    eventually("the first has gone", || {
        (0..20).for_each(|_| drop(site.get("/outcomes?cluster=one").expect_code(200)));
        let told = told(&site);
        assert!(told["size"].as_u64().unwrap() <= LIMIT && told["limit"] == LIMIT, "{told}");
        (as_admin(&site, &format!("/status/trail/{id}.json")).code == 404).then_some(())
    });
    assert!((1..=50).contains(&listed(&site).len()));
}

#[test]
fn no_ring_keeps_nothing() {
    let site = keeping().server("trace_ring", "0").panics_expected().start();
    let reply = site.get("/panic").expect_code(500);
    let id = reply.header("x-request-id");
    assert_eq!(as_admin(&site, &format!("/status/trail/{id}.json")).code, 404);
    assert_eq!((listed(&site).len(), told(&site)), (0, Value::Null));
}

#[test]
fn a_record_is_found_from_any_process() {
    let member = Member::start(Conduct::Closed);
    let site = serving(TestServer::site().cluster("gone", &[&member]), 2);
    let ids: Vec<String> =
        (0..8).map(|_| site.get("/full?cluster=gone").expect_code(502).header("x-request-id").to_owned()).collect();
    // Whoever is asked asks the other, so all are found at each look, and in one list, newest first.
    for _ in 0..4 {
        let listed = eventually("all are listed", || Some(listed(&site)).filter(|listed| listed.len() == 8));
        let listed: Vec<&str> = listed.iter().map(|short| short["id"].as_str().unwrap()).collect();
        assert_eq!(listed, ids.iter().rev().collect::<Vec<_>>());
    }
    let mut pids: Vec<u64> = ids
        .iter()
        .map(|id| {
            let told = as_admin(&site, &format!("/status/trail/{id}.json")).expect_code(200).json();
            let record = told["records"][0].clone();
            assert_eq!(tries(&record)[0]["reason"], "refused", "{record:#}");
            record["process"].as_u64().unwrap()
        })
        .collect();
    pids.dedup();
    assert!(!pids.is_empty() && pids.iter().all(|pid| *pid > 0), "{pids:?}");
    let said = |words: &[&str]| {
        let command = site.command("trail", words);
        assert!(command.status.success(), "{command:?}");
        String::from_utf8(command.stdout).unwrap()
    };
    let list = said(&[]);
    assert!(list.lines().count() == 8 && ids.iter().all(|id| list.contains(id.as_str())), "{list}");
    let one = said(&[ids[0].as_str()]);
    assert!(one.contains("search of @gone, 0 of 1 ok") && one.contains("refused") && one.contains("connect "), "{one}");
    assert!(!site.command("trail", &["nobody"]).status.success());
    let command = site.command("status", &["--part", &format!("trail:{}", ids[0])]);
    let told: Value = serde_json::from_slice(&command.stdout).unwrap();
    assert_eq!(told["trail"][0]["id"], json!(ids[0]), "{told:#}");
}
