//! Arguments of every kind, from every place a client can put them: one binder, one behaviour.

use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, call};

const FORM: &str = "application/x-www-form-urlencoded";

fn rpc(site: &TestServer, method: &str, params: &Value) -> Value {
    let answer = site.post("/", "application/json-rpc", call::json(method, params)).expect_code(200).json();
    answer.get("result").unwrap_or_else(|| panic!("no result: {answer}")).clone()
}

fn json_of(reply: Reply) -> Value {
    reply.expect_code(200).json()
}

#[test]
fn defaults_options_lists_and_the_rest() {
    let site = TestServer::site().start();
    let least = json!({"needed": 1, "composer": "Mozart", "maybe": null, "many": [], "rest": {}});
    assert_eq!(json_of(site.get("/defaults?needed=1")), least);
    assert_eq!(rpc(&site, "defaults", &json!([1])), least);
    assert_eq!(rpc(&site, "defaults", &json!({"needed": 1})), least);

    let most = json!({
        "needed": 1, "composer": "Beethoven", "maybe": "x y", "many": [3, 4],
        "rest": {"other": "text", "twice": ["1", "2"]},
    });
    let query = "needed=1&composer=Beethoven&maybe=x+y&many=3&many=4&other=text&twice=1&twice=2";
    assert_eq!(json_of(site.get(&format!("/defaults?{query}"))), most);
    assert_eq!(json_of(site.post("/defaults", FORM, query)), most);
    let body = json!({
        "needed": 1, "composer": "Beethoven", "maybe": "x y", "many": [3, 4], "other": "text", "twice": ["1", "2"],
    });
    assert_eq!(json_of(site.post("/defaults", "application/json", body.to_string())), most);
    assert_eq!(rpc(&site, "defaults", &body), most);
    // Given, but empty: it is the empty text, not the default.
    assert_eq!(json_of(site.get("/defaults?needed=1&composer="))["composer"], "");
}

#[test]
fn scalars_are_read_as_their_type_asks() {
    let site = TestServer::site().start();
    let all = json!([true, 255, -1.5, "한글 & more"]);
    let query = "truth=yes&small=255&wide=-1.5&text=%ED%95%9C%EA%B8%80+%26+more";
    assert_eq!(json_of(site.get(&format!("/scalars?{query}"))), all);
    assert_eq!(rpc(&site, "scalars", &all), all);
    assert_eq!(rpc(&site, "scalars", &json!([true, 255, 2, "x"]))[2], 2.0, "a whole number is a float, too");
    for wrong in
        ["truth=maybe&small=1&wide=1&text=", "truth=1&small=256&wide=1&text=", "truth=1&small=1&wide=NaN&text="]
    {
        site.get(&format!("/scalars?{wrong}")).expect_code(400);
    }
    site.get("/scalars?truth=1&small=1&wide=1&text=%FF").expect_code(400);
    site.get("/scalars?truth=1&truth=0&small=1&wide=1&text=").expect_code(400);
}

#[test]
fn placeholders_of_paths_and_floats() {
    let site = TestServer::site().start();
    assert_eq!(json_of(site.get("/float/1.5")), 1.5);
    assert_eq!(json_of(site.get("/float/3")), 3.0);
    site.get("/float/1.2.3").expect_code(404);
    site.get("/float/x").expect_code(404);
    assert_eq!(site.get("/path/a/b/c.txt").expect_code(200).text(), "a/b/c.txt");
    assert_eq!(site.get("/path/a%20b/c+d").expect_code(200).text(), "a b/c+d");
    site.get("/path/").expect_code(404);
    assert_eq!(site.get("/deep/inner/x").expect_code(200).text(), "x");
    assert_eq!(rpc(&site, "deep.inner", &json!(["x"])), "x");
}

