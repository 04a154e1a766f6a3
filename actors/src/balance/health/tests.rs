//! Health and choice together in virtual time: which members are called when latencies differ or change, or all stall.

use std::time::Duration;

use super::*;
use crate::balance::pick::{Dice, Picker};
use crate::spec::Balance;

const MILLI: Duration = Duration::from_millis(1);
/// Between two calls, in milliseconds.
const GAP: u64 = 5;
const SECOND: u64 = 1_000;

struct Cluster {
    health: Health,
    picker: Picker,
    /// In milliseconds.
    paces: Vec<u64>,
    now: u64,
    /// When each call ends, its member, when it began, and how many calls the member had then.
    running: Vec<(u64, usize, u64, usize)>,
}

impl Cluster {
    fn of(paces: &[u64]) -> Cluster {
        let member = |nth| Member { node: format!("member-{nth}").into(), ..Member::new("member", 80) };
        let members = (0..paces.len()).map(member).collect();
        let spec = ClusterSpec { balance: Balance::Ewma, ..ClusterSpec::new("paces", members) };
        let picker = Picker::new(spec.balance, &vec![1; paces.len()], FULL_WEIGHT, Dice::seeded(3));
        Cluster { health: Health::new(&spec), picker, paces: paces.to_vec(), now: 0, running: Vec::new() }
    }

    /// One call every 5 ms; returns each member's share in percent. All stand still in the last `pause` milliseconds of
    /// every second: what was due then happens at the end of that second.
    fn run(&mut self, millis: u64, pause: u64) -> Vec<f64> {
        let mut counts = vec![0; self.paces.len()];
        for due in (self.now..self.now + millis).step_by(GAP as usize) {
            let into = due % SECOND;
            self.now = if into >= SECOND - pause { due - into + SECOND } else { due };
            self.end();
            let time = MILLI * self.now as u32;
            let index = self.picker.pick(0, |index| self.health.candidate(index, time, true)).expect("one is free");
            let among = self.health.member(index).begun(time);
            self.running.push((self.now + self.paces[index], index, self.now, among));
            counts[index] += 1;
        }
        self.now += GAP;
        counts.into_iter().map(|count| 100.0 * f64::from(count) / (millis / GAP) as f64).collect()
    }

    fn end(&mut self) {
        let now = self.now;
        for (_, index, begun, among) in self.running.extract_if(.., |(end, ..)| *end <= now) {
            let ended = CallEnd {
                call: CallKind::Regular,
                judged: Judged::Good,
                is_refusal: false,
                took: Some(MILLI * (now - begun) as u32),
                waited: None,
                among,
                msg: "",
            };
            self.health.member(index).ended(&ended, MILLI * now as u32);
        }
    }
}

/// A cluster of three after this many answers within 5 ms of each of the first two members.
fn answered(hedge: bool, count: u32) -> Health {
    let member = |nth| Member { node: format!("member-{nth}").into(), ..Member::new("member", 80) };
    let health = Health::new(&ClusterSpec { hedge, ..ClusterSpec::new("hedged", (0..3).map(member).collect()) });
    for _ in 0..count {
        (0..2).for_each(|index| answer(&health, index, 5));
    }
    health
}

fn answer(health: &Health, index: usize, millis: u32) {
    let member = health.member(index);
    let among = member.begun(MILLI);
    let (call, judged, took) = (CallKind::Regular, Judged::Good, Some(MILLI * millis));
    let ended = CallEnd { call, judged, is_refusal: false, took, waited: None, among, msg: "" };
    member.ended(&ended, MILLI * (1 + millis));
}

#[test]
fn the_answers_of_all_tell_when_a_call_to_a_member_is_late() {
    let p95 = |health: &Health, index: usize| health.member(index).p95(MILLI * 10);
    let is_near = |found: Option<Duration>| found.is_some_and(|late| late >= MILLI * 5 && late < MILLI * 6);
    // Ten answers of each are too few of its own, and enough together.
    let health = answered(true, 10);
    assert!(is_near(p95(&health, 0)), "{:?}", p95(&health, 0));
    // Who has not answered yet may be dead, and is found out only by a call that waits for it.
    assert_eq!(p95(&health, 2), None);
    answer(&health, 2, 5);
    assert!(is_near(p95(&health, 2)), "{:?}", p95(&health, 2));
    // A slow one is known by its own answers.
    (0..6).for_each(|_| answer(&health, 2, 80));
    assert!(p95(&health, 2).is_some_and(|late| late >= MILLI * 80), "{:?}", p95(&health, 2));

    // Nobody else learns for all.
    let health = answered(false, 10);
    assert_eq!(p95(&health, 0), None);
    let health = answered(false, 20);
    assert!(is_near(p95(&health, 0)), "{:?}", p95(&health, 0));
}

#[test]
fn a_slow_member_is_left_alone_but_for_a_call_now_and_then() {
    let mut cluster = Cluster::of(&[20, 20, 200]);
    cluster.run(SECOND, 0);
    // One call in 16 s, of 200 calls a second.
    let shares = cluster.run(120 * SECOND, 0);
    assert!(shares[2] > 0.0 && shares[2] < 0.1, "{shares:?}");
}

#[test]
fn pauses_of_everything_do_not_make_a_slow_member_look_like_the_others() {
    for pause in [50, 100, 300, 500] {
        let mut cluster = Cluster::of(&[20, 20, 200]);
        cluster.run(2 * SECOND, pause);
        let shares = cluster.run(60 * SECOND, pause);
        assert!(shares[2] < 1.0, "{pause} ms: {shares:?}");
    }
}

#[test]
fn a_member_that_becomes_slow_is_left_alone_within_a_second() {
    let mut cluster = Cluster::of(&[20, 20, 20]);
    cluster.run(10 * SECOND, 0);
    cluster.paces[1] = 400;
    cluster.run(SECOND, 0);
    let shares = cluster.run(20 * SECOND, 0);
    assert!(shares[1] < 0.2, "{shares:?}");
}

#[test]
fn a_member_that_becomes_quick_again_is_found_out() {
    let mut cluster = Cluster::of(&[20, 20, 200]);
    cluster.run(10 * SECOND, 0);
    cluster.paces[2] = 20;
    cluster.run(17 * SECOND, 0);
    let shares = cluster.run(10 * SECOND, 0);
    assert!(shares[2] > 30.0, "{shares:?}");
}

#[test]
fn a_member_that_hangs_gets_no_more_than_it_can_be_thought_to_bear() {
    let mut cluster = Cluster::of(&[20, 20, 20]);
    cluster.run(10 * SECOND, 0);
    cluster.paces[0] = 60 * SECOND;
    let shares = cluster.run(20 * SECOND, 0);
    assert!(shares[0] < 0.5, "{shares:?}");
}

#[test]
fn callers_that_wait_too_short_tell_who_is_slow() {
    let cluster = Cluster::of(&[20, 20]);
    let member = cluster.health.member(1);
    let among = member.begun(MILLI);
    let waited = Some(MILLI * 50);
    let ended = CallEnd {
        call: CallKind::Regular,
        judged: Judged::Neutral,
        is_refusal: false,
        took: None,
        waited,
        among,
        msg: "",
    };
    member.ended(&ended, MILLI * 51);
    let known = |index| cluster.health.candidate(index, MILLI * 51, true).estimate;
    assert!(known(1).micros > 49_000, "{:?}", known(1));
    assert_eq!(known(0).micros, 0);
    // It says nothing of how long answers take.
    assert_eq!(member.p95(MILLI * 51), None);
}
