//! What is beside the table: streams and their ends, caches, calls to one, and who may learn names.

use std::time::Duration;

use serde_json::{Value, json};

use super::Chain;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Member, bound, eventually, foreign};
use crate::status::basic;

#[test]
fn a_csv_with_a_hole_says_so_here_and_two_servers_away() {
    let chain = Chain::start();
    let here = chain.asked(0, "GET", "/covered/csv", &[], "").expect_code(200);
    assert_eq!((here.header("x-coverage"), &*here.text()), ("holed;ok=1;asked=2;not_sent=1", "n\r\n1\r\n"));
    let away = chain.asked(2, "GET", "/covered/csv?hops=2", &[], "").expect_code(200);
    assert_eq!(away.header("x-coverage"), "next;ok=0;asked=1;partial=1;leaves_ok=1;leaves=2");
    eventually("the log tells it", || {
        chain.servers[2].log().contains("partial answer: next: 0 of 1 ok (1 partial)").then_some(())
    });
}

#[test]
fn arrivals_that_are_left_are_counted_and_no_gap() {
    let chain = Chain::start();
    let one = chain.asked(0, "GET", "/covered/taken?kind=whole&count=1", &[], "").expect_code(200);
    assert_eq!((one.header("x-coverage"), one.json()), ("whole;ok=1;asked=2;cancelled=1", json!(["ok"])));
    let both = chain.asked(0, "GET", "/covered/taken?kind=closed&count=9", &[], "").expect_code(200);
    assert_eq!(both.header("x-coverage"), "closed;ok=1;asked=2;not_sent=1");
    // The line of the second; the first has none.
    let lines = || chain.servers[0].log().matches("partial answer: ").count();
    eventually("its line in the log", || (lines() > 0).then_some(()));
    assert_eq!(lines(), 1, "{}", chain.servers[0].log());
}

#[test]
fn names_are_for_the_admin_and_for_whom_the_configuration_says() {
    let (right, wrong) = (basic("admin", ADMIN_PASSWORD), basic("admin", "wrong"));
    let admin = [("authorization", &*right), ("prefer", "coverage=body")];
    let stranger = [("authorization", &*wrong), ("prefer", "coverage=body")];
    let missing = |chain: &Chain, headers: &[(&str, &str)]| {
        let reply = chain.asked(0, "GET", "/covered/data?kind=closed", headers, "").expect_code(200);
        reply.json()["coverage"]["clusters"][0]["missing"][0].clone()
    };
    let refusal = |chain: &Chain, headers: &[(&str, &str)]| {
        chain.asked(0, "GET", "/covered/refused?kind=closed", headers, "").expect_code(503).text()
    };
    let chain = Chain::start();
    let node = chain
        .members
        .iter()
        .map(Member::node)
        .find(|node| refusal(&chain, &admin).contains(node))
        .expect("its address");
    assert_eq!((&missing(&chain, &admin)["node"], &missing(&chain, &stranger)["node"]), (&json!(node), &Value::Null));
    assert!(!refusal(&chain, &stranger).contains("127.0.0.1"));
    for (detail, shows) in [("names", true), ("positions", false)] {
        let chain = Chain::with(&[("coverage_detail", detail)]);
        for headers in [&admin, &stranger] {
            assert_eq!(missing(&chain, headers).get("node").is_some(), shows, "{detail}");
            assert_eq!(refusal(&chain, headers).contains("127.0.0.1"), shows, "{detail}");
        }
    }
}

#[test]
fn a_browser_that_comes_again_after_the_end_is_told_to_stop() {
    let chain = Chain::start();
    let (path, asked) = ("/covered/events?kind=whole", || chain.members[0].requests());
    let text = chain.asked(0, "GET", path, &[], "").text();
    let id =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id of the end").to_owned();
    let before = asked();
    let (events, ended) = (("accept", "text/event-stream"), ("last-event-id", &*id));
    let again = chain.asked(0, "GET", path, &[events, ended], "");
    assert_eq!(
        (again.code, again.header("cache-control"), asked()),
        (204, "no-store", before),
        "it did not search again"
    );
    // It is for that alone: not for pages, other methods, or another id.
    for (method, headers) in
        [("GET", &[ended][..]), ("POST", &[events, ended]), ("GET", &[events, ("last-event-id", "7")])]
    {
        assert_eq!(chain.asked(0, method, path, headers, "").code, 200, "{method} {headers:?}");
    }
    assert_eq!(asked(), before + 3);
    // A client of another maker connects again by itself, as browsers do, and stops.
    let before = asked();
    assert_eq!(foreign::node("events.js", &[&chain.servers[0].url(path)]).trim(), "stopped");
    assert_eq!(asked(), before + 1, "it searched once");
}

#[test]
fn an_event_stream_has_names_ids_and_signs_of_life() {
    let chain = Chain::start();
    let text = chain.asked(0, "GET", "/covered/paced", &[], "").text();
    let event =
        |number: u8| format!("event: tick\nid: {number}\nretry: 2000\ndata: line {number}\ndata: and another\n\n");
    let (first, rest) = text.split_once(&event(0)).expect("the first event");
    let (silence, end) = rest.split_once(&event(1)).expect("the second event");
    assert!(
        first.is_empty() && silence.matches(":\n\n").count() >= 2 && silence.replace(":\n\n", "").is_empty(),
        "{text}"
    );
    assert!(
        end.starts_with("event: end\nid: $end\ndata: {\"complete\":false,\"clusters\":[{\"cluster\":\"hung\","),
        "{end}"
    );
}

