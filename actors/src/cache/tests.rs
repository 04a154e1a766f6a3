use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use skitai_wire::{Map, Value};

use super::*;
use crate::kit::{ActorRef, Admission, Reporter};
use crate::outcome::{Outcome, Reason};

const LONG: Duration = Duration::from_secs(60);

fn key(name: &str) -> CacheKey {
    KeyBuilder::new("map").target("mysearch").method(name).build()
}

fn good(number: i64) -> Arc<[Outcome]> {
    Arc::new([Outcome::completed("a:1".into(), Value::Int(number))])
}

fn number(outcomes: &[Outcome]) -> i64 {
    match *outcomes[0].data {
        Value::Int(number) => number,
        _ => panic!("not an answer of these tests"),
    }
}

/// A time to live that ends at the next look-up or soon after, so that no test waits for a clock.
const AT_ONCE: Duration = Duration::from_nanos(1);

fn until_gone(store: &Store, key: &CacheKey) {
    let give_up = soon(20_000);
    while store.peek(key).is_some() {
        assert!(Instant::now() < give_up, "a nanosecond is not over");
        thread::yield_now();
    }
}

fn soon(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

fn lead(store: &Arc<Store>, key: CacheKey) -> Leader {
    match store.begin(key) {
        Begun::Lead(leader) => leader,
        other => panic!("expected to lead, got {other:?}"),
    }
}

fn follow(store: &Arc<Store>, key: CacheKey) -> Follower {
    match store.begin(key) {
        Begun::Follow(follower) => follower,
        other => panic!("expected to follow, got {other:?}"),
    }
}

#[test]
fn every_field_of_a_question_makes_another_key() {
    let text = |text: &str| Value::String(text.to_owned());
    let base = || KeyBuilder::new("map").target("c").path("/rpc2").method("search");
    let keys = [
        base().build(),
        KeyBuilder::new("lb").target("c").path("/rpc2").method("search").build(),
        KeyBuilder::new("map").target("d").path("/rpc2").method("search").build(),
        KeyBuilder::new("map").target("c").path("/rpc").method("search").build(),
        KeyBuilder::new("map").target("c").path("/rpc2").method("find").build(),
        base().arguments(b"").build(),
        base().arguments(b"x").build(),
        base().values(&[]).build(),
        base().values(&[Value::Int(1)]).build(),
        base().values(&[Value::Double(1.0)]).build(),
        base().values(&[Value::Bool(true)]).build(),
        base().values(&[text("1")]).build(),
        base().values(&[Value::DateTime("1".into())]).build(),
        base().values(&[Value::Bytes(b"1".to_vec())]).build(),
        base().values(&[Value::Nil]).build(),
        base().values(&[Value::Nil, Value::Nil]).build(),
        base().values(&[Value::List(vec![Value::Nil])]).build(),
        base().values(&[Value::List(vec![]), Value::Nil]).build(),
        base().values(&[Value::Map(Map(vec![("a".into(), text("bc"))]))]).build(),
        base().values(&[Value::Map(Map(vec![("ab".into(), text("c"))]))]).build(),
        base().values(&[text("ab"), text("c")]).build(),
        base().values(&[text("a"), text("bc")]).build(),
        base().login("ann", "x").build(),
        base().login("bob", "x").build(),
        base().login("ann", "y").build(),
        base().login("an", "nx").build(),
        base().header("accept", "a").build(),
        base().header("accept", "b").build(),
        base().header("accept-x", "a").build(),
        base().header("accept", "a").header("accept", "b").build(),
        base().database("d").build(),
        base().user("d").build(),
        base().other("rule", "first").build(),
    ];
    for (index, one) in keys.iter().enumerate() {
        for (other_index, other) in keys.iter().enumerate() {
            assert_eq!(index == other_index, one == other, "questions {index} and {other_index}");
        }
    }
    assert_eq!(base().header("Accept", "a").build(), base().header("accept", "a").build());
    let nan = || base().values(&[Value::Double(f64::NAN)]).build();
    assert_eq!(nan(), nan(), "a question with NaN in it is still the same question");
}

#[test]
fn an_answer_is_fresh_for_its_own_time() {
    let store = Store::new(10);
    assert!(store.get(&key("a")).is_none());
    store.put(key("short"), good(1), AT_ONCE).unwrap();
    store.put(key("long"), good(2), LONG).unwrap();
    until_gone(&store, &key("short"));
    assert!(store.get(&key("short")).is_none(), "its time is over");
    assert_eq!(number(&store.get(&key("long")).unwrap()), 2);
    let stats = store.stats();
    assert_eq!((stats.hits, stats.misses, stats.stored), (1, 2, 2));
}

#[test]
fn the_last_answer_wins_with_its_own_time() {
    let store = Store::new(10);
    store.put(key("a"), good(1), AT_ONCE).unwrap();
    store.put(key("a"), good(2), LONG).unwrap();
    // Were the first one's time still in force, this second one would not be found.
    store.put(key("b"), good(3), AT_ONCE).unwrap();
    until_gone(&store, &key("b"));
    assert_eq!(number(&store.get(&key("a")).unwrap()), 2);
    store.put(key("a"), good(4), AT_ONCE).unwrap();
    until_gone(&store, &key("a"));
}

#[test]
fn only_complete_and_good_answers_are_kept() {
    let store = Store::new(10);
    let fine = Outcome::completed("a:1".into(), Value::Int(1));
    let not_found = Outcome { code: 404, ..fine.clone() };
    let late = Outcome::failed("b:2".into(), Reason::Deadline, "late");
    let bad: [Arc<[Outcome]>; 4] =
        [Arc::new([]), Arc::new([late.clone()]), Arc::new([fine.clone(), late]), Arc::new([fine.clone(), not_found])];
    for (index, outcomes) in bad.into_iter().enumerate() {
        assert_eq!(store.put(key("a"), outcomes, LONG), Err(NotCached::Incomplete), "case {index}");
        assert!(store.get(&key("a")).is_none(), "case {index}");
    }
    assert_eq!(store.stats().refused_incomplete, 4);
    let http = Outcome { code: 204, ..fine };
    assert_eq!(store.put(key("a"), Arc::new([http]), LONG), Ok(()));
}

#[test]
fn off_keeps_nothing_and_lets_everybody_lead() {
    let store = Store::new(0);
    assert_eq!(store.put(key("a"), good(1), LONG), Err(NotCached::Off));
    let (one, two) = (lead(&store, key("a")), lead(&store, key("a")));
    assert_eq!(one.finish(good(1), LONG), Err(NotCached::Off));
    assert_eq!(two.finish(good(1), LONG), Err(NotCached::Off));
    assert!(store.get(&key("a")).is_none());
}

#[test]
fn zero_time_forgets_what_was_kept() {
    let store = Store::new(10);
    store.put(key("a"), good(1), LONG).unwrap();
    assert_eq!(store.put(key("a"), good(2), Duration::ZERO), Err(NotCached::ZeroTtl));
    assert!(store.get(&key("a")).is_none());
}

#[test]
fn the_store_holds_no_more_than_its_limit() {
    let store = Store::new(10);
    for index in 0..200 {
        store.put(key(&index.to_string()), good(index), LONG).unwrap();
    }
    let stats = store.stats();
    assert_eq!((stats.entries, stats.evicted, stats.stored), (10, 190, 200));
}

#[test]
fn removed_and_cleared_answers_are_gone() {
    let store = Store::new(10);
    store.put(key("a"), good(1), LONG).unwrap();
    store.put(key("b"), good(2), LONG).unwrap();
    store.remove(&key("a"));
    assert!(store.get(&key("a")).is_none());
    assert!(store.get(&key("b")).is_some());
    store.clear();
    assert!(store.get(&key("b")).is_none());
    store.put(key("b"), good(3), LONG).unwrap();
    assert_eq!(number(&store.get(&key("b")).unwrap()), 3, "a cleared store keeps again");
}

#[test]
fn fifty_threads_have_one_leader() {
    let store = Store::new(10);
    let led = AtomicUsize::new(0);
    let together = Barrier::new(50);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                together.wait();
                match store.begin(key("a")) {
                    Begun::Lead(leader) => {
                        led.fetch_add(1, SeqCst);
                        let give_up = soon(20_000);
                        while store.stats().followed < 49 {
                            assert!(Instant::now() < give_up, "{} follow", store.stats().followed);
                            thread::yield_now();
                        }
                        leader.finish(good(7), LONG).unwrap();
                    }
                    Begun::Follow(follower) => {
                        let answer = actix_rt::System::new().block_on(follower.wait(soon(20_000)));
                        assert_eq!(number(&answer.unwrap()), 7);
                    }
                    Begun::Hit(_) => panic!("nobody has answered yet"),
                }
            });
        }
    });
    assert_eq!(led.load(SeqCst), 1);
    let stats = store.stats();
    assert_eq!((stats.led, stats.followed, stats.in_flight), (1, 49, 0));
}

