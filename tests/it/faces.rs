//! One handler is a page, an XML-RPC method and a JSON-RPC method: raw bytes, curl, Python's `xmlrpc.client` and a
//! JSON-RPC client from PyPI all reach the same functions of the demo.

use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, call, curl, python};

const FORM: &str = "application/x-www-form-urlencoded";

/// A JSON-RPC call and its whole answer.
fn json_rpc(server: &TestServer, path: &str, method: &str, params: &Value) -> Value {
    let reply = server.post(path, "application/json-rpc", call::json(method, params)).expect_code(200);
    let answer = reply.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{answer}");
    answer
}

/// An XML-RPC call and its answer, spaces between tags removed.
fn xml_rpc(server: &TestServer, path: &str, method: &str, params: &[&str]) -> String {
    let reply = server.post(path, "text/xml", call::xml(method, params)).expect_code(200);
    assert!(reply.header("content-type").starts_with("text/xml"), "{:?}", reply.headers);
    reply.text().split('>').map(str::trim_start).collect::<Vec<_>>().join(">")
}

fn assert_page(reply: Reply, text: &str) {
    let reply = reply.expect_code(200);
    assert_eq!(reply.text(), text);
    assert_eq!(reply.header("content-type").to_lowercase(), "text/html; charset=utf-8");
}

#[test]
fn hello_is_a_page_and_a_method_of_both_protocols() {
    let demo = TestServer::demo().start();
    assert_page(demo.get("/hello"), "Hello World");
    assert!(xml_rpc(&demo, "/RPC2", "hello", &[]).contains("Hello World"));
    assert_eq!(json_rpc(&demo, "/", "hello", &json!([]))["result"], "Hello World");
}

#[test]
fn head_answers_like_get_without_the_body() {
    let demo = TestServer::demo().start();
    let mut conn = demo.conn();
    conn.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = conn.read_head().expect_code(200);
    assert_eq!(head.header("content-length"), "11");
    // The connection goes on: had a body followed, it would be read as the next response.
    conn.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_page(conn.read(), "Hello World");
}

