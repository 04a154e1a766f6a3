//! Which waiter gets a returned place: by cases, and by a thousand random runs against the rule as a specification.

use super::*;

/// The waiters receive nothing: the channel identifies the waiter.
type TestSemaphore = FairSemaphore<()>;

/// A fan-out of many calls.
const BIG: u64 = 7;
const OTHER: u64 = 8;
/// A request of one call.
const ALONE: u64 = 0;

/// The parties that hold places, and the parties of the waiters, in their order.
struct Day {
    places: TestSemaphore,
    /// Place and party.
    held: Vec<(usize, u64)>,
    waiting: Vec<(u64, oneshot::Receiver<()>)>,
}

impl Day {
    fn new(limit: usize) -> Day {
        Day { places: FairSemaphore::new(limit), held: Vec::new(), waiting: Vec::new() }
    }

    fn comes(&mut self, party: u64) {
        match self.places.acquire(Party::of(party)) {
            Ok(place) => self.held.push((place, party)),
            Err(receiver) => self.waiting.push((party, receiver)),
        }
    }

    fn come(&mut self, party: u64, count: usize) {
        (0..count).for_each(|_| self.comes(party));
    }

    /// One call of a party ends; returns the party that gets its place.
    fn ends(&mut self, party: u64) -> Option<u64> {
        let index = self.held.iter().position(|held| held.1 == party).expect("it has a place");
        self.end(index)
    }

    fn end(&mut self, index: usize) -> Option<u64> {
        let (place, _) = self.held.swap_remove(index);
        self.places.pass(place, || {})?.send(()).expect("the waiter has not left");
        let index = self
            .waiting
            .iter_mut()
            .position(|(_, receiver)| receiver.try_recv().is_ok())
            .expect("one waiter was notified");
        let (next, _) = self.waiting.remove(index);
        self.held.push((place, next));
        Some(next)
    }

    fn has(&self, party: u64) -> usize {
        self.held.iter().filter(|held| held.1 == party).count()
    }
}

#[test]
fn a_party_alone_has_all() {
    let mut day = Day::new(4);
    day.come(BIG, 10);
    assert_eq!(day.has(BIG), 4);
    for _ in 0..6 {
        assert_eq!(day.ends(BIG), Some(BIG));
    }
    assert_eq!([(); 4].map(|()| day.ends(BIG)), [None; 4]);
    assert_eq!(day.places.taken(), 0);
}

#[test]
fn a_party_with_its_share_waits_for_others_and_is_next_when_it_has_less() {
    let mut day = Day::new(4);
    day.come(BIG, 20);
    day.come(ALONE, 3);
    // It falls from four places to two, its share, and keeps these while others wait.
    assert_eq!([(); 2].map(|()| day.ends(BIG)), [Some(ALONE); 2]);
    assert_eq!([(); 5].map(|()| day.ends(BIG)), [Some(BIG); 5]);
    assert_eq!(day.ends(ALONE), Some(ALONE));
    // No other party waits: it may hold all places again.
    assert_eq!([(); 2].map(|()| day.ends(ALONE)), [Some(BIG); 2]);
    assert_eq!(day.has(BIG), 4);
}

#[test]
fn a_single_place_goes_round() {
    let mut day = Day::new(1);
    day.come(BIG, 4);
    day.come(OTHER, 3);
    let mut had = BIG;
    for _ in 0..6 {
        let next = day.ends(had).expect("a call waits");
        assert_ne!(next, had, "not twice the same while the other waits");
        had = next;
    }
    assert_eq!(day.ends(had), None);
}

#[test]
fn two_large_parties_leave_a_third_to_others() {
    let mut day = Day::new(9);
    day.come(BIG, 30);
    day.come(OTHER, 30);
    day.come(ALONE, 9);
    for _ in 0..6 {
        day.ends(BIG);
    }
    assert_eq!((day.has(BIG), day.has(OTHER)), (3, 3), "each its third");
    assert_eq!(day.has(ALONE), 3);
    for _ in 0..6 {
        assert_eq!(day.ends(ALONE), Some(ALONE));
    }
}

#[test]
fn waiters_that_left_are_skipped_in_both_queues() {
    let mut day = Day::new(2);
    day.come(BIG, 8);
    day.comes(ALONE);
    // The first release sets the large party's calls aside; some of them leave there.
    assert_eq!(day.ends(BIG), Some(ALONE));
    day.waiting.drain(0..4);
    assert_eq!(day.ends(ALONE), Some(BIG));
    assert_eq!(day.ends(BIG), Some(BIG));
    assert_eq!([(); 2].map(|()| day.ends(BIG)), [None; 2]);
    assert_eq!((day.places.taken(), day.places.waiting()), (0, 0));
}

#[test]
fn the_party_with_most_waiters_makes_room() {
    let mut day = Day::new(1);
    day.come(BIG, 5);
    assert!(!day.places.make_room(Party::of(BIG)), "not for one of its own");
    assert!(day.places.make_room(Party::of(OTHER)) && day.places.waiting() == 3);
    let (_, last) = day.waiting.last_mut().expect("four waited");
    assert!(matches!(last.try_recv(), Err(oneshot::error::TryRecvError::Closed)), "the newest is removed");
    day.waiting.pop();
    day.come(ALONE, 3);
    assert!(!day.places.make_room(Party::of(OTHER)), "no party has more than half of the waiters");
}

/// The rule as a specification, checked whenever a place is passed on: while others wait, a party holds at most half of
/// the places, unless all waiting parties hold as many; a party's calls keep their order; no place is lost.
#[test]
fn no_day_breaks_the_rule() {
    for seed in 1..1_000_u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            // xorshift64
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let limit = usize::try_from(roll(9) + 1).expect("it is small");
        let mut day = Day::new(limit);
        for _ in 0..200 {
            match roll(3) {
                0 => day.come(roll(4), 1),
                1 => day.come(roll(4), 3),
                _ if day.held.is_empty() => {}
                _ => {
                    let index = usize::try_from(roll(day.held.len() as u64)).expect("it is small");
                    let waited: Vec<u64> = day.waiting.iter().map(|waiting| waiting.0).collect();
                    let next = day.end(index);
                    assert_eq!(next.is_some(), !waited.is_empty(), "seed {seed}: a waiter was not notified");
                    let Some(next) = next else { continue };
                    let share = (limit / 2).max(1);
                    let has_less = |party: &u64| *party == ALONE || day.has(*party) < limit / 5;
                    if next != ALONE && day.has(next) > share {
                        assert!(!waited.iter().any(has_less), "seed {seed}: {next:?} has more than half of {limit}");
                    }
                }
            }
            assert_eq!(day.held.len(), day.places.taken());
            assert_eq!(day.waiting.len(), day.places.waiting());
            assert!(day.waiting.is_empty() || day.held.len() == limit, "seed {seed}: a place was lost");
        }
        while !day.held.is_empty() {
            day.end(0);
        }
        assert!(day.waiting.is_empty(), "seed {seed}: a call starved");
    }
}

/// A waiter that was removed is counted as gone once: not again when its caller leaves before it has noticed.
#[test]
fn a_waiter_that_was_removed_and_leaves_is_counted_once() {
    use crate::kit::gate::Gate;
    let gate = Gate::new(1);
    let _inside = gate.enter(Party::ALONE).expect("it is empty");
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(gate.pass(Party::of(BIG), None))).collect();
    assert!(waiting.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
    assert!(gate.make_room(Party::of(OTHER)));
    drop(waiting.pop());
    assert_eq!(gate.waiting(), 3);
    drop(waiting.pop());
    assert_eq!(gate.waiting(), 2);
}
