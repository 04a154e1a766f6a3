//! Replies that are made while they are sent: their order, their pace, their end; and callers that leave early.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Conduct, Member, TestServer, eventually};

const STEP: Duration = Duration::from_millis(50);

/// Ten members that answer after 50, 100, … 500 ms; the first in the configuration is the last to answer.
fn ten_steps() -> Vec<Member> {
    (1..=10).rev().map(|k| Member::start(Conduct::SlowHead(STEP * k, "<int>1</int>"))).collect()
}

#[test]
fn lines_reach_the_client_as_the_members_answer() {
    let members = ten_steps();
    let site = TestServer::site().cluster("members", &members.iter().collect::<Vec<_>>()).start();
    let began = Instant::now();
    let mut conn = site.begin("/arrivals?cluster=members/rpc2");
    let head = conn.read_head().expect_code(200);
    assert_eq!(head.header("content-type"), "application/x-ndjson");
    let first = conn.next_chunk().expect("a line");
    let first_after = began.elapsed();
    let mut lines = vec![first];
    while let Some(line) = conn.next_chunk() {
        lines.push(line);
    }
    let all_after = began.elapsed();
    let nodes: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_slice::<Value>(line.strip_suffix(b"\n").expect("one line")).unwrap())
        .inspect(|line| assert_eq!((&line["reason"], &line["data"]), (&json!("ok"), &json!(1)), "{line}"))
        .map(|line| line["node"].clone())
        .collect();
    let expected: Vec<Value> = members.iter().rev().map(|member| json!(member.node())).collect();
    assert_eq!(nodes, expected, "in the order of their arrival");
    assert!(all_after >= STEP * 10, "the last answer cannot have come: {all_after:?}");
    assert!(first_after < all_after / 2, "the first line came after {first_after:?} of {all_after:?}");
    // The connection goes on.
    conn.send("GET /defaults?needed=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    conn.read().expect_code(200);
}

#[test]
fn events_are_what_a_browser_reads() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Closed)];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    let reply = site.get("/events?cluster=members/rpc2").expect_code(200);
    assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("text/event-stream", "no-cache"));
    let text = reply.text();
    let mut events: Vec<&str> = text.split_terminator("\n\n").collect();
    events.sort_unstable();
    assert_eq!(events[..2], ["data: \"ok\"", "data: \"refused\""]);
    assert!(events.len() == 3 && events[2].starts_with("event: end\nid: $end\ndata: {\"complete\":false,"), "{text}");
}

#[test]
fn a_stream_over_rpc_is_an_error_that_says_so() {
    let member = Member::start(Conduct::Hangs);
    let site = TestServer::site().cluster("members", &[&member]).start();
    let call = json!({"jsonrpc": "2.0", "method": "arrivals", "params": ["members/rpc2"], "id": 1});
    let answer = site.post("/", "application/json-rpc", call.to_string()).expect_code(200).json();
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("stream")), "{answer}");
    // What it would have streamed is not left running.
    if member.requests() > 0 {
        member.abandoned();
    }
}

#[test]
fn a_client_that_leaves_a_stream_lets_the_members_go() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Hangs)];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    let mut conn = site.begin("/arrivals?cluster=members/rpc2");
    conn.read_head().expect_code(200);
    conn.next_chunk().expect("the line of the member that answers");
    members[1].wait_for_requests(1);
    let left = Instant::now();
    drop(conn);
    let seen = members[1].abandoned();
    assert!(seen - left < Duration::from_secs(2), "the member was held for {:?}", seen - left);
}

#[test]
fn a_reader_that_stops_stops_the_stream() {
    const CHUNKS: usize = 4_000;
    let site = TestServer::site().start();
    let counted = || {
        let counts = site.get("/aborts").expect_code(200).json();
        (counts[0].as_u64().unwrap() as usize, counts[1].as_u64().unwrap() as usize)
    };
    let mut conn = site.begin(&format!("/letters?chunks={CHUNKS}"));
    conn.read_head().expect_code(200);
    // Nothing is read from here on: the sockets fill up and then the stream is no longer asked.
    let mut made = (0, 0);
    eventually("the stream stands still", || {
        let before = std::mem::replace(&mut made, counted());
        // A kernel fills the last of a window when its timer rings, after a fifth of a second and more.
        std::thread::sleep(Duration::from_millis(700));
        (before == made && made.0 > 0).then_some(())
    });
    assert!(made.0 < CHUNKS / 4, "{} of {CHUNKS} chunks were made for a client that reads nothing", made.0);
    drop(conn);
    eventually("the handler is aborted", || (counted().1 == 1).then_some(()));
    // Read to its end, nobody left.
    assert_eq!(site.get("/letters?chunks=30").expect_code(200).body.len(), 30 << 16);
    assert_eq!(counted(), (made.0 + 30, 1));
    // A HEAD makes nothing and is no abort.
    site.ask("HEAD", "/letters?chunks=30", &[], b"").expect_code(200);
    assert_eq!(counted(), (made.0 + 30, 1));
}

/// How often a client leaves. `proof/cancel` says 200 and asks for the figure; here the order of magnitude will do.
fn rounds() -> usize {
    std::env::var("CANCEL_ROUNDS").map_or(20, |rounds| rounds.parse().expect("CANCEL_ROUNDS is a number"))
}

#[test]
fn callers_that_leave_again_and_again_leave_nothing_behind() {
    const MEMBERS: usize = 20;
    let members: Vec<Member> = (0..MEMBERS).map(|_| Member::start(Conduct::Hangs)).collect();
    let site = TestServer::site().cluster("members", &members.iter().collect::<Vec<_>>()).start();
    site.get("/defaults?needed=1").expect_code(200);
    let descriptors = site.descriptors();
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds() {
        let conn = site.begin("/outcomes?cluster=members/rpc2&way=map&timeout=25000");
        members.iter().for_each(|member| member.wait_for_requests(round));
        let left = Instant::now();
        drop(conn);
        eventually("every member sees its caller leave", || {
            members.iter().all(|member| member.callers_lost() == round).then_some(())
        });
        slowest = slowest.max(left.elapsed());
    }
    eventually("the server holds what it held at the start", || (site.descriptors() <= descriptors).then_some(()));
    println!("{} rounds over {MEMBERS} members: the last of them let go after {slowest:?}", rounds());
    // The figure is 500 ms; a machine that builds meanwhile gets more.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}
