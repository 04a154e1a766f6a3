//! A cluster that goes on from a history decides as the one that told it; and nonsense in a history harms nobody.

use proptest::prelude::*;

use super::*;
use crate::balance::circuit::{Admitted, CallKind, EjectReason, Judged};
use crate::balance::health::{CallEnd, Extra, Health};
use crate::spec::{Check, CheckKind, ClusterSpec, DbMember, DbSpec, Member, Rules, Shard};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const REFUSED: Judged = Judged::Failed(EjectReason::Refused);

fn spec(members: u16) -> ClusterSpec {
    let members = (1..=members).map(|port| Member::new("member", port)).collect();
    let rules = Rules { eject_after: 3, max_ejected: 67, ..Rules::default() };
    ClusterSpec { hedge: true, rules, ..ClusterSpec::new("members", members) }
}

fn end(health: &Health, index: usize, call: CallKind, judged: Judged, took: u32, now: Duration) {
    let member = health.member(index);
    let among = member.begun(now);
    let took = (judged == Judged::Good).then(|| MILLI * took);
    let ended = CallEnd { call, judged, is_refusal: judged != Judged::Good, took, waited: None, among, msg: "no" };
    member.ended(&ended, now);
}

fn fail(health: &Health, index: usize, times: usize, now: Duration) {
    (0..times).for_each(|_| end(health, index, CallKind::Regular, REFUSED, 0, now));
}

fn resumed(spec: &ClusterSpec, history: &ClusterHistory, age: Duration) -> Health {
    Health::after(spec, Some(Past { history, age }))
}

fn is_out(health: &Health, index: usize, now: Duration) -> bool {
    health.candidate(index, now, false).is_out
}

/// How many extra requests are granted at once.
fn granted(health: &Health, now: Duration) -> usize {
    (0..10_000).take_while(|_| health.withdraw(Extra::Retry, now)).count()
}

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
enum Event {
    Passes(u32),
    Answers(usize, u32),
    Fails(usize),
    Asks(u32),
    Repeats,
    Holds(usize, u32),
    Checked(usize, bool),
}

fn events(count: usize) -> impl Strategy<Value = Vec<Event>> {
    let member = 0usize..3;
    let event = prop_oneof![
        4 => (1u32..20_000).prop_map(Event::Passes),
        4 => (member.clone(), 1u32..900).prop_map(|(member, took)| Event::Answers(member, took)),
        6 => member.clone().prop_map(Event::Fails),
        1 => (1u32..90).prop_map(Event::Asks),
        2 => Just(Event::Repeats),
        1 => (member.clone(), 1u32..30_000).prop_map(|(member, time)| Event::Holds(member, time)),
        3 => (member, any::<bool>()).prop_map(|(member, passed)| Event::Checked(member, passed)),
    ];
    prop::collection::vec(event, 0..count)
}

/// Lets it happen; returns what was decided.
fn happens(health: &Health, has_checks: bool, event: &Event, now: &mut Duration) -> String {
    let call = |index: usize, judged, took| {
        // As a call of `lb`: a trial that is due comes first.
        let due = health.due(*now);
        let (index, call) = due.map_or((index, CallKind::Regular), |index| (index, CallKind::Trial));
        end(health, index, call, judged, took, *now);
        format!("{index} {call:?}")
    };
    match event {
        Event::Passes(time) => {
            *now += MILLI * *time;
            String::new()
        }
        Event::Answers(index, took) => call(*index, Judged::Good, *took),
        Event::Fails(index) => call(*index, REFUSED, 0),
        Event::Asks(times) => {
            (0..*times).for_each(|_| health.deposit(*now));
            String::new()
        }
        Event::Repeats => health.withdraw(Extra::Retry, *now).to_string(),
        Event::Holds(index, time) => {
            health.member(*index).hold(MILLI * *time, *now);
            String::new()
        }
        Event::Checked(index, is_passed) if has_checks => {
            let result = if *is_passed { Ok(()) } else { Err("no".to_owned()) };
            health.member(*index).checked(result, *now);
            String::new()
        }
        Event::Checked(..) => String::new(),
    }
}

