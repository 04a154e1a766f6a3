//! An operator's word about a member: what its calls come to, in all processes, and for how long.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

use super::{part, pid, site, succeeded, told};
use crate::harness::{Chaos, Conn, TestServer, eventually};
use crate::processes::{all_serve, serving};

const BROADCAST: &str = "/outcomes?cluster=members/rpc2&timeout=5000";

fn outcomes(site: &TestServer) -> Vec<Value> {
    let account = site.get(BROADCAST).expect_code(200).json();
    account["outcomes"].as_array().unwrap().clone()
}

fn reasons(site: &TestServer) -> Vec<String> {
    outcomes(site).iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
}

/// Asks one member each, on connections of their own so that every process is asked, until it is over. Every answer
/// must be a good one.
fn load(site: &TestServer, is_over: &AtomicBool) -> usize {
    let mut count = 0;
    while !is_over.load(Relaxed) {
        let mut conn = Conn::to(site.port());
        conn.send("GET /one?cluster=members HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        conn.read().expect_code(200);
        count += 1;
    }
    count
}

/// Nobody asks the member any more, while the others are asked.
fn is_left(site: &TestServer, chaos: &Chaos, member: usize) {
    let before = chaos.counted("requests");
    (0..60).for_each(|_| drop(site.get("/one?cluster=members").expect_code(200)));
    let after = chaos.counted("requests");
    assert_eq!(after[member], before[member], "{before:?} {after:?}");
    assert!(after.iter().sum::<u64>() >= before.iter().sum::<u64>() + 60, "{before:?} {after:?}");
}

#[test]
fn a_drained_member_is_left_under_load_and_comes_back() {
    let chaos = Chaos::start(3);
    let site = serving(site().section(&chaos.section("members", "")), 2);
    let (node, is_over) = (chaos.node(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(&site, &is_over))).collect();
        eventually("each has work", || chaos.counted("requests").iter().all(|count| *count > 20).then_some(()));
        let said = told(&site, "drain", &["@members", &node, "--why", "a new disk"]);
        assert!(said.contains(&format!("@members {node} is drained")), "{said}");
        // The words are on their way to both processes; a second is far more than that takes.
        let quiet = eventually("it gets no more calls", || {
            let before = chaos.counted("requests");
            is_left(&site, &chaos, 1);
            (chaos.counted("requests")[1] == before[1]).then_some(before[1])
        });
        let told_of = part(&site, "cluster:members")["clusters"]["members"]["members"][1].clone();
        let operator = &told_of["operator"];
        assert_eq!((&operator["word"], &operator["why"]), (&json!("drained"), &json!("a new disk")), "{told_of:#}");
        assert!(operator["who"].as_str().unwrap().starts_with("user id "), "{told_of:#}");
        assert!(operator["since"].as_u64().is_some_and(|since| since > 1_700_000_000), "{told_of:#}");
        assert_eq!(told_of["state"], "healthy", "its health is another matter: {told_of:#}");
        assert_eq!(chaos.counted("requests")[1], quiet);
        told(&site, "restore", &["members", &node]);
        eventually("it has work again", || (chaos.counted("requests")[1] > quiet + 10).then_some(()));
        is_over.store(true, Relaxed);
        let answered: usize = clients.into_iter().map(|client| client.join().expect("every answer was good")).sum();
        assert!(answered > 100, "{answered}");
    });
    let after = part(&site, "cluster:members")["clusters"]["members"]["members"][1].clone();
    assert!(after.get("operator").is_none_or(Value::is_null), "{after:#}");
}

