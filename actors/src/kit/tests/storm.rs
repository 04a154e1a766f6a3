//! A thousand random panics in an actor under load: no caller hangs, every restart is counted, and an actor that keeps
//! panicking is failed instead of spinning.

use super::*;
use crate::balance::pick::Dice;
use crate::kit::actor_host::now;
use crate::status::Registry;

/// How long a caller of the storm waits.
const WAIT: Duration = Duration::from_millis(500);

/// The same actor under the report of a real one.
impl Answers<Report> for Parrot {
    type Item = report::ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<report::ActorReport>) -> impl Future<Output = ()> + 'static {
        responder.put(0, report::ActorReport(skitai_wire::Value::Nil));
        std::future::ready(())
    }
}

/// The result of a storm.
#[derive(Debug, Default)]
struct Toll {
    said: usize,
    hung: usize,
    panicked: usize,
    refused: usize,
}

/// Sends calls `pause` apart until `panics` of them panicked, at once or later; among them are good ones and ones that
/// hang. Each must have an answer when its time is over.
async fn storm(actor: &ActorRef<Parrot>, panics: u64, pause: Duration, seed: u64) -> Toll {
    let dice = Dice::seeded(seed);
    let mut calls = tokio::task::JoinSet::new();
    let panicked = || actor.gauges().panics();
    while panicked() < panics {
        let message = match dice.below(10) {
            0 => Do::PanicAtOnce,
            1 => Do::PanicLater,
            2 => Do::SayOneAndHang(Arc::default()),
            _ => Do::Say("fine", 2),
        };
        let (begun, until) = (now(), now() + WAIT);
        let replies = actor.ask(message, two(), None, until);
        calls.spawn_local(async move {
            let words = replies.all(until).await;
            (words, now() - begun)
        });
        tokio::time::sleep(pause).await;
    }
    let mut toll = Toll::default();
    while let Some(ended) = calls.join_next().await {
        let (words, took) = ended.expect("no asker panics");
        assert!(took <= WAIT + Duration::from_millis(10), "stuck for {took:?}: {words:?}");
        match &words[..] {
            [Word::Said("fine"), Word::Said("fine")] => toll.said += 1,
            [Word::Said("one"), Word::Missed(Missed::Deadline)] => toll.hung += 1,
            [Word::Missed(Missed::Abandoned), Word::Missed(Missed::Abandoned)] => toll.panicked += 1,
            [Word::Missed(Missed::Failed), Word::Missed(Missed::Failed)] => toll.refused += 1,
            other => panic!("an answer that is none: {other:?}"),
        }
    }
    toll
}

fn unbounded() -> ActorRef<Parrot> {
    ActorRef::open("stormy", Admission::default(), || Parrot { made: 0 })
}

async fn in_local_set<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

#[test]
fn a_thousand_panics_that_are_rare_enough_cost_their_own_calls_alone() {
    in_system(in_local_set(async {
        let actor = unbounded();
        let registry = Registry::new();
        registry.register(0, actor.reporter());
        // A restart every 20 seconds on average; if six fall into ten seconds by chance, the actor pauses for a second.
        let toll = storm(&actor, 1_000, WAIT * 4, 4).await;
        let gauges = actor.gauges();
        assert_eq!(toll.panicked as u64, 1_000, "{toll:?}");
        assert_eq!(gauges.panics(), 1_000);
        assert!((400..600).contains(&gauges.restarts()), "{toll:?}, {} restarts", gauges.restarts());
        assert_eq!(gauges.tree()["restarts"].as_i64(), Some(gauges.restarts().cast_signed()));
        assert!(toll.said > 3_000 && toll.hung > 400, "{toll:?}");
        assert!(toll.refused * 50 < toll.said, "{toll:?}");
        assert_eq!(gauges.in_flight(), 0);
    }));
}

#[test]
fn panics_without_end_fail_the_actor_and_the_process_says_so() {
    in_system(in_local_set(async {
        let actor = unbounded();
        let registry = Registry::new();
        registry.register(3, actor.reporter());
        assert_eq!(registry.failed(), [""; 0]);
        // Fifty calls a second, a fifth of which would panic.
        let toll = storm(&actor, 40, Duration::from_millis(20), 5).await;
        let gauges = actor.gauges();
        assert_eq!((toll.panicked as u64, gauges.in_flight()), (40, 0), "{toll:?}");
        // It is not rebuilt again and again: while it pauses, calls are refused.
        assert!(gauges.tree()["failures"].as_i64() > Some(3), "{:?}", gauges.tree());
        assert!(toll.refused > toll.panicked * 10, "{toll:?}");
        let until_failed = async {
            while registry.failed().is_empty() {
                actor.ask(Do::PanicAtOnce, two(), None, now() + WAIT).all(now() + WAIT).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), until_failed).await.expect("it fails again");
        assert_eq!(registry.failed(), ["stormy"]);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(registry.failed(), [""; 0], "its pause is over: it may be tried");
        let said = actor.ask(Do::Say("back", 1), vec![Word::Unsent], None, now() + WAIT).all(now() + WAIT).await;
        assert_eq!(said, [Word::Said("back")]);
    }));
}
