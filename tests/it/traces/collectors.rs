//! Collectors that fail: they cost a counter and nothing else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Collector, exporting};
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Scenario, TestServer, eventually};
use crate::processes::serving;
use crate::status::basic;

fn told(site: &TestServer) -> Value {
    let login = basic("admin", ADMIN_PASSWORD);
    let told = site.ask("GET", "/status.json?filter=otlp", &[("Authorization", &login)], b"").expect_code(200).json();
    told["otlp"].clone()
}

fn number(told: &Value, name: &str) -> u64 {
    told[name].as_u64().unwrap_or_else(|| panic!("{name} in {told}"))
}

/// Everything is exported but the looks at the status, of which each would be a request more.
fn all(collector: &Collector) -> Scenario {
    exporting(collector, "ratio = 1\ntimeout = 500ms").server("trace_ring", "0")
}

#[test]
fn what_is_asked_to_wait_comes_later_and_what_is_refused_is_counted() {
    let collector = Collector::start();
    collector.mode("code=503&times=1&after=1");
    let site = all(&collector).start();
    let reply = site.get("/float/1.5").expect_code(200);
    let trace = reply.header("x-request-id");
    collector.trace(trace, 1);
    let posts = collector.requests();
    assert_eq!(json!([posts[0]["code"], posts[1]["code"]]), json!([503, 200]), "{posts:#?}");
    let waited = posts[1]["at"].as_f64().unwrap() - posts[0]["at"].as_f64().unwrap();
    assert!(waited >= 0.95, "it asked for a second, and had {waited}");
    assert_eq!(posts[0]["bytes"], posts[1]["bytes"]);
    // Nobody asks to see this again.
    collector.mode("code=500&times=1");
    let before = number(&told(&site), "otlp_dropped");
    let lost = site.get("/float/1.5").expect_code(200).header("x-request-id").to_owned();
    eventually("they are counted", || (number(&told(&site), "otlp_dropped") > before).then_some(()));
    collector.trace(site.get("/float/1.5").expect_code(200).header("x-request-id"), 1);
    assert!(!collector.spans().iter().any(|span| span["trace"] == *lost));
    let login = basic("admin", ADMIN_PASSWORD);
    let metrics = site.ask("GET", "/metrics", &[("Authorization", &login)], b"").expect_code(200).text();
    assert!(
        metrics.contains("\nskitai_otlp_dropped_spans_total ") && metrics.contains("\nskitai_otlp_sent_spans_total ")
    );
    assert_eq!(site.log().matches("took none of").count(), 1, "{}", site.log());
}

#[test]
fn a_collector_that_hangs_or_is_not_there_costs_nothing_else() {
    let collector = Collector::start();
    collector.mode("hang=30&times=1000");
    let nobody = "[otlp]\nendpoint = http://127.0.0.1:9/v1/traces\nratio = 1";
    for site in [all(&collector).start(), TestServer::site().section(nobody).start()] {
        site.get("/float/1.5").expect_code(200);
        eventually("a post has failed", || (number(&told(&site), "errors") > 0).then_some(()));
        let before = site.memory();
        let begun = Instant::now();
        let mut conn = site.conn();
        for _ in 0..8_000 {
            conn.send("GET /float/1.5 HTTP/1.1\r\nHost: x\r\n\r\n");
            conn.read().expect_code(200);
        }
        let told = told(&site);
        assert!(number(&told, "otlp_dropped") > 0, "8,000 spans have no room in {told}");
        assert!(number(&told, "size") <= number(&told, "limit") && number(&told, "limit") <= 4 << 20, "{told}");
        assert!(number(&told, "sent") == 0 && told["said"].is_string(), "{told}");
        let grown = site.memory().saturating_sub(before);
        assert!(grown < 16 << 20, "{grown} bytes more in {:?}", begun.elapsed());
    }
}

#[test]
fn what_waits_at_the_end_is_sent_within_two_seconds() {
    let collector = Collector::start();
    let site = serving(all(&collector), 2);
    let ids: Vec<String> =
        (0..10).map(|_| site.get("/float/1.5").expect_code(200).header("x-request-id").to_owned()).collect();
    let begun = Instant::now();
    site.stop();
    let took = begun.elapsed();
    let spans = collector.spans();
    assert!(ids.iter().all(|id| spans.iter().any(|span| span["trace"] == **id)), "{took:?}: {spans:#?}");
    // A collector that hangs does not hold the end up.
    collector.mode("hang=30&times=1000");
    let site = all(&collector).start();
    site.get("/float/1.5").expect_code(200);
    let begun = Instant::now();
    site.stop();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}
