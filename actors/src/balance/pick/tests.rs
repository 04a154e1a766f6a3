use proptest::prelude::*;

use super::*;

const CALLS: usize = 40_000;

fn idle(weight: u32) -> Candidate {
    Candidate { weight, ..Candidate::default() }
}

/// A member of weight 1 with this latency and capacity.
fn paced(micros: u32, room: u32) -> Candidate {
    Candidate { estimate: LatencyEstimate { micros, room }, ..idle(1) }
}

fn picker(balance: Balance, members: &[Candidate]) -> Picker {
    let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
    Picker::new(balance, &weights, 1, Dice::seeded(7))
}

fn shares_of(balance: Balance, members: &[Candidate]) -> Vec<f64> {
    let picker = picker(balance, members);
    let mut counts = vec![0usize; members.len()];
    for nth in 0..CALLS {
        let index = picker.pick(hash(&[&nth.to_le_bytes()]), |index| members[index]).expect("one is free");
        counts[index] += 1;
    }
    counts.into_iter().map(|count| count as f64 / CALLS as f64).collect()
}

fn shares(members: &[Candidate]) -> Vec<f64> {
    shares_of(Balance::P2c, members)
}

fn assert_close(shares: &[f64], expected: &[f64]) {
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share - expected).abs() < 0.02, "{shares:?} is not {expected:?}");
    }
}

const BALANCES: [Balance; 5] = [Balance::P2c, Balance::Ewma, Balance::Least, Balance::RoundRobin, Balance::Hash];

