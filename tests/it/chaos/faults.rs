//! Faults under steady load: with retries and checks a caller of `lb` hardly sees them.

use std::time::Duration;

use crate::harness::drive::errors;
use crate::harness::{Chaos, Ended, Steady, TestServer};

/// Quick to find out: the defaults would need minutes. One retry for each other member.
const KEYS: &str = "retries = 3\ncheck = http:/alive\ncheck_interval = 100ms\nmember_timeout = 300ms\n\
                    eject_after = 3\neject_time = 300ms\nslow_start = 0";

/// What may be lost before the checks have seen a fault.
const INTERVAL: Duration = Duration::from_millis(100);

fn load(site: &TestServer, requests: usize) -> Vec<Ended> {
    Steady::on(site, requests, 200).run(|nth| format!("/one?cluster=members&id={nth}"))
}

#[test]
fn one_failing_member_of_four_costs_hardly_an_error() {
    let chaos = Chaos::start(4);
    let site = TestServer::site().section(&chaos.section("members", KEYS)).start();
    assert_eq!(errors(&load(&site, 40)).0, 0, "without a fault");
    for (turn, faults) in ["refuse", "hang", "error 500", "reset", "latency 200"].into_iter().enumerate() {
        let member = turn % 4;
        chaos.set(member, faults);
        let ended = load(&site, 120);
        let late: Vec<Ended> = ended.into_iter().filter(|one| one.at >= INTERVAL).collect();
        let (failed, first) = errors(&late);
        assert!(failed <= 1, "{faults}: {failed} of {} failed, the first {first}", late.len());
        chaos.set(member, "pass");
    }
}

#[test]
fn a_flapping_member_costs_hardly_an_error() {
    let chaos = Chaos::start(4);
    let site = TestServer::site().section(&chaos.section("members", KEYS)).start();
    for round in 0..6 {
        chaos.set(2, if round % 2 == 0 { "refuse" } else { "pass" });
        let (failed, first) = errors(&load(&site, 50));
        assert!(failed <= 1, "round {round}: {failed} of 50, the first {first}");
    }
}

#[test]
fn the_last_good_member_answers_for_all() {
    let chaos = Chaos::start(4);
    let site = TestServer::site().section(&chaos.section("members", &format!("{KEYS}\nmax_ejected = 100"))).start();
    chaos.set(0, "refuse");
    chaos.set(1, "error 500");
    chaos.set(2, "reset");
    let ended = load(&site, 400);
    let late: Vec<Ended> = ended.into_iter().filter(|one| one.at >= INTERVAL).collect();
    assert_eq!(errors(&late).0, 0, "{}", errors(&late).1);
    assert!(late.iter().all(|one| one.body.contains(&chaos.node(3))), "who else answered?");
}
