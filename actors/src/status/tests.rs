use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_wire::{Map, Value};

use super::merge::merged;
use super::wanted::{StatusFilter, TreePath, meanings};
use super::*;
use crate::cache::{CacheActor, KeyBuilder, Store};
use crate::kit::report::ActorReport;
use crate::kit::{ActorRef, Admission, Answers, Report, Responder};

const WITHIN: Duration = Duration::from_secs(5);

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn tree<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::from_pairs(pairs)
}

/// The value at a path of keys; `Nil` if there is none.
fn at(value: &Value, path: &[&str]) -> Value {
    path.iter().fold(value.clone(), |value, key| match (&value, key.parse::<usize>()) {
        (Value::List(items), Ok(index)) => items.get(index).cloned().unwrap_or_default(),
        (Value::Map(map), _) => map.get(key).cloned().unwrap_or_default(),
        _ => Value::Nil,
    })
}

fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Map(map) => map.0.iter().map(|(key, _)| key.to_string()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn trees_are_merged_by_what_their_values_are_called() {
    let (int, list, double) = (Value::Int, Value::List, Value::Double);
    let error = |when: Value, msg: &str| tree([("when", when), ("msg", text(msg))]);
    let cases = [
        ("a counter", "done", vec![int(1), int(2), int(39)], int(42)),
        ("a counter that would overflow", "done", vec![int(i64::MAX), int(1)], int(i64::MAX)),
        ("a measure", "waiting", vec![int(1), double(0.5)], double(1.5)),
        ("a maximum", "max_wait", vec![int(3), int(9), int(-1)], int(9)),
        ("a maximum of measures", "max_wait", vec![double(0.5), int(0)], double(0.5)),
        ("agreement", "port", vec![int(80), int(80)], int(80)),
        ("disagreement", "port", vec![int(80), int(81), int(80)], list(vec![int(80), int(81)])),
        ("states that differ", "state", vec![text("up"), text("down")], list(vec![text("up"), text("down")])),
        ("nothing beside something", "done", vec![Value::Nil, int(2)], int(2)),
        ("nothing at all", "done", vec![Value::Nil, Value::Nil], Value::Nil),
        ("a counter that is a text in one", "done", vec![int(1), text("?")], list(vec![int(1), text("?")])),
        (
            "all numbers beneath a counter",
            "asked",
            vec![tree([("x.call", int(1))]), tree([("x.call", int(2)), ("report", int(5))])],
            tree([("x.call", int(3)), ("report", int(5))]),
        ),
        (
            "maps, name by name",
            "pool",
            vec![tree([("done", int(1)), ("port", int(1))]), tree([("done", int(1)), ("new", int(7))])],
            tree([("done", int(2)), ("port", int(1)), ("new", int(7))]),
        ),
        (
            "members by node, whatever their order",
            "members",
            vec![
                list(vec![
                    tree([("node", text("a:1")), ("ok", int(1))]),
                    tree([("node", text("b:1")), ("ok", int(10))]),
                ]),
                list(vec![
                    tree([("node", text("b:1")), ("ok", int(20))]),
                    tree([("node", text("c:1")), ("ok", int(3))]),
                    tree([("node", text("a:1")), ("ok", int(2))]),
                ]),
            ],
            list(vec![
                tree([("node", text("a:1")), ("ok", int(3))]),
                tree([("node", text("b:1")), ("ok", int(30))]),
                tree([("node", text("c:1")), ("ok", int(3))]),
            ]),
        ),
        (
            "the latest error, by text",
            "last_error",
            vec![error(text("2026-01-02T00:00:00Z"), "new"), Value::Nil, error(text("2026-01-01T00:00:00Z"), "old")],
            error(text("2026-01-02T00:00:00Z"), "new"),
        ),
        (
            "the latest error, by number",
            "last_error",
            vec![error(int(1), "old"), error(double(2.5), "new"), error(int(2), "older")],
            error(double(2.5), "new"),
        ),
        (
            "one node twice is two members",
            "members",
            vec![
                list(vec![
                    tree([("node", text("a:1")), ("ok", int(1))]),
                    tree([("node", text("a:1")), ("ok", int(10))]),
                ]),
                list(vec![
                    tree([("node", text("a:1")), ("ok", int(2))]),
                    tree([("node", text("a:1")), ("ok", int(20))]),
                ]),
            ],
            list(vec![tree([("node", text("a:1")), ("ok", int(3))]), tree([("node", text("a:1")), ("ok", int(30))])]),
        ),
        (
            "a mean beside its count",
            "latency",
            vec![
                tree([("count", int(1)), ("mean_ms", double(10.0)), ("max_ms", double(10.0))]),
                tree([("count", int(3)), ("mean_ms", double(2.0)), ("max_ms", double(3.0))]),
            ],
            tree([("count", int(4)), ("mean_ms", double(4.0)), ("max_ms", double(10.0))]),
        ),
        (
            "a mean of nothing yet",
            "latency",
            vec![
                tree([("count", int(0)), ("mean_ms", double(0.0))]),
                tree([("count", int(0)), ("mean_ms", double(0.0))]),
            ],
            tree([("count", int(0)), ("mean_ms", double(0.0))]),
        ),
        (
            "the latest error of a database",
            "last_error",
            vec![tree([("at", Value::DateTime("2026".into()))]), tree([("at", Value::DateTime("2027".into()))])],
            tree([("at", Value::DateTime("2027".into()))]),
        ),
        ("errors without a time", "last_error", vec![text("a"), text("b")], list(vec![text("a"), text("b")])),
        (
            "the name of the original's page",
            "last error",
            vec![error(int(2), "new"), error(int(1), "old")],
            error(int(2), "new"),
        ),
    ];
    for (case, name, values, expected) in cases {
        let trees: Vec<Value> = values.into_iter().map(|value| tree([(name, value)])).collect();
        let merged = merged(&trees.iter().collect::<Vec<_>>());
        assert_eq!(at(&merged, &[name]), expected, "{case}");
    }
}

#[test]
fn what_is_shared_is_taken_once() {
    let told = |forgets, hits| tree([("forgets", Value::Int(forgets)), ("shared", tree([("hits", Value::Int(hits))]))]);
    let (one, two) = (told(1, 10), told(2, 11));
    let process = merged(&[&one, &two]);
    assert_eq!(process, tree([("forgets", Value::Int(3)), ("hits", Value::Int(11))]));
    let fleet = merged(&[&process, &process]);
    assert_eq!(at(&fleet, &["hits"]), Value::Int(22), "two processes have two stores");
}

#[test]
fn nobody_told_anything() {
    assert_eq!(merged(&[]), Value::Nil);
}

#[test]
fn filters_are_understood_in_both_spellings() {
    let path = |top, name: &str| TreePath { top, name: Some(name.to_owned()) };
    let tops =
        |tops: &[&'static str]| vec![StatusFilter(tops.iter().map(|top| TreePath { top, name: None }).collect())];
    let either = |paths: [TreePath; 2]| paths.map(|path| StatusFilter(vec![path])).to_vec();
    let cluster = |name: &str| either([path("clusters", name), path("databases", name)]);
    let actor = |top, name: &str, filter: &str| either([path(top, name), path("objects", filter)]);
    let server = tops(&["about", "process", "processes", "requests", "certificates"]);
    let lifetime = tops(&["process", "processes", "held"]);
    let cases = [
        ("cache", tops(&["cache"])),
        (" clusters ", tops(&["clusters"])),
        ("cluster:mysearch", actor("clusters", "mysearch", "cluster:mysearch")),
        ("db:mydb", actor("databases", "mydb", "db:mydb")),
        ("sessions", tops(&["sessions"])),
        ("objects:searcher", vec![StatusFilter(vec![path("objects", "searcher")])]),
        // The eleven of the original, as its README has them, and as its code had.
        ("was.apps", tops(&["apps"])),
        ("APPS", tops(&["apps"])),
        ("was.cachefs", tops(&["cachefs"])),
        ("was.rcache", tops(&["cache"])),
        ("RCACHE", tops(&["cache"])),
        ("was.httpserver", server.clone()),
        ("HTTPSERVER", server),
        ("was.lifetime", lifetime.clone()),
        ("lifetime", lifetime),
        ("was.queue", tops(&["queue"])),
        ("was.threads", tops(&["threads", "held", "queue"])),
        ("was.cluster[socketpool]", tops(&["web"])),
        ("was.cluster[dbpool]", tops(&["adhoc-db"])),
        ("CLUSTER:__dbpool__", tops(&["adhoc-db"])),
        ("CLUSTER:mysearch", cluster("mysearch")),
        ("was.cluster[mysearch]", cluster("mysearch")),
        ("was.cluster['@mysearch']", cluster("mysearch")),
        ("cluster[@mysearch]", cluster("mysearch")),
        ("was.searcher", actor("others", "searcher", "searcher")),
        ("was.cluster[mysearch", actor("others", "cluster[mysearch", "cluster[mysearch")),
    ];
    for (filter, expected) in cases {
        assert_eq!(meanings(filter), expected, "{filter}");
    }
}

/// An actor that reports a fixed tree; without one it never answers.
struct Teller(Option<Value>);

impl Answers<Report> for Teller {
    type Item = ActorReport;
    const NAME: &'static str = "report";

    fn answer(&mut self, _: Report, responder: Responder<ActorReport>) -> impl Future<Output = ()> + 'static {
        let tree = self.0.clone();
        async move {
            match tree {
                Some(tree) => responder.put(0, ActorReport(tree)),
                None => pending().await,
            }
        }
    }
}

fn teller(name: &str, tree: Option<Value>) -> Arc<dyn crate::kit::Reporter> {
    ActorRef::open(name, Admission::default(), move || Teller(tree.clone())).reporter()
}

fn cluster(ok: i64) -> Option<Value> {
    let member = tree([("node", text("127.0.0.1:5001")), ("ok", Value::Int(ok)), ("max_latency_us", Value::Int(ok))]);
    Some(tree([("members", Value::List(vec![member]))]))
}

fn status(registry: &Arc<Registry>) -> ActorRef<StatusActor> {
    let registry = registry.clone();
    let about = || tree([("instance", text("demo"))]);
    ActorRef::open("status", Admission::default(), move || StatusActor::new(registry.clone(), about()))
}

async fn picked(actor: &ActorRef<StatusActor>, filter: &str) -> Value {
    ask(actor, Some(filter.to_owned()), WITHIN).await
}

/// Two threads, each with a cluster, a database, the result cache and an actor of an unknown kind.
fn house() -> Arc<Registry> {
    let registry = Registry::new();
    let store = Store::new(10);
    assert!(store.get(&KeyBuilder::new("map").build()).is_none());
    for thread in 0..2 {
        registry.register(thread, teller("cluster:mysearch", cluster(i64::try_from(thread).unwrap() + 1)));
        registry.register(thread, teller("db:mydb", Some(tree([("idle", Value::Int(4))]))));
        registry.register(thread, teller("greenhouse", Some(tree([("done", Value::Int(1))]))));
        let store = store.clone();
        let cache = ActorRef::open("cache", Admission::default(), move || CacheActor::new(store.clone()));
        registry.register(thread, cache.reporter());
    }
    registry
}

#[test]
fn the_tree_of_a_process() {
    actix_rt::System::new().block_on(async {
        let tree = ask(&status(&house()), None, WITHIN).await;
        let expected = ["about", "process", "threads", "clusters", "databases", "cache", "others", "actors"];
        assert_eq!(keys(&tree), expected);
        assert_eq!(at(&tree, &["about", "instance"]), text("demo"));
        assert_eq!(at(&tree, &["threads"]), Value::Int(2));

        let search = at(&tree, &["clusters", "mysearch"]);
        assert_eq!(at(&search, &["answered"]), Value::Bool(true));
        assert_eq!(at(&search, &["members", "0", "ok"]), Value::Int(3));
        assert_eq!(at(&search, &["members", "0", "max_latency_us"]), Value::Int(2));
        assert_eq!(at(&search, &["by_thread", "1", "thread"]), Value::Int(1));
        assert_eq!(at(&search, &["by_thread", "1", "members", "0", "ok"]), Value::Int(2));
        assert_eq!(at(&tree, &["databases", "mydb", "idle"]), Value::Int(8));
        assert_eq!(at(&tree, &["cache", "misses"]), Value::Int(1), "both threads speak for one store");
        assert_eq!(at(&tree, &["others", "greenhouse", "done"]), Value::Int(2));

        let Value::List(actors) = at(&tree, &["actors"]) else { panic!("the actors are a list") };
        assert_eq!(actors.len(), 8);
        let first = &actors[0];
        assert_eq!(at(first, &["name"]), text("cluster:mysearch"));
        assert_eq!(at(first, &["asked", "report"]), Value::Int(1));

        assert_eq!(at(&tree, &["process", "pid"]), Value::Int(std::process::id().into()));
        let Value::DateTime(started) = at(&tree, &["process", "started_at"]) else { panic!("a process has a start") };
        assert!(started.len() == 20 && started.starts_with("20") && started.ends_with('Z'), "{started}");
        for fact in ["threads", "rss_bytes", "open_fds"] {
            assert!(matches!(at(&tree, &["process", fact]), Value::Int(1..)), "{fact}");
        }
    });
}

#[test]
fn an_actor_that_does_not_answer_is_shown() {
    actix_rt::System::new().block_on(async {
        let registry = Registry::new();
        registry.register(0, teller("cluster:mysearch", cluster(7)));
        registry.register(1, teller("cluster:mysearch", None));
        registry.register(1, teller("session", None));
        let within = Duration::from_millis(100);
        let began = Instant::now();
        let tree = ask(&status(&registry), None, within).await;
        assert!(began.elapsed() < Duration::from_secs(2), "the actors are asked side by side");

        let search = at(&tree, &["clusters", "mysearch"]);
        assert_eq!(at(&search, &["answered"]), Value::Bool(false));
        assert_eq!(at(&search, &["threads_answered"]), Value::Int(1));
        assert_eq!(at(&search, &["members", "0", "ok"]), Value::Int(7), "the report is there");
        assert_eq!(at(&search, &["by_thread", "0", "answered"]), Value::Bool(true));
        assert_eq!(at(&search, &["by_thread", "1", "answered"]), Value::Bool(false));
        assert_eq!(at(&search, &["by_thread", "1", "missed"]), text("deadline"));
        assert_eq!(at(&tree, &["sessions", "threads_answered"]), Value::Int(0));
        assert_eq!(at(&tree, &["actors", "1", "answered"]), Value::Bool(false));
    });
}

#[test]
fn an_actor_whose_thread_is_gone_is_shown() {
    actix_rt::System::new().block_on(async {
        let registry = Registry::new();
        let entered = registry.clone();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async { entered.register(0, teller("cache", Some(Value::Nil))) });
        });
        thread.join().unwrap();
        let tree = ask(&status(&registry), None, WITHIN).await;
        assert_eq!(at(&tree, &["cache", "answered"]), Value::Bool(false));
        assert_eq!(at(&tree, &["cache", "by_thread", "0", "missed"]), text("abandoned"));
    });
}

