//! Who is ejected, and who never is: all threads know of it, the last member stays, an impatient caller proves nothing,
//! and a member that comes back is not run over.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::drive::errors;
use crate::harness::{Chaos, Conn, Ended, Steady, TestServer, eventually};
use crate::status;

/// What the threads know together of a member.
fn known(site: &TestServer, member: usize) -> Value {
    status::tree(site)["clusters"]["members"]["members"][member].clone()
}

#[test]
fn what_one_thread_learns_all_threads_know() {
    let chaos = Chaos::start(2);
    let site = TestServer::site().server("threads", "4").section(&chaos.section("members", "")).start();
    chaos.set(1, "error 503");
    // A connection stays with its thread; so many of them meet every thread.
    let mut conns: Vec<Conn> = (0..24).map(|_| site.conn()).collect();
    for conn in &mut conns {
        conn.send("GET /outcomes?cluster=members/rpc2&timeout=5000 HTTP/1.1\r\nHost: x\r\n\r\n");
        conn.read().expect_code(200);
    }
    // One after the other, and five failures eject: not five on every thread.
    assert_eq!(chaos.counted("requests"), [24, 5]);
    assert_eq!(known(&site, 1)["state"], "ejected");
}

#[test]
fn a_member_that_is_overloaded_and_alone_is_never_ejected() {
    let chaos = Chaos::start(1);
    // It can do 50 a second; the checks stand in the same queue and time out.
    chaos.set_all("latency 20 capacity 1");
    let keys = "check = http:/alive\ncheck_interval = 100ms\neject_after = 1\nmember_timeout = 5";
    let site = TestServer::site().section(&chaos.section("members", keys)).start();
    let ended = Steady::on(&site, 120, 1_000).clients(24).run(|nth| format!("/one?cluster=members&id={nth}"));
    assert_eq!(errors(&ended).0, 0, "{}", errors(&ended).1);
    let member = known(&site, 0);
    assert_eq!(member["ejections"], 0, "{member:#}");
    assert!(member["spared"].as_u64().unwrap() > 0, "the checks never failed, so nothing was shown: {member:#}");
}

#[test]
fn a_caller_that_waits_less_than_the_member_needs_ejects_nobody() {
    let chaos = Chaos::start(2);
    chaos.set_all("latency 300");
    let site = TestServer::site().section(&chaos.section("members", "eject_after = 2")).start();
    let ended = Steady::on(&site, 40, 400).run(|nth| format!("/one?cluster=members&id={nth}&timeout=20"));
    assert!(ended.iter().all(|one| one.code >= 500), "{}", errors(&ended).1);
    for member in 0..2 {
        let member = known(&site, member);
        assert_eq!((&member["state"], &member["ejections"]), (&"healthy".into(), &0.into()), "{member:#}");
    }
    // Those who wait are served, by both.
    let ended = Steady::on(&site, 20, 400).run(|nth| format!("/one?cluster=members&id={nth}"));
    assert_eq!(errors(&ended).0, 0, "{}", errors(&ended).1);
}

#[test]
fn a_member_that_returns_gets_its_share_little_by_little() {
    const WINDOW: Duration = Duration::from_secs(3);
    let chaos = Chaos::start(2);
    let keys = "balance = p2c\neject_after = 2\neject_time = 200ms\nslow_start = 3";
    let site = TestServer::site().section(&chaos.section("members", keys)).start();
    chaos.set(1, "error 503");
    let load = |requests: usize| -> Vec<Ended> {
        chaos.zero();
        Steady::on(&site, requests, 300).clients(2).run(|nth| format!("/one?cluster=members&id={nth}"))
    };
    load(40);
    assert_ne!(known(&site, 1)["state"], "healthy");
    chaos.set(1, "pass");
    eventually("a trial readmits it", || {
        load(1);
        (known(&site, 1)["state"] == "healthy").then_some(())
    });
    let returned = Instant::now();
    let share = |counted: Vec<u64>| counted[1] as f64 / (counted[0] + counted[1]) as f64;
    load(150);
    let (first, age) = (share(chaos.counted("requests")), returned.elapsed());
    std::thread::sleep(WINDOW.saturating_sub(returned.elapsed()));
    load(200);
    let last = share(chaos.counted("requests"));
    assert!((0.35..0.65).contains(&last), "its full share is a half, not {last:.2}");
    // A machine that stands still for longer than the window has nothing to show.
    if age < WINDOW / 3 {
        assert!(first < last * 0.7, "{first:.2} of the requests at once, {last:.2} later");
    }
}
