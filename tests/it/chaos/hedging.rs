//! Second requests: where members stall they save the slowest callers for a few more requests; where members fail they
//! stay within the budget; what may not run twice does not.

use std::time::Duration;

use crate::harness::drive::{errors, quantile};
use crate::harness::{Chaos, Steady, TestServer, bound};

const STALL: Duration = Duration::from_millis(1_500);

#[test]
fn a_hedge_saves_the_slowest_callers_for_a_few_more_requests() {
    const REQUESTS: usize = 800;
    let chaos = Chaos::start(10);
    let site = TestServer::site().section(&chaos.section("members", "balance = p2c\nhedge = yes")).start();
    let load = |requests: usize| {
        let ended = Steady::on(&site, requests, 500).clients(48).run(|nth| format!("/one?cluster=members&id={nth}"));
        assert_eq!(errors(&ended).0, 0, "{}", errors(&ended).1);
        ended
    };
    // The members are met while they are well: a quantile needs answers.
    load(400);
    chaos.zero();
    chaos.set_all("stall 5 1500");
    // One request in twenty stalls: of fifty, two would be as late as a stall.
    let slowest = quantile(&load(REQUESTS), 0.98);
    assert!(slowest < bound(STALL * 2 / 3, STALL), "{slowest:?} although others would have answered");
    let each = chaos.sums().0 as f64 / REQUESTS as f64;
    // A twentieth is the purpose; a busy machine makes more calls late, up to the budget.
    assert!(each > 1.0 && each <= 1.25, "{each} requests for each");
}

#[test]
fn when_all_members_fail_the_extra_requests_stay_within_the_budget() {
    const REQUESTS: usize = 600;
    let chaos = Chaos::start(10);
    chaos.set_all("error 500");
    let keys = "hedge = yes\nretries = 9\nmax_ejected = 0";
    let site = TestServer::site().section(&chaos.section("members", keys)).start();
    let ended = Steady::on(&site, REQUESTS, 400).run(|nth| format!("/one?cluster=members&id={nth}"));
    assert_eq!(errors(&ended).0, REQUESTS, "nobody could have answered");
    let seconds = ended.iter().map(|one| (one.at + one.took).as_secs()).max().unwrap() + 2;
    let (requests, most) = chaos.sums();
    let extra = requests - REQUESTS as u64;
    // A fifth, and ten a second.
    assert!(extra > 0 && extra <= REQUESTS as u64 / 5 + 10 * seconds, "{extra} extra requests in {seconds} s");
    assert!(most <= 10, "one request came {most} times: a member was asked again");
}

#[test]
fn what_is_not_idempotent_is_never_sent_twice() {
    let chaos = Chaos::start(4);
    let keys = "hedge = yes\nretries = 3\nmember_timeout = 400ms\nmax_ejected = 0";
    let site = TestServer::site().section(&chaos.section("members", keys)).start();
    let path = |nth: usize, more: &str| format!("/one?cluster=members&way=call&id={nth}{more}");
    // So that there are quantiles, and a hedge would have a reason.
    Steady::on(&site, 200, 500).run(|nth| path(nth, ""));
    chaos.set(0, "reset");
    chaos.set(1, "stall 50 600");
    chaos.set(2, "error 503");
    chaos.zero();
    let ended = Steady::on(&site, 300, 300).run(|nth| path(nth, ""));
    let (requests, most) = chaos.sums();
    assert_eq!((requests, most), (300, 1), "each once, whatever became of it");
    assert!(errors(&ended).0 > 0, "the faults were not met");
    // The same calls, said to be idempotent: now they may.
    let ended = Steady::on(&site, 300, 300).run(|nth| path(nth + 1_000, "&idempotent=yes"));
    assert!(chaos.sums().1 >= 2 && errors(&ended).0 <= 15, "{}", errors(&ended).1);
}