#[test]
fn workers_on_their_own_threads_are_asked_too() {
    actix_rt::System::new().block_on(async {
        let registry = Registry::new();
        let arbiter = actix_rt::Arbiter::new();
        let entered = registry.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        arbiter.spawn(async move {
            entered.register(3, teller("db:mydb", Some(tree([("idle", Value::Int(5))]))));
            tell.send(()).unwrap();
        });
        told.await.unwrap();
        let tree = ask(&status(&registry), None, WITHIN).await;
        assert_eq!(at(&tree, &["databases", "mydb", "idle"]), Value::Int(5));
        assert_eq!(at(&tree, &["databases", "mydb", "by_thread", "0", "thread"]), Value::Int(3));
        arbiter.stop();
    });
}

#[test]
fn a_filter_picks_one_part_and_asks_nobody_else() {
    actix_rt::System::new().block_on(async {
        let registry = house();
        registry.register(0, teller("web", None));
        let actor = status(&registry);
        let cases = [
            ("clusters", vec!["clusters", "mysearch"]),
            ("cluster:mysearch", vec!["clusters", "mysearch"]),
            ("CLUSTER:mysearch", vec!["clusters", "mysearch"]),
            ("was.cluster[mydb]", vec!["databases", "mydb"]),
            ("RCACHE", vec!["cache", "hits"]),
            ("greenhouse", vec!["others", "greenhouse"]),
            ("process", vec!["process", "pid"]),
        ];
        let began = Instant::now();
        for (filter, path) in cases {
            let tree = picked(&actor, filter).await;
            assert_eq!(keys(&tree), [path[0]], "{filter}");
            assert_ne!(at(&tree, &path), Value::Nil, "{filter}");
            assert_ne!(at(&tree, &path[..1]), at(&tree, &path), "{filter}");
        }
        assert!(began.elapsed() < WITHIN, "the actor that hangs was not asked");
        assert_eq!(keys(&at(&picked(&actor, "db:mydb").await, &["databases"])), ["mydb"]);
    });
}

