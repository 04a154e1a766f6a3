//! Too much for one cluster harms no other, nor does a client that asks for much; and handlers that hold up their
//! thread are named.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::raw::request;
use crate::harness::{Conduct, Conn, Member, Postgres, TestServer, bound};

/// With two connections, twenty calls may wait for one of them.
const CAPACITY: usize = 22;

#[test]
fn a_hanging_cluster_refuses_at_once_when_it_is_full_and_slows_nobody() {
    let hanging = Member::start(Conduct::Hangs);
    let members = format!("[@members]\nmembers = {}\nconnections = 2", hanging.node());
    let site = TestServer::site().server("threads", "1").section(&members).start();
    let quick = || {
        let began = Instant::now();
        site.get("/defaults?needed=1").expect_code(200);
        began.elapsed()
    };
    let best = |count: usize| (0..count).map(|_| quick()).min().expect("at least one");
    let alone = best(20);
    let held: Vec<Conn> = (0..CAPACITY)
        .map(|_| {
            let mut conn = site.conn();
            conn.send("GET /full?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n");
            conn
        })
        .collect();
    hanging.wait_for_requests(2);
    // One thread serves them in the order they came; this answer says that it has seen them all.
    quick();
    for _ in 0..CAPACITY * 9 {
        let began = Instant::now();
        let refused = site.get("/full?cluster=members/rpc2").expect_code(503);
        let limit = bound(Duration::from_secs(1), Duration::from_secs(10));
        assert!(began.elapsed() < limit, "a refusal took {:?}", began.elapsed());
        assert_eq!(refused.header("retry-after"), "1");
        assert!(refused.text().contains("no_permit"), "{}", refused.text());
    }
    let beside = best(20);
    let limit = bound(alone * 10 + Duration::from_millis(20), Duration::from_secs(5));
    assert!(beside < limit, "alone {alone:?}, beside a full cluster {beside:?}");
    assert_eq!(hanging.requests(), 2, "what waits for a connection is not sent");
    // Once they leave there is room again.
    drop(held);
    hanging.abandoned();
    let mut conn = site.conn();
    conn.send("GET /full?cluster=members/rpc2 HTTP/1.1\r\nHost: x\r\n\r\n");
    hanging.wait_for_requests(3);
}

/// A batch of a hundred calls, each to all members, is under way; its answer is still to be read.
fn batch_of_a_hundred(site: &TestServer) -> Conn {
    let call = |id| json!({"jsonrpc": "2.0", "method": "full", "params": ["members/rpc2"], "id": id});
    let batch: Value = (0..100).map(call).collect();
    let mut conn = site.conn();
    conn.send(request("POST", "/", &[("Content-Type", "application/json-rpc")], batch.to_string().as_bytes()));
    conn
}

#[test]
fn a_batch_of_fan_outs_leaves_half_of_the_connections_to_others() {
    let takes = Duration::from_millis(100);
    let member = Member::start(Conduct::SlowHead(takes, "<int>1</int>"));
    let members = format!("[@members]\nmembers = {}\nconnections = 8", member.node());
    let site = TestServer::site().server("threads", "1").section(&members).start();
    let single = || {
        let began = Instant::now();
        assert_eq!(site.get("/full?cluster=members/rpc2").expect_code(200).json(), 1);
        began.elapsed()
    };
    single();
    let mut batch = batch_of_a_hundred(&site);
    member.wait_for_requests(9);
    for number in 1..=4 {
        let took = single();
        // A place in the line behind the batch would be seven times as long as a call takes, and its own time. The
        // batch would be done then, which is looked at below.
        assert!(took < bound(takes * 4, Duration::from_secs(10)), "call {number} beside the batch took {took:?}");
    }
    let asked = member.requests();
    assert!((16..105).contains(&asked), "the batch goes on, and is not done: the member was asked {asked} times");
    let answers = batch.read().expect_code(200).json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["result"] == 1), "{answers}");
    assert_eq!(member.requests(), 105);
}

#[test]
fn readers_that_do_not_read_leave_statements_their_connections() {
    // The comment tells it from the statements of other tests.
    let huge = "SELECT generate_series(1, 50000000) AS id, repeat('x', 100) AS x /* idle_readers */";
    let escaped: String = huge.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let rows = format!("/rows?cluster=one&sql={escaped}");
    let postgres = Postgres::shared();
    let section = Postgres::section("one", &[Postgres::member(postgres.port(), "shard0")]);
    let section = format!("{section}\nconnections = 4\nwait = 1");
    let site = TestServer::site().server("threads", "1").section(&section).start();
    let statements = |count: usize| {
        for _ in 0..count {
            let reply = site.get("/shard?cluster=one&n=0").expect_code(200).json();
            assert_eq!(reply["data"][0]["name"], "shard0", "{reply}");
        }
    };
    let readers: Vec<Conn> = (0..10).map(|_| site.begin(&rows)).collect();
    statements(20);
    // Two have a connection each, and get no answer before they read; eight waited their second.
    let (mut served, mut refused) = (Vec::new(), 0);
    for mut reader in readers {
        let head = reader.read_head();
        if head.code == 200 {
            served.push(reader);
        } else {
            assert_eq!(head.code, 503);
            refused += 1;
        }
    }
    assert_eq!((served.len(), refused), (2, 8));
    let reply = site.get(&rows).expect_code(503);
    assert_eq!(reply.header("retry-after"), "1");
    assert!(
        reply.text().contains("`stream_share`") && reply.text().contains("2 of the 4 connections"),
        "{}",
        reply.text()
    );
    statements(20);
    // Who leaves makes room.
    served.pop();
    site.begin(&rows).read_head().expect_code(200);
}

#[test]
fn devel_mode_names_a_handler_that_holds_its_thread() {
    let held = |devel: &str| {
        let site = TestServer::site().server("devel", devel).start();
        site.get("/defaults?needed=1").expect_code(200);
        site.get("/hold?millis=60").expect_code(200);
        let log = site.stop().2;
        log.lines().filter(|line| line.contains("held its thread")).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = held("yes");
    assert!(lines.iter().any(|line| line.contains("testsite::hold")), "{lines:?}");
    assert!(held("no").is_empty(), "outside devel mode nobody looks");
}
