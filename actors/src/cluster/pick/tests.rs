use super::*;

const CALLS: usize = 40_000;

fn idle(weight: u32) -> Candidate {
    Candidate { weight, outstanding: 0, is_barred: false }
}

fn seeded() -> Dice {
    Dice(Cell::new(7))
}

fn shares(members: &[Candidate]) -> Vec<f64> {
    let dice = seeded();
    let mut counts = vec![0usize; members.len()];
    for _ in 0..CALLS {
        let index = choose(members.len(), |index| members[index], |limit| dice.below(limit)).expect("one is free");
        counts[index] += 1;
    }
    counts.into_iter().map(|count| count as f64 / CALLS as f64).collect()
}

fn assert_close(shares: &[f64], expected: &[f64]) {
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share - expected).abs() < 0.02, "{shares:?} is not {expected:?}");
    }
}

#[test]
fn idle_members_share_by_weight() {
    assert_close(&shares(&[idle(1), idle(1), idle(1)]), &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]);
    assert_close(&shares(&[idle(1), idle(3)]), &[0.25, 0.75]);
}

#[test]
fn the_busier_of_two_is_passed_over() {
    let busy = Candidate { outstanding: 5, ..idle(1) };
    assert_close(&shares(&[busy, idle(1)]), &[0.0, 1.0]);
    // Three times the weight carries three times the calls before it counts as busier.
    let heavy = Candidate { outstanding: 5, ..idle(3) };
    assert_close(&shares(&[heavy, Candidate { outstanding: 2, ..idle(1) }]), &[1.0, 0.0]);
}

#[test]
fn calls_in_flight_settle_in_proportion_to_the_weights() {
    let dice = seeded();
    let mut members = [idle(1), idle(3)];
    for _ in 0..400 {
        let index = choose(2, |index| members[index], |limit| dice.below(limit)).expect("one is free");
        members[index].outstanding += 1;
    }
    assert!((95..=105).contains(&members[0].outstanding), "{members:?}");
}

#[test]
fn tried_members_are_never_chosen_again() {
    let barred = Candidate { is_barred: true, ..idle(9) };
    assert_close(&shares(&[barred, idle(1), barred, idle(1)]), &[0.0, 0.5, 0.0, 0.5]);
    assert_eq!(choose(2, |_| barred, |_| 0), None);
    assert_eq!(choose(0, |_| barred, |_| 0), None);
}

#[test]
fn weight_zero_is_a_reserve() {
    assert_close(&shares(&[idle(0), idle(1)]), &[0.0, 1.0]);
    let barred = Candidate { is_barred: true, ..idle(1) };
    assert_close(&shares(&[idle(0), barred, idle(0)]), &[0.5, 0.0, 0.5]);
}
