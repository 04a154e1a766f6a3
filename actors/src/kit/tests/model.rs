//! A model of the gather: loom runs each scene once for every order in which its threads can meet, and for every value
//! that the memory model lets them read.
//!
//! It is the gather's own source, compiled a second time over loom's types; only the clock is another, which strikes
//! when a thread of the scene says so. A scene in which a thread is never woken is a deadlock, which loom reports.

#![allow(dead_code, unreachable_pub, reason = "a scene does not use all of the module that it is compiled with")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Instant;

use loom::future::block_on;
use loom::thread;

use super::{party, rule};

/// What the gather takes from its neighbour of this name.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use loom::sync::{Arc, Mutex, MutexGuard};

    use super::*;

    /// As tokio's, but the clock strikes when the scene says so.
    pub(super) async fn timeout_at<F: Future>(_: tokio::time::Instant, work: F) -> Result<F::Output, ()> {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if CLOCK.has_struck(context.waker()) => Poll::Ready(Err(())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

#[path = "../gather.rs"]
#[expect(clippy::duplicate_mod, reason = "the one that is shipped is compiled over std's types")]
mod gather;
#[path = "../slots.rs"]
#[expect(clippy::duplicate_mod, reason = "as above")]
mod slots;

use gather::{InFlightCall, Replies, Responder};
use rule::Rule;
use slots::{Missed, Slot};
use sync::{Arc, Mutex};

/// What is in a slot, and how often it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Unsent,
    Said(u8),
    Missed(Missed),
}

impl Slot for Told {
    fn missed(&mut self, why: Missed) {
        assert_eq!(*self, Told::Unsent, "only an open slot is closed");
        *self = Told::Missed(why);
    }

    fn filter_failed(&mut self, message: &str) {
        panic!("{message}");
    }

    fn is_good(&self) -> bool {
        matches!(self, Told::Said(_))
    }
}

loom::lazy_static! {
    /// Made anew for each run of a scene.
    static ref CLOCK: Clock = Clock(Mutex::new((false, None)));
}

/// Strikes once, and wakes the task that asked before.
struct Clock(Mutex<(bool, Option<Waker>)>);

impl Clock {
    fn strike(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn has_struck(&self, waker: &Waker) -> bool {
        let mut state = self.0.lock().unwrap();
        state.1 = Some(waker.clone());
        state.0
    }
}

/// Runs a scene in every order, with up to `switches` preemptions, which suffice for scenes as short as these.
fn explore(switches: usize, scene: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches);
    model.check(scene);
}

fn open(slots: usize) -> (Replies<Told>, Responder<Told>) {
    Replies::open(vec![Told::Unsent; slots], None)
}

fn no_time() -> Instant {
    Instant::now()
}

/// What the kit does while a call's work waits for a member: it sleeps until the answer is unwanted, and records that.
fn until_unwanted(mut watch: InFlightCall<Told>) {
    block_on(poll_fn(|context| if watch.is_unwanted(context.waker()) { Poll::Ready(()) } else { Poll::Pending }));
    watch.stop(Missed::Cancelled);
}

#[test]
fn the_asker_is_woken_by_the_last_answer() {
    explore(3, || {
        let (replies, responder) = open(2);
        let responder = Arc::new(responder);
        let other = responder.clone();
        let first = thread::spawn(move || other.put(0, Told::Said(1)));
        let second = thread::spawn(move || responder.put(1, Told::Said(2)));
        assert_eq!(block_on(replies.all(no_time())), [Told::Said(1), Told::Said(2)]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn each_slot_is_filled_once_and_what_the_work_leaves_is_closed() {
    explore(3, || {
        let (replies, responder) = open(2);
        let responder = Arc::new(responder);
        let other = responder.clone();
        let first = thread::spawn(move || other.put(0, Told::Said(1)));
        let second = thread::spawn(move || responder.put(0, Told::Said(2)));
        let told = block_on(replies.all(no_time()));
        assert!(matches!(told[0], Told::Said(1 | 2)), "{told:?}");
        assert_eq!(told[1..], [Told::Missed(Missed::Abandoned)]);
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn work_stops_when_its_asker_has_left() {
    explore(3, || {
        let (replies, responder) = open(2);
        let work = thread::spawn(move || {
            responder.put(0, Told::Said(1));
            until_unwanted(responder.call());
            assert!(!responder.is_awaited(1));
        });
        drop(replies);
        work.join().unwrap();
    });
}

#[test]
fn work_that_goes_to_sleep_is_woken_by_an_asker_that_leaves_half_way() {
    explore(3, || {
        let (mut replies, responder) = open(2);
        let work = thread::spawn(move || {
            responder.put(0, Told::Said(1));
            until_unwanted(responder.call());
        });
        assert_eq!(block_on(replies.next(no_time())), Some((0, Told::Said(1))));
        drop(replies);
        work.join().unwrap();
    });
}

#[test]
fn a_rule_that_is_met_wakes_both_ends() {
    explore(2, || {
        let (replies, responder) = open(2);
        let responder = Arc::new(responder);
        let watch = responder.call();
        // Filled by another thread, while the work does not run.
        let other = responder.clone();
        let filling = thread::spawn(move || other.put(0, Told::Said(1)));
        let work = thread::spawn(move || {
            until_unwanted(watch);
            drop(responder);
        });
        let mut replies = replies.under(Rule::First(1));
        assert_eq!(block_on(replies.gather(no_time())), [Told::Said(1), Told::Missed(Missed::Cancelled)]);
        filling.join().unwrap();
        // The caller has not left yet: the rule stops the work.
        work.join().unwrap();
        drop(replies);
    });
}

#[test]
fn two_failures_at_once_end_a_quorum_once() {
    explore(2, || {
        let (replies, responder) = open(3);
        let responder = Arc::new(responder);
        let fail = |slot| {
            let responder = responder.clone();
            thread::spawn(move || responder.put(slot, Told::Missed(Missed::Failed)))
        };
        let failing = [fail(0), fail(1)];
        let told = block_on(replies.under(Rule::Quorum(2)).all(no_time()));
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|told| matches!(told, Told::Missed(Missed::Failed | Missed::Cancelled))), "{told:?}");
        for one in failing {
            one.join().unwrap();
        }
    });
}

#[test]
fn at_the_deadline_each_slot_has_an_answer_or_the_reason() {
    explore(2, || {
        let (replies, responder) = open(2);
        let work = thread::spawn(move || responder.put(0, Told::Said(1)));
        let striking = thread::spawn(|| CLOCK.strike());
        let told = block_on(replies.all(no_time()));
        assert!(matches!(told[0], Told::Said(1) | Told::Missed(Missed::Deadline)), "{told:?}");
        assert!(matches!(told[1], Told::Missed(Missed::Abandoned | Missed::Deadline)), "{told:?}");
        assert_eq!(told.len(), 2);
        work.join().unwrap();
        striking.join().unwrap();
    });
}

#[test]
fn arrivals_are_given_out_once_each() {
    explore(2, || {
        let (mut replies, responder) = open(2);
        let work = thread::spawn(move || {
            responder.put(1, Told::Said(2));
            responder.put(0, Told::Said(1));
        });
        let striking = thread::spawn(|| CLOCK.strike());
        let mut came = [None; 2];
        while let Some((slot, told)) = block_on(replies.next(no_time())) {
            assert_eq!(came[slot].replace(told), None, "slot {slot} came twice");
        }
        for (told, said) in came.into_iter().zip([1, 2]) {
            let told = told.expect("each slot comes");
            assert!([Told::Said(said), Told::Missed(Missed::Deadline)].contains(&told), "{told:?}");
        }
        work.join().unwrap();
        striking.join().unwrap();
    });
}

#[test]
fn work_that_is_dropped_wakes_its_asker() {
    explore(3, || {
        let (replies, responder) = open(2);
        // As a panic does, or the end of its thread.
        let work = thread::spawn(move || drop(responder));
        assert_eq!(block_on(replies.all(no_time())), [Told::Missed(Missed::Abandoned); 2]);
        work.join().unwrap();
    });
}

#[test]
fn no_arrival_is_lost_when_the_work_ends_at_the_deadline() {
    explore(3, || {
        let (mut replies, responder) = open(2);
        let work = thread::spawn(move || drop(responder));
        let striking = thread::spawn(|| CLOCK.strike());
        let mut count = 0;
        while let Some((slot, told)) = block_on(replies.next(no_time())) {
            assert!(matches!(told, Told::Missed(Missed::Abandoned | Missed::Deadline)), "{slot}: {told:?}");
            count += 1;
        }
        assert_eq!(count, 2);
        work.join().unwrap();
        striking.join().unwrap();
    });
}