/// A leader may finish between another caller's look-up and its entry into the table; that caller must not lead again.
#[test]
fn a_question_just_answered_is_not_fetched_again() {
    const QUESTIONS: usize = 3_000;
    let store = Store::new(2 * QUESTIONS);
    let together = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for index in 0..QUESTIONS {
                    let key = key(&index.to_string());
                    together.wait();
                    if let Begun::Lead(leader) = store.begin(key) {
                        leader.finish(good(1), LONG).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(store.stats().led, QUESTIONS as u64);
}

#[test]
fn a_lost_leader_is_followed_by_exactly_one_other() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        let leader = lead(&store, key("a"));
        let led = Arc::new(AtomicUsize::new(0));
        let followers: Vec<_> = (0..50)
            .map(|_| {
                let (store, led, follower) = (store.clone(), led.clone(), follow(&store, key("a")));
                actix_rt::spawn(async move {
                    let mut follower = follower;
                    loop {
                        if let Some(answer) = follower.wait(soon(5_000)).await {
                            return number(&answer);
                        }
                        match store.begin(key("a")) {
                            Begun::Hit(answer) => return number(&answer),
                            Begun::Follow(next) => follower = next,
                            Begun::Lead(leader) => {
                                led.fetch_add(1, SeqCst);
                                // The others follow it before it has the answer.
                                while store.stats().followed < 50 + 49 {
                                    actix_rt::task::yield_now().await;
                                }
                                leader.finish(good(8), LONG).unwrap();
                                return 8;
                            }
                        }
                    }
                })
            })
            .collect();
        drop(leader);
        for follower in followers {
            assert_eq!(follower.await.unwrap(), 8);
        }
        assert_eq!(led.load(SeqCst), 1);
        assert_eq!(store.stats().in_flight, 0);
    });
}

