//! What a process has learnt of its members goes to the process that takes its place: who is ejected and until when,
//! and what the budget of extra requests has left; through a reload, an upgrade and a crash.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::drive::errors;
use crate::harness::{Chaos, Scenario, Steady, TestServer, eventually, ports};

/// A cluster whose second member is soon out, and for long; and two databases at which nobody listens.
fn site(chaos: &Chaos) -> Scenario {
    let databases: Vec<String> = (0..2).map(|_| format!("127.0.0.1:{}/db/user/secret", ports::free())).collect();
    TestServer::site_of(&["/ = testsite", "/process = supervised"])
        .server("supervise", "yes")
        .server("drain_idle", "100ms")
        .section(&chaos.section("members", "eject_after = 2\neject_time = 600"))
        .section(&format!(
            "[@shards]\ntype = postgresql\nmembers = {}\neject_after = 2\neject_time = 600",
            databases.join(", ")
        ))
}

fn outcomes(site: &TestServer) -> Vec<Value> {
    let account = site.get("/outcomes?cluster=members/rpc2&timeout=5000").expect_code(200).json();
    account["outcomes"].as_array().unwrap().clone()
}

/// The reasons of all members.
fn reasons(site: &TestServer) -> Vec<String> {
    outcomes(site).iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect()
}

/// The reasons of both databases, in the order of the alphabet: at most one may be out, whichever it is.
fn of_databases(site: &TestServer) -> Value {
    let mut reasons: Vec<String> = serde_json::from_value(site.get("/every?cluster=shards").json()).unwrap();
    reasons.sort();
    json!(reasons)
}

fn pid(site: &TestServer) -> u64 {
    site.get("/process/pid").expect_code(200).text().parse().expect("a number")
}

fn status(site: &TestServer) -> Value {
    serde_json::from_slice(&site.command("status", &["--json"]).stdout).expect("it runs")
}

fn told(site: &TestServer, command: &str) {
    let output = site.command(command, &["--wait"]);
    assert!(output.status.success(), "{output:?}");
}

fn kill(pid: u64) {
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
}

