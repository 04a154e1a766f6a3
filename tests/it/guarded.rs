//! Guards hold in all three faces: a hook tests the path of the web, whichever way a route is called.

use serde_json::{Value, json};

use crate::harness::{TestServer, call};

fn site() -> TestServer {
    TestServer::site().route("/guarded = behind").route("/pages = pagesonly").server("introspection", "public").start()
}

fn json_rpc(site: &TestServer, path: &str, method: &str, params: &Value) -> (Value, String, String) {
    let reply = site.post(path, "application/json-rpc", call::json(method, params)).expect_code(200);
    let header = |name: &str| reply.header_all(name).first().map(|value| (*value).to_owned()).unwrap_or_default();
    (reply.json(), header("x-path"), header("x-route"))
}

#[test]
fn a_guard_of_a_path_holds_for_pages_and_methods_alike() {
    let site = site();
    // (the page, the method, its arguments, the path that the guard saw)
    for (page, method, params, path) in [
        ("/guarded/admin/secret", "guarded.admin.secret", json!([]), "/guarded/admin/secret"),
        // A needless escape is no way around a guard.
        ("/guarded/%61dmin/secret", "guarded.admin.secret", json!({}), "/guarded/admin/secret"),
        ("/guarded/admin/user/5", "guarded.admin.user", json!([5]), "/guarded/admin/user/5"),
        ("/guarded/admin/user/5", "guarded.admin.user", json!({"id": 5}), "/guarded/admin/user/5"),
        ("/guarded/admin/", "guarded.admin", json!([]), "/guarded/admin/"),
        (
            "/guarded/city/7/S%C3%A3o%20Paulo",
            "guarded.city",
            json!([7, "São Paulo"]),
            "/guarded/city/7/S%C3%A3o%20Paulo",
        ),
    ] {
        site.get(page).expect_code(401);
        for at in ["/", "/rpc3", "/guarded", "/guarded/city/1/x"] {
            let (answer, seen, _) = json_rpc(&site, at, method, &params);
            assert_eq!(answer["error"]["code"], -32401, "{method} at {at}: {answer}");
            assert_eq!(answer["error"]["message"], format!("{path} is guarded"), "{method} at {at}");
            assert_eq!(seen, path);
        }
        let batch = json!([{"jsonrpc": "2.0", "method": method, "params": params, "id": 1}]).to_string();
        let answers = site.post("/", "application/json-rpc", batch).expect_code(200).json();
        assert_eq!(answers[0]["error"]["code"], -32401, "{answers}");
        let many = call::json("system.multicall", &json!([[{"methodName": method, "params": params}]]));
        let answers = site.post("/", "application/json-rpc", many).expect_code(200).json();
        assert_eq!(answers["result"][0]["faultCode"], -32401, "{answers}");
    }
    let call = call::xml("guarded.admin.user", &["<int>5</int>"]);
    for at in ["/", "/RPC2", "/guarded/RPC2"] {
        let fault = site.post(at, "text/xml", call.clone()).expect_code(200).text();
        assert!(fault.contains("-32401") && fault.contains("/guarded/admin/user/5 is guarded"), "{fault}");
    }
}

#[test]
fn the_path_over_rpc_is_made_of_the_rule_and_the_arguments() {
    let site = site();
    // (the method, its arguments, the path)
    for (method, params, path) in [
        ("guarded.told", json!([]), "/guarded/told"),
        ("guarded.city", json!([7, "a/b"]), "/guarded/city/7/a%2Fb"),
        ("guarded.city", json!({"name": "ä@&+ <x>"}), "/guarded/city/<int:id>/%C3%A4@&%2B%20%3Cx%3E"),
        ("guarded.city", json!([]), "/guarded/city/<int:id>/<name>"),
        ("guarded.city", json!({"id": 1, "unknown": 2}), "/guarded/city/1/<name>"),
        ("guarded.city", json!([null, ["one", "two"]]), "/guarded/city/<int:id>/one"),
        ("guarded.file", json!(["a/b c.txt"]), "/guarded/file/a/b%20c.txt"),
    ] {
        let (answer, seen, _) = json_rpc(&site, "/rpc3", method, &params);
        let seen = if answer["error"]["code"] == -32602 && seen.is_empty() { path.to_owned() } else { seen };
        assert_eq!(seen, path, "{method} {params}: {answer}");
    }
    for (at, method) in [("/", "guarded.told"), ("/guarded", "told")] {
        let (answer, _, route) = json_rpc(&site, at, method, &json!([]));
        let due = json!(["/guarded/told", "/guarded/told", "guarded.told", "told", "skitai_testsite::guarded"]);
        assert_eq!(answer["result"].as_array().unwrap()[..4], due.as_array().unwrap()[..4]);
        assert_eq!(route, "/guarded/told guarded.told told");
    }
    let page = site.get("/guarded/city/7/x").expect_code(200);
    assert_eq!(page.header("x-route"), "/guarded/city/<int:id>/<name> guarded.city city");
    assert_eq!(site.get("/guarded/page-alone").header("x-route"), "/guarded/page-alone - page_alone");
}

#[test]
fn a_page_alone_is_no_method_and_no_list_has_it() {
    let site = site();
    assert_eq!(site.get("/guarded/page-alone").expect_code(200).text(), "/guarded/page-alone", "links find it");
    assert_eq!(site.get("/pages/lonely").expect_code(200).text(), "a page");
    assert_eq!(site.get("/guarded/shared").expect_code(200).text(), "the page");
    for (at, method) in [
        ("/", "guarded.alone"),
        ("/guarded", "alone"),
        ("/guarded", "page-alone"),
        ("/", "pages.lonely"),
        ("/pages", "lonely"),
    ] {
        let (answer, ..) = json_rpc(&site, at, method, &json!([]));
        assert_eq!(answer["error"]["code"], -32601, "{method} at {at}: {answer}");
        let fault = site.post(at, "text/xml", call::xml(method, &[])).expect_code(200).text();
        assert!(fault.contains("-32601"), "{fault}");
    }
    assert_eq!(json_rpc(&site, "/", "guarded.shared", &json!([])).0["result"], "the method");
    let names = json_rpc(&site, "/", "system.listMethods", &json!([])).0["result"].to_string();
    let document = json_rpc(&site, "/", "rpc.discover", &json!([])).0["result"].to_string();
    let page = site.get("/status/methods/").expect_code(200).text();
    for list in [names, document, page] {
        assert!(list.contains("guarded.told") && list.contains("guarded.shared"), "{list}");
        assert!(!list.contains("guarded.alone") && !list.contains("pages.lonely"), "{list}");
    }
    let help = json_rpc(&site, "/", "system.methodHelp", &json!(["guarded.alone"])).0;
    assert_eq!(help["error"]["code"], -32601, "{help}");
}

#[test]
fn the_command_routes_shows_no_name_for_a_page_alone() {
    let scenario = TestServer::site().route("/guarded = behind").route("/pages = pagesonly");
    let listed = String::from_utf8(scenario.told("routes").stdout).unwrap();
    let line = |path: &str| listed.lines().find(|line| line.contains(path)).unwrap_or_default().to_owned();
    assert!(line("/guarded/page-alone").contains(" -("), "{listed}");
    assert!(line("/pages/lonely").contains(" -("), "{listed}");
    assert!(line("/guarded/told").contains("guarded.told("), "{listed}");
}