#[test]
fn a_panicking_leader_lets_its_followers_go() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        let leader = lead(&store, key("a"));
        let follower = follow(&store, key("a"));
        let lost = thread::spawn(move || {
            let _leader = leader;
            std::panic::resume_unwind(Box::new("the call panicked"));
        });
        assert!(follower.wait(soon(5_000)).await.is_none());
        assert!(lost.join().is_err());
        lead(&store, key("a")).finish(good(1), LONG).unwrap();
    });
}

#[test]
fn an_incomplete_answer_is_given_to_nobody() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        let leader = lead(&store, key("a"));
        let follower = follow(&store, key("a"));
        let late: Arc<[Outcome]> = Arc::new([Outcome::failed("a:1".into(), Reason::Deadline, "late")]);
        assert_eq!(leader.finish(late, LONG), Err(NotCached::Incomplete));
        assert!(follower.wait(soon(5_000)).await.is_none());
        drop(lead(&store, key("a")));
        assert_eq!(store.stats().in_flight, 0);
    });
}

#[test]
fn a_follower_waits_no_longer_than_it_may() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        let leader = lead(&store, key("a"));
        let began = Instant::now();
        assert!(follow(&store, key("a")).wait(soon(20)).await.is_none());
        assert!(began.elapsed() < Duration::from_secs(2), "it did not wait for the leader");
        leader.finish(good(1), LONG).unwrap();
    });
}

#[test]
fn an_answer_fetched_before_a_forget_is_not_kept() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        for forget in [|store: &Store| store.remove(&key("a")), |store: &Store| store.clear()] {
            let old = lead(&store, key("a"));
            let follower = follow(&store, key("a"));
            forget(&store);
            let new = lead(&store, key("a"));
            assert_eq!(old.finish(good(1), LONG), Err(NotCached::Forgotten));
            assert!(follower.wait(soon(5_000)).await.is_none(), "it asked, but the answer may be from before");
            drop(follow(&store, key("a")));
            new.finish(good(2), LONG).unwrap();
            assert_eq!(number(&store.get(&key("a")).unwrap()), 2);
            store.clear();
        }
    });
}

#[test]
fn the_actor_reports_on_the_store() {
    actix_rt::System::new().block_on(async {
        let store = Store::new(10);
        let shared = store.clone();
        let actor = ActorRef::open("cache", Admission::default(), move || CacheActor::new(shared.clone()));
        store.put(key("a"), good(1), LONG).unwrap();
        store.put(key("b"), good(2), LONG).unwrap();
        assert!(store.get(&key("b")).is_some());

        let told = actor.report(soon(2_000)).all(soon(2_000)).await;
        let Value::Map(tree) = &told[0].0 else { panic!("a report is a map") };
        let Some(Value::Map(shared)) = tree.get("shared") else { panic!("the store's figures are shared ones") };
        assert_eq!(shared.get("hits"), Some(&Value::Int(1)));
        assert_eq!(shared.get("stored"), Some(&Value::Int(2)));
        assert_eq!(shared.get("max_entries"), Some(&Value::Int(10)));
    });
}
