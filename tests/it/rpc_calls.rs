//! Calls to servers of others: which protocol is spoken, who one says to be, and what an answer or a fault becomes.

use serde_json::{Value, json};

use crate::harness::foreign::Server;
use crate::harness::{Conduct, Member, TestServer, call, data};

fn ask(site: &TestServer, method: &str, params: &Value) -> Value {
    site.post("/rpc3", "application/json", call::json(method, params)).expect_code(200).json()
}

fn json_member(third: &str) -> Server {
    Server::start("tests/interop/json_member.py", [third])
}

#[test]
fn a_json_rpc_server_from_pypi_is_a_member_like_any_other() {
    let members = ["0", "1", "2"].map(json_member);
    let nodes = members.each_ref().map(|member| format!("127.0.0.1:{}", member.port)).join(", ");
    let site = TestServer::site().section(&format!("[@foreign]\nmembers = {nodes}")).start();
    let reply = ask(&site, "ask-any", &json!({"cluster": "foreign/rpc3", "method": "search", "argument": "Mozart"}));
    let found: Vec<Value> =
        reply["result"].as_array().unwrap().iter().flat_map(|third| third.as_array().unwrap().clone()).collect();
    let mut titles: Vec<&str> = found.iter().map(|work| work["title"].as_str().unwrap()).collect();
    let mut due = data::titles_of("Mozart");
    titles.sort_unstable();
    due.sort_unstable();
    assert_eq!(titles, due);
}

#[test]
fn the_protocol_is_that_of_the_suffix_or_the_one_that_is_said() {
    let xml = Server::start("tests/interop/member.py", ["0"]);
    let json = json_member("0");
    let site = TestServer::site().start();
    let cases = [
        (xml.port, "/RPC2", None),
        (xml.port, "/rpc2", None),
        (xml.port, "", None),
        (xml.port, "/any/where", None),
        (json.port, "/rpc3", None),
        (json.port, "/deep/below/RPC3/", None),
        (json.port, "/any/where", Some("json")),
        (xml.port, "/odd/rpc3", Some("xml")),
    ];
    for (port, path, protocol) in cases {
        let url = format!("http://127.0.0.1:{port}{path}");
        let mut params = json!({"url": url, "method": "search", "argument": "Mozart"});
        if let Some(protocol) = protocol {
            params["protocol"] = json!(protocol);
        }
        let reply = ask(&site, "ask-any", &params);
        assert!(reply["result"][0].as_array().is_some_and(|found| !found.is_empty()), "{url} {protocol:?}: {reply:#}");
    }
    // The wrong one is an error that says what came, not an empty answer.
    let reply = ask(
        &site,
        "ask-any",
        &json!({"url": format!("http://127.0.0.1:{}/rpc3", xml.port), "method": "search", "argument": "x"}),
    );
    assert_eq!(reply["error"]["code"], -32502, "{reply:#}");
}

#[test]
fn a_login_and_a_header_go_along() {
    let member = json_member("0");
    let site = TestServer::site().start();
    let whoami = |argument: &str| {
        let url = format!("http://127.0.0.1:{}/rpc3", member.port);
        let params = json!({
            "url": url, "method": "whoami", "argument": argument, "login": "Aladdin:open sesame", "header": "X-Tenant=7",
        });
        ask(&site, "ask-any", &params)["result"][0].clone()
    };
    assert_eq!(whoami("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(whoami("x-tenant"), "7");
}

#[test]
fn a_server_that_takes_plain_json_alone_is_spoken_to_in_that() {
    let npm = Server::start("tests/interop/jayson_server.js", [""; 0]);
    let site = TestServer::site().section(&format!("[@npm]\nmembers = 127.0.0.1:{}", npm.port)).start();
    let double = |header: &str| {
        ask(&site, "ask-any", &json!({"cluster": "npm/rpc3", "method": "double", "argument": 21, "header": header}))
    };
    assert_eq!(double("content-type=application/json")["result"], json!([42]));
    let refused = double("x-odd=1");
    assert!(refused["error"]["message"].as_str().unwrap().contains("HTTP 415"), "{refused:#}");
}

#[test]
fn an_answer_is_a_type_and_a_fault_another() {
    let (json, xml) = (json_member("0"), Member::start(Conduct::Fault(4711, "not Mozart")));
    let site = TestServer::site().start();
    let url = format!("http://127.0.0.1:{}/rpc3", json.port);
    let good = ask(&site, "ask-typed", &json!([url, "search", "Mozart"]));
    assert!(
        good["result"]["year"].is_i64() && good["result"]["composer"].as_str().unwrap().contains("Mozart"),
        "{good:#}"
    );
    for url in [url.clone(), format!("http://{}/RPC2", xml.node())] {
        let reply = ask(&site, "ask-typed", &json!([url, "refuse", "Mozart"]));
        assert_eq!(reply["error"]["code"], 4711, "{url}: {reply:#}");
        assert_eq!(reply["error"]["message"], "the member's fault: not Mozart", "{url}");
    }
    // What does not fit the type is an error of ours.
    let odd = ask(&site, "ask-typed", &json!([url, "whoami", "host"]));
    assert_eq!(odd["error"]["code"], -32603, "{odd:#}");
}

#[test]
fn rest_speaks_json_with_every_verb() {
    let site = TestServer::site().start();
    let member = TestServer::site().start();
    let rest =
        |url: String, verb: &str, body: Value| ask(&site, "ask-rest", &json!([url, verb, body]))["result"].clone();
    // Our own pages answer JSON in JSON.
    assert_eq!(rest(member.url("/sum?a=1&b=2&c=3"), "get", Value::Null), json!([200, "ok", 6]));
    let body = json!({"a": 1, "b": 2, "c": 9_007_199_254_740_993_i64});
    assert_eq!(rest(member.url("/sum"), "post", body), json!([200, "ok", 9_007_199_254_740_996_i64]));
    for verb in ["put", "patch", "delete"] {
        let reply = rest(member.url("/sum"), verb, json!({}));
        assert_eq!((&reply[0], &reply[1]), (&json!(405), &json!("http_status")), "{verb}: {reply}");
        let says = reply[2]["error"]["message"].as_str().unwrap();
        assert!(says.starts_with(&format!("{} is not allowed", verb.to_uppercase())), "{says}");
    }
    assert_eq!(rest(member.url("/sum"), "call", Value::Null), json!([0, "unsendable", null]));
    let page = Member::start(Conduct::Page(200, "<p>no JSON</p>"));
    assert_eq!(rest(format!("http://{}/", page.node()), "get", Value::Null)[2], "<p>no JSON</p>");
}
