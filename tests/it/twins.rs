//! The examples of the first Skitai's README, in its order: what each said of itself is true of its twin in the demo.

use serde_json::{Value, json};

use crate::harness::{Conduct, Member, Postgres, Reply, TestServer, call, curl};

const FORM: &str = "application/x-www-form-urlencoded";
const NUMBERS: &str =
    "<array><data><value><int>4</int></value><value><int>76</int></value><value><int>7</int></value></data></array>";

fn rpc(site: &TestServer, path: &str, method: &str, params: &Value) -> Value {
    let answer = site.post(path, "application/json-rpc", call::json(method, params)).expect_code(200).json();
    answer.get("result").unwrap_or_else(|| panic!("no result: {answer}")).clone()
}

/// A request with the cookies that a reply has set.
fn with_cookies(site: &TestServer, path: &str, set_by: &Reply) -> Reply {
    let pairs = set_by.header_all("set-cookie").into_iter().filter_map(|line| line.split(';').next());
    site.ask("GET", path, &[("Cookie", &pairs.collect::<Vec<_>>().join("; "))], b"")
}

#[test]
fn quick_start_an_app_below_a_path() {
    let demo = TestServer::demo().route("/test/ = quickstart").start();
    assert_eq!(demo.get("/test").expect_code(301).header("location"), "/test/");
    assert_eq!(demo.get("/test/").expect_code(200).text(), "Hello");
    assert_eq!(demo.get("/test/hello/world").expect_code(200).text(), "Hello");
    assert_eq!(rpc(&demo, "/", "test.hello.world", &json!([])), "Hello");
    let received = demo.post("/RPC2", "text/xml", call::xml("test.hello.world", &[])).expect_code(200).text();
    assert!(received.contains("<string>Hello</string>"), "{received}");
}

#[test]
fn building_a_larger_app_a_package() {
    let demo = TestServer::demo().route("/test = quickstart").start();
    assert_eq!(demo.get("/test/greetings/morning").expect_code(200).text(), "good Morning");
    assert_eq!(rpc(&demo, "/", "test.greetings.morning", &json!([])), "good Morning");
}

#[test]
fn accessing_a_request() {
    let demo = TestServer::demo().start();
    let headers =
        [("Content-Type", "Text/Plain; charset=utf-8"), ("User-Agent", "a test"), ("X-Twice", "1"), ("x-twice", "2")];
    let received = demo.ask("POST", "/test/request?a=1&b=%20", &headers, "한 body".as_bytes()).expect_code(200).json();
    for (name, value) in [
        ("content_length", "8"),
        ("command", "post"),
        ("version", "1.1"),
        ("uri", "/test/request?a=1&b=%20"),
        ("path", "/test/request"),
        ("query", "?a=1&b=%20"),
        ("content_type", "Text/Plain"),
        ("main_type", "Text"),
        ("sub_type", "Plain"),
        ("remote_addr", "127.0.0.1"),
        ("user_agent", "a test"),
        ("body", "한 body"),
    ] {
        assert_eq!(received[name], value, "{name}: {received:#}");
    }
    let all = received["headers"].as_array().unwrap();
    for header in [json!(["x-twice", "1"]), json!(["x-twice", "2"]), json!(["user-agent", "a test"])] {
        assert!(all.contains(&header), "{header}: {received:#}");
    }
    let least = demo.get("/test/request").expect_code(200).json();
    assert_eq!(
        (&least["command"], &least["user_agent"], &least["content_type"]),
        (&json!("get"), &json!(null), &json!(null))
    );
}

#[test]
fn environment() {
    let demo = TestServer::demo().start();
    let env = demo.ask("GET", "/test/env?a=1", &[("Accept-Language", "ko-KR")], b"").expect_code(200).json();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/test/env"),
        ("QUERY_STRING", "a=1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_ACCEPT_LANGUAGE", "ko-KR"),
        ("wsgi.url_scheme", "http"),
    ] {
        assert_eq!(env[name], value, "{name}: {env:#}");
    }
    assert!(env.get("PATH").is_none() && env.get("HOME").is_none(), "the process's own: {env:#}");
}