/// All that a choice sees.
fn seen(health: &Health, now: Duration) -> String {
    let each = |index| {
        let (until, is_on_trial) = health.member(index).trial();
        let left = until.saturating_sub(now);
        let (p95, seen) = (health.member(index).p95(now), health.candidate(index, now, true));
        // Nobody waits for the end of an ejection that is over.
        format!("{seen:?} {is_on_trial} {p95:?} {:?}\n", if seen.is_out { left } else { Duration::ZERO })
    };
    (0..3).map(each).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_goes_on_decides_like_what_was(
        has_checks: bool,
        before in events(120),
        gap in 0u32..15_000,
        after in events(120),
    ) {
        let check = has_checks.then_some(Check { kind: CheckKind::Tcp, interval: SECOND });
        let spec = ClusterSpec { check, ..spec(3) };
        let was = Health::new(&spec);
        let mut now = SECOND;
        for event in &before {
            happens(&was, has_checks, event, &mut now);
        }
        let history = was.history(now);
        now += MILLI * gap;
        let text = serde_json::to_string(&history).expect("it is plain data");
        let read: ClusterHistory = serde_json::from_str(&text).expect("it was written");
        let is = resumed(&spec, &read, MILLI * gap);
        prop_assert!(is.now() >= now && is.now() < now + 60 * SECOND, "{:?} is not {now:?}", is.now());
        prop_assert_eq!(seen(&was, now), seen(&is, now), "{}", text);
        // Told again, it is the same.
        prop_assert_eq!(was.history(now), is.history(now));
        let mut then = now;
        for event in &after {
            let decided = happens(&was, has_checks, event, &mut now);
            prop_assert_eq!(decided, happens(&is, has_checks, event, &mut then), "{:?} after {}", event, text);
            prop_assert_eq!(seen(&was, now), seen(&is, now), "{:?} after {}", event, text);
        }
    }
}

#[test]
fn an_ejection_ends_when_it_would_have_and_the_next_is_twice_as_long() {
    let (spec, mut now) = (spec(3), 100 * SECOND);
    let was = Health::new(&spec);
    fail(&was, 1, 3, now);
    let (until, _) = was.member(1).trial();
    assert!(is_out(&was, 1, now) && until > now + 8 * SECOND);
    now += 4 * SECOND;
    // Three seconds pass before the next process is there. It is to eject for a minute from now on.
    let rules = Rules { eject_time: 60 * SECOND, ..spec.rules };
    let is = resumed(&ClusterSpec { rules, ..spec }, &was.history(now), 3 * SECOND);
    assert_eq!(is.member(1).trial(), (until, false));
    assert_eq!((is.due(until - MILLI), is.member(1).admit(until - MILLI)), (None, Admitted::No));
    assert_eq!(is.due(until), Some(1));
    end(&is, 1, CallKind::Trial, REFUSED, 0, until);
    let next = is.member(1).trial().0 - until;
    assert!(next > 107 * SECOND && next < 133 * SECOND, "{next:?}");
    assert!(is.member(1).explain(until + SECOND).contains("refused (no)"), "{}", is.member(1).explain(until));
}

#[test]
fn a_trial_in_flight_is_the_other_process_s() {
    let (spec, now) = (spec(3), 100 * SECOND);
    let was = Health::new(&spec);
    fail(&was, 0, 3, now);
    let until = was.member(0).trial().0;
    assert_eq!(was.due(until), Some(0));
    let is = resumed(&spec, &was.history(until), Duration::ZERO);
    assert_eq!((was.due(until), is.due(until)), (None, Some(0)));
}

#[test]
fn the_budget_is_not_filled_anew() {
    let (spec, now) = (spec(3), 100 * SECOND);
    let was = Health::new(&spec);
    (0..1_000).for_each(|_| was.deposit(now));
    assert_eq!(granted(&was, now), 200);
    let history = was.history(now);
    assert_eq!(granted(&resumed(&spec, &history, Duration::ZERO), now), 0);
    assert_eq!(granted(&resumed(&spec, &history, 10 * SECOND), now + 10 * SECOND), 10);
    // And not lost: it is what the requests before have earned.
    let earned = Health::new(&spec);
    (0..1_000).for_each(|_| earned.deposit(now));
    assert_eq!(granted(&resumed(&spec, &earned.history(now), SECOND), now + SECOND), 200);
}

#[test]
fn another_list_keeps_who_is_on_both() {
    let now = 100 * SECOND;
    let was = Health::new(&ClusterSpec { rules: Rules { max_ejected: 50, ..spec(4).rules }, ..spec(4) });
    fail(&was, 1, 3, now);
    fail(&was, 3, 3, now);
    (0..30).for_each(|_| end(&was, 2, CallKind::Regular, Judged::Good, 700, now));
    let history = was.history(now);
    let of = |ports: &[u16], max_ejected| {
        let members = ports.iter().map(|port| Member { weight: 5, ..Member::new("member", *port) }).collect();
        let spec = ClusterSpec { members, rules: Rules { max_ejected, ..spec(4).rules }, ..spec(4) };
        let health = resumed(&spec, &history, Duration::ZERO);
        (0..ports.len()).map(|index| is_out(&health, index, now)).collect::<Vec<_>>()
    };
    // By their names: 2 and 4 are out, wherever they stand; 5, 6 and 7 are new.
    assert_eq!(of(&[5, 4, 3, 2, 6, 7], 50), [false, true, false, true, false, false]);
    assert_eq!(of(&[1, 3, 5], 50), [false; 3]);
    // No more are out than may be, and the last one never is.
    assert_eq!(of(&[2, 4], 50), [true, false]);
    assert_eq!(of(&[4], 100), [false]);
    assert_eq!(of(&[1, 2, 3, 4], 0), [false; 4]);
    let moved = ClusterSpec { members: vec![Member::new("member", 3), Member::new("member", 9)], ..spec(2) };
    let health = resumed(&moved, &history, Duration::ZERO);
    assert!(health.member(0).p95(now).is_some_and(|late| late > 600 * MILLI));
    assert_eq!((health.member(1).p95(now), health.candidate(1, now, true).estimate.micros), (None, 0));
}

