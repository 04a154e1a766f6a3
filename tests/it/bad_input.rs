//! Wrong, missing, malformed and oversized input gets an answer that names what is wrong, in the asker's protocol; and
//! configurations that promise what cannot be kept are refused at start.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Reply, Scenario, TestServer, call};

const FORM: &str = "application/x-www-form-urlencoded";

/// The largest body an app's route takes.
const LIMIT: usize = 5 * 1024 * 1024;

/// An XML-RPC fault with HTTP 200; gives its text and its code as written.
fn fault(reply: Reply) -> (String, String) {
    let text = reply.expect_code(200).text();
    assert!(text.contains("<fault>") && !text.contains("<params>"), "not a fault: {text}");
    let inside = |open: &str, close: &str| {
        let rest = text.split_once(open).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split_once(close)).map(|(value, _)| value.to_owned())
    };
    let code =
        inside("<int>", "</int>").or_else(|| inside("<i4>", "</i4>")).unwrap_or_else(|| panic!("no code: {text}"));
    let message = text.split_once("faultString").unwrap_or_else(|| panic!("no faultString: {text}")).1.to_owned();
    (message, code)
}

/// A JSON-RPC error with HTTP 200 and this code; gives its message.
fn error(reply: Reply, code: i64) -> String {
    let answer = reply.expect_code(200).json();
    assert_eq!(answer["error"]["code"], code, "{answer}");
    assert!(answer.get("result").is_none(), "{answer}");
    let message = answer["error"]["message"].as_str().expect("a message");
    // Where the specification has words of its own, ours are beside them.
    format!("{message} {}", answer["error"]["data"].as_str().unwrap_or_default())
}

