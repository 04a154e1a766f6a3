//! Budgets among threads and with the supervisor.

use std::sync::mpsc::{Receiver, channel};

use super::*;

fn budgets() -> (Arc<Budgets>, BudgetKey, Receiver<Said>) {
    let (sender, receiver) = channel();
    let budgets = Budgets::new(move |_, said| {
        let _ = sender.send(said);
    });
    (budgets, ("one".into(), "here".into()), receiver)
}

fn numbers(shares: &[&Share]) -> Vec<(usize, usize)> {
    shares.iter().map(|share| (share.seats(), share.limit())).collect()
}

#[test]
fn what_is_granted_is_spread_over_the_threads_up_to_their_most() {
    let (budgets, key, said) = budgets();
    let (one, other) = (budgets.join(key.clone(), 2), budgets.join(key.clone(), 2));
    assert_eq!(numbers(&[&one, &other]), [(0, 0); 2]);
    budgets.granted(&key, 3);
    let mut seats = [one.seats(), other.seats()];
    seats.sort_unstable();
    assert_eq!(seats, [1, 2]);
    budgets.granted(&key, 3);
    assert_eq!(numbers(&[&one, &other]), [(2, 2); 2]);
    assert!(said.try_recv().is_err());
}

#[test]
fn a_seat_is_free_when_its_connection_has_ended() {
    let (budgets, key, said) = budgets();
    budgets.granted(&key, 2);
    let share = budgets.join(key.clone(), 2);
    budgets.asked(&key, 1);
    assert_eq!(numbers(&[&share]), [(2, 1)]);
    share.ended(2);
    assert!(said.try_recv().is_err(), "both are still there");
    share.ended(1);
    assert_eq!(said.try_recv(), Ok(Said::Returned(1)));
    assert_eq!(numbers(&[&share]), [(1, 1)]);
    share.ended(0);
    assert!(said.try_recv().is_err(), "it may be opened again");
}

#[test]
fn a_thread_that_waits_takes_from_the_richest() {
    let (budgets, key, said) = budgets();
    budgets.granted(&key, 1);
    let (one, other) = (budgets.join(key.clone(), 2), budgets.join(key, 2));
    assert_eq!(numbers(&[&one, &other]), [(1, 1), (0, 0)]);
    other.wants();
    assert_eq!(said.try_recv(), Ok(Said::Wanted));
    other.wants();
    assert!(said.try_recv().is_err(), "it was said");
    assert_eq!(numbers(&[&one, &other]), [(1, 0), (0, 0)]);
    one.wants();
    one.ended(0);
    assert_eq!(numbers(&[&one, &other]), [(0, 0), (1, 0)], "and back, as soon as it can");
    other.ended(0);
    assert_eq!(one.limit() + other.limit(), 1);
}

#[test]
fn who_leaves_keeps_what_is_wanted_alone() {
    let (budgets, key, said) = budgets();
    budgets.granted(&key, 3);
    let share = budgets.join(key.clone(), 3);
    budgets.leave();
    assert!(said.try_recv().is_err(), "the pool says what is idle");
    share.lower(1, 1);
    assert_eq!(said.try_recv(), Ok(Said::Returned(2)));
    share.lower(0, 1);
    share.ended(0);
    assert_eq!(said.try_recv(), Ok(Said::Returned(1)));
    share.wants();
    assert_eq!(said.try_recv(), Ok(Said::Wanted));
    budgets.granted(&key, 2);
    assert_eq!((numbers(&[&share]), said.try_recv()), (vec![(1, 1)], Ok(Said::Returned(1))));
}

#[test]
fn a_pool_that_is_gone_gives_its_seats_to_the_others() {
    let (budgets, key, said) = budgets();
    budgets.granted(&key, 2);
    let one = budgets.join(key.clone(), 2);
    let other = budgets.join(key, 2);
    assert_eq!(numbers(&[&one, &other]), [(2, 2), (0, 0)]);
    drop(one);
    assert_eq!(numbers(&[&other]), [(2, 2)]);
    assert!(said.try_recv().is_err());
}