#[test]
fn idle_members_share_by_weight() {
    for balance in [Balance::P2c, Balance::Ewma, Balance::RoundRobin] {
        assert_close(&shares_of(balance, &[idle(1), idle(1), idle(1)]), &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
        assert_close(&shares_of(balance, &[idle(1), idle(3)]), &[0.25, 0.75]);
    }
    // 1:200 is too uneven for the random draws: the linear scan decides.
    assert_close(&shares(&[idle(1), idle(200), idle(1)]), &[0.005, 0.99, 0.005]);
}

/// A penalty can take all of a member's weight, whatever the configuration gives it.
#[test]
fn a_member_that_has_lost_its_weight_is_a_reserve_in_every_way_to_balance() {
    for balance in BALANCES {
        let picker = Picker::new(balance, &[1, 1], 100, Dice::seeded(7));
        let picked = |nth: u64, is_barred: bool| {
            picker.pick(hash(&[&nth.to_le_bytes()]), |index| match index {
                0 => idle(0),
                _ => Candidate { is_barred, ..idle(100) },
            })
        };
        for nth in 0..1_000 {
            assert_eq!((picked(nth, false), picked(nth, true)), (Some(1), Some(0)), "{balance:?}");
        }
    }
}

#[test]
fn the_busier_of_two_is_passed_over() {
    let busy = Candidate { outstanding: 5, ..idle(1) };
    for balance in [Balance::P2c, Balance::Least] {
        assert_close(&shares_of(balance, &[busy, idle(1)]), &[0.0, 1.0]);
        // Three times the weight carries three times the calls before it counts as busier.
        let heavy = Candidate { outstanding: 5, ..idle(3) };
        assert_close(&shares_of(balance, &[heavy, Candidate { outstanding: 2, ..idle(1) }]), &[1.0, 0.0]);
    }
}

#[test]
fn the_slower_of_two_is_passed_over_by_ewma() {
    let (slow, quick) = (paced(9_000, 1), Candidate { outstanding: 3, ..paced(1_000, 1) });
    assert_close(&shares_of(Balance::Ewma, &[slow, quick]), &[0.0, 1.0]);
    assert_close(&shares_of(Balance::Ewma, &[slow, Candidate { outstanding: 19, ..quick }]), &[1.0, 0.0]);
    // A small difference counts as equal: weights still decide.
    let (a, b) = (Candidate { weight: 3, ..paced(1_100, 1) }, paced(1_900, 1));
    assert_close(&shares_of(Balance::Ewma, &[a, b]), &[0.75, 0.25]);
}

#[test]
fn a_quick_member_keeps_what_it_bears_and_a_slow_one_helps_beyond() {
    let slow = paced(200_000, 1);
    let quick = |outstanding, room| Candidate { outstanding, ..paced(20_000, room) };
    // Its capacity is twenty calls: the twentieth costs nothing, and even ten times as many leave it faster than the
    // slow one.
    for outstanding in [0, 19, 190] {
        assert_close(&shares_of(Balance::Ewma, &[slow, quick(outstanding, 20)]), &[0.0, 1.0]);
    }
    assert_close(&shares_of(Balance::Ewma, &[slow, quick(210, 20)]), &[1.0, 0.0]);
}

#[test]
fn a_member_nobody_knows_is_like_any_other() {
    let known = Candidate { outstanding: 2, ..paced(20_000, 9) };
    for estimate in [1, u32::MAX] {
        let known = Candidate { estimate: LatencyEstimate { micros: estimate, room: 9 }, ..known };
        assert_close(&shares_of(Balance::Ewma, &[idle(1), known]), &[1.0, 0.0]);
        // It gets its share of the calls in flight, not all of them just because it is new.
        assert_close(&shares_of(Balance::Ewma, &[Candidate { outstanding: 3, ..idle(1) }, known]), &[0.0, 1.0]);
    }
}

#[test]
fn calls_in_flight_settle_in_proportion_to_the_weights() {
    let mut members = [idle(1), idle(3)];
    let picker = picker(Balance::P2c, &members);
    for _ in 0..400 {
        let index = picker.pick(0, |index| members[index]).expect("one is free");
        members[index].outstanding += 1;
    }
    assert!((95..=105).contains(&members[0].outstanding), "{members:?}");
}

#[test]
fn tried_members_are_never_chosen_again() {
    let barred = Candidate { is_barred: true, ..idle(9) };
    assert_close(&shares(&[barred, idle(1), barred, idle(1)]), &[0.0, 0.5, 0.0, 0.5]);
    for balance in BALANCES {
        assert_eq!(picker(balance, &[barred]).pick(0, |_| barred), None);
        assert_eq!(picker(balance, &[]).pick(0, |_| barred), None);
    }
}

#[test]
fn weight_zero_is_a_reserve() {
    let barred = Candidate { is_barred: true, ..idle(1) };
    for balance in BALANCES {
        assert_close(&shares_of(balance, &[idle(0), idle(1)]), &[0.0, 1.0]);
        assert_close(&shares_of(balance, &[idle(0), barred, idle(0)]), &[0.5, 0.0, 0.5]);
    }
}

#[test]
fn who_is_out_is_asked_where_nobody_else_is_left() {
    let out = Candidate { is_out: true, ..idle(1) };
    for balance in BALANCES {
        let picker = picker(balance, &[out, idle(1), out]);
        assert!((0..100).all(|key| picker.pick(key << 57, |index| [out, idle(1), out][index]) == Some(1)));
        assert!(picker.pick(0, |_| out).is_some());
    }
    // A healthy reserve member comes before an ejected one.
    assert_close(&shares(&[out, idle(0)]), &[0.0, 1.0]);
}

#[test]
fn an_idle_member_of_little_trust_does_not_win_by_being_idle() {
    let busy = Candidate { weight: 100, outstanding: 7, ..paced(5_000, 1) };
    let shy = Candidate { weight: 2, ..paced(100, 1) };
    for balance in [Balance::P2c, Balance::Ewma, Balance::Least, Balance::RoundRobin] {
        let picker = Picker::new(balance, &[1, 1], 100, Dice::seeded(7));
        let picks = (0..CALLS).filter(|_| picker.pick(0, |index| [busy, shy][index]) == Some(1)).count();
        let share = picks as f64 / CALLS as f64;
        assert!((0.01..0.05).contains(&share), "{balance:?}: {share}");
    }
}

#[test]
fn a_hundredth_of_the_weight_is_a_hundredth_of_the_calls() {
    let shy = Candidate { weight: 1, ..idle(1) };
    let members = [idle(128), shy, idle(128)];
    for balance in [Balance::P2c, Balance::RoundRobin] {
        let share = shares_of(balance, &members)[1];
        assert!(share < 0.02, "{balance:?}: {share}");
    }
}

proptest! {
    #[test]
    fn whoever_is_chosen_may_be(
        members in prop::collection::vec((0u32..4, 0usize..9, any::<bool>(), any::<bool>()), 0..9),
        key in any::<u64>(),
    ) {
        let members: Vec<Candidate> = members
            .into_iter()
            .map(|(weight, outstanding, is_out, is_barred)| Candidate { weight, outstanding, is_out, is_barred, ..paced(5, 1) })
            .collect();
        for balance in BALANCES {
            let chosen = picker(balance, &members).pick(key, |index| members[index]);
            let someone = members.iter().any(|member| !member.is_barred);
            prop_assert_eq!(chosen.is_some(), someone);
            if let Some(chosen) = chosen {
                prop_assert!(!members[chosen].is_barred);
                let someone_in = members.iter().any(|member| !member.is_barred && !member.is_out);
                prop_assert!(!(members[chosen].is_out && someone_in));
            }
        }
    }
}
