//! Which mount, which rule, which method; and the links that lead back.

use serde_json::json;

use crate::harness::{TestServer, call};

fn links(site: &TestServer, mount: &str, to: &str, arguments: &serde_json::Value) -> String {
    let escaped =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    let arguments: String = arguments.to_string().bytes().map(escaped).collect();
    site.get(&format!("{mount}/link?to={}&arguments={arguments}", to.replace(' ', "+"))).expect_code(200).text()
}

#[test]
fn a_rule_is_the_whole_path_and_an_exact_one_comes_first() {
    let site = TestServer::site_of(&["/ = routed"]).start();
    for (path, answer) in [
        ("/word/exact", "exact"),
        ("/word/exac", "word exac"),
        ("/word/a+b%2Fc", "word a b/c"),
        ("/two/-5/x", "two -5 x"),
        ("/any/a/b//c", "any a/b//c"),
        ("/deep/1.50/end", "deep 1.5"),
        ("/", "root"),
    ] {
        assert_eq!(site.get(path).expect_code(200).text(), answer, "{path}");
    }
    for path in [
        "/zzz/two/5/x",
        "/two/5/x/",
        "/two/5",
        "/two/five/x",
        "/word/",
        "/word",
        "/Word/exact",
        "/deep/1.2.3/end",
        "/any/",
    ] {
        site.get(path).expect_code(404);
    }
}

#[test]
fn a_mount_with_a_slash_is_like_a_folder_and_one_without_like_a_file() {
    let folder = TestServer::site_of(&["/test/ = routed"]).start();
    let moved = folder.get("/test?a=1&b=%20").expect_code(301);
    assert_eq!(moved.header("location"), "/test/?a=1&b=%20", "the query goes along");
    // After a 301 browsers send a GET without the body; 308 keeps the method (RFC 9110, 15.4.9).
    let moved = folder.post("/test?a=1", "application/x-www-form-urlencoded", "b=2").expect_code(308);
    assert_eq!(moved.header("location"), "/test/?a=1");
    assert_eq!(folder.get("/test/").expect_code(200).text(), "root");
    let file = TestServer::site_of(&["/test = routed"]).start();
    assert_eq!(file.get("/test").expect_code(200).text(), "root");
    for site in [folder, file] {
        assert_eq!(site.get("/test/word/exact").expect_code(200).text(), "exact");
        for path in ["/testing", "/testword/exact", "/", "/word/exact"] {
            site.get(path).expect_code(404);
        }
        // Over RPC the mount is before the name, unless the call is posted below it.
        let call = call::json("test.two", &json!([1, "x"]));
        assert_eq!(site.post("/", "application/json-rpc", call).json()["result"], "two 1 x");
        let call = call::json("two", &json!([1, "x"]));
        assert_eq!(site.post("/test/rpc3", "application/json-rpc", call).json()["result"], "two 1 x");
    }
}

#[test]
fn a_mount_given_twice_is_a_folder_first_and_then_an_app() {
    // Whichever is written first.
    for routes in [["/test = public", "/test = routed"], ["/test = routed", "/test = public"]] {
        let site = TestServer::site_of(&routes)
            .file("public/word/exact", "a file")
            .file("public/folder/index.html", "an index")
            .start();
        assert_eq!(site.get("/test/word/exact").expect_code(200).text(), "a file");
        assert_eq!(site.get("/test/word/other").expect_code(200).text(), "word other");
        assert_eq!(site.get("/test/folder/").expect_code(200).text(), "an index");
        assert_eq!(site.get("/test/folder?a=1").expect_code(301).header("location"), "/test/folder/?a=1");
        site.get("/test/nothing").expect_code(404);
    }
}

#[test]
fn an_app_mounted_twice_is_at_both_places_and_starts_once() {
    let site = TestServer::site_of(&["/a = routed", "/b/c/ = routed"]).start();
    for mount in ["/a", "/b/c"] {
        assert_eq!(site.get(&format!("{mount}/word/exact")).expect_code(200).text(), "exact");
        let name = format!("{}.two", mount.trim_start_matches('/').replace('/', "."));
        let answer = site.post("/", "application/json-rpc", call::json(&name, &json!([1, "x"]))).json();
        assert_eq!(answer["result"], "two 1 x", "{name}");
        assert_eq!(
            links(&site, mount, "two", &json!([1, "x"])),
            format!("{mount}/two/1/x"),
            "links stay where they are"
        );
    }
    assert_eq!(site.log().matches("routed starts").count(), 1, "{}", site.log());
}

