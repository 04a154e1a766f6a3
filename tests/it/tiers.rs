//! A tree of servers, three tiers of three: what one leaf lacks is known at the root, time shortens on the way down,
//! and who leaves the root leaves no work behind at the leaves. (`actors/src/outcome/coverage/tests.rs` has ten times
//! ten times ten.)

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Conduct, Member, Reply, TestServer};

const WIDTH: usize = 3;

/// One root, three servers below it, nine below these, and 27 leaves.
struct Tree {
    /// The root is the last.
    servers: Vec<TestServer>,
    leaves: Vec<Member>,
}

impl Tree {
    /// With this leaf in place of one.
    fn with(other: Conduct) -> Tree {
        let mut leaves: Vec<Member> =
            (1..WIDTH.pow(3)).map(|_| Member::start(Conduct::Fine("<string>leaf</string>"))).collect();
        leaves.insert(13, Member::start(other));
        let mut servers: Vec<TestServer> = leaves
            .chunks(WIDTH)
            .map(|own| TestServer::site().cluster("leaves", &own.iter().collect::<Vec<_>>()).start())
            .collect();
        let mut tier = 0..servers.len();
        while tier.len() > 1 {
            let above: Vec<TestServer> = servers[tier.clone()]
                .chunks(WIDTH)
                .map(|own| {
                    let members: Vec<String> =
                        own.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
                    TestServer::site().section(&format!("[@nodes]\nmembers = {}", members.join(", "))).start()
                })
                .collect();
            tier = servers.len()..servers.len() + above.len();
            servers.extend(above);
        }
        Tree { servers, leaves }
    }

    fn root(&self) -> &TestServer {
        self.servers.last().expect("a tree has a root")
    }

    fn ask(&self) -> Reply {
        let headers = [("x-request-timeout-ms", "15000"), ("prefer", "coverage=body")];
        self.root().ask("GET", "/covered/tree?tiers=2", &headers, b"").expect_code(200)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The root first: a server waits for a request on the connections that those above it keep.
        while self.servers.pop().is_some() {}
    }
}

/// The times that the servers of each tier were given, from the root down, and the leaves that were found.
fn times(tier: &Value, depth: usize, times: &mut Vec<Vec<i64>>, leaves: &mut usize) {
    times.resize_with(times.len().max(depth + 1), Vec::new);
    times[depth].push(tier["left"].as_i64().expect("a time"));
    for found in tier["found"].as_array().expect("a list") {
        match found {
            Value::String(_) => *leaves += 1,
            below => self::times(below, depth + 1, times, leaves),
        }
    }
}

#[test]
fn the_root_says_that_one_leaf_of_all_is_missing() {
    let whole = Tree::with(Conduct::Fine("<string>leaf</string>")).ask();
    assert_eq!(whole.header("x-coverage"), "nodes;ok=3;asked=3;leaves_ok=27;leaves=27");
    assert_eq!(whole.json()["coverage"]["complete"], true);
    for missing in [Conduct::Closed, Conduct::Fault(1, "out of order"), Conduct::ReadsAndCloses] {
        let tree = Tree::with(missing);
        let reply = tree.ask();
        assert_eq!(reply.header("x-coverage"), "nodes;ok=2;asked=3;partial=1;leaves_ok=26;leaves=27");
        let answer = reply.json();
        // From tier to tier, the way to the leaf: the second server, its second, its second leaf.
        let mut report = &answer["coverage"];
        for _ in 0..3 {
            let missing = report["clusters"][0]["missing"].as_array().expect("who is missing");
            assert_eq!((missing.len(), missing[0]["index"].as_u64()), (1, Some(1)), "{missing:?}");
            report = &missing[0]["coverage"];
        }
        assert!(report.is_null(), "a leaf has nothing below it: {report}");
        let (mut given, mut leaves) = (Vec::new(), 0);
        times(&answer["data"], 0, &mut given, &mut leaves);
        assert_eq!((leaves, given.iter().map(Vec::len).collect::<Vec<_>>()), (26, vec![1, 3, 9]));
        // Each tier keeps a reserve, so the time shortens by it on each way down, and at the leaves it is shortest.
        let least: Vec<i64> = given.iter().map(|tier| *tier.iter().min().expect("servers")).collect();
        let most: Vec<i64> = given.iter().map(|tier| *tier.iter().max().expect("servers")).collect();
        assert!(least[0] > most[1] && least[1] > most[2], "{given:?}");
        let line = |head: &str| {
            head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("x-request-timeout-ms: ")?.trim().parse::<i64>().ok()
            })
        };
        for leaf in tree.leaves.iter().filter(|leaf| leaf.requests() > 0) {
            let left = leaf.heads().iter().find_map(|head| line(head)).expect("a leaf is told its time, too");
            assert!(left < most[2] && left > 0, "{left} of {given:?}");
        }
    }
}

#[test]
fn who_leaves_the_root_ends_the_work_at_the_leaf() {
    let tree = Tree::with(Conduct::Hangs);
    let conn = tree.root().begin("/covered/tree?tiers=2");
    tree.leaves[13].wait_for_requests(1);
    let left = Instant::now();
    conn.reset();
    let gone = tree.leaves[13].abandoned();
    assert!(gone.saturating_duration_since(left) < Duration::from_millis(500), "{:?}", gone - left);
    // A deadline at the root does the same, and the answer is there before it.
    let begun = Instant::now();
    let reply =
        tree.root().ask("GET", "/covered/tree?tiers=2", &[("x-request-timeout-ms", "3000")], b"").expect_code(200);
    assert_eq!(
        reply.header("x-coverage"),
        "nodes;ok=2;asked=3;partial=1;leaves_ok=26;leaves=27",
        "every tier kept its reserve"
    );
    assert!(begun.elapsed() < Duration::from_millis(3_500), "{:?}", begun.elapsed());
}
