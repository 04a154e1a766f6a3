//! The kit as its users see it: whatever ends a call, every slot holds a true statement.

use std::cell::Cell;
use std::future::pending;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;

mod every_actor;
mod model;
mod storm;

/// What a slot of these tests says.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Unsent,
    Said(&'static str),
    Missed(Missed),
    Filter(String),
}

impl Slot for Word {
    fn missed(&mut self, why: Missed) {
        *self = Word::Missed(why);
    }

    fn filter_failed(&mut self, message: &str) {
        *self = Word::Filter(message.to_owned());
    }
}

/// What the actor is asked to do.
enum Do {
    /// Fills every slot with a word.
    Say(&'static str, usize),
    /// Fills the first slot and hangs.
    SayOneAndHang(Arc<Dropped>),
    /// Fills slots in this order, 10 ms apart.
    InOrder(Vec<usize>),
    PanicAtOnce,
    PanicLater,
}

/// Records that the work which held it was dropped.
#[derive(Default)]
struct Dropped(Mutex<bool>);

struct TellsDrop(Arc<Dropped>);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        *self.0.0.lock().expect("whole") = true;
    }
}

struct Parrot {
    made: usize,
}

impl Answers<Do> for Parrot {
    type Item = Word;
    const NAME: &'static str = "do";

    fn answer(&mut self, what: Do, responder: Responder<Word>) -> impl Future<Output = ()> + 'static {
        // `resume_unwind` skips the panic hook, which writes a backtrace: some tests panic a thousand times.
        if matches!(what, Do::PanicAtOnce) {
            resume_unwind(Box::new(format!("at once, in state {}", self.made)));
        }
        async move {
            match what {
                Do::Say(word, slots) => (0..slots).for_each(|slot| responder.put(slot, Word::Said(word))),
                Do::SayOneAndHang(dropped) => {
                    let _tells = TellsDrop(dropped);
                    responder.put(0, Word::Said("one"));
                    pending::<()>().await;
                }
                Do::InOrder(order) => {
                    for slot in order {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        responder.put(slot, Word::Said("late"));
                    }
                }
                Do::PanicAtOnce => {}
                Do::PanicLater => resume_unwind(Box::new("later")),
            }
        }
    }
}

fn in_system<T>(work: impl Future<Output = T>) -> T {
    // With paused time, a timer fires at once when it is all that the runtime waits for.
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    actix_rt::System::with_tokio_rt(runtime).block_on(work)
}

fn parrot() -> ActorRef<Parrot> {
    let made = Rc::new(Cell::new(0));
    ActorRef::open("parrot", Admission { in_flight: 3 }, move || {
        made.set(made.get() + 1);
        Parrot { made: made.get() }
    })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

fn two() -> Vec<Word> {
    vec![Word::Unsent, Word::Unsent]
}

#[test]
fn every_slot_is_filled_in_its_order() {
    in_system(async {
        let actor = parrot();
        let said = actor.ask(Do::Say("hello", 2), two(), None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Said("hello"), Word::Said("hello")]);
        assert_eq!(actor.gauges().asked("do"), 1);
    });
}

#[test]
fn the_askers_time_closes_what_is_empty_and_stops_the_work() {
    in_system(async {
        let dropped = Arc::new(Dropped::default());
        let actor = parrot();
        let far = Instant::now() + Duration::from_secs(3600);
        let said = actor.ask(Do::SayOneAndHang(dropped.clone()), two(), None, far).all(soon()).await;
        assert_eq!(said, [Word::Said("one"), Word::Missed(Missed::Deadline)]);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(*dropped.0.lock().expect("whole"), "the work continues without a caller");
        assert_eq!(actor.gauges().in_flight(), 0);
    });
}

#[test]
fn the_messages_own_deadline_stops_detached_work() {
    in_system(async {
        let dropped = Arc::new(Dropped::default());
        let actor = parrot();
        actor.ask(Do::SayOneAndHang(dropped.clone()), two(), None, soon()).detach();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!*dropped.0.lock().expect("whole"), "detached work ended with its asker");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(*dropped.0.lock().expect("whole"), "detached work outlived its deadline");
    });
}

