//! Introspection: who may ask, whether the answers are true, and the page for readers. One call in four ways.

use serde_json::{Value, json};

use crate::harness::foreign::node;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Reply, TestServer, call};
use crate::status::basic;

fn ask(site: &TestServer, method: &str, params: &Value) -> Value {
    site.post("/rpc3", "application/json", call::json(method, params)).expect_code(200).json()
}

#[test]
fn the_openrpc_document_keeps_to_its_schema_and_to_the_truth() {
    let site = TestServer::site().server("introspection", "public").start();
    let reply = node("openrpc.js", &[&site.url("/rpc3")]);
    assert!(reply.contains(" methods"), "{reply}");
    // The page on the web is the same document.
    let page = site.get("/status/methods/openrpc.json").expect_code(200).json();
    assert_eq!(page["methods"], ask(&site, "rpc.discover", &json!([]))["result"]["methods"]);
}

#[test]
fn what_is_told_is_what_the_binder_does() {
    let site = TestServer::site().server("introspection", "public").route("/below = testsite").start();
    let document = ask(&site, "rpc.discover", &json!([]))["result"].clone();
    let method = |name: &str| {
        let all = document["methods"].as_array().unwrap();
        all.iter().find(|method| method["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let defaults = method("defaults");
    let params: Vec<(&Value, &Value)> =
        defaults["params"].as_array().unwrap().iter().map(|param| (&param["name"], &param["required"])).collect();
    let due = [("needed", true), ("composer", false), ("maybe", false), ("many", false)];
    assert_eq!(params, due.map(|(name, required)| (json!(name), json!(required))).each_ref().map(|(a, b)| (a, b)));
    assert_eq!(defaults["params"][1]["schema"], json!({"type": "string", "default": "Mozart"}));
    assert_eq!(defaults["params"][3]["schema"], json!({"type": "array", "items": {"type": "integer"}}));
    assert_eq!(defaults["x-takes-other-names"], true);
    assert_eq!(method("below.large")["result"]["schema"], json!({"type": "string"}));
    assert_eq!(method("large")["description"], "So many bytes of one letter.");
    // What RPC cannot carry is no method of the document, though it has a name.
    assert!(document["methods"].as_array().unwrap().iter().all(|method| method["name"] != "letters"));
    for (params, code) in
        [(json!({"needed": 1}), None), (json!({}), Some(-32602)), (json!({"needed": "x"}), Some(-32602))]
    {
        assert_eq!(ask(&site, "defaults", &params)["error"]["code"].as_i64(), code, "{params}");
    }
    let signature = |name: &str| ask(&site, "system.methodSignature", &json!([name]))["result"].clone();
    assert_eq!(signature("large"), json!([["string", "int"]]));
    assert_eq!(signature("below.sum"), json!([["int", "int", "int", "int"]]));
    assert_eq!(signature("note_ten"), json!([["int"]]));
    assert_eq!(signature("update"), json!([["nil", "int", "int", "int", "int", "int"]]));
    // A type that only Rust has a name for is not known, and that is said.
    assert_eq!(signature("defaults"), "undef");
    assert_eq!(ask(&site, "system.methodHelp", &json!(["large"]))["result"], "So many bytes of one letter.");
    assert_eq!(ask(&site, "system.methodHelp", &json!(["nobody"]))["error"]["code"], -32601);
}

#[test]
fn it_is_told_to_everybody_to_the_admin_or_to_nobody() {
    let names = ["system.listMethods", "rpc.discover", "system.getCapabilities"];
    let of = |site: &TestServer, name: &str, login: &str| {
        let headers = [("Content-Type", "application/json"), ("Authorization", login)];
        let body = call::json(name, &json!([]));
        site.ask("POST", "/rpc3", &headers, body.as_bytes()).expect_code(200).json()
    };
    let page = |site: &TestServer, login: &str| site.ask("GET", "/status/methods", &[("Authorization", login)], b"");
    let (admin, stranger) = (basic("admin", ADMIN_PASSWORD), basic("admin", "wrong"));

    let usual = TestServer::site().start();
    for name in names {
        assert_eq!(of(&usual, name, &stranger)["error"]["code"], -32401, "{name}");
        assert!(of(&usual, name, &admin)["error"].is_null(), "{name}");
    }
    let refused: Reply = page(&usual, &stranger).expect_code(401);
    assert!(refused.header("www-authenticate").starts_with("Basic realm="), "{:?}", refused.headers);
    assert!(!refused.text().contains("note_ten"));
    page(&usual, &admin).expect_code(200);

    for open in [TestServer::site().server("introspection", "public"), TestServer::site().server("devel", "yes")] {
        let open = open.start();
        assert!(names.iter().all(|name| of(&open, name, "")["error"].is_null()));
        page(&open, "").expect_code(200);
    }

    let closed = TestServer::site().server("introspection", "off").server("devel", "yes").start();
    assert!(names.iter().all(|name| of(&closed, name, &admin)["error"]["code"] == -32601));
    page(&closed, &admin).expect_code(404);
    // No introspection, but still many calls in one.
    assert_eq!(ask(&closed, "system.multicall", &json!([[{"methodName": "get_data"}]]))["result"][0][0][1], 5);
}

#[test]
fn the_page_shows_each_method_and_three_ways_to_call_it() {
    let demo = TestServer::demo().server("introspection", "public").start();
    let page = demo.get("/status/methods").expect_code(200);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    let page = page.text();
    let company = page.split("<section ").find(|section| section.contains("data-method=\"company\"")).unwrap();
    let base = format!("http://127.0.0.1:{}", demo.port());
    let host = "http://127.0.0.1";
    assert!(company.contains("<code>/company"), "{company}");
    assert!(company.contains("company(1, &quot;text&quot;)") && company.contains(host), "{company}");
    assert!(company.contains("&quot;method&quot;: &quot;company&quot;"), "{company}");
    let add = page.split("<section ").find(|section| section.contains("data-method=\"add\"")).unwrap();
    assert!(add.contains("The sum of two whole numbers."), "{add}");
    for part in [
        "<button>GET</button>",
        "formaction=\"/add\">POST<",
        "name=\"a\"",
        "name=\"b\"",
        "data-rpc=\"xml\"",
        "data-rpc=\"json\"",
    ] {
        assert!(add.contains(part), "{part} in {add}");
    }
    // The form works without JavaScript: what is empty is left out, a placeholder goes into the path.
    let opened = |path: &str| demo.get(path).expect_code(302).header("location").to_owned();
    assert_eq!(opened("/status/methods/open/add?a=1&b=2"), "/add?a=1&b=2");
    assert_eq!(opened("/status/methods/open/search?keyword="), "/search");
    assert_eq!(opened("/status/methods/open/search?keyword=a%26b%3D+c"), "/search?keyword=a%26b%3D%20c");
    demo.get("/status/methods/open/nobody").expect_code(404);
    let sum = crate::harness::curl(&["--location", &format!("{base}/status/methods/open/add?a=40&b=2")]);
    assert_eq!(sum, "42");
}

#[test]
fn the_pages_script_calls_over_both_protocols() {
    let site = TestServer::site().server("introspection", "public").start();
    node("page.js", &[&site.url("")]);
}

#[test]
fn a_form_fills_placeholders_in_so_that_the_path_leads_there() {
    let site = TestServer::site().server("introspection", "public").start();
    let follow = |query: &str| {
        let location =
            site.get(&format!("/status/methods/open/{query}")).expect_code(302).header("location").to_owned();
        site.get(&location).expect_code(200).text()
    };
    assert_eq!(follow("deep.inner?name=a%2Bb%20%3F%23%25%C3%A4"), "a+b ?#%ä");
    assert_eq!(follow("path?p=a%2Fb%20c%2Fd"), "a/b c/d");
    assert_eq!(follow("lookup.number?n=-7"), "-7");
}

/// The same call as a page, a form, over XML-RPC and over JSON-RPC: what each says was the answer or the error.
#[test]
fn one_call_in_four_ways_has_one_answer_and_one_error() {
    let site = TestServer::site().start();
    let form = "application/x-www-form-urlencoded";
    let goods = [
        ("sum", "a=1&b=2&c=-9", "<int>1</int>|<int>2</int>|<int>-9</int>", json!([1, 2, -9]), json!(-6)),
        (
            "scalars",
            "truth=yes&small=5&wide=2.5&text=%C3%A4%26",
            "<boolean>1</boolean>|<int>5</int>|<double>2.5</double>|<string>ä&amp;</string>",
            json!([true, 5, 2.5, "ä&"]),
            json!([true, 5, 2.5, "ä&"]),
        ),
        ("get_data", "", "", json!([]), json!(["hello", 5])),
        (
            "validator1.simpleStructReturnTest",
            "number=13",
            "<int>13</int>",
            json!([13]),
            json!({"times10": 130, "times100": 1300, "times1000": 13000}),
        ),
    ];
    for (method, query, xml, params, due) in goods {
        let path = format!("/{}", method.replace('.', "/"));
        assert_eq!(site.get(&format!("{path}?{query}")).expect_code(200).json(), due, "GET {method}");
        assert_eq!(site.post(&path, form, query).expect_code(200).json(), due, "form {method}");
        assert_eq!(ask(&site, method, &params)["result"], due, "JSON-RPC {method}");
        let values: Vec<&str> = xml.split('|').filter(|value| !value.is_empty()).collect();
        let document = site.post("/RPC2", "text/xml", call::xml(method, &values)).expect_code(200).text();
        assert_eq!(read_xml(&document), due, "XML-RPC {method}: {document}");
    }
    // Status on the web, code over RPC, and the same words.
    let refused = [
        ("sum", "a=1&b=2", "<int>1</int>|<int>2</int>", json!([1, 2]), 400, -32602, "argument `c` is missing"),
        (
            "sum",
            "a=1.5&b=2&c=3",
            "<double>1.5</double>|<int>2</int>|<int>3</int>",
            json!([1.5, 2, 3]),
            400,
            -32602,
            "argument `a` must be a whole number, got",
        ),
        (
            "refuse",
            "status=404&text=gone",
            "<int>404</int>|<nil/>|<string>gone</string>",
            json!([404, null, "gone"]),
            404,
            -32404,
            "gone",
        ),
        (
            "refuse",
            "status=422&text=odd",
            "<int>422</int>|<nil/>|<string>odd</string>",
            json!([422, null, "odd"]),
            422,
            -32602,
            "odd",
        ),
        (
            "refuse",
            "status=409&code=7&text=taken",
            "<int>409</int>|<int>7</int>|<string>taken</string>",
            json!([409, 7, "taken"]),
            409,
            7,
            "taken",
        ),
        ("full", "cluster=none", "<string>none</string>", json!(["none"]), 502, -32502, "0 of 1 ok"),
    ];
    for (method, query, xml, params, status, code, text) in refused {
        let pages = [site.get(&format!("/{method}?{query}")), site.post(&format!("/{method}"), form, query)];
        let reply: Vec<String> = pages
            .into_iter()
            .map(|page| page.expect_code(status).json()["error"]["message"].as_str().unwrap().to_owned())
            .collect();
        let error = ask(&site, method, &params)["error"].clone();
        let values: Vec<&str> = xml.split('|').collect();
        let document = site.post("/RPC2", "text/xml", call::xml(method, &values)).expect_code(200).text();
        let fault = read_xml(&document);
        assert_eq!((&error["code"], &fault["faultCode"]), (&json!(code), &json!(code)), "{method} {query}");
        assert_eq!(reply[0], reply[1]);
        // Each error of members has an id of its own in the log.
        let text_of = |message: &Value| message.as_str().unwrap().split(" (id ").next().unwrap().to_owned();
        assert_eq!(text_of(&error["message"]), text_of(&fault["faultString"]), "{method} {query}");
        for said in [&reply[0], error["message"].as_str().unwrap()] {
            assert!(said.starts_with(text), "{method} {query}: {said}");
        }
    }
}

/// The value or the fault of an answer, read by Python's own reader.
fn read_xml(document: &str) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document).unwrap();
    let reply = crate::harness::python("read_answer.py", &[&file.path().display().to_string()]);
    serde_json::from_str(&reply).unwrap()
}
