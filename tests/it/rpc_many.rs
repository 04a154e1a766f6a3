//! Many calls in one request: `system.multicall` and batches, side by side, each with its own answer, within limits.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Conduct, Member, TestServer, bound, call};

const JSON: &str = "application/json";

/// `(method, inside of params)` as a system.multicall.
fn multicall(calls: &[(&str, &str)]) -> String {
    let entry = |(method, params): &(&str, &str)| {
        format!(
            "<value><struct><member><name>methodName</name><value>{method}</value></member>\
             <member><name>params</name><value><array><data>{params}</data></array></value></member></struct></value>"
        )
    };
    let calls: String = calls.iter().map(entry).collect();
    call::xml("system.multicall", &[&format!("<array><data>{calls}</data></array>")])
}

fn sum(n: i64) -> Value {
    json!({"jsonrpc": "2.0", "method": "sum", "params": [n, 0, 0], "id": n})
}

#[test]
fn calls_of_one_request_run_side_by_side_and_keep_their_order() {
    let member = Member::start(Conduct::Hangs);
    let site = TestServer::site().cluster("slow", &[&member]).start();
    let began = Instant::now();
    // The first takes longest: were they made one after the other, it would be 4 × 0.8 s and more.
    let nap = |millis: u64, name: &str| json!(["slow", millis, name]);
    let batch: Vec<Value> = [(800, "a"), (600, "b"), (400, "c"), (200, "d")]
        .iter()
        .map(|&(millis, name)| json!({"jsonrpc": "2.0", "method": "nap", "params": nap(millis, name), "id": name}))
        .collect();
    let answers = site.post("/rpc3", JSON, json!(batch).to_string()).expect_code(200).json();
    let names: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["result"]).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let alone =
        |millis: u64, name: &str| format!("<value>slow</value><value><int>{millis}</int></value><value>{name}</value>");
    let (a, b, c) = (alone(800, "a"), alone(600, "b"), alone(400, "c"));
    let reply = site.post("/RPC2", "text/xml", multicall(&[("nap", &a), ("nap", &b), ("nap", &c)])).expect_code(200);
    let text = reply.text();
    let places: Vec<usize> = ["a", "b", "c"].iter().map(|name| text.find(&format!(">{name}<")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    // Side by side they take 1.6 s, one after the other 3.8.
    let limit = bound(Duration::from_millis(2_800), Duration::from_millis(3_800));
    assert!(began.elapsed() < limit, "{:?}", began.elapsed());
}

#[test]
fn each_call_has_its_own_fault_and_its_own_deadline() {
    let member = Member::start(Conduct::Hangs);
    let site = TestServer::site().cluster("slow", &[&member]).panics_expected().start();
    let calls = [
        ("sum", "<value><int>1</int></value><value><int>2</int></value><value><int>3</int></value>"),
        ("sum", "<value><int>1</int></value>"),
        ("nobody", ""),
        ("panic", ""),
        ("chain.short", "<value>slow/rpc2</value>"),
        ("letters", "<value><int>1</int></value>"),
        ("refuse", "<value><int>404</int></value><value><int>7</int></value><value>of my own</value>"),
        ("system.multicall", "<value><array><data/></array></value>"),
        ("get_data", ""),
    ];
    let text = site.post("/RPC2", "text/xml", multicall(&calls)).expect_code(200).text();
    let codes: Vec<&str> = text
        .split("<name>faultCode</name>")
        .skip(1)
        .map(|rest| &rest[rest.find("<int>").unwrap() + 5..rest.find("</int>").unwrap()])
        .collect();
    // Of `chain.short` the member is late and not the call: it answers within its 0.4 s with what it has.
    assert_eq!(codes, ["-32602", "-32601", "-32603", "-32501", "7", "-32600"], "{text}");
    assert!(text.contains("<int>6</int>") && text.contains("deadline") && text.contains("hello"), "{text}");
    assert!(text.contains("a stream, which RPC cannot carry"), "{text}");
}

#[test]
fn a_batch_is_limited_by_count() {
    let site = TestServer::site().server("max_batch", "3").start();
    let batch = |count: i64| json!((1..=count).map(sum).collect::<Vec<_>>()).to_string();
    let three = site.post("/rpc3", JSON, batch(3)).expect_code(200).json();
    assert_eq!(three.as_array().unwrap().len(), 3);
    let four = site.post("/rpc3", JSON, batch(4)).expect_code(200).json();
    assert_eq!((&four["error"]["code"], &four["id"]), (&json!(-32600), &Value::Null), "{four:#}");
    assert_eq!(four["error"]["data"], "a batch of 4 requests, more than the limit of 3");
    let calls = [("get_data", ""); 4];
    assert!(site.post("/RPC2", "text/xml", multicall(&calls[..3])).text().contains("hello"));
    let refused = site.post("/RPC2", "text/xml", multicall(&calls)).expect_code(200).text();
    assert!(
        refused.contains("<int>-32600</int>") && refused.contains("4 calls, more than the limit of 3"),
        "{refused}"
    );
}

#[test]
fn a_batch_is_limited_by_the_size_of_its_answers() {
    let site = TestServer::site().server("max_batch_answer", "64k").start();
    let large = |bytes: usize| json!({"jsonrpc": "2.0", "method": "large", "params": [bytes], "id": bytes});
    // What is made behind a call that waits sees that there is no room: it is not made.
    let late: Vec<Value> = (0..200).map(|_| json!({"jsonrpc": "2.0", "method": "note_ten", "id": "n"})).collect();
    let noted = || site.get("/noted").expect_code(200).json().as_i64().unwrap();
    let before = noted();
    let batch: Vec<Value> = [large(60_000), large(60_001)].into_iter().chain(late).collect();
    let reply = site.post("/rpc3", JSON, json!(batch).to_string()).expect_code(200);
    let answers = reply.json();
    assert_eq!(answers[0]["result"].as_str().unwrap().len(), 60_000);
    let refused = answers.as_array().unwrap().iter().skip(1).map(|answer| answer["error"]["code"].as_i64());
    assert!(refused.clone().all(|code| code == Some(-32413)), "{refused:?}");
    assert_eq!(answers[1]["id"], 60_001);
    let made = answers.as_array().unwrap().iter().skip(2);
    let made =
        made.filter(|answer| answer["error"]["message"].as_str().unwrap().ends_with("the call was made")).count();
    assert_eq!(noted() - before, 10 * i64::try_from(made).unwrap(), "each says truly whether it was made");
    assert!(made < 200, "the last of two hundred were not made");
    let octets = format!("<value><int>{}</int></value>", 60_000);
    let text = site.post("/RPC2", "text/xml", multicall(&[("large", &octets), ("large", &octets)])).text();
    assert!(text.contains("<int>-32413</int>") && text.len() < 70_000, "{} bytes", text.len());
}

#[test]
fn multicall_speaks_json_too_and_no_batch_multiplies_it() {
    let site = TestServer::site().start();
    let several = json!([[{"methodName": "get_data", "params": []}, {"methodName": "subtract", "params": {"minuend": 5, "subtrahend": 3}}, {"methodName": "nobody"}]]);
    let received = site.post("/rpc3", JSON, call::json("system.multicall", &several)).expect_code(200).json();
    assert_eq!(received["result"][0], json!([["hello", 5]]), "{received:#}");
    assert_eq!((&received["result"][1], &received["result"][2]["faultCode"]), (&json!([2]), &json!(-32601)));
    let batch = json!([{"jsonrpc": "2.0", "method": "system.multicall", "params": several, "id": 1}]);
    let refused = site.post("/rpc3", JSON, batch.to_string()).expect_code(200).json();
    assert_eq!(refused[0]["error"]["code"], -32600, "{refused:#}");
}

#[test]
fn calls_of_one_request_share_their_session_and_cookies() {
    let demo = TestServer::demo().start();
    let calls = [("test.signin", "<value>hansroh</value>"), ("index", "")];
    let reply = demo.post("/RPC2", "text/xml", multicall(&calls)).expect_code(200);
    let cookies = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
    let mut names: Vec<&str> = cookies.filter_map(|(_, value)| value.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["SESSION", "username"], "{:?}", reply.headers);
    assert!(reply.text().contains("hansroh"), "{}", reply.text());
}

#[test]
fn the_paths_of_rpc_say_what_is_spoken_there() {
    let site = TestServer::site().route("/below = testsite").start();
    let xml = call::xml("get_data", &[]);
    let json = call::json("get_data", &json!([]));
    for path in ["/RPC2", "/rpc2", "/rpc2/", "/below/RPC2"] {
        for kind in ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"] {
            assert!(site.post(path, kind, &xml).expect_code(200).text().contains("hello"), "{path} {kind}");
        }
    }
    for path in ["/rpc3", "/RPC3", "/rpc3/", "/below/rpc3"] {
        for kind in ["application/json", "text/plain", "application/json; charset=utf-8"] {
            assert_eq!(
                site.post(path, kind, &json).expect_code(200).json()["result"],
                json!(["hello", 5]),
                "{path} {kind}"
            );
        }
    }
    // Elsewhere the same words mean a page's arguments; what says by its type that it is RPC is, wherever it goes.
    site.post("/elsewhere/rpc3", "application/json", &json).expect_code(404);
    site.post("/rpc3", "text/xml", &xml).expect_code(200);
    assert_eq!(site.post("/RPC2", "application/json-rpc", &json).expect_code(200).json()["result"][1], 5);
}
