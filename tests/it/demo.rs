//! The demo as a stranger starts it, and two of it side by side.

use std::collections::BTreeSet;

use crate::harness::{TestServer, data, eventually};

/// The demo without a configuration, as `cargo run` starts it.
fn alone() -> TestServer {
    TestServer::demo().without_conf().start()
}

/// The members that a demo says it has started, in their order.
pub(crate) fn members_of(demo: &TestServer) -> Vec<String> {
    let log = eventually("it says where its members are", || {
        let log = demo.log();
        log.lines().find_map(|line| line.split("the members listen on ").nth(1).map(str::to_owned))
    });
    log.split(", ").map(|node| node.trim().to_owned()).collect()
}

#[test]
fn two_demos_side_by_side_have_members_of_their_own() {
    let demos = [alone(), alone()];
    let nodes: Vec<Vec<String>> = demos.iter().map(members_of).collect();
    assert_eq!(nodes.iter().flatten().collect::<BTreeSet<_>>().len(), 6, "{nodes:?}");
    let whole = |demo: &TestServer, nodes: &[String]| {
        let found = demo.get("/search?keyword=Mozart").expect_code(200);
        assert!(found.header_all("x-coverage").is_empty(), "{:?}", found.headers);
        for title in data::titles_of("Mozart") {
            assert!(found.text().contains(&title), "{title} is not found: {}", found.text());
        }
        let one = demo.get("/lb").expect_code(200).json()["member"].as_str().expect("a member").to_owned();
        assert!(nodes.contains(&one), "{one} is none of {nodes:?}");
    };
    whole(&demos[0], &nodes[0]);
    whole(&demos[1], &nodes[1]);
    // One that ends leaves the other's members alone.
    let [first, second] = demos;
    let (status, _, log, _) = first.stop();
    assert!(status.success(), "{status}: {log}");
    whole(&second, &nodes[1]);
}