#[test]
fn a_name_given_in_several_places_is_a_list_with_types_kept() {
    let site = TestServer::site().start();
    assert_eq!(json_of(site.get("/dup/555?x=333")), json!(["333", 555]), "query before path");
    assert_eq!(json_of(site.post("/dup/555?x=333", FORM, "x=444&x=445")), json!(["333", "444", "445", 555]));
    assert_eq!(json_of(site.post("/dup/555?x=333", "application/json", r#"{"x":444}"#)), json!(["333", 444, 555]));
}

#[test]
fn an_argument_may_have_another_name_outside() {
    let site = TestServer::site().start();
    assert_eq!(json_of(site.get("/called/7")), json!([7, "none", []]));
    assert_eq!(json_of(site.get("/called/7?type=a&list[]=1&list%5B%5D=2")), json!([7, "a", [1, 2]]));
    assert_eq!(json_of(site.post("/called/7", FORM, "type=a&list%5B%5D=1")), json!([7, "a", [1]]));
    assert_eq!(
        json_of(site.post("/called/7", "application/json", r#"{"type":"a","list[]":[1]}"#)),
        json!([7, "a", [1]])
    );
    assert_eq!(rpc(&site, "called", &json!({"the-number": 7, "type": "a"})), json!([7, "a", []]));
    assert_eq!(rpc(&site, "called", &json!([7, "a", [1]])), json!([7, "a", [1]]));
    // The names in the source are not known outside.
    assert_eq!(json_of(site.get("/called/7?kind=a&number=8")), json!([7, "none", []]));
    let refused = site.post("/", "application/json-rpc", call::json("called", &json!({"number": 7}))).json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert!(refused.to_string().contains("`number`") && refused.to_string().contains("the-number"), "{refused}");
    assert!(site.get("/called/7?list[]=x").expect_code(400).text().contains("`list[]`"));
}

#[test]
fn structures_are_read_by_their_type() {
    let site = TestServer::site().start();
    let all = json!([{"sides": 3, "name": "triangle"}, [{"sides": 4, "name": null}], {"sides": 5, "name": null}]);
    let body = json!({"shape": {"sides": 3, "name": "triangle"}, "more": [{"sides": 4}], "last": {"sides": 5}});
    assert_eq!(json_of(site.post("/shaped", "application/json", body.to_string())), all);
    assert_eq!(rpc(&site, "shaped", &body), all);
    let query = "shape=%7B%22sides%22:3%7D&more=%7B%22sides%22:4%7D&more=%7B%22sides%22:5%7D";
    let received = json_of(site.get(&format!("/shaped?{query}")));
    assert_eq!(
        received,
        json!([{"sides": 3, "name": null}, [{"sides": 4, "name": null}, {"sides": 5, "name": null}], null])
    );
    let wrong = json!({"shape": {"sides": 300}, "more": [{"sides": 1}, {"name": "x"}], "last": 5});
    let text = site.post("/shaped", "application/json", wrong.to_string()).expect_code(400).text();
    for fault in ["`shape` does not fit", "`more` [1] does not fit", "`last` does not fit"] {
        assert!(text.contains(fault), "{fault}: {text}");
    }
}

#[test]
fn a_scalar_given_twice_is_named_and_so_is_every_other_fault() {
    let site = TestServer::site().start();
    let query = "/scalars?truth=1&truth=0&small=256&wide=x";
    for reply in [site.get(query), site.post("/scalars?truth=1", FORM, "truth=0&small=256&wide=x")] {
        let text = reply.expect_code(400).text();
        for fault in [
            "`truth` was given 2 times",
            "`small` must be a whole number from 0 to 255",
            "`wide` must be a number",
            "`text` is missing",
        ] {
            assert!(text.contains(fault), "{fault}: {text}");
        }
    }
    // Once in the query and once in the path is twice.
    let text = site.get("/renamed/7?n=8").expect_code(400).text();
    assert!(text.contains("`n` was given 2 times"), "{text}");
}

#[test]
fn unknown_names_are_ignored_on_the_web_and_refused_over_rpc() {
    let site = TestServer::site().start();
    assert_eq!(json_of(site.get("/renamed/7?utm_source=x&n2=1")), 7);
    assert_eq!(json_of(site.post("/renamed/7?x=1", FORM, "y=2")), 7);
    assert_eq!(json_of(site.post("/renamed/7", "application/json", r#"{"y":{"z":[1]}}"#)), 7);
    let part = "--b\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n2\r\n--b--\r\n";
    assert_eq!(json_of(site.post("/renamed/7", "multipart/form-data; boundary=b", part)), 7);
    for params in [json!([7, 8]), json!({"n": 7, "m": 8})] {
        let refused = site.post("/", "application/json-rpc", call::json("lookup.number", &params)).json();
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    let refused = site.post("/RPC2", "text/xml", call::xml("lookup.number", &["<int>7</int>", "<int>8</int>"])).text();
    assert!(refused.contains("-32602") && refused.contains("<fault>"), "{refused}");
}

#[test]
fn rpc_names_follow_the_rule() {
    let site = TestServer::site().start();
    assert_eq!(rpc(&site, "lookup.number", &json!([7])), 7);
    assert_eq!(json_of(site.get("/renamed/7")), 7);
    let gone = site.post("/", "application/json-rpc", call::json("renamed", &json!([7]))).json();
    assert_eq!(gone["error"]["code"], -32601, "{gone}");
    // Of two rules that give one name, the one without placeholders has it.
    assert_eq!(rpc(&site, "clash", &json!([])), "without a placeholder, None");
    assert_eq!(site.get("/clash/7").expect_code(200).text(), "with a placeholder, 7");
}

#[test]
fn two_rules_with_placeholders_and_one_name_keep_the_server_from_starting() {
    let scenario = TestServer::site().route("/clashing = clashing");
    let (status, said) = scenario.start_refused();
    assert!(!status.success());
    for name in ["clash", "clash_of", "clash_again", "name ="] {
        assert!(said.contains(name), "{name:?} is not named in {said}");
    }
}

#[test]
fn a_large_answer_arrives_whole() {
    let site = TestServer::site().start();
    for bytes in [0, 1, 65_536, 10_000_000] {
        assert_eq!(site.get(&format!("/large?bytes={bytes}")).expect_code(200).body.len(), bytes);
    }
}
