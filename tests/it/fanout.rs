//! What becomes of calls to good, slow, dead and lying members: one truthful outcome each, in the order of the
//! configuration, within the time asked for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Conduct, Member, Reply, Scenario, TestServer, bound, data, foreign};

/// The testsite's account of one fan-out, and how long the request took.
fn outcomes(site: &TestServer, query: &str) -> (Value, Duration) {
    let began = Instant::now();
    let account = site.get(&format!("/outcomes?{query}")).expect_code(200).json();
    (account, began.elapsed())
}

fn column(account: &Value, name: &str) -> Vec<Value> {
    account["outcomes"].as_array().expect("a list").iter().map(|outcome| outcome[name].clone()).collect()
}

fn fine(value: &'static str) -> Member {
    Member::start(Conduct::Fine(value))
}

fn on_site(members: &[&Member]) -> TestServer {
    TestServer::site().cluster("members", members).start()
}

/// The titles in what `/search` answers: a list of works, perhaps under a name beside the coverage.
fn titles(reply: Reply) -> Vec<String> {
    let answer = reply.expect_code(200).json();
    let works = answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array));
    let works = works.unwrap_or_else(|| panic!("no list of works: {answer}"));
    let mut titles: Vec<String> =
        works.iter().map(|work| work["title"].as_str().expect("a title").to_owned()).collect();
    titles.sort();
    titles
}

/// True when a reply does not hide that members are missing from it.
fn admits_a_gap(reply: &Reply) -> bool {
    reply.code >= 500
        || reply.header("x-coverage").contains("not_sent=")
        || reply.header("x-coverage").contains("timed_out=")
        || reply.header("x-coverage").contains("failed=")
}

#[test]
fn six_members_give_six_truthful_outcomes_at_the_deadline() {
    let members = [
        fine("<string>good</string>"),
        Member::start(Conduct::Page(500, "out of order since Tuesday")),
        Member::start(Conduct::Fault(4711, "no such composer")),
        Member::start(Conduct::Hangs),
        Member::start(Conduct::Closed),
        Member::start(Conduct::ReadsAndCloses),
    ];
    let site = on_site(&members.each_ref());
    let (account, took) = outcomes(&site, "cluster=members/rpc2&way=map&method=search&timeout=1000");

    assert!(took >= Duration::from_millis(990), "it took {took:?}");
    assert!(took < bound(Duration::from_millis(1500), Duration::from_secs(10)), "it took {took:?}");
    assert_eq!(column(&account, "node"), members.each_ref().map(|member| json!(member.node())));
    assert_eq!(column(&account, "status"), [3, 2, 2, 1, 0, 2].map(Value::from), "{account:#}");
    let reasons = ["ok", "http_status", "fault", "deadline", "refused", "closed"].map(Value::from);
    assert_eq!(column(&account, "reason"), reasons, "{account:#}");
    let coverage =
        json!({"asked": 6, "ok": 1, "partial": 0, "failed": 3, "timed_out": 1, "cancelled": 0, "not_sent": 1});
    assert_eq!(account["coverage"], coverage);

    let outcome = |k: usize| &account["outcomes"][k];
    assert_eq!(outcome(0)["data"], "good");
    assert_eq!(outcome(1)["code"], 500);
    assert!(outcome(1)["msg"].as_str().unwrap().contains("500"), "{}", outcome(1));
    assert_eq!((&outcome(2)["fault"], &outcome(2)["msg"]), (&json!(4711), &json!("no such composer")));
    for k in 3..6 {
        assert!(!outcome(k)["msg"].as_str().unwrap().is_empty(), "{}", outcome(k));
    }
    // Each was asked once: an error is no reason to ask again.
    for (k, member) in members.iter().enumerate() {
        assert_eq!(member.requests(), usize::from(k != 4), "member {k}");
    }
    assert!(members[0].bodies()[0].contains("<methodName>search</methodName>"), "{:?}", members[0].bodies());
    // The hanging member is let go at the deadline, not kept.
    members[3].abandoned();
}