#[test]
fn some_are_banned_and_their_connection_is_closed() {
    let demo = TestServer::demo().server("trusted_proxies", "127.0.0.1").start();
    let mut conn = demo.conn();
    let ask = |address: &str| format!("GET /test/banned HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n");
    conn.send(ask("10.1.1.1"));
    assert_eq!(conn.read().expect_code(200).text(), "welcome");
    conn.send(ask("192.168.1.7").repeat(2));
    assert!(conn.read().expect_code(403).text().contains("not from there"));
    assert!(conn.try_read(true).is_none(), "the second is not answered");
}

#[test]
fn response_handling() {
    let demo = TestServer::demo().start();
    let moved = demo.get("/test/moved").expect_code(301);
    assert_eq!((moved.header_all("location"), moved.text().as_str()), (vec!["/newloc"], ""));
    let set = demo.get("/test/headers").expect_code(200);
    assert_eq!(set.text(), "true 2 false");
    assert_eq!((set.header_all("x-letter"), set.header_all("x-number")), (vec!["a", "b"], vec!["2"]));
    assert!(set.header_all("x-gone").is_empty());
    let refused = demo.get("/test/noget?x=1").expect_code(405);
    assert_eq!(refused.text(), "Not allowed get method for /test/noget?x=1");
    assert!(demo.get("/test/noget/error").expect_code(405).text().contains("ask with POST"));
    for path in ["/test/noget", "/test/noget/error"] {
        assert_eq!(demo.post(path, FORM, "").expect_code(200).text(), "posted");
    }
}

#[test]
fn one_function_gives_a_page_or_data() {
    let demo = TestServer::demo().start();
    let page = demo.get("/multi_purpose").expect_code(200);
    assert!(
        page.header("content-type").starts_with("text/html") && page.text().contains("<h1>Skitai "),
        "{}",
        page.text()
    );
    assert_eq!(rpc(&demo, "/", "multi_purpose", &json!([]))["name"], "Skitai");
    let xml = demo.post("/RPC2", "text/xml", call::xml("multi_purpose", &[])).expect_code(200).text();
    assert!(xml.contains("<name>name</name>"), "{xml}");
}

