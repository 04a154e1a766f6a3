//! Who gets how much: a slow member less, a member that refuses quickly hardly anything; and a key keeps its member.

use std::collections::HashMap;

use crate::harness::drive::{errors, quantile};
use crate::harness::{Chaos, Ended, Steady, TestServer};

/// Shares of a load and how its requests ended.
fn load(chaos: &Chaos, requests: usize, keys: &str) -> (Vec<f64>, Vec<Ended>) {
    let site = TestServer::site().section(&chaos.section("members", keys)).start();
    let run = |requests: usize| Steady::on(&site, requests, 300).run(|nth| format!("/one?cluster=members&id={nth}"));
    // A member without a history is like any other.
    run(60);
    chaos.zero();
    let ended = run(requests);
    let counted = chaos.counted("requests");
    let all: u64 = counted.iter().sum();
    (counted.into_iter().map(|one| one as f64 / all as f64).collect(), ended)
}

#[test]
fn a_slow_member_slows_few() {
    let chaos = Chaos::start(3);
    chaos.set_all("latency 15");
    chaos.set(1, "latency 150");
    let (shares, in_turn) = load(&chaos, 400, "balance = round_robin");
    assert!(shares[1] > 0.25, "in turn everybody gets a third: {shares:?}");
    let (shares, by_pace) = load(&chaos, 400, "");
    assert!(shares[1] < 0.1, "the slow one gets {shares:?}");
    let [by_pace, in_turn] = [&by_pace, &in_turn].map(|ended| {
        assert_eq!(errors(ended).0, 0, "{}", errors(ended).1);
        quantile(ended, 0.9)
    });
    assert!(by_pace < in_turn, "by pace {by_pace:?}, in turn {in_turn:?}");
}

#[test]
fn a_member_that_refuses_quickly_attracts_nobody() {
    let chaos = Chaos::start(3);
    chaos.set_all("latency 10");
    for (faults, keys) in [
        ("error 429 retry_after 1", ""),
        ("error 429", ""),
        ("error 503", "max_ejected = 0"),
        ("error 429", "balance = p2c"),
        ("error 429", "balance = least"),
    ] {
        chaos.set(2, faults);
        let (shares, _) = load(&chaos, 150, keys);
        assert!(shares[2] < 0.15, "{faults}, {keys}: {shares:?}");
    }
}

#[test]
fn only_the_keys_of_a_removed_member_move() {
    const KEYS: usize = 300;
    let chaos = Chaos::start(10);
    let less: Vec<String> = (0..9).map(|member| chaos.node(member)).collect();
    let site = TestServer::site()
        .section(&chaos.section("ten", "balance = hash"))
        .section(&format!("[@nine]\nmembers = {}\nbalance = hash", less.join(", ")))
        .start();
    let homes = |cluster: &str| -> Vec<String> {
        let ended = Steady::on(&site, KEYS, 1_000).run(|nth| format!("/one?cluster={cluster}&key=user-{nth}"));
        assert_eq!(errors(&ended).0, 0, "{}", errors(&ended).1);
        ended
            .iter()
            .map(|one| serde_json::from_str::<HashMap<String, serde_json::Value>>(&one.body).unwrap())
            .map(|reply| reply["node"].as_str().unwrap().to_owned())
            .collect()
    };
    let (before, after) = (homes("ten"), homes("nine"));
    let removed = chaos.node(9);
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    let orphans = before.iter().filter(|home| **home == removed).count();
    assert_eq!(moved, orphans, "only those whose member is gone");
    // A tenth, give or take: 300 keys and the ring are both a little uneven.
    assert!(moved > 0 && moved <= KEYS / 5, "{moved} of {KEYS}");
}
