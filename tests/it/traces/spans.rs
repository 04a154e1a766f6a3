//! Which spans there are, and what stands in them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Collector, exporting, of_kind};
use crate::harness::{Chaos, Conduct, Member, Reply, TestServer, eventually};
use crate::sql::sqlite_section;

const VALUE: &str = "<int>1</int>";

fn id(reply: &Reply) -> &str {
    reply.header("x-request-id")
}

/// A span of a try lies within that of its request.
fn lie_within(spans: &[Value]) {
    let number = |value: &Value| value.as_u64().unwrap();
    let server = of_kind(spans, 2)[0];
    for client in of_kind(spans, 3) {
        assert!(number(&client["start"]) >= number(&server["start"]), "{spans:#?}");
        assert!(number(&client["end"]) <= number(&server["end"]), "{spans:#?}");
        assert_eq!(client["parent"], server["span"]);
        let parts =
            client["attributes"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("skitai.part."));
        let sum: u64 = parts.map(|(_, micros)| number(micros)).sum();
        assert_eq!(sum * 1_000, number(&client["end"]) - number(&client["start"]), "{client:#}");
    }
}

#[test]
fn all_of_a_ratio_of_1_and_what_went_wrong_of_a_ratio_of_0() {
    let collector = Collector::start();
    let (well, dead) = (Member::start(Conduct::Fine(VALUE)), Member::start(Conduct::Closed));
    let slow = Member::start(Conduct::SlowHead(Duration::from_millis(250), VALUE));
    let start = |ratio: &str| {
        let site = exporting(&collector, ratio).server("slow", "200ms").cluster("one", &[&well]);
        let site = site.cluster("slow", &[&slow]).cluster("holed", &[&well, &dead]).panics_expected();
        // That nothing is kept here does not matter for what is exported.
        site.server("trace_ring", "0").start()
    };
    let all = start("ratio = 1");
    let reply = all.get("/outcomes?cluster=one").expect_code(200);
    let spans = collector.trace(id(&reply), 2);
    lie_within(&spans);
    let [server, client] = [of_kind(&spans, 2)[0], of_kind(&spans, 3)[0]];
    let expected = json!({
        "http.request.method": "GET", "http.route": "/outcomes", "http.response.status_code": 200, "url.scheme": "http",
        "url.path": "/outcomes", "url.query": "cluster=one", "network.protocol.version": "1.1",
        "server.address": "127.0.0.1", "skitai.request_id": id(&reply), "skitai.coverage.asked": 1,
        "skitai.coverage.missing": 0,
    });
    let mut attributes = server["attributes"].clone();
    attributes.as_object_mut().unwrap().remove("server.port");
    assert_eq!(attributes, expected);
    let of = |name: &str| client["attributes"][name].clone();
    assert_eq!(json!([of("rpc.system.name"), of("rpc.method"), client["name"]]), json!(["xmlrpc", "search", "search"]));
    assert_eq!(
        json!([of("skitai.target"), of("skitai.picked"), of("skitai.reason"), of("skitai.ended_by")]),
        json!(["@one", "all", "ok", "answer"])
    );
    assert_eq!(json!([server["status"], client["status"]]), json!([0, 0]));
    assert_eq!(server["resource"]["service.name"], "test");
    drop(all);
    let some = start("ratio = 0");
    let quick = some.get("/outcomes?cluster=one").expect_code(200);
    let failed = some.get("/panic").expect_code(500);
    let partial = some.get("/outcomes?cluster=holed").expect_code(200);
    let late = some.get("/outcomes?cluster=slow").expect_code(200);
    let spans = collector.trace(id(&failed), 1);
    assert_eq!(json!([spans[0]["status"], spans[0]["attributes"]["error.type"]]), json!([2, "500"]));
    assert!(spans[0]["message"].as_str().unwrap().contains("on purpose"), "{spans:#?}");
    assert_eq!(spans[0]["attributes"]["skitai.reason"], "failed");
    let spans = collector.trace(id(&partial), 3);
    lie_within(&spans);
    assert_eq!(of_kind(&spans, 2)[0]["attributes"]["skitai.coverage.missing"], 1);
    let refused: Vec<&Value> = spans.iter().filter(|span| span["attributes"]["error.type"] == "refused").collect();
    assert_eq!((refused.len(), &refused[0]["status"]), (1, &json!(2)), "{spans:#?}");
    let spans = collector.trace(id(&late), 2);
    assert_eq!(of_kind(&spans, 2)[0]["attributes"]["skitai.reason"], "slow");
    assert!(!collector.spans().iter().any(|span| span["trace"] == *id(&quick)), "it was quick, whole, and not sampled");
}

#[test]
fn each_try_and_each_statement_has_a_span() {
    let (collector, dir) = (Collector::start(), tempfile::tempdir().unwrap());
    let chaos = Chaos::start(3);
    chaos.set(0, "reset");
    let keys = "retries = 2\nmax_ejected = 0";
    let site = exporting(&collector, "ratio = 1").section(&chaos.section("members", keys)).start();
    let spans = eventually("a call was sent again", || {
        let reply = site.get("/one?cluster=members&way=call&idempotent=true").expect_code(200);
        let of_it = || collector.spans().into_iter().filter(|one| one["trace"] == *id(&reply)).collect::<Vec<_>>();
        let spans = eventually("its spans", || Some(of_it()).filter(|spans| !spans.is_empty()));
        (spans.len() == 3).then_some(spans)
    });
    lie_within(&spans);
    let mut tries = of_kind(&spans, 3);
    tries.sort_by_key(|span| span["start"].as_u64());
    let cause = |one: &Value| json!([one["attributes"]["skitai.cause"], one["attributes"]["skitai.reason"]]);
    assert_eq!([cause(tries[0]), cause(tries[1])], [json!(["first", "reset"]), json!(["retry", "ok"])]);
    assert_ne!(tries[0]["span"], tries[1]["span"]);
    drop(site);
    let demo = TestServer::demo().section(&collector.section("ratio = 1")).section(&sqlite_section(dir.path())).start();
    let reply = demo.get("/cities?at_least=10000000").expect_code(200);
    let spans = collector.trace(id(&reply), 4);
    lie_within(&spans);
    for statement in of_kind(&spans, 3) {
        let of = |name: &str| statement["attributes"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!((&*of("db.system.name"), &*of("db.operation.name")), ("sqlite", "SELECT"), "{statement:#}");
        assert!(of("db.query.text").starts_with("SELECT ") && of("db.namespace").ends_with(".db"), "{statement:#}");
        assert!(!statement.to_string().contains("10000000"), "parameters are in no span");
    }
}

#[test]
fn what_the_cache_answers_is_an_event() {
    let (collector, member) = (Collector::start(), Member::start(Conduct::Fine(VALUE)));
    let site = exporting(&collector, "ratio = 1").server("num_result_cache_max", "10").cluster("one", &[&member]);
    let site = site.start();
    site.get("/cached?cluster=one&argument=a").expect_code(200);
    let reply = site.get("/cached?cluster=one&argument=a").expect_code(200);
    let spans = collector.trace(id(&reply), 1);
    let event = &spans[0]["events"][0];
    assert_eq!(json!([event["name"], event["attributes"]["skitai.call"]]), json!(["cache", "search of @one"]));
    assert!(event["attributes"]["skitai.age_ms"].as_f64().is_some_and(|age| age > 0.0), "{event:#}");
}