#[test]
fn every_method_is_answered_as_the_rule_says() {
    let site = TestServer::site_of(&["/ = routed"]).start();
    let ask = |method: &str, path: &str| site.ask(method, path, &[], b"");
    for method in ["PUT", "DELETE"] {
        assert_eq!(ask(method, "/put").expect_code(200).text(), method.to_lowercase());
    }
    for method in ["GET", "HEAD", "POST", "PATCH"] {
        assert_eq!(ask(method, "/put").expect_code(405).header("allow"), "DELETE, PUT", "{method}");
    }
    assert_eq!(ask("OPTIONS", "/put").expect_code(204).header("allow"), "DELETE, PUT");
    assert_eq!(ask("OPTIONS", "/word/exact").expect_code(204).header("allow"), "GET, HEAD, POST");
    assert_eq!(ask("DELETE", "/word/x").expect_code(405).header("allow"), "GET, HEAD, POST");
    ask("OPTIONS", "/nothing").expect_code(404);
    ask("PUT", "/nothing").expect_code(404);
    let head = ask("HEAD", "/word/exact").expect_code(200);
    assert_eq!((head.header("content-length"), head.text().as_str()), ("5", ""));
}

#[test]
fn url_for_leads_to_the_route_with_the_same_arguments() {
    let site = TestServer::site_of(&["/ = testsite", "/test = routed"]).start();
    let link = |to: &str, arguments: serde_json::Value| links(&site, "/test", to, &arguments);
    for word in ["x", "a b", "a/b", "a+b&c=d#e?f", "100%", "é한글", "%2F", "\"<>'"] {
        for to in ["two", "the function two"] {
            let url = link(to, json!([-7, word]));
            assert!(url.starts_with("/test/two/-7/") && url.is_ascii(), "{url}");
            assert_eq!(site.get(&url).expect_code(200).text(), format!("two -7 {word}"), "{url}");
        }
        let url = link("any", json!([format!("deep/{word}")]));
        assert_eq!(site.get(&url).expect_code(200).text(), format!("any deep/{word}"), "{url}");
    }
    // By the name over RPC, and by the function's; what has no place in the path is the query.
    assert_eq!(link("word", json!({"word": "x", "more": ["1", 2], "none": null})), "/test/word/x?more=1&more=2");
    assert_eq!(link("by_word", json!(["x"])), "/test/word/x");
    assert_eq!(link("root", json!(null)), "/test");
    // Routes of other apps, by the name they have from anywhere and by the function.
    assert_eq!(link("float", json!([1.5])), "/float/1.5");
    assert_eq!(link("the function notes", json!([])), "/hook-notes");
    assert_eq!(links(&site, "/test", "test.put", &json!([])), "/test/put");
}

#[test]
fn url_for_says_which_name_or_argument_is_wrong() {
    let site = TestServer::site_of(&["/ = routed"]).server("devel", "yes").start();
    let received = |query: &str| {
        let reply = site.get(&format!("/link?{query}")).expect_code(500);
        reply.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    for (query, problem) in [
        ("to=tow&arguments=[]", "there is no route `tow`; did you mean `two`?"),
        ("to=two&arguments=[1]", "/two/<int:n>/<word> (two): `word` is missing"),
        ("to=two&arguments=[%22one%22,%22x%22]", "`n` must be a whole number, got \"one\""),
        ("to=two&arguments=[1,%22x%22,3]", "3 arguments were given, and the function takes 2"),
        ("to=by_word&arguments=[%22..%22]", "a segment of dots leads elsewhere"),
        ("to=two&arguments=7", "arguments are a tuple"),
    ] {
        assert!(received(query).contains(problem), "{query}: {}", received(query));
    }
}

#[test]
fn templates_link_by_url_for() {
    let site = TestServer::site_of(&["/test = routed"]).server("devel", "yes").start();
    let page = site.get("/test/links?n=7&word=a%2Fb+%26").expect_code(200).text();
    assert_eq!(page, "<a href=\"/test/two/7/a%2Fb%20%26?more=x%20y\">/test</a>");
    for (query, problem) in [
        ("n=x&word=y", "`n` must be a whole number, got &quot;x&quot;"),
        ("n=1&word=y&route=rood", "there is no route `rood`; did you mean `root`?"),
    ] {
        let reply = site.ask("GET", &format!("/test/links?{query}"), &[("Accept", "text/html")], b"").expect_code(500);
        assert!(reply.text().contains(problem) && reply.text().contains("links.html:1:"), "{}", reply.text());
    }
}