#[test]
fn databases_go_on_too() {
    let member = |name: &str| DbMember { node: name.into(), shard: Shard::Sqlite { path: name.into() }, weight: 1 };
    let spec = DbSpec::new("shards", vec![member("one"), member("two"), member("three")]);
    let was = Health::of_databases(&spec);
    (0..5).for_each(|_| was.member(0).record(CallKind::Regular, REFUSED, "no"));
    (0..4).for_each(|_| was.member(1).record(CallKind::Regular, REFUSED, "no"));
    let history = was.history(was.now());
    let is = Health::of_databases_after(&spec, Some(Past { history: &history, age: Duration::ZERO }));
    assert!(is.member(0).is_closed() && !is.member(1).is_closed());
    assert_eq!(is.member(0).admit(was.now()), Admitted::No);
    // A good answer wipes out what was, and one failure more would have ejected.
    is.member(1).record(CallKind::Regular, Judged::Good, "");
    (0..4).for_each(|_| is.member(1).record(CallKind::Regular, REFUSED, "no"));
    assert!(!is.member(1).is_closed());
    let is = Health::of_databases_after(
        &DbSpec { rules: Rules { max_ejected: 100, ..spec.rules }, ..spec },
        Some(Past { history: &history, age: Duration::ZERO }),
    );
    is.member(1).record(CallKind::Regular, REFUSED, "no");
    assert!(is.member(1).is_closed(), "the fifth in a row");
}

/// A history with everything in it.
fn full() -> ClusterHistory {
    let (spec, now) = (spec(3), 100 * SECOND);
    let health = Health::new(&spec);
    for index in 0..3 {
        (0..40).for_each(|nth| end(&health, index, CallKind::Regular, Judged::Good, 5 + nth, now));
    }
    fail(&health, 1, 3, now);
    (0..20).for_each(|_| health.deposit(now));
    assert!(health.withdraw(Extra::Hedge, now));
    health.member(2).hold(SECOND, now);
    fail(&health, 2, 1, now);
    let history = health.history(now);
    let member = &history.members[1];
    assert!(member.circuit.is_some() && member.pace.is_some() && member.latency.is_some() && member.penalty.is_some());
    history
}

fn circuit(history: &mut ClusterHistory) -> &mut CircuitHistory {
    history.members[1].circuit.as_mut().expect("it is full")
}

fn pace(history: &mut ClusterHistory) -> &mut PaceHistory {
    history.members[1].pace.as_mut().expect("it is full")
}

fn latency(history: &mut ClusterHistory) -> &mut HistogramHistory {
    history.members[1].latency.as_mut().expect("it is full")
}