#[test]
fn a_stream_without_consent_is_cut_where_something_is_missing() {
    let chain = Chain::start();
    let ends = |kind: &str, prefer: &str| {
        let mut conn = chain.servers[0].conn();
        let path = format!("/covered/strict?kind={kind}");
        conn.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nPrefer: {prefer}\r\n\r\n"));
        conn.read_head().expect_code(200);
        let mut text = String::new();
        while let Some(chunk) = conn.try_chunk() {
            if chunk.is_empty() {
                return (true, text);
            }
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        (false, text)
    };
    assert!(ends("whole", "").0, "nothing is missing");
    let (is_ended, text) = ends("closed", "");
    assert!(!is_ended && !text.contains("$coverage"), "it looks like a whole reply: {text}");
    let (is_ended, text) = ends("closed", "allow-partial");
    assert!(is_ended && text.contains("$coverage"), "{text}");
    // A browser would connect again after a cut, so an event stream ends and says it.
    let events = chain.asked(0, "GET", "/covered/strict?kind=closed&events=true", &[], "");
    assert!(events.text().contains("event: end\n") && events.text().contains("\"refused\":true"), "{}", events.text());
    assert_eq!(events.header("vary"), "Prefer", "a cache must not give it to others");
    eventually("its reason in the log", || chain.servers[0].log().contains("the answer is incomplete").then_some(()));
}

#[test]
fn consent_goes_down_the_tiers() {
    let chain = Chain::with(&[("partial", "consent")]);
    let path = "/covered/data?kind=closed&hops=2";
    let refused = chain.asked(2, "GET", path, &[], "");
    assert!(refused.code >= 500 && refused.header("preference-applied").is_empty(), "{}", refused.text());
    let allowed = chain.asked(2, "GET", path, &[("prefer", "allow-partial")], "").expect_code(200);
    assert_eq!(allowed.header("x-coverage"), "next;ok=0;asked=1;partial=1;leaves_ok=1;leaves=2");
    assert_eq!(allowed.header("preference-applied"), "allow-partial");
}

#[test]
fn a_wait_that_the_handler_gives_up_is_counted() {
    let chain = Chain::start();
    let reply = chain.asked(0, "GET", "/covered/given-up", &[], "").expect_code(200);
    assert_eq!(
        (reply.header("x-coverage"), reply.json()),
        ("whole;ok=2;asked=2, hung;ok=0;asked=2;cancelled=2", json!(2))
    );
}

#[test]
fn a_partial_answer_is_not_cached() {
    let chain = Chain::start();
    let asked = |kind: &str| {
        let before: usize = chain.members.iter().map(Member::requests).sum();
        let reply = chain.asked(0, "GET", &format!("/covered/cached?kind={kind}"), &[], "").expect_code(200);
        let after: usize = chain.members.iter().map(Member::requests).sum();
        (reply.header("x-coverage").to_owned(), after - before)
    };
    let partial = "gapped;ok=1;asked=2;partial=1;leaves_ok=4;leaves=5".to_owned();
    assert_eq!([asked("gapped"), asked("gapped")], [(partial.clone(), 2), (partial, 2)]);
    let whole = "whole;ok=2;asked=2".to_owned();
    assert_eq!([asked("whole"), asked("whole")], [(whole.clone(), 2), (whole, 0)]);
}

#[test]
fn calls_to_one_member_a_shard_and_a_url_are_counted_too() {
    let chain = Chain::start();
    let url = format!("http://127.0.0.1:{}/covered/data?kind=closed", chain.servers[0].port());
    let path = format!("/covered/singles?kind=gapped&url={}", url.replace('?', "%3F").replace('&', "%26"));
    for _ in 0..20 {
        let reply = chain.asked(0, "GET", &path, &[("prefer", "coverage=body")], "").expect_code(200);
        let mut items: Vec<&str> = reply.header("x-coverage").split(", ").collect();
        items.sort_unstable();
        let one_of_web = "web;ok=0;asked=1;partial=1;leaves_ok=1;leaves=2";
        assert_eq!(items[1..], ["holed;ok=0;asked=1;not_sent=1", "nobody;ok=0;asked=1;not_sent=1", one_of_web]);
        let answer = reply.json();
        let missing = |name: &str| {
            let calls = answer["coverage"]["clusters"].as_array().expect("a list");
            calls.iter().find(|call| call["cluster"] == name).expect("its name")["missing"][0].clone()
        };
        assert_eq!((&missing("holed")["index"], &missing("nobody")["reason"]), (&json!(1), &json!("undeclared")));
        assert_eq!(answer["data"], json!([true, false, true, false]));
        // One of two members answers in part, and `lb` asks either.
        if items[0] == "gapped;ok=0;asked=1;partial=1;leaves_ok=3;leaves=4" {
            assert_eq!(missing("gapped")["index"], 1);
            return chain.named_nobody_of(1_000);
        }
        assert_eq!(items[0], "gapped;ok=1;asked=1");
    }
    panic!("lb never asked the member with a gap");
}

/// A client that leaves the root ends the work at the leaves.
#[test]
fn who_leaves_the_root_ends_the_leaf_within_half_a_second() {
    let chain = Chain::start();
    let leaf =
        chain.members.iter().zip(0..).find(|(_, index)| *index == 2 + 2 * 2 + 1).map(|(member, _)| member).unwrap();
    let conn = chain.servers[2].begin("/covered/data?kind=hung&hops=2");
    leaf.wait_for_requests(1);
    let left = std::time::Instant::now();
    conn.reset();
    let gone = leaf.abandoned();
    let limit = bound(Duration::from_millis(500), Duration::from_secs(5));
    assert!(gone.saturating_duration_since(left) < limit, "{:?}", gone - left);
}