#[test]
fn a_missing_or_wrong_argument_is_named_on_the_web() {
    let demo = TestServer::demo().start();
    let wrong = [
        (demo.get("/add?a=1"), "b"),
        (demo.get("/add?a=1&b=two"), "b"),
        (demo.get("/add?a=&b=2"), "a"),
        (demo.get("/add?a=1.5&b=2"), "a"),
        (demo.get("/add?a=99999999999999999999&b=2"), "a"),
        (demo.post("/add", FORM, "b=2"), "a"),
        (demo.post("/add", "application/json", r#"{"a":1,"b":"two"}"#), "b"),
        (demo.get("/company?cid=555"), "cname"),
    ];
    for (reply, name) in wrong {
        let text = reply.expect_code(400).text();
        let quoted = [format!("`{name}`"), format!("'{name}'"), format!("\\\"{name}\\\""), format!("\"{name}\"")];
        assert!(quoted.iter().any(|quoted| text.contains(quoted)), "`{name}` is not named: {text}");
    }
    // Both are named, not only the first.
    let both = demo.get("/add").expect_code(400).text();
    assert!(both.contains("`a`") && both.contains("`b`"), "{both}");
}

#[test]
fn a_missing_or_wrong_argument_is_named_over_rpc() {
    let demo = TestServer::demo().start();
    let ask = |params: serde_json::Value| demo.post("/", "application/json-rpc", call::json("add", &params));
    assert!(error(ask(json!([1])), -32602).contains("`b`"));
    assert!(error(ask(json!(["x", 2])), -32602).contains("`a`"));
    assert!(error(ask(json!({"a": 1})), -32602).contains("`b`"));
    assert!(error(ask(json!([1, 2, 3])), -32602).contains('3'));
    assert!(error(ask(json!({"a": 1, "b": 2, "c": 3})), -32602).contains("`c`"));
    let ask = |params: &[&str]| fault(demo.post("/RPC2", "text/xml", call::xml("add", params)));
    assert!(ask(&["<int>1</int>"]).0.contains("`b`"));
    assert!(ask(&["<string>x</string>", "<int>2</int>"]).0.contains("`a`"));
    assert!(ask(&["<int>1</int>", "<nil/>"]).0.contains("`b`"));
}

#[test]
fn an_unknown_path_is_404_and_a_wrong_method_405_with_allow() {
    let demo = TestServer::demo().start();
    demo.get("/no/such/page").expect_code(404);
    demo.get("/hello/").expect_code(404);
    demo.get("/HELLO").expect_code(404);
    demo.post("/no/such/page", FORM, "a=1").expect_code(404);
    for method in ["PUT", "DELETE", "PATCH"] {
        let refused = demo.ask(method, "/hello", &[], b"").expect_code(405);
        let mut allow: Vec<&str> = refused.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, ["GET", "HEAD", "POST"]);
    }
}

#[test]
fn a_browser_gets_an_html_page_and_others_json() {
    let demo = TestServer::demo().start();
    let page = demo.ask("GET", "/no/such", &[("Accept", "text/html,*/*;q=0.8")], b"").expect_code(404);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    let json = demo.ask("GET", "/add?a=1", &[("Accept", "application/json")], b"").expect_code(400);
    assert_eq!(json.json()["error"]["code"], 400);
    assert!(json.json()["error"]["message"].as_str().unwrap().contains("`b`"));
    // What a visitor sent is shown as text, never as markup.
    let echoed = demo.ask("GET", "/add?a=%3Cscript%3Ealert(1)%3C/script%3E&b=1", &[("Accept", "text/html")], b"");
    assert!(!echoed.expect_code(400).text().contains("<script>alert"));
}

#[test]
fn an_unknown_rpc_method_is_named() {
    let demo = TestServer::demo().start();
    let reply = demo.post("/", "application/json-rpc", call::json("no.such", &json!([])));
    assert!(error(reply, -32601).contains("no.such"));
    assert!(fault(demo.post("/RPC2", "text/xml", call::xml("no.such", &[]))).0.contains("no.such"));
}

#[test]
fn malformed_xml_is_a_fault_with_the_byte_offset() {
    let demo = TestServer::demo().start();
    let broken = "<?xml version=\"1.0\"?><methodCall><methodName>add</methodName><params><param></value>";
    for body in ["", "not xml", broken, "<a></b>", "<methodCall", "\u{0}"] {
        let (message, code) = fault(demo.post("/RPC2", "text/xml", body));
        assert_eq!(code, "-32700", "{body:?}: {message}");
        assert!(message.contains("byte") && message.contains(|c: char| c.is_ascii_digit()), "{body:?}: {message}");
    }
    // XML, but no call.
    for body in ["<methodCall></methodCall>", "<a/>", "<methodResponse><params/></methodResponse>"] {
        fault(demo.post("/RPC2", "text/xml", body));
    }
    // An entity that would be expanded is refused, not expanded.
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\">]><methodCall><methodName>echo</methodName>\
                <params><param><value>&a;</value></param></params></methodCall>";
    fault(demo.post("/RPC2", "text/xml", bomb));
    let deep = format!("{}{}", "<value><array><data>".repeat(20_000), "</data></array></value>".repeat(20_000));
    let deep = format!("<methodCall><methodName>echo</methodName><params><param>{deep}</param></params></methodCall>");
    fault(demo.post("/RPC2", "text/xml", deep));
    demo.get("/hello").expect_code(200);
}

#[test]
fn malformed_json_is_refused_in_both_ways_json_comes_in() {
    let demo = TestServer::demo().start();
    for body in ["", "{", "[1,", "not json", "{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[1,2],\"id\":1"] {
        let answer = demo.post("/", "application/json-rpc", body).expect_code(200).json();
        assert_eq!(answer["error"]["code"], -32700, "{body:?}: {answer}");
        assert_eq!(answer["id"], json!(null), "{answer}");
        if !body.is_empty() {
            demo.post("/add", "application/json", body).expect_code(400);
        }
    }
    for body in ["[]", "1", "\"x\"", "{}", r#"{"jsonrpc":"2.0","method":1,"id":1}"#] {
        let answer = demo.post("/", "application/json-rpc", body).expect_code(200).json();
        assert_eq!(answer["error"]["code"], -32600, "{body:?}: {answer}");
    }
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    demo.post("/echo", "application/json", deep).expect_code(400);
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_body_above_five_mebibytes_is_413_and_one_of_that_size_is_not() {
    let demo = TestServer::demo().start();
    let body_of = |size: usize| format!("value={}", "x".repeat(size - "value=".len()));
    demo.post("/echo", FORM, body_of(LIMIT)).expect_code(200);
    // Told by its announced length, before a byte of it was sent.
    let mut conn = demo.conn();
    conn.send(format!(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n",
        LIMIT + 1
    ));
    conn.read().expect_code(413);
    // Told by its bytes, where no length was announced.
    let mut conn = demo.conn();
    conn.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..6 {
        conn.send_reluctantly(chunk.as_bytes());
    }
    conn.send_reluctantly(b"0\r\n\r\n");
    if let Some(reply) = conn.try_read(true) {
        reply.expect_code(413);
    }
    for content_type in ["text/xml", "application/json-rpc", "application/json"] {
        let mut conn = demo.conn();
        let length = LIMIT + 1;
        conn.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ));
        conn.read().expect_code(413);
    }
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_request_that_is_no_http_is_answered_or_closed_and_harms_nobody() {
    let demo = TestServer::demo().start();
    for bytes in ["\u{0}\u{1}\u{2}\r\n\r\n", "HELLO\r\n\r\n", "GET /hello HTTP/9.9\r\n\r\n", "GET /hello\r\n\r\n"] {
        let mut conn = demo.conn();
        conn.send(bytes);
        if let Some(reply) = conn.try_read(true) {
            assert!((400..600).contains(&reply.code), "{bytes:?} is answered {}", reply.code);
        }
    }
    // Two lengths that differ are how requests are smuggled past a proxy.
    let mut conn = demo.conn();
    conn.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nContent-Length: 0\r\n\r\nvalue=1");
    conn.read().expect_code(400);
    demo.get("/hello").expect_code(200);
}

/// Starts a configuration that must be refused; its whole report is `names`' business.
#[track_caller]
fn refused(scenario: Scenario, names: &[&str]) {
    let conf = scenario.conf();
    let (status, said) = scenario.start_refused();
    assert!(!status.success(), "it ended well, with: {said}");
    for name in names {
        assert!(said.contains(name), "{name:?} is not named in:\n{said}\nof:\n{conf}");
    }
}

#[test]
fn an_unknown_type_of_cluster_is_refused_at_start_naming_the_section() {
    refused(TestServer::demo().section("[@mydb]\ntype = oracle\nmembers = 127.0.0.1/a/b/c"), &["mydb", "oracle"]);
    refused(
        TestServer::demo().section("[@mydb]\ntype = postgresqll\nmembers = 127.0.0.1/a/b/c"),
        &["mydb", "postgresqll"],
    );
}

#[test]
fn a_route_to_a_cluster_that_is_not_declared_is_refused_at_start() {
    refused(TestServer::demo().route("/articles = @nosuchcluster"), &["nosuchcluster"]);
}

#[test]
fn a_cluster_that_the_configuration_lacks_is_said_by_the_routes_that_use_it() {
    let demo = TestServer::demo().start();
    let started = std::time::Instant::now();
    for (path, cluster) in
        [("/search?keyword=Mozart", "mysearch"), ("/lb", "mysearch"), ("/cities", "mydb"), ("/top-city", "mydb")]
    {
        let reply = demo.get(path);
        assert!(reply.code >= 500, "{path} without its cluster is answered {}: {}", reply.code, reply.text());
        assert!(reply.text().contains(cluster), "{path} does not name `{cluster}`: {}", reply.text());
    }
    assert!(started.elapsed() < Duration::from_secs(10), "nothing is to be waited for");
    demo.get("/hello").expect_code(200);
}

#[test]
fn oversized_heads_and_queries_are_refused_and_harm_nobody() {
    let demo = TestServer::demo().start();
    // Ten thousand names that nobody asked for are ignored, as one is; more than that only mean to cost.
    let keys = |count: usize| (0..count).map(|n| format!("k{n}&")).collect::<String>();
    assert_eq!(demo.get(&format!("/add?{}a=1&b=2", keys(9_000))).expect_code(200).text(), "3");
    let many = "k&".repeat(10_001);
    for reply in [demo.get(&format!("/add?{many}a=1&b=2")), demo.post("/add", FORM, many + "a=1&b=2")] {
        assert!(reply.expect_code(400).text().contains("more than 10000 arguments"));
    }
    // A scalar that is given ten thousand times is one fault of one line.
    let reply = demo.get(&format!("/add?{}b=2", "a=1&".repeat(9_000))).expect_code(400);
    assert!(reply.text().contains("`a` was given 9000 times") && reply.body.len() < 500, "{}", reply.text());
    for bad in ["/add?a=%&b=2", "/add?a=%zz&b=2", "/add?%ff=1&b=2", "/add?a=%c3%28&b=2", "/%ff", "/company/1/%ff", "/%"]
    {
        let reply = demo.get(bad);
        assert!((400..500).contains(&reply.code), "{bad}: {} {}", reply.code, reply.text());
    }
    // Heads beyond what is taken: too many lines, a line too long, a target too long.
    let long = "x".repeat(200_000);
    let heads = [
        format!("GET /hello HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(1_000)),
        format!("GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /hello HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /hello?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    for head in heads {
        let mut conn = demo.conn();
        conn.send_reluctantly(head.as_bytes());
        // It may be too late to read the answer: a connection that is closed with bytes unread is reset.
        if let Some(reply) = conn.try_read(true) {
            assert!((400..500).contains(&reply.code), "{}… is answered {}", &head[..60], reply.code);
        }
    }
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_head_or_a_body_that_does_not_come_is_408_in_the_time_of_the_conf() {
    let demo = TestServer::demo().server("head_timeout", "1s").server("body_timeout", "300ms").start();
    let mut conn = demo.conn();
    conn.send("GET /hello HTTP/1.1\r\nHost: x\r\n");
    conn.read().expect_code(408);
    let mut conn = demo.conn();
    conn.send(format!("POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 7\r\n\r\na=1"));
    let text = conn.read().expect_code(408).text();
    assert!(text.contains("within 0.3 s"), "{text:?}");
}

#[test]
fn a_body_that_does_not_come_behind_another_request_has_its_time_too() {
    let demo = TestServer::demo().server("body_timeout", "300ms").start();
    let head = format!("POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 7\r\n\r\n");
    let mut conn = demo.conn();
    // In one piece, so that the second stands in line while the first is served.
    conn.send(format!("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n{head}a=1"));
    assert_eq!(conn.read().expect_code(200).text(), "Hello World");
    conn.read().expect_code(408);
    // The same in time.
    let mut conn = demo.conn();
    conn.send(format!("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n{head}a=1"));
    conn.read().expect_code(200);
    conn.send("&b=2");
    assert_eq!(conn.read().expect_code(200).text(), "3");
}

#[test]
fn clients_that_send_nonsense_again_and_again_do_not_fill_the_log() {
    let site = TestServer::site().start();
    for _ in 0..500 {
        let mut conn = site.conn();
        conn.send("GET / HTTP/7.0\r\nHost: x\r\n\r\n");
        conn.read().expect_code(505);
    }
    let log = site.log();
    let told = log.matches("is not spoken here").count();
    // Twenty in five seconds; a slow machine takes some more of these.
    assert!((20..=120).contains(&told), "{told}: {log:.2000}");
    assert!(log.contains("more of the kind are counted only"), "{log:.2000}");
}