#[test]
fn nonsense_is_taken_within_bounds() {
    type Spoil = fn(&mut ClusterHistory);
    let kinds: &[(&str, Spoil)] = &[
        ("no clock", |all| all.clock_ms = 0),
        ("a clock without end", |all| all.clock_ms = u64::MAX),
        ("nobody", |all| all.members.clear()),
        ("one name for all", |all| all.members.iter_mut().for_each(|one| one.node = "member:2".to_owned())),
        ("no name", |all| all.members.iter_mut().for_each(|one| one.node.clear())),
        ("an ejection without end", |all| circuit(all).left_ms = u64::MAX),
        ("since ever", |all| circuit(all).since_ms = u64::MAX),
        ("an unknown state", |all| circuit(all).state = "asleep".to_owned()),
        ("an unknown reason", |all| circuit(all).why = Some("boredom".to_owned())),
        ("ejected again and again", |all| circuit(all).row = u32::MAX),
        ("failures without end", |all| circuit(all).failures = u32::MAX),
        ("checks without end", |all| (circuit(all).passed, circuit(all).missed) = (u32::MAX, u32::MAX)),
        ("on trial for ever", |all| {
            *circuit(all) = CircuitHistory { state: "probing".to_owned(), since_ms: u64::MAX, ..circuit(all).clone() };
        }),
        ("readmitted before time began", |all| {
            circuit(all).readmitted = Some((u64::MAX, "answered".to_owned()));
            all.members[1].ramped_ms = Some(u64::MAX);
        }),
        ("held for ever", |all| all.members[2].held_ms = Some(u64::MAX)),
        ("a failure in the far future", |all| all.members[1].last = Some((u64::MAX, "x".repeat(100_000)))),
        ("a penalty that is no number", |all| {
            all.members[1].penalty = Some(PenaltyHistory { halvings: f64::NAN, ago_ms: 0 });
        }),
        ("a penalty without end", |all| {
            all.members[1].penalty = Some(PenaltyHistory { halvings: f64::INFINITY, ago_ms: u64::MAX });
        }),
        ("a penalty below none", |all| {
            all.members[1].penalty = Some(PenaltyHistory { halvings: -1e300, ago_ms: 7 });
        }),
        ("a penalty of a thousand halvings", |all| {
            all.members[1].penalty = Some(PenaltyHistory { halvings: 1e3, ago_ms: 0 });
        }),
        ("slower than anything", |all| (pace(all).micros, pace(all).room) = (u32::MAX, u32::MAX)),
        ("asked before time began", |all| pace(all).asked_ms = u64::MAX),
        ("answers of no time and of all", |all| {
            pace(all).recent.answers = vec![(0, 0, 0), (u32::MAX, u32::MAX, u64::MAX)];
            (pace(all).recent.room, pace(all).recent.room_ms) = (0, u64::MAX);
        }),
        ("too many answers", |all| pace(all).recent.answers = vec![(7, 1, 0); 10_000]),
        ("buckets that are none", |all| latency(all).counts = vec![(usize::MAX, 7), (170, 7), (3, 7), (3, 9)]),
        ("buckets that overflow", |all| latency(all).counts = (0..1_000).map(|index| (index, u32::MAX)).collect()),
        ("a prior that overflows", |all| {
            let counts = (0..170).map(|index| (index, u32::MAX)).collect();
            all.latency = Some(HistogramHistory { counts, halved_ms: u64::MAX });
        }),
        ("a budget without end", |all| {
            let slot = BudgetSlotHistory { ago_s: 0, requests: u64::MAX, extra: u64::MAX };
            all.budget = (0..100).map(|ago_s| BudgetSlotHistory { ago_s, ..slot }).collect();
        }),
        ("a budget of the far past", |all| all.budget.iter_mut().for_each(|slot| slot.ago_s = u64::MAX)),
        ("nothing", |all| *all = ClusterHistory::default()),
    ];
    for (what, spoil) in kinds {
        for age in [Duration::ZERO, SECOND, Duration::from_millis(u64::MAX)] {
            let mut history = full();
            spoil(&mut history);
            let is = resumed(&spec(3), &history, age);
            // Whatever happens next, nobody panics.
            let mut now = is.now();
            for index in 0..3 {
                fail(&is, index, 4, now);
                end(&is, index, CallKind::Regular, Judged::Good, 5, now);
                is.member(index).p95(now);
                is.member(index).explain(now);
                is.member(index).report();
            }
            is.deposit(now);
            granted(&is, now);
            // However long they were to be out, or in the budget: after an hour, and one trial each, all is well.
            now += 67 * 60 * SECOND;
            while let Some(index) = is.due(now) {
                end(&is, index, CallKind::Trial, Judged::Good, 5, now);
            }
            now += 60 * SECOND;
            let full_weight = |index| is.candidate(index, now, true).weight == crate::balance::health::FULL_WEIGHT;
            assert!((0..3).all(|index| !is_out(&is, index, now) && full_weight(index)), "{what}: {}", seen(&is, now));
            assert_eq!(granted(&is, now), 10, "{what}");
            let again = is.history(now);
            assert!(again.clock_ms > 67 * 60 * 1_000, "{what}");
        }
    }
    assert!(kinds.len() >= 20);
}

#[test]
fn a_history_of_another_build_is_read_as_far_as_it_goes() {
    let text = r#"{"clock_ms":5000,"new":{"a":[1]},"members":[{"node":"member:1","mood":"good","circuit":
        {"state":"ejected","left_ms":9000,"hue":3}},{}]}"#;
    let history: ClusterHistory = serde_json::from_str(text).expect("fields are added");
    let is = resumed(&spec(3), &history, Duration::ZERO);
    assert!(is_out(&is, 0, 13 * SECOND) && is.due(13 * SECOND).is_none());
    assert_eq!(is.due(14 * SECOND), Some(0));
}