#[test]
fn values_as_text() {
    let demo = TestServer::demo().start();
    let json = demo.post("/test/text", "application/json", r#"{"value": {"a": [1, null, "<"]}}"#).expect_code(200);
    assert_eq!(json.text(), r#"{"a":[1,null,"<"]}"#);
    let xml = demo.post("/test/text?form=xml", "application/json", r#"{"value": [1, "<"]}"#).expect_code(200).text();
    assert!(xml.contains("<methodResponse><params><param><value><array><data><value><int>1</int></value>"), "{xml}");
    assert!(xml.contains("&lt;"), "{xml}");
}

#[test]
fn getting_args() {
    let demo = TestServer::demo().start();
    let get = |path: &str| demo.get(path).expect_code(200).text();
    assert_eq!(get("/company/555/Skitai+Corp"), "555 - Skitai Corp");
    assert_eq!(get("/company?cid=555&cname=Skitai+Corp"), "555 - Skitai Corp");
    assert_eq!(demo.post("/company", FORM, "cid=555&cname=Skitai+Corp").expect_code(200).text(), "555 - Skitai Corp");
    assert_eq!(get("/company/555?cname=Skitai+Corp"), "555 - Skitai Corp");
    // Types are kept: the query's is text, the path's a number.
    assert_eq!(get("/company/555?cname=Skitai+Corp&cid=333"), "[\"333\",555] - Skitai Corp");
    let posted = demo.post("/company/555?cid=1", FORM, "cid=2&cname=Skitai+Corp").expect_code(200).text();
    assert_eq!(posted, "[\"1\",\"2\",555] - Skitai Corp");
    assert_eq!(get("/company/form?cid=555&cname=Skitai+Corp&more=1"), "555 - Skitai Corp of 3 arguments");
    assert_eq!(get("/company/form"), "nothing - nothing of 0 arguments");
    assert_eq!(get("/company/called?submit-name=Hans+Roh"), "Hans Roh");
    assert_eq!(curl(&["-F", "submit-name=Hans Roh", &demo.url("/company/called")]), "Hans Roh");
    assert_eq!(rpc(&demo, "/", "company.called", &json!({"submit-name": "Hans Roh"})), "Hans Roh");
    // The name it has in the source is none outside.
    assert!(demo.get("/company/called?name=x").expect_code(400).text().contains("`submit-name` is missing"));
}

#[test]
fn requesting_http_and_rpc() {
    let page = Member::start(Conduct::Page(200, "<b>Hello & so on</b>"));
    let demo = TestServer::demo().cluster("mysearch", &[&page]).start();
    assert_eq!(demo.get("/test/wget").expect_code(200).text(), "<pre>&lt;b&gt;Hello &amp; so on&lt;/b&gt;</pre>");
    let sent = |site: &TestServer, member: &Member, path: &str| {
        let reply = site.get(path).expect_code(200).text();
        (member.heads().pop().unwrap(), member.bodies().pop().unwrap(), reply)
    };
    let (head, body, _) = sent(&demo, &page, "/test/post");
    assert!(head.starts_with("post /order ") && head.contains(FORM), "{head}");
    assert!(["cid=555&cname=Skitai+Corp", "cid=555&cname=Skitai%20Corp"].contains(&body.as_str()), "{body}");
    let (head, body, _) = sent(&demo, &page, "/test/multipart");
    assert!(head.starts_with("post /keep ") && head.contains("multipart/form-data; boundary="), "{head}");
    assert!(
        body.contains("filename=\"logo.gif\"") && body.contains("GIF89a") && body.contains("Skitai Corp"),
        "{body}"
    );

    let member = Member::start(Conduct::Fine("<string>Eroica</string>"));
    let demo = TestServer::demo().cluster("mysearch", &[&member]).start();
    let (head, body, reply) = sent(&demo, &member, "/test/rpc");
    assert!(head.starts_with("post /rpc2 ") && body.contains("<methodName>search</methodName>"), "{head}{body}");
    assert!(body.contains("Beethoven") && reply.contains("Eroica"), "{body} {reply}");
    // Where there is no member there is nobody to call.
    let closed = Member::start(Conduct::Closed);
    let demo = TestServer::demo().cluster("mysearch", &[&closed]).start();
    for path in ["/test/wget", "/test/post", "/test/multipart", "/test/rpc"] {
        demo.get(path).expect_code(502);
    }
}

#[test]
fn map_filter_reduce_over_rpc() {
    let members =
        [Conduct::Fine(NUMBERS), Conduct::Fine(NUMBERS), Conduct::Fault(1, "out of numbers")].map(Member::start);
    let demo = TestServer::demo().cluster("mysearch", &members.each_ref()).start();
    assert_eq!(demo.get("/test/map").expect_code(200).json(), 2 * (4 + 76 + 7));
    assert_eq!(demo.get("/test/map/filtered").expect_code(200).json(), 2 * (4 + 7));
    assert!(members.iter().all(|member| member.requests() == 2), "every member was asked each time");
    assert!(members[0].bodies()[0].contains("<methodName>generate_random_int_list</methodName>"));
}

#[test]
fn load_balancing_over_rpc() {
    let members = [Conduct::Fine("<string>Requiem</string>"), Conduct::Closed].map(Member::start);
    let demo = TestServer::demo().cluster("mysearch", &members.each_ref()).start();
    for _ in 0..4 {
        let received = demo.get("/lb?keyword=Mozart").expect_code(200).json();
        assert_eq!(
            (&received["found"], &received["member"]),
            (&json!("Requiem"), &json!(members[0].node())),
            "{received}"
        );
    }
}

#[test]
fn a_statement_on_a_postgresql_database() {
    let postgres = Postgres::shared();
    let place = Postgres::member(postgres.port(), "whole");
    let demo = TestServer::demo().env("SKITAI_DEMO_DB", &place).start();
    let rows = demo.get("/test/db").expect_code(200).json();
    assert_eq!(rows.as_array().unwrap().len(), 10);
    assert!(rows[0]["name"].is_string() && rows[0]["population"].is_number(), "{rows}");
    TestServer::demo().start().get("/test/db").expect_code(404);
}

#[test]
fn map_reduce_and_load_balancing_over_postgresql() {
    let shards = Postgres::shared().shards("mydb");
    let demo = TestServer::demo().section(&shards).start();
    let top = crate::harness::data::cities().into_iter().max_by_key(|city| city.population).unwrap();
    assert_eq!(demo.get("/test/get_top_city").expect_code(200).json(), json!([top.name, top.population]));
    assert_eq!(demo.get("/top-city").expect_code(200).json()["name"], top.name);
    let some = demo.get("/test/dlb").expect_code(200).json();
    assert_eq!(some.as_array().unwrap().len(), 10);
}

#[test]
fn results_are_cached() {
    let members = [Conduct::Fine(NUMBERS), Conduct::Fine(NUMBERS)].map(Member::start);
    let demo =
        TestServer::demo().cluster("mysearch", &members.each_ref()).section(&Postgres::shared().shards("mydb")).start();
    for _ in 0..5 {
        assert_eq!(demo.get("/test/cached/map").expect_code(200).json(), json!([[4, 76, 7], [4, 76, 7]]));
    }
    assert_eq!(members.each_ref().map(Member::requests), [1, 1], "each was asked once");
    // Three shards hold different numbers of cities, and the first answer is everybody's.
    let first = demo.get("/test/cached/db").expect_code(200).text();
    for _ in 0..8 {
        assert_eq!(demo.get("/test/cached/db").expect_code(200).text(), first);
    }
}

#[test]
fn a_page_from_a_template() {
    let demo = TestServer::demo().route("/quick = quickstart").start();
    let page = demo.get("/quick/page").expect_code(200).text();
    assert!(page.starts_with("<!doctype html>") && page.contains("<title>A template</title>"), "it extends: {page}");
    assert!(page.contains("href=\"/quick?url=https%3A%2F%2Fwww.python.org\">https://www.python.org</a>"), "{page}");
    let index = demo.get("/").expect_code(200).text();
    for link in ["\"/company/555/Skitai%20Corp\"", "\"/add?a=1&amp;b=2\"", "\"/greetings/morning\"", "\"/test/up\""] {
        assert!(index.contains(&format!("href={link}")), "{link}: {index}");
    }
}

#[test]
fn cookie_and_session() {
    let demo = TestServer::demo().start();
    let signed_in = demo.get("/test/signin?username=hansroh").expect_code(200);
    assert_eq!(signed_in.text(), "Welcome hansroh");
    assert!(signed_in.header_all("set-cookie").iter().any(|line| line.starts_with("username=hansroh;")));
    assert_eq!(with_cookies(&demo, "/test/signin?username=x", &signed_in).text(), "Already signed in as hansroh");
    assert_eq!(with_cookies(&demo, "/test/signout", &signed_in).expect_code(200).text(), "hansroh, signed out");
    assert!(demo.get("/test/signin?username=other").expect_code(403).text().contains("no permission"));
}

#[test]
fn before_after_and_teardown() {
    let demo = TestServer::demo().start();
    let stranger = demo.get("/orders/mine").expect_code(200);
    assert!(stranger.text().contains("<form") && stranger.header_all("x-ran") == ["before"], "{}", stranger.text());
    assert!(rpc(&demo, "/", "orders.cart", &json!([])).as_str().unwrap().contains("<form"), "over RPC, too");
    let known = demo.get("/test/signin?username=hansroh");
    let orders = with_cookies(&demo, "/orders/mine", &known).expect_code(200);
    assert_eq!((orders.text().as_str(), orders.header_all("x-ran")), ("orders of hansroh", vec!["before", "after"]));
    assert_eq!(with_cookies(&demo, "/orders/cart", &known).expect_code(200).text(), "cart of hansroh");
    let morning = with_cookies(&demo, "/orders/greetings/morning", &known).expect_code(200);
    assert_eq!(morning.text(), "Good Morning");
    assert_eq!(morning.header_all("x-ran"), ["before", "inner before", "inner after", "after"]);
    let failed = with_cookies(&demo, "/orders/checkout", &known).expect_code(500);
    assert_eq!(failed.text(), "Sorry, something went wrong");
}