#[test]
fn add_takes_its_integers_from_query_form_json_and_both_rpcs() {
    let demo = TestServer::demo().start();
    let sums = [
        demo.get("/add?a=1&b=2"),
        demo.post("/add", FORM, "a=1&b=2"),
        demo.post("/add?a=1", FORM, "b=2"),
        demo.post("/add", "application/json", r#"{"a":1,"b":2}"#),
        demo.post("/add", "application/json; charset=utf-8", r#"{"b":2,"a":1}"#),
    ];
    for sum in sums {
        let sum = sum.expect_code(200);
        assert_eq!(sum.text(), "3");
        assert!(sum.header("content-type").starts_with("application/json"), "{:?}", sum.headers);
    }
    for path in ["/", "/RPC2", "/any/path/at/all"] {
        let xml = xml_rpc(&demo, path, "add", &["<int>1</int>", "<i4>2</i4>"]);
        assert!(xml.contains("<int>3</int>") || xml.contains("<i4>3</i4>"), "{xml}");
        assert_eq!(json_rpc(&demo, path, "add", &json!([1, 2]))["result"], 3);
        assert_eq!(json_rpc(&demo, path, "add", &json!({"b": 2, "a": 1}))["result"], 3);
    }
    assert_eq!(
        json_rpc(&demo, "/", "add", &json!([-5, 9_007_199_254_740_993_i64]))["result"],
        9_007_199_254_740_988_i64
    );
}

#[test]
fn company_is_reached_by_path_by_query_and_by_method() {
    let demo = TestServer::demo().start();
    for path in [
        "/company/555/Skitai+Corp",
        "/company/555/Skitai%20Corp",
        "/company?cid=555&cname=Skitai+Corp",
        "/company?cname=Skitai%20Corp&cid=555",
    ] {
        assert_page(demo.get(path), "555 - Skitai Corp");
    }
    assert_page(demo.post("/company", FORM, "cid=555&cname=Skitai+Corp"), "555 - Skitai Corp");
    assert_page(demo.post("/company", "application/json", r#"{"cid":555,"cname":"Skitai Corp"}"#), "555 - Skitai Corp");
    let xml = xml_rpc(&demo, "/RPC2", "company", &["<int>555</int>", "<string>Skitai Corp</string>"]);
    assert!(xml.contains("555 - Skitai Corp"), "{xml}");
    assert_eq!(json_rpc(&demo, "/", "company", &json!([555, "Skitai Corp"]))["result"], "555 - Skitai Corp");
}

#[test]
fn a_placeholder_of_the_wrong_type_is_another_path() {
    let demo = TestServer::demo().start();
    demo.get("/company/abc/Skitai").expect_code(404);
    // That is a route of its own, and misses the name.
    demo.get("/company/555").expect_code(400);
    demo.get("/company/abc").expect_code(404);
    demo.get("/company/555/a/b").expect_code(404);
}

#[test]
fn a_package_answers_under_its_own_path_and_name() {
    let demo = TestServer::demo().start();
    let page = demo.get("/greetings/morning").expect_code(200).text();
    assert!(!page.is_empty());
    assert_eq!(json_rpc(&demo, "/", "greetings.morning", &json!([]))["result"], page);
    assert!(xml_rpc(&demo, "/RPC2", "greetings.morning", &[]).contains(&page));
}

#[test]
fn echo_gives_back_every_json_value() {
    let demo = TestServer::demo().start();
    let values = [
        json!(null),
        json!(true),
        json!(-7),
        json!(4_611_686_018_427_387_905_i64),
        json!(0.1),
        json!(""),
        json!("한글 <&> \u{1F3B5} \" \\ \n"),
        json!([]),
        json!({}),
        json!([1, [2, {"three": [4.5, null]}], "six"]),
        json!({"z": 1, "a": {"ä": [false]}}),
    ];
    for value in values {
        assert_eq!(json_rpc(&demo, "/", "echo", &json!([value]))["result"], value);
        assert_eq!(json_rpc(&demo, "/", "echo", &json!({"value": value}))["result"], value);
    }
    let text = demo.post("/echo", "application/json", r#"{"value":{"a":[1,2.5,"x"]}}"#).expect_code(200);
    assert_eq!(text.json(), json!({"a": [1, 2.5, "x"]}));
}

#[test]
fn a_batch_is_answered_in_one_array_and_notifications_by_nothing() {
    let demo = TestServer::demo().start();
    let batch = json!([
        {"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": "one"},
        {"jsonrpc": "2.0", "method": "add", "params": [3, 4]},
        {"jsonrpc": "2.0", "method": "nobody", "id": 3},
    ]);
    let answers = demo.post("/", "application/json-rpc", batch.to_string()).expect_code(200).json();
    let answers = answers.as_array().expect("an array for a batch");
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers.contains(&json!({"jsonrpc": "2.0", "result": 3, "id": "one"})), "{answers:?}");
    assert!(answers.iter().any(|answer| answer["id"] == 3 && answer["error"]["code"] == -32601), "{answers:?}");
    let one = json!({"jsonrpc": "2.0", "method": "add", "params": [1, 2]});
    let nothing = demo.post("/", "application/json-rpc", one.to_string());
    assert!(nothing.code < 300 && nothing.body.is_empty(), "{}: {}", nothing.code, nothing.text());
}

#[test]
fn the_first_page_and_the_template_are_html() {
    let demo = TestServer::demo().start();
    let first = demo.get("/").expect_code(200);
    assert!(first.header("content-type").starts_with("text/html"), "{:?}", first.headers);
    // It names what there is to open.
    for path in ["/hello", "/search", "/cities"] {
        assert!(first.text().contains(path), "{path} is not on the first page: {}", first.text());
    }
}

#[test]
fn curl_sees_the_pages() {
    let demo = TestServer::demo().start();
    assert_eq!(curl(&[&demo.url("/hello")]), "Hello World");
    assert_eq!(curl(&["--data", "a=40", "--data", "b=2", &demo.url("/add")]), "42");
    assert_eq!(
        curl(&["--get", "--data-urlencode", "cname=Skitai Corp", "--data", "cid=555", &demo.url("/company")]),
        "555 - Skitai Corp"
    );
    assert_eq!(curl(&["--json", r#"{"a":40,"b":2}"#, &demo.url("/add")]), "42");
    assert_eq!(curl(&["--head", "--output", "/dev/null", "--write-out", "%{http_code}", &demo.url("/hello")]), "200");
    // curl asks for `100 Continue` before a body of this size and waits for it.
    let kilobytes = format!("value={}", "x".repeat(1_200_000));
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), &kilobytes).unwrap();
    let echoed = curl(&["--data", &format!("@{}", body.path().display()), &demo.url("/echo")]);
    assert!(echoed.trim_matches('"').len() == kilobytes.len() - "value=".len(), "{} bytes", echoed.len());
}

#[test]
fn python_xmlrpc_client_calls_the_demo() {
    let demo = TestServer::demo().start();
    python("xmlrpc_client.py", &[&demo.url("/RPC2")]);
    python("xmlrpc_client.py", &[&demo.url("/")]);
}

#[test]
fn a_jsonrpc_client_from_pypi_calls_the_demo() {
    let demo = TestServer::demo().start();
    python("jsonrpc_client.py", &[&demo.url("/")]);
    python("jsonrpc_client.py", &[&demo.url("/any/path")]);
}
