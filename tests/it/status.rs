//! The status tree: for the administrator alone, as JSON, true to what happened, and without secrets.

use serde_json::Value;

use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Member, Postgres, Reply, TestServer};

/// The value of an `Authorization` header.
pub(crate) fn basic(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = format!("{user}:{password}");
    let mut line = "Basic ".to_owned();
    for group in plain.as_bytes().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for k in 0..4 {
            let six = (bits >> (18 - 6 * k) & 63) as usize;
            line.push(if k <= group.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    line
}

fn status(server: &TestServer, authorization: &str) -> Reply {
    server.ask("GET", "/status", &[("Authorization", authorization), ("Accept", "application/json")], b"")
}

fn tree(server: &TestServer) -> Value {
    status(server, &basic("admin", ADMIN_PASSWORD)).expect_code(200).json()
}

/// Every object below, itself included, that has this name as key.
fn find_all<'a>(tree: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match tree {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            if key == name {
                found.push(value);
            }
            find_all(value, name, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| find_all(value, name, found)),
        _ => {}
    }
}

#[test]
fn only_the_administrator_sees_it() {
    let demo = TestServer::demo().start();
    let refused = [
        demo.get("/status"),
        status(&demo, &basic("admin", "wrong")),
        status(&demo, &basic("admin", "")),
        status(&demo, &basic("root", ADMIN_PASSWORD)),
        status(&demo, &basic("", ADMIN_PASSWORD)),
        status(&demo, "Basic !!!"),
        status(&demo, "Bearer x"),
    ];
    for reply in refused {
        let reply = reply.expect_code(401);
        assert!(reply.header("www-authenticate").starts_with("Basic realm="), "{:?}", reply.headers);
        assert!(!reply.text().contains("requests"), "{}", reply.text());
    }
    assert!(tree(&demo).is_object());
}

#[test]
fn the_tree_names_every_cluster_and_its_members() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Closed)];
    let section = Postgres::shared().shards("mydb");
    let demo = TestServer::demo().cluster("mysearch", &members.each_ref()).section(&section).start();
    demo.get("/search?keyword=Mozart");
    demo.get("/top-city").expect_code(200);
    let text = tree(&demo).to_string();
    for name in ["mysearch", "mydb", "shard0", "shard2", &members[0].node(), &members[1].node()] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    assert!(!text.contains(Postgres::password()) && !text.contains(ADMIN_PASSWORD), "{text}");
}

#[test]
fn requests_are_counted_exactly() {
    let demo = TestServer::demo().server("threads", "2").start();
    let count = |tree: &Value| {
        let requests = tree["requests"]["requests"].as_u64();
        requests.unwrap_or_else(|| panic!("no `requests` in {tree}"))
    };
    let before = count(&tree(&demo));
    for _ in 0..25 {
        demo.get("/hello").expect_code(200);
    }
    let after = count(&tree(&demo));
    // Each look is counted when its answer is out, so the second one sees the first.
    assert_eq!(after - before, 26);
}

#[test]
fn a_handler_that_calls_nobody_sends_no_actor_a_message() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let demo = TestServer::demo().cluster("mysearch", &[&member]).start();
    for _ in 0..25 {
        demo.get("/hello").expect_code(200);
    }
    let tree = tree(&demo);
    let mut found = Vec::new();
    find_all(&tree, "mysearch", &mut found);
    let calls: Vec<u64> = found.iter().filter_map(|cluster| cluster["calls"].as_u64()).collect();
    assert!(calls.iter().all(|&calls| calls == 0), "{tree}");
    assert_eq!(member.connections(), 0);
}
