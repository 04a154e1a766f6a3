//! How many answers are enough: completion rules, `fetch`, and several calls under one deadline.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Conduct, Member, Postgres, TestServer, eventually};
use crate::status;

/// Well above what an early end takes on a busy machine, well below the 20 s that it must not take.
const EARLY: Duration = Duration::from_secs(10);

fn fine() -> Member {
    Member::start(Conduct::Fine("<int>1</int>"))
}

fn hanging() -> Member {
    Member::start(Conduct::Hangs)
}

fn reasons(account: &Value) -> Vec<&str> {
    account["outcomes"].as_array().unwrap().iter().map(|outcome| outcome["reason"].as_str().unwrap()).collect()
}

/// The account of a map under a rule, which must end early although a member hangs.
#[track_caller]
fn early(site: &TestServer, rule: &str) -> Value {
    let began = Instant::now();
    let account = site.get(&format!("/outcomes?cluster=members/rpc2&timeout=20000&rule={rule}")).expect_code(200);
    assert!(began.elapsed() < EARLY, "{rule} took {:?}", began.elapsed());
    account.json()
}

#[test]
fn a_rule_that_is_met_ends_the_wait_and_closes_the_other_sockets() {
    let members = [hanging(), fine(), fine(), hanging()];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    for rule in ["first:2", "quorum:2", "fraction:0.5"] {
        let account = early(&site, rule);
        assert_eq!(reasons(&account), ["cancelled", "ok", "ok", "cancelled"], "{rule}");
        let coverage =
            json!({"asked": 4, "ok": 2, "partial": 0, "failed": 0, "timed_out": 0, "cancelled": 2, "not_sent": 0});
        assert_eq!(account["coverage"], coverage);
    }
    // Asked and let go, not kept until their own timeout.
    members[0].abandoned();
    members[3].abandoned();
    let tree = status::tree(&site);
    let asked = &tree["clusters"]["members"]["members"][0];
    assert_eq!((&asked["cancelled"], &asked["timed_out"]), (&json!(3), &json!(0)), "{asked:#}");
}

#[test]
fn a_rule_that_can_no_longer_be_met_ends_the_wait_too() {
    let members = [hanging(), Member::start(Conduct::Closed), Member::start(Conduct::Fault(1, "no")), fine()];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    // Two failures of four: the fourth is not waited for either, should it come last.
    assert_eq!(reasons(&early(&site, "quorum:3"))[..3], ["cancelled", "refused", "fault"]);
    let account = early(&site, "all_or_error");
    assert_eq!(account["outcomes"][0]["reason"], "cancelled", "{account:#}");
    assert!(account["coverage"]["ok"].as_u64().unwrap() <= 1);
}

#[test]
fn fetch_is_data_or_an_error_with_every_reason() {
    let (good, dead) = (fine(), Member::start(Conduct::Closed));
    let site = TestServer::site().cluster("members", &[&good, &dead]).cluster("good", &[&good]).start();
    assert_eq!(site.get("/fetch?cluster=good/rpc2&way=lb").expect_code(200).json(), 1);
    assert_eq!(site.get("/fetch?cluster=good/rpc2&way=map").expect_code(200).json(), json!([1]));
    assert_eq!(site.get("/fetch?cluster=members/rpc2&way=map&quorum=1").expect_code(200).json(), json!([1]));
    for query in ["cluster=members/rpc2&way=map", "cluster=members/rpc2&way=map&quorum=2"] {
        let refused = site.get(&format!("/fetch?{query}")).expect_code(502).text();
        assert!(refused.contains(&dead.node()) && refused.contains("refused"), "{refused}");
    }
}

#[test]
fn calls_of_different_kinds_share_one_deadline() {
    let (good, slow) = (fine(), hanging());
    let site = TestServer::site().cluster("good", &[&good]).cluster("slow", &[&slow, &good]).start();
    let began = Instant::now();
    let three = site.get("/together?first=slow/rpc2&second=good/rpc2&timeout=500").expect_code(200).json();
    assert!(began.elapsed() < EARLY, "they took {:?}", began.elapsed());
    assert_eq!(reasons(&three[0]), ["deadline", "ok"]);
    assert_eq!(reasons(&three[1]), ["ok"]);
    assert_eq!(reasons(&three[2]), ["undeclared"], "no such database in this configuration");
}

#[test]
fn statements_that_are_no_longer_wanted_are_cancelled_at_the_database() {
    let site = TestServer::site().section(&Postgres::shared().shards("shards")).start();
    let began = Instant::now();
    let account = site.get("/nearest").expect_code(200).json();
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    assert_eq!(reasons(&account), ["cancelled", "ok", "cancelled"]);
    assert_eq!(account["outcomes"][1]["data"][0]["seven"], 7);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'SELECT 7 AS seven%'";
    eventually("the other statements are over", || {
        (Postgres::shared().psql("shard0", sleeping).trim() == "0").then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(20), "they ran to their end");
}