#[test]
fn a_dropped_inlet_stops_the_work() {
    in_system(async {
        let dropped = Arc::new(Dropped::default());
        let actor = parrot();
        let replies = actor.ask(Do::SayOneAndHang(dropped.clone()), two(), None, soon());
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(replies);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(*dropped.0.lock().expect("whole"));
    });
}

#[test]
fn a_panic_rebuilds_the_state_behind_the_same_address() {
    in_system(async {
        let actor = parrot();
        let said = actor.ask(Do::PanicAtOnce, two(), None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Missed(Missed::Abandoned), Word::Missed(Missed::Abandoned)]);
        let said = actor.ask(Do::PanicLater, two(), None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Missed(Missed::Abandoned), Word::Missed(Missed::Abandoned)]);
        let said = actor.ask(Do::Say("alive", 1), vec![Word::Unsent], None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Said("alive")]);
        let tree = actor.gauges().tree();
        assert_eq!((&tree["restarts"], &tree["panics"]), (&skitai_wire::Value::Int(1), &skitai_wire::Value::Int(2)));
        assert!(tree["last_panic"].as_str().is_some_and(|text| text.contains("later")), "{tree}");
    });
}

#[test]
fn more_than_the_limit_is_refused_at_the_call() {
    in_system(async {
        let actor = parrot();
        let hang = || Do::SayOneAndHang(Arc::default());
        let held: Vec<_> = (0..3).map(|_| actor.ask(hang(), two(), None, soon())).collect();
        let said = actor.ask(Do::Say("no room", 2), two(), None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Missed(Missed::NotAdmitted), Word::Missed(Missed::NotAdmitted)]);
        drop(held);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let said = actor.ask(Do::Say("room", 1), vec![Word::Unsent], None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Said("room")]);
    });
}

#[test]
fn a_filter_sees_each_item_and_its_panic_is_that_items_alone() {
    in_system(async {
        let actor = parrot();
        let mut seen = 0;
        let filter: OnArrival<Word> = Box::new(move |item| {
            seen += 1;
            assert!(seen != 1, "the first");
            if matches!(item, Word::Missed(_)) {
                *item = Word::Said("made good");
            }
        });
        let said = actor.ask(Do::SayOneAndHang(Arc::default()), two(), Some(filter), soon()).all(soon()).await;
        assert_eq!(said, [Word::Filter("the first".to_owned()), Word::Said("made good")]);
    });
}

#[test]
fn next_gives_arrivals_in_the_order_they_came() {
    in_system(async {
        let actor = parrot();
        let mut replies = actor.ask(Do::InOrder(vec![2, 0]), vec![Word::Unsent; 3], None, soon());
        let mut order = Vec::new();
        while let Some((slot, item)) = replies.next(soon()).await {
            order.push((slot, item));
        }
        assert_eq!(order, [(2, Word::Said("late")), (0, Word::Said("late")), (1, Word::Missed(Missed::Abandoned))]);
    });
}

#[test]
fn an_address_whose_thread_is_gone_answers_that_it_is() {
    let actor = in_system(async { parrot() });
    in_system(async move {
        let said = actor.ask(Do::Say("from the grave", 2), two(), None, soon()).all(soon()).await;
        assert_eq!(said, [Word::Missed(Missed::Abandoned), Word::Missed(Missed::Abandoned)]);
    });
}

#[test]
fn another_thread_may_ask_and_wait() {
    in_system(async {
        let actor = parrot();
        let handle = tokio::runtime::Handle::current();
        let asked = tokio::task::spawn_blocking(move || {
            handle.block_on(actor.ask(Do::Say("across", 2), two(), None, soon()).all(soon()))
        });
        assert_eq!(asked.await.expect("no panic"), [Word::Said("across"), Word::Said("across")]);
    });
}