#[test]
fn lb_sends_a_call_that_may_have_run_to_nobody_else() {
    let one = Member::start(Conduct::ReadsAndCloses);
    let site = on_site(&[&one]);
    let (account, _) = outcomes(&site, "cluster=members/rpc2&way=lb&timeout=2000");
    assert_eq!((column(&account, "status"), one.requests()), (vec![json!(2)], 1), "{account:#}");

    for conduct in [|| Conduct::ReadsAndCloses, || Conduct::Resets, || Conduct::GarbageXml] {
        let both = [Member::start(conduct()), Member::start(conduct())];
        let site = on_site(&both.each_ref());
        let (account, _) = outcomes(&site, "cluster=members/rpc2&way=lb&timeout=2000");
        assert_eq!(column(&account, "status"), [json!(2)], "{account:#}");
        assert_eq!(both.iter().map(Member::requests).sum::<usize>(), 1, "{account:#}");
    }
}

#[test]
fn lb_goes_on_to_another_member_where_the_first_has_not_seen_the_call() {
    let (dead, good) = (Member::start(Conduct::Closed), fine("<int>7</int>"));
    let site = on_site(&[&dead, &good]);
    for calls in 1..=20 {
        let (account, _) = outcomes(&site, "cluster=members/rpc2&way=lb&timeout=2000");
        assert_eq!(column(&account, "data"), [json!(7)], "{account:#}");
        assert_eq!(column(&account, "node"), [json!(good.node())]);
        assert_eq!(good.requests(), calls);
    }
}

#[test]
fn lb_spreads_over_the_members() {
    let both = [fine("<int>0</int>"), fine("<int>1</int>")];
    let site = on_site(&both.each_ref());
    // Side by side: one caller after another may well stay with the member that has been the faster.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(outcomes(&site, "cluster=members/rpc2&way=lb&timeout=2000"))));
        }
    });
    let [first, second] = both.each_ref().map(Member::requests);
    assert_eq!(first + second, 40);
    assert!(first >= 2 && second >= 2, "{first} and {second} of 40");
}

#[test]
fn every_way_to_fail_has_its_reason() {
    let ways = [
        (Conduct::Resets, 2, "reset"),
        (Conduct::Drips, 1, "deadline"),
        (Conduct::GarbageHttp, 2, "malformed"),
        (Conduct::GarbageXml, 2, "malformed"),
        (Conduct::Page(404, "nobody here"), 2, "http_status"),
        (Conduct::Page(200, "a page, not an answer"), 2, "malformed"),
        (Conduct::SlowHead(Duration::from_secs(5), "<int>1</int>"), 1, "deadline"),
    ];
    let (members, expected): (Vec<Member>, Vec<(i32, &str)>) =
        ways.into_iter().map(|(conduct, status, reason)| (Member::start(conduct), (status, reason))).unzip();
    let site = on_site(&members.iter().collect::<Vec<_>>());
    let (account, _) = outcomes(&site, "cluster=members/rpc2&way=map&timeout=1000");
    for (k, (status, reason)) in expected.into_iter().enumerate() {
        let outcome = &account["outcomes"][k];
        assert_eq!((&outcome["status"], &outcome["reason"]), (&json!(status), &json!(reason)), "{outcome:#}");
        assert_eq!(outcome["data"], json!(null), "a failure carries no data: {outcome:#}");
    }
    assert_eq!(account["coverage"]["ok"], 0);
}

#[test]
fn an_answer_that_ends_early_is_an_error() {
    let cut = Member::start(Conduct::Truncates);
    let (account, _) = outcomes(&on_site(&[&cut]), "cluster=members/rpc2&way=map&timeout=2000");
    assert_eq!(column(&account, "status"), [json!(2)], "{account:#}");
}

#[test]
fn on_plain_http_every_code_completes_and_only_2xx_is_ok() {
    let members = [Member::start(Conduct::Page(200, "fine")), Member::start(Conduct::Page(500, "broken"))];
    let site = on_site(&members.each_ref());
    let (account, _) = outcomes(&site, "cluster=members&way=get&path=/page&timeout=2000");
    assert_eq!(column(&account, "status"), [3, 3].map(Value::from), "{account:#}");
    assert_eq!(column(&account, "code"), [200, 500].map(Value::from));
    assert_eq!((&account["coverage"]["ok"], &account["coverage"]["failed"]), (&json!(1), &json!(1)));
}