#[test]
fn a_filter_that_picks_nothing_says_what_there_is() {
    actix_rt::System::new().block_on(async {
        let actor = status(&house());
        for filter in ["cluster:nosuch", "sessions", "", "was.cluster[]"] {
            let answer = picked(&actor, filter).await;
            assert_eq!(at(&answer, &["error"]), text(&format!("the status has no part {filter:?}")));
            let Value::List(known) = at(&answer, &["known"]) else { panic!("what there is, is a list") };
            assert!(known.contains(&text("cluster:mysearch")) && known.contains(&text("process")), "{filter}");
        }
    });
}

#[test]
fn a_thread_that_ended_is_not_asked_and_a_new_actor_takes_the_place_of_an_old_one() {
    actix_rt::System::new().block_on(async {
        let registry = house();
        registry.withdraw(0);
        registry.register(1, teller("db:mydb", Some(tree([("idle", Value::Int(9))]))));
        let tree = ask(&status(&registry), None, WITHIN).await;
        assert_eq!(at(&tree, &["threads"]), Value::Int(1));
        assert_eq!(at(&tree, &["databases", "mydb", "idle"]), Value::Int(9));
        assert_eq!(at(&tree, &["databases", "mydb", "threads_asked"]), Value::Int(1));
    });
}

#[test]
fn a_merged_tree_keeps_its_order() {
    let map = Map(vec![("b".into(), Value::Int(1)), ("a".into(), Value::Int(1))]);
    assert_eq!(keys(&merged(&[&Value::Map(map)])), ["b", "a"]);
}
