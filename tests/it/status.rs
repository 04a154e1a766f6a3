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

pub(crate) fn tree(server: &TestServer) -> Value {
    status(server, &basic("admin", ADMIN_PASSWORD)).expect_code(200).json()
}

/// One counter of every member of a cluster, in the order of the configuration.
fn counted(tree: &Value, cluster: &str, counter: &str) -> Vec<u64> {
    let members = tree["clusters"][cluster]["members"].as_array();
    let members = members.unwrap_or_else(|| panic!("no members of {cluster} in {tree:#}"));
    let count = |member: &Value| member[counter].as_u64().unwrap_or_else(|| panic!("no `{counter}` in {member:#}"));
    members.iter().map(count).collect()
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

/// Messages asked of all actors, apart from those the status page itself sends.
fn messages(tree: &Value) -> u64 {
    let actors = tree["actors"].as_array().unwrap_or_else(|| panic!("no actors in {tree:#}"));
    assert!(!actors.is_empty());
    let asked = |actor: &Value| {
        let kinds = actor["asked"].as_object().unwrap_or_else(|| panic!("no counts by message in {actor:#}"));
        kinds.iter().filter(|(kind, _)| *kind != "report").filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    actors.iter().map(asked).sum()
}

#[test]
fn a_handler_that_calls_nothing_sends_no_message_to_any_actor() {
    let demo = TestServer::demo().start();
    let before = messages(&tree(&demo));
    for path in ["/hello", "/add?a=1&b=2", "/company/555/Skitai+Corp", "/", "/nothing/here"] {
        demo.get(path);
    }
    assert_eq!(messages(&tree(&demo)), before);
    // The same count moves as soon as a handler has something to keep: it is a count, not a constant.
    demo.get("/test/signin?username=hansroh").expect_code(200);
    assert_eq!(messages(&tree(&demo)), before + 1);
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
fn what_became_of_calls_is_counted_by_member() {
    let members = [
        Member::start(Conduct::Fine("<array><data></data></array>")),
        Member::start(Conduct::Closed),
        Member::start(Conduct::Fault(1, "no")),
    ];
    let demo = TestServer::demo().server("threads", "2").cluster("mysearch", &members.each_ref()).start();
    // One less than what ejects a member: an ejected one is not dialled any more.
    for _ in 0..4 {
        demo.get("/search?keyword=Mozart").expect_code(200);
    }
    let tree = tree(&demo);
    assert_eq!(counted(&tree, "mysearch", "ok"), [4, 0, 0], "{tree:#}");
    assert_eq!(counted(&tree, "mysearch", "not_connected"), [0, 4, 0], "{tree:#}");
    assert_eq!(counted(&tree, "mysearch", "failed"), [0, 0, 4], "{tree:#}");
    assert_eq!(counted(&tree, "mysearch", "in_flight"), [0, 0, 0], "{tree:#}");
}

#[test]
fn a_handler_that_calls_nobody_reaches_nobody() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let demo = TestServer::demo().cluster("mysearch", &[&member]).start();
    for _ in 0..25 {
        demo.get("/hello").expect_code(200);
    }
    let tree = tree(&demo);
    for counter in ["sent", "ok", "failed", "not_connected"] {
        assert_eq!(counted(&tree, "mysearch", counter), [0], "{tree:#}");
    }
    assert_eq!(member.connections(), 0);
    // Without a cookie there is no session to load either.
    assert_eq!(tree["sessions"]["loaded"], 0, "{tree:#}");
    assert_eq!(tree["cache"]["misses"], 0, "{tree:#}");
}

/// The names of a tree and what stands under them; of a list its first item, and so of what the site itself names;
/// numbers are all alike, and so are the buckets that times fell into.
fn shape(value: &Value, path: &str, answer: &mut Vec<String>) {
    match value {
        Value::Object(_) if path.ends_with(".buckets") => answer.push(format!("{path}: numbers")),
        Value::Object(fields) if fields.is_empty() => answer.push(format!("{path}: {{}}")),
        Value::Object(fields) if [".apps", ".routes", ".config", ".config.*"].contains(&path) => {
            let first = fields.values().next().expect("it is not empty");
            shape(first, &format!("{path}.*"), answer);
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|field| field.0);
            for (name, field) in fields {
                shape(field, &format!("{path}.{name}"), answer);
            }
        }
        Value::Array(items) if items.is_empty() => answer.push(format!("{path}: []")),
        Value::Array(items) => shape(&items[0], &format!("{path}[]"), answer),
        Value::Null => answer.push(format!("{path}: null")),
        Value::Bool(_) => answer.push(format!("{path}: bool")),
        Value::Number(_) => answer.push(format!("{path}: number")),
        Value::String(_) => answer.push(format!("{path}: text")),
    }
}

/// Monitoring reads these names: one that goes or changes is a change that users see.
#[test]
fn the_tree_has_this_shape() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Closed)];
    let site = TestServer::site()
        .server("threads", "1")
        .cluster("members", &members.each_ref())
        .section(&Postgres::section("one", &[Postgres::member(Postgres::shared().port(), "shard0")]))
        .start();
    site.get("/outcomes?cluster=members/rpc2&way=map&timeout=2000").expect_code(200);
    site.get("/shard?cluster=one&n=0").expect_code(200);
    let mut answer = Vec::new();
    shape(&tree(&site), "", &mut answer);
    insta::assert_snapshot!("tree", answer.join("\n"));
}