/// How many seconds ago a member was ejected, and in how many it is tried again, as its outcome says.
fn ejection(outcome: &Value) -> (f64, f64) {
    let text = outcome["msg"].as_str().unwrap();
    let number = |before: &str| -> f64 {
        let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("no `{before}` in {outcome:#}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    (number("was ejected "), number("tried again in "))
}

/// The second member fails until it is out, and so does one of the databases.
fn ejected(site: &TestServer, chaos: &Chaos) {
    chaos.set(1, "error 503");
    eventually("the member is out", || (reasons(site)[1] == "ejected").then_some(()));
    eventually("a database is out", || (of_databases(site) == json!(["ejected", "refused"])).then_some(()));
    chaos.set(1, "pass");
}

/// Waits until the supervisor knows what the process knows now.
fn supervisor_knows(site: &TestServer) {
    let since = Instant::now();
    // Each call is something that the process has learnt.
    outcomes(site);
    eventually("the supervisor is told", || {
        let ago = Duration::from_millis(status(site)["processes"][0]["learnt_ms"].as_u64()?);
        (ago < since.elapsed()).then_some(())
    });
}

/// Waits until this process has left, and its successor alone answers.
fn succeeded(site: &TestServer, before: u64) {
    eventually("another process serves", || {
        let processes = status(site)["processes"].clone();
        let process = &processes[0];
        let is_alone = processes.as_array()?.len() == 1 && process["state"] == "serving";
        (is_alone && process["pid"].as_u64()? != before).then_some(())
    });
    assert_ne!(pid(site), before);
}

/// The member is out as it would have been without `act`, by which the process is replaced.
fn stays_out(site: &TestServer, chaos: &Chaos, act: impl FnOnce(u64)) {
    let before = pid(site);
    // Some time passes, so that a rest that begins anew would be longer.
    let (_, left) =
        eventually("it has been out for a while", || Some(ejection(&outcomes(site)[1])).filter(|(ago, _)| *ago >= 3.0));
    supervisor_knows(site);
    chaos.zero();
    act(before);
    succeeded(site, before);
    let all = outcomes(site);
    assert_eq!(all.iter().map(|one| &one["reason"]).collect::<Vec<_>>(), ["ok", "ejected", "ok"], "{all:#?}");
    let (ago, still_left) = ejection(&all[1]);
    assert!(ago >= 2.0 && still_left <= left + 1.0, "out for {ago} s, {left} s were left, and now {still_left} s");
    assert_eq!(chaos.counted("requests")[1], 0, "nobody asked it");
    assert_eq!(of_databases(site), json!(["ejected", "refused"]));
}

#[test]
fn who_is_ejected_stays_so_through_a_reload_and_a_crash() {
    let chaos = Chaos::start(3);
    let site = site(&chaos).start();
    ejected(&site, &chaos);
    stays_out(&site, &chaos, |_| told(&site, "reload"));
    // The successor tells what it was told.
    stays_out(&site, &chaos, |_| told(&site, "reload"));
    stays_out(&site, &chaos, kill);
    let (exit, _, log, _) = site.stop();
    assert!(exit.success() && !log.contains("cannot be read"), "{log}");
}

#[test]
fn who_is_ejected_stays_so_through_an_upgrade() {
    let chaos = Chaos::start(3);
    let (scenario, original) = site(&chaos).own_program("site-of-its-own");
    let path = scenario.dir().join("site-of-its-own");
    let site = scenario.start();
    ejected(&site, &chaos);
    let upgrade = |_: u64| {
        let aside = path.with_extension("new");
        std::fs::copy(&original, &aside).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        told(&site, "upgrade");
    };
    stays_out(&site, &chaos, upgrade);
    // The new supervisor has it from the old one, before a process of its own has told anything.
    upgrade(0);
    let told = status(&site)["processes"].clone();
    let new = told.as_array().unwrap().iter().find(|process| process["state"] == "serving").unwrap();
    let before = new["pid"].as_u64().unwrap();
    kill(before);
    succeeded(&site, before);
    assert_eq!(reasons(&site), ["ok", "ejected", "ok"]);
}

#[test]
fn a_changed_list_keeps_the_members_that_stay() {
    let chaos = Chaos::start(4);
    let nodes: Vec<String> = (0..4).map(|member| chaos.node(member)).collect();
    let list = |of: [usize; 3]| format!("members = {}", of.map(|member| nodes[member].clone()).join(", "));
    let keys = "eject_after = 2\neject_time = 600";
    let site = TestServer::site_of(&["/ = testsite", "/process = supervised"])
        .server("supervise", "yes")
        .server("drain_idle", "100ms")
        .section(&format!("[@members]\n{}\n{keys}", list([0, 1, 2])))
        .start();
    chaos.set(1, "error 503");
    eventually("the member is out", || (reasons(&site)[1] == "ejected").then_some(()));
    chaos.set(1, "pass");
    supervisor_knows(&site);
    let before = pid(&site);
    site.rewrite(&list([0, 1, 2]), &list([3, 2, 1]));
    told(&site, "reload");
    succeeded(&site, before);
    let all = outcomes(&site);
    let seen: Vec<_> = all.iter().map(|one| (one["node"].as_str().unwrap(), one["reason"].as_str().unwrap())).collect();
    assert_eq!(seen, [(&*nodes[3], "ok"), (&*nodes[2], "ok"), (&*nodes[1], "ejected")]);
    // The last one is never out, whatever was known of it.
    supervisor_knows(&site);
    let before = pid(&site);
    site.rewrite(&list([3, 2, 1]), &format!("members = {}", nodes[1]));
    told(&site, "reload");
    succeeded(&site, before);
    assert_eq!(reasons(&site), ["ok"]);
}

/// A fifth of the requests of ten seconds, whichever process had them. (That a budget which is used up is not filled is
/// a unit test: ten a second are always allowed, so a slow machine could not tell.)
#[test]
fn a_reload_leaves_the_budget_of_extra_requests_as_it_was() {
    const EXTRA: usize = 60;
    let chaos = Chaos::start(2);
    let site = TestServer::site_of(&["/ = testsite", "/process = supervised"])
        .server("supervise", "yes")
        .server("drain_idle", "100ms")
        .section(&chaos.section("members", "retries = 1\nmax_ejected = 0"))
        .start();
    let load = |requests: usize| Steady::on(&site, requests, 1_000).run(|nth| format!("/one?cluster=members&id={nth}"));
    let is_kept = (0..10).any(|_| {
        chaos.set_all("pass");
        let began = Instant::now();
        assert_eq!(errors(&load(20 * EXTRA)).0, 0);
        let before = pid(&site);
        supervisor_knows(&site);
        told(&site, "reload");
        succeeded(&site, before);
        chaos.set_all("error 503");
        chaos.zero();
        load(EXTRA);
        let asked: u64 = chaos.counted("requests").iter().sum();
        // A busy machine took longer than the budget remembers: once more.
        if began.elapsed() > Duration::from_secs(9) {
            return false;
        }
        assert_eq!(asked, 2 * EXTRA as u64, "each was to be repeated");
        true
    });
    assert!(is_kept, "this machine never did it within ten seconds");
}

/// What is known of them is longer than a socket's buffer, and than what is told with latencies.
#[test]
fn hundreds_of_members_are_handed_on_too() {
    const MEMBERS: usize = 1_000;
    let port = ports::free();
    let members: Vec<String> =
        (0..MEMBERS).map(|nth| format!("127.0.{}.{}:{port}", 1 + nth / 200, 1 + nth % 200)).collect();
    let (scenario, original) = TestServer::site_of(&["/ = testsite", "/process = supervised"])
        .server("supervise", "yes")
        .server("drain_idle", "100ms")
        .section(&format!(
            "[@members]\nmembers = {}\neject_after = 1\neject_time = 600\nmax_ejected = 100",
            members.join(", ")
        ))
        .own_program("site-of-its-own");
    let path = scenario.dir().join("site-of-its-own");
    let site = scenario.start();
    let out = || reasons(&site).iter().filter(|reason| *reason == "ejected").count();
    // The last one is never out.
    eventually("all but one are out", || (out() == MEMBERS - 1).then_some(()));
    for command in ["reload", "upgrade", "reload"] {
        supervisor_knows(&site);
        let before = pid(&site);
        let aside = path.with_extension("new");
        std::fs::copy(&original, &aside).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        told(&site, command);
        succeeded(&site, before);
        assert_eq!(out(), MEMBERS - 1, "{command}");
    }
    assert!(site.log().contains("learns latencies anew"), "it was too short for this test");
}
