//! What operators say of members, in virtual time where there is one.

use futures_util::FutureExt as _;

use super::*;
use crate::balance::circuit::{Admitted, CallKind, EjectReason, Judged};
use crate::balance::health::CallEnd;
use crate::spec::{ClusterSpec, Member};

fn member(nth: usize) -> Member {
    Member { node: format!("member-{nth}").into(), ..Member::new("member", 80) }
}

fn spec(count: usize) -> ClusterSpec {
    ClusterSpec::new("asided", (0..count).map(member).collect())
}

fn words(said: &[(usize, SetAside)]) -> OperatorWords {
    let one = |(nth, word): &(usize, SetAside)| {
        let said = OperatorWord { word: *word, since: 7, who: "admin".to_owned(), why: "new disk".to_owned() };
        (format!("member-{nth}"), said)
    };
    said.iter().map(one).collect()
}

fn fail(health: &Health, index: usize) {
    let (member, now) = (health.member(index), health.now());
    let among = member.begun(now);
    let (call, judged) = (CallKind::Regular, Judged::Failed(EjectReason::Refused));
    let ended = CallEnd { call, judged, is_refusal: false, took: None, waited: None, among, msg: "refused" };
    member.ended(&ended, now);
}

fn barred(health: &Health, count: usize) -> Vec<bool> {
    (0..count).map(|index| health.candidate(index, health.now(), false).is_barred).collect()
}

#[test]
fn a_member_that_is_set_aside_gets_no_call_and_says_why() {
    let health = Health::new(&spec(3));
    health.obey(&words(&[(1, SetAside::Drained), (2, SetAside::Ejected)]), None);
    assert_eq!(barred(&health, 3), [false, true, true]);
    let admitted = |index| health.member(index).admit(health.now());
    assert_eq!((admitted(0), admitted(1), admitted(2)), (Admitted::Yes, Admitted::No, Admitted::No));
    let (reason, why) = health.member(1).refusal(health.now());
    assert_eq!((reason, why.as_str()), (Reason::Drained, "not sent: the member was drained by admin (new disk)"));
    assert_eq!(health.member(2).refusal(health.now()).0, Reason::Ejected);
    assert!(health.all_aside().is_none(), "one takes calls");
    health.obey(&words(&[(0, SetAside::Drained), (1, SetAside::Drained), (2, SetAside::Drained)]), None);
    assert_eq!(health.all_aside().map(|(reason, _)| reason), Some(Reason::Drained));
    health.obey(&OperatorWords::new(), None);
    assert_eq!(barred(&health, 3), [false, false, false]);
    let restored = health.candidate(1, health.now(), false).weight;
    assert!(restored < health.candidate(0, health.now(), false).weight * 2, "all three begin slowly: {restored}");
}

#[test]
fn who_comes_back_begins_slowly_and_who_was_there_does_not() {
    let health = Health::new(&spec(2));
    health.obey(&words(&[(1, SetAside::Drained)]), None);
    health.obey(&OperatorWords::new(), Some("member-1"));
    let weight = |index| health.candidate(index, health.now(), false).weight;
    assert!(weight(1) < weight(0) / 2, "{} beside {}", weight(1), weight(0));
    // One that takes part already loses nothing by being restored.
    health.obey(&OperatorWords::new(), Some("member-0"));
    assert!(weight(0) > weight(1) * 2, "{} beside {}", weight(0), weight(1));
}

#[test]
fn to_restore_ends_an_ejection_by_health() {
    let health = Health::new(&spec(3));
    (0..5).for_each(|_| fail(&health, 2));
    assert!(health.member(2).is_closed());
    health.obey(&OperatorWords::new(), Some("member-1"));
    assert!(health.member(2).is_closed(), "another one was meant");
    health.obey(&OperatorWords::new(), Some("member-2"));
    assert!(!health.member(2).is_closed() && health.member(2).admit(health.now()) == Admitted::Yes);
}

#[test]
fn the_last_one_that_takes_calls_is_not_ejected_by_its_health() {
    let mut spec = spec(3);
    spec.rules.max_ejected = 100;
    let health = Health::new(&spec);
    health.obey(&words(&[(0, SetAside::Drained)]), None);
    for index in [1, 2] {
        (0..5).for_each(|_| fail(&health, index));
    }
    assert_eq!([1, 2].map(|index| health.member(index).is_closed()), [true, false]);
    // A trial does not go to one that is set aside, whatever is due.
    health.obey(&words(&[(0, SetAside::Drained), (1, SetAside::Drained)]), None);
    assert_eq!(health.due(health.now() + Duration::from_secs(60)), None);
    health.obey(&words(&[(0, SetAside::Drained)]), None);
    assert_eq!(health.member(1).admit(health.now()), Admitted::Yes, "it is restored from both");
}

#[test]
fn a_member_that_goes_and_comes_again_is_still_set_aside() {
    let health = Health::new(&spec(2));
    health.obey(&words(&[(1, SetAside::Drained), (2, SetAside::Ejected)]), None);
    let alone = health.succeeded(&[member(0)], |_| false);
    assert_eq!(barred(&alone, 1), [false]);
    let all = alone.succeeded(&[member(0), member(1), member(2)], |_| true);
    assert_eq!(barred(&all, 3), [false, true, true]);
}

#[tokio::test]
async fn to_eject_ends_what_is_under_way_and_to_drain_does_not() {
    let health = Health::new(&spec(2));
    let switch = health.member(0).cut_switch();
    let mut cut = pin!(switch.cut());
    assert!(cut.as_mut().now_or_never().is_none());
    health.obey(&words(&[(0, SetAside::Drained)]), None);
    assert!(cut.as_mut().now_or_never().is_none());
    health.obey(&words(&[(0, SetAside::Ejected)]), None);
    assert!(cut.as_mut().now_or_never().is_some());
    assert!(switch.cut().now_or_never().is_some(), "what begins a moment later, too");
    let (reason, why) = health.member(0).cut_off(true);
    assert_eq!(reason, Reason::Closed);
    assert!(why.starts_with("cut: the member was ejected by admin (new disk)"), "{why}");
    assert_eq!(health.member(0).cut_off(false).0, Reason::Ejected);
}