#[test]
fn members_that_answer_are_not_kept_waiting_for_each_other() {
    let members: Vec<Member> =
        (0..8).map(|_| Member::start(Conduct::SlowHead(Duration::from_millis(300), "<int>1</int>"))).collect();
    let site = on_site(&members.iter().collect::<Vec<_>>());
    let (account, took) = outcomes(&site, "cluster=members/rpc2&way=map&timeout=5000");
    assert_eq!(account["coverage"]["ok"], 8, "{account:#}");
    // One after the other, they would take 2.4 s.
    let limit = bound(Duration::from_millis(900), Duration::from_millis(2400));
    assert!(took < limit, "eight members in parallel took {took:?}");
}

#[test]
fn a_client_that_leaves_lets_the_members_go() {
    let hanging = Member::start(Conduct::Hangs);
    let site = on_site(&[&hanging]);
    let mut conn = site.conn();
    conn.send("GET /outcomes?cluster=members/rpc2&way=map&timeout=20000 HTTP/1.1\r\nHost: x\r\n\r\n");
    hanging.wait_for_requests(1);
    drop(conn);
    let left = Instant::now();
    let seen = hanging.abandoned();
    assert!(seen.duration_since(left) < Duration::from_secs(1), "the member was held for {:?}", seen - left);
}

#[test]
fn connections_to_members_are_used_again() {
    let member = fine("<int>1</int>");
    let site = TestServer::site().server("threads", "1").cluster("members", &[&member]).start();
    for _ in 0..10 {
        outcomes(&site, "cluster=members/rpc2&way=map&timeout=2000");
    }
    assert_eq!((member.requests(), member.connections()), (10, 1));
}

#[test]
fn the_demo_merges_what_its_members_found() {
    let members = [0, 1, 2].map(foreign_member);
    let demo = foreign_cluster(TestServer::demo(), &members).start();
    for keyword in ["Mozart", "Beethoven", "Nobody"] {
        assert_eq!(titles(demo.get(&format!("/search?keyword={keyword}"))), data::titles_of(keyword));
    }
    assert_eq!(titles(demo.get("/search")), data::titles_of("Mozart"), "Mozart is the default");
    // Over RPC the same works come as structures.
    let call = json!({"jsonrpc": "2.0", "method": "search", "params": {"keyword": "Beethoven"}, "id": 1});
    let answer = demo.post("/", "application/json-rpc", call.to_string()).expect_code(200).json();
    assert!(answer["result"].to_string().contains("Eroica"), "{answer}");
    let lb = demo.get("/lb").expect_code(200).text();
    assert!(members.iter().any(|member| lb.contains(&format!("127.0.0.1:{}", member.port))), "who answered? {lb}");
}

#[test]
fn a_dead_member_is_never_silent_success() {
    let (one, two, dead) = (foreign_member(0), foreign_member(1), Member::start(Conduct::Closed));
    let members = format!("127.0.0.1:{}, 127.0.0.1:{}, {}", one.port, two.port, dead.node());
    let demo = TestServer::demo().section(&format!("[@mysearch]\nmembers = {members}")).start();
    let partial = demo.get("/search?keyword=Mozart");
    assert!(admits_a_gap(&partial), "{}: {}", partial.code, partial.text());
}

#[test]
fn when_every_member_fails_the_answer_is_an_error() {
    for conduct in [Conduct::Closed, Conduct::ReadsAndCloses, Conduct::GarbageXml, Conduct::Fault(1, "no")] {
        let member = Member::start(conduct);
        let demo = TestServer::demo().cluster("mysearch", &[&member]).start();
        for path in ["/search?keyword=Mozart", "/lb"] {
            let reply = demo.get(path);
            assert!(reply.code >= 500, "{path}: {} {}", reply.code, reply.text());
            assert!(reply.text().contains(&member.node()), "the reason names the member: {}", reply.text());
        }
        let call = json!({"jsonrpc": "2.0", "method": "search", "params": ["Mozart"], "id": 1});
        let answer = demo.post("/", "application/json-rpc", call.to_string()).expect_code(200).json();
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    }
}

/// A member that shares no code with us: Python's own XML-RPC server over a third of the catalogue.
fn foreign_member(k: usize) -> foreign::Server {
    foreign::Server::start("tests/interop/member.py", [k.to_string()])
}

fn foreign_cluster(scenario: Scenario, members: &[foreign::Server]) -> Scenario {
    let nodes: Vec<String> = members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
    scenario.section(&format!("[@mysearch]\nmembers = {}", nodes.join(", ")))
}
