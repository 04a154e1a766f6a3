//! The time of a request: its route's, its caller's, and the time that members get.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::raw::request;
use crate::harness::{Conduct, Member, TestServer, bound};

const HEADER: &str = "x-request-timeout-ms";

/// The time that a member was granted, in milliseconds.
fn budget_of(member: &Member) -> u64 {
    member.wait_for_requests(1);
    let head = member.heads()[0].clone();
    let line = head.lines().find_map(|line| line.strip_prefix("x-request-timeout-ms:"));
    line.unwrap_or_else(|| panic!("no {HEADER} in\n{head}")).trim().parse().unwrap()
}

/// A server of the chain: its cluster is the next one, and a member that records its time and never answers.
fn link(next: Option<&TestServer>, witness: &Member) -> TestServer {
    let mut members = vec![witness.node()];
    members.extend(next.map(|next| format!("127.0.0.1:{}", next.port())));
    TestServer::site().section(&format!("[@members]\nmembers = {}", members.join(", "))).start()
}

#[test]
fn a_chain_of_servers_gives_up_from_its_end() {
    let witnesses = [0, 1, 2].map(|_| Member::start(Conduct::Hangs));
    let c = link(None, &witnesses[2]);
    let b = link(Some(&c), &witnesses[1]);
    let a = link(Some(&b), &witnesses[0]);
    let began = Instant::now();
    let reply = a.ask("GET", "/chain?cluster=members/rpc2", &[(HEADER, "1500")], b"");
    let took = began.elapsed();
    // Each answers with what it has while the one before still listens, and says that it is not all.
    assert_eq!(reply.expect_code(200).json(), json!(["deadline", "partial"]));
    let limit = bound(Duration::from_millis(2500), Duration::from_secs(10));
    assert!(took < limit, "1500 ms took {took:?}");
    let budgets = witnesses.each_ref().map(budget_of);
    assert!(budgets[0] <= 1450, "A keeps a reserve to merge: {budgets:?}");
    assert!(budgets[0] > budgets[1] && budgets[1] > budgets[2], "they shrink on the way: {budgets:?}");
    // And no server goes on working for a caller that has gone.
    for witness in &witnesses {
        assert!(witness.abandoned() < began + limit);
    }
}

#[test]
fn a_caller_can_shorten_and_not_lengthen() {
    let hanging = Member::start(Conduct::Hangs);
    let site = TestServer::site().server("deadline", "2").cluster("members", &[&hanging]).start();
    let ask = |path: &str, header: &str| {
        let began = Instant::now();
        let reply = site.ask("GET", &format!("{path}?cluster=members/rpc2"), &[(HEADER, header)], b"");
        (reply.expect_code(200).json(), began.elapsed())
    };
    // What two seconds are, less the reserve to merge.
    let own = Duration::from_millis(1900);
    let (account, took) = ask("/chain", "3600000");
    assert_eq!(account, json!(["deadline"]));
    assert!(took >= own && took < bound(own * 2, own * 10), "an hour was asked for: {took:?}");
    assert!(budget_of(&hanging) <= 1950);
    let (_, took) = ask("/chain", "300");
    assert!(took < bound(Duration::from_millis(1500), own), "{took:?}");
    // Nonsense says nothing.
    let (_, took) = ask("/chain", "soon");
    assert!(took >= own, "{took:?}");
    // The route's own time.
    let (_, took) = ask("/chain/short", "3600000");
    assert!(took >= Duration::from_millis(350) && took < bound(Duration::from_millis(1500), own), "{took:?}");
}

#[test]
fn a_request_without_time_is_answered_at_once() {
    let hanging = Member::start(Conduct::Hangs);
    let site = TestServer::site().cluster("members", &[&hanging]).start();
    let began = Instant::now();
    let reply = site.ask("GET", "/chain?cluster=members/rpc2", &[(HEADER, "0")], b"");
    assert!([200, 504].contains(&reply.code), "{}", reply.text());
    assert!(began.elapsed() < bound(Duration::from_secs(2), Duration::from_secs(10)), "{:?}", began.elapsed());
}

#[test]
fn the_words_of_other_protocols_shorten_too() {
    let hanging = Member::start(Conduct::Hangs);
    let site = TestServer::site().server("deadline", "20").cluster("members", &[&hanging]).start();
    let mut asked = 0;
    let mut granted = |headers: &[(&str, &str)]| {
        // What the member is granted is what is left, so that no clock needs to be read here.
        let mut leaving = site.conn();
        leaving.send(request("GET", "/chain?cluster=members/rpc2", headers, b""));
        asked += 1;
        hanging.wait_for_requests(asked);
        let head = hanging.heads()[asked - 1].clone();
        let line = head.lines().find_map(|line| line.strip_prefix("x-request-timeout-ms:"));
        line.unwrap_or_else(|| panic!("no {HEADER} in\n{head}")).trim().parse::<u64>().unwrap()
    };
    for (headers, most) in [
        (&[("grpc-timeout", "9S")][..], 9_000),
        (&[("grpc-timeout", "8000m")], 8_000),
        (&[("Connect-Timeout-Ms", "7000")], 7_000),
        (&[("X-Envoy-Expected-Rq-Timeout-Ms", "6000")], 6_000),
        (&[("grpc-timeout", "9S"), ("connect-timeout-ms", "5000"), (HEADER, "8000")], 5_000),
        (&[("grpc-timeout", "4S"), (HEADER, "soon")], 4_000),
    ] {
        let left = granted(headers);
        assert!(left <= most && left > most / 2, "{headers:?}: {left}");
    }
    // Nobody lengthens, and nonsense says nothing.
    for headers in [
        &[("grpc-timeout", "1H")][..],
        &[("connect-timeout-ms", "3600000")],
        &[("grpc-timeout", "1.5S")],
        &[("grpc-timeout", "123456789n")],
        &[("x-envoy-expected-rq-timeout-ms", "0")],
    ] {
        let left = granted(headers);
        assert!(left > 10_000 && left <= 20_000, "{headers:?}: {left}");
    }
}