#[test]
fn a_call_to_all_says_who_is_drained_and_the_last_one_fails_by_name() {
    let chaos = Chaos::start(2);
    let site = serving(site().section(&chaos.section("members", "")), 1);
    assert_eq!(reasons(&site), ["ok", "ok"]);
    told(&site, "drain", &["@members", &chaos.node(0), "--why", "a new disk"]);
    let out = eventually("it is left out", || {
        let all = outcomes(&site);
        (all[0]["reason"] == "drained").then_some(all)
    });
    let msg = out[0]["msg"].as_str().unwrap();
    assert!(msg.starts_with("not sent: the member was drained by user id ") && msg.ends_with("(a new disk)"), "{msg}");
    assert_eq!((&out[0]["status"], &out[1]["reason"]), (&json!(0), &json!("ok")), "{out:#?}");
    let covered = site.get(BROADCAST);
    assert_eq!(covered.header("x-coverage"), "members;ok=1;asked=2;not_sent=1", "{:?}", covered.headers);
    told(&site, "eject", &["@members", &chaos.node(1)]);
    eventually("nobody is left", || (reasons(&site) == ["drained", "ejected"]).then_some(()));
    let failed = site.get("/one?cluster=members").expect_code(502).text();
    assert!(failed.contains("operators keep every member of @members out"), "{failed}");
    told(&site, "restore", &["@members", &chaos.node(1)]);
    eventually("one serves", || (site.get("/one?cluster=members").code == 200).then_some(()));
    let metrics = site.ask("GET", "/metrics", &[("Authorization", &super::admin())], b"").expect_code(200).text();
    let line =
        format!("skitai_member_set_aside{{cluster=\"members\",member=\"{}\",word=\"drained\"}} 1\n", chaos.node(0));
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn to_eject_ends_what_the_member_has_and_to_drain_lets_it_end() {
    let chaos = Chaos::start(2);
    let site = serving(site().section(&chaos.section("members", "member_timeout = 30\nretries = 0")), 1);
    for (command, reason) in [("drain", "ok"), ("eject", "closed")] {
        chaos.zero();
        chaos.set(0, "latency 1500");
        let mut call = site.begin(BROADCAST);
        eventually("the call is there", || (chaos.counted("requests")[0] > 0).then_some(()));
        told(&site, command, &["@members", &chaos.node(0)]);
        let account = call.read().expect_code(200).json();
        let outcome = &account["outcomes"][0];
        assert_eq!(outcome["reason"], reason, "{command}: {outcome:#}");
        if command == "eject" {
            let msg = outcome["msg"].as_str().unwrap();
            assert!(
                msg.starts_with("cut: the member was ejected by user id ") && msg.contains("may have run"),
                "{msg}"
            );
            let took = outcome["latency_ms"].as_f64().or(outcome["latency"].as_f64());
            assert!(took.is_none_or(|took| took < 1_500.0), "{outcome:#}");
        }
        chaos.set(0, "pass");
        told(&site, "restore", &["@members", &chaos.node(0)]);
        eventually("it takes part", || (reasons(&site) == ["ok", "ok"]).then_some(()));
    }
}

#[test]
fn a_word_holds_over_crashes_reloads_and_upgrades_and_ends_with_the_instance() {
    let chaos = Chaos::start(2);
    let site = serving(site().own_port().section(&chaos.section("members", "")), 2);
    told(&site, "drain", &["@members", &chaos.node(1)]);
    let is_out = |what: &str| {
        all_serve(&site, 2);
        // Each on a connection of its own, so that both processes answer.
        (0..20).for_each(|_| assert_eq!(reasons(&site), ["ok", "drained"], "{what}"));
    };
    eventually("both obey", || (0..20).all(|_| reasons(&site)[1] == "drained").then_some(()));
    let before = pid(&site);
    std::process::Command::new("kill").args(["-9", &before.to_string()]).status().unwrap();
    succeeded(&site, before);
    is_out("after a crash");
    told(&site, "reload", &["--wait"]);
    is_out("after a reload");
    told(&site, "upgrade", &["--wait"]);
    is_out("after an upgrade");
    told(&site, "restart", &["--wait"]);
    all_serve(&site, 2);
    (0..20).for_each(|_| assert_eq!(reasons(&site), ["ok", "ok"], "a restart begins anew"));
}

#[test]
fn to_restore_ends_an_ejection_by_health() {
    let chaos = Chaos::start(2);
    let site = serving(site().section(&chaos.section("members", "eject_after = 2\neject_time = 600")), 1);
    chaos.set(1, "error 503");
    eventually("its health ejects it", || (reasons(&site)[1] == "ejected").then_some(()));
    chaos.set(1, "pass");
    assert_eq!(reasons(&site)[1], "ejected");
    told(&site, "restore", &["@members", &chaos.node(1)]);
    eventually("it takes part again", || (reasons(&site) == ["ok", "ok"]).then_some(()));
    let member = part(&site, "cluster:members")["clusters"]["members"]["members"][1].clone();
    assert_eq!((&member["state"], &member["readmitted_for"]), (&json!("healthy"), &json!("restored")), "{member:#}");
}

#[test]
fn a_database_is_taken_out_like_any_member() {
    // A database without a table is an empty file.
    let site = site().file("one.db", "").file("other.db", "");
    let site = serving(site.section("[@shards]\ntype = sqlite3\nmembers = one.db, other.db"), 1);
    let every = || site.get("/every?cluster=shards").expect_code(200).json();
    assert_eq!(every(), json!(["ok", "ok"]));
    let nodes = part(&site, "db:shards")["databases"]["shards"]["members"].clone();
    let node = nodes[0]["node"].as_str().unwrap();
    told(&site, "drain", &["@shards", node]);
    eventually("it is left out", || (every() == json!(["drained", "ok"])).then_some(()));
    told(&site, "eject", &["@shards", node, "--why", "moved"]);
    eventually("it is out", || (every() == json!(["ejected", "ok"])).then_some(()));
    let told_of = part(&site, "db:shards")["databases"]["shards"]["members"][0].clone();
    assert_eq!(told_of["operator"]["why"], "moved", "{told_of:#}");
    told(&site, "restore", &["@shards", node]);
    eventually("it takes part", || (every() == json!(["ok", "ok"])).then_some(()));
}

#[test]
fn who_is_meant_is_found_or_named() {
    let chaos = Chaos::start(2);
    let site = serving(site().section(&chaos.section("members", "")), 1);
    for (cluster, member, why) in [
        ("@nobody", "127.0.0.1:1", "there is no cluster @nobody; there is @members"),
        ("@members", "127.0.0.1:1", "@members has no member 127.0.0.1:1; it has 127.0.0.1:"),
    ] {
        let output = site.command("drain", &[cluster, member]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    // The command `status` has it among what is wrong.
    told(&site, "drain", &["members", &chaos.node(0), "--why", "a new disk"]);
    let status = eventually("it is shown", || {
        let status = told(&site, "status", &[]);
        status.contains("drained").then_some(status)
    });
    assert!(status.contains(&format!("@members: {} is drained by user id ", chaos.node(0))), "{status}");
    assert!(status.contains("(a new disk)"), "{status}");
    assert_eq!(reasons(&site), ["drained", "ok"]);
}