#[test]
fn a_rule_that_is_met_wakes_the_asker_and_stops_the_work() {
    in_system(async {
        let dropped = Arc::new(Dropped::default());
        let actor = parrot();
        let asked = tokio::time::Instant::now();
        let far = Instant::now() + Duration::from_secs(3600);
        let replies = actor.ask(Do::SayOneAndHang(dropped.clone()), two(), None, far).under(Rule::First(1));
        let said = replies.all(far).await;
        assert_eq!(said, [Word::Said("one"), Word::Missed(Missed::Cancelled)]);
        assert!(asked.elapsed() < Duration::from_secs(1), "it waited {:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(*dropped.0.lock().expect("whole"), "the work goes on although the rule is met");
        assert_eq!(actor.gauges().in_flight(), 0);
        assert_eq!(actor.gauges().tree()["cancelled"], skitai_wire::Value::Int(1));
    });
}

#[test]
fn a_rule_that_is_met_before_it_was_made_ends_the_call_at_once() {
    let (replies, responder) = Replies::open(vec![Word::Unsent; 3], None);
    responder.put(1, Word::Said("early"));
    let replies = replies.under(Rule::First(1));
    assert!(!responder.is_awaited(0));
    assert!(responder.is_settled(1), "it was answered");
    assert!(!responder.is_settled(0), "it was unwanted: no clock closed it");
    responder.put(0, Word::Said("late"));
    let said = in_system(replies.all(soon()));
    assert_eq!(said, [Word::Missed(Missed::Cancelled), Word::Said("early"), Word::Missed(Missed::Cancelled)]);
}

#[test]
fn an_actor_that_panics_on_and_on_is_failed_and_tried_again() {
    in_system(async {
        let actor = parrot();
        let panic = || actor.ask(Do::PanicAtOnce, two(), None, soon()).all(soon());
        let far = || Instant::now() + Duration::from_secs(3600);
        for _ in 0..6 {
            assert_eq!(panic().await[0], Word::Missed(Missed::Abandoned));
        }
        assert_eq!(actor.gauges().tree()["state"].as_str(), Some("failed"));
        assert_eq!(panic().await[0], Word::Missed(Missed::Failed), "a call is refused at once");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(actor.gauges().tree()["state"].as_str(), Some("running"));
        // The first panic after the pause fails it again, for twice as long.
        assert_eq!(actor.ask(Do::PanicAtOnce, two(), None, far()).all(far()).await[0], Word::Missed(Missed::Abandoned));
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(actor.ask(Do::Say("x", 2), two(), None, far()).all(far()).await[0], Word::Missed(Missed::Failed));
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let said = actor.ask(Do::Say("back", 2), two(), None, far()).all(far()).await;
        assert_eq!(said, [Word::Said("back"), Word::Said("back")]);
        assert_eq!(actor.gauges().tree()["failures"], skitai_wire::Value::Int(2));
    });
}

#[test]
fn a_state_that_cannot_be_made_fails_the_actor_and_not_its_thread() {
    in_system(async {
        let made = Rc::new(Cell::new(0));
        let actor = ActorRef::open("broken", Admission::default(), move || {
            made.set(made.get() + 1);
            assert!(made.get() == 1, "no second one");
            Parrot { made: 1 }
        });
        let far = || Instant::now() + Duration::from_secs(3600);
        let said = actor.ask(Do::PanicAtOnce, two(), None, far()).all(far()).await;
        assert_eq!(said[0], Word::Missed(Missed::Abandoned));
        let said = actor.ask(Do::Say("x", 2), two(), None, far()).all(far()).await;
        assert_eq!(said[0], Word::Missed(Missed::Failed));
        assert_eq!(actor.gauges().in_flight(), 0);
    });
}

#[test]
fn a_letter_nobody_could_take_is_counted() {
    let actor = in_system(async { parrot() });
    let gauges = actor.gauges().clone();
    in_system(async move {
        actor.ask(Do::Say("from the grave", 2), two(), None, soon()).all(soon()).await;
    });
    assert_eq!(gauges.tree()["dead_letters"], skitai_wire::Value::Int(1));
    assert_eq!(gauges.in_flight(), 0);
}

#[test]
fn a_message_whose_own_deadline_passed_first_says_so() {
    in_system(async {
        let actor = parrot();
        let far = Instant::now() + Duration::from_secs(3600);
        let said = actor.ask(Do::SayOneAndHang(Arc::default()), two(), None, soon()).all(far).await;
        assert_eq!(said, [Word::Said("one"), Word::Missed(Missed::Deadline)]);
    });
}
