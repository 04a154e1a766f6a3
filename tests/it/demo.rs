//! The demo as a stranger starts it: its pages, what they load and where they lead, and two of it side by side.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{Conduct, Member, TestServer, call, data, eventually};

const FORM: &str = "application/x-www-form-urlencoded";

/// The demo without a configuration, as `cargo run` starts it.
fn alone() -> TestServer {
    TestServer::demo().without_conf().start()
}

/// The members that a demo says it has started, in their order.
pub(crate) fn members_of(demo: &TestServer) -> Vec<String> {
    let log = eventually("it says where its members are", || {
        let log = demo.log();
        log.lines().find_map(|line| line.split("the members listen on ").nth(1).map(str::to_owned))
    });
    log.split(", ").map(|node| node.trim().to_owned()).collect()
}

/// What the template wrote into an attribute.
fn plain(attribute: &str) -> String {
    attribute.replace("&#x2F;", "/").replace("&#x27;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The values of an attribute in a page.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let begin = format!(" {attribute}=\"");
    page.split(&begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Switches a member, as a visitor of the index does.
fn switch(demo: &TestServer, member: usize, on: &str) {
    let page = demo.get("/").expect_code(200);
    let cookie = page.header("set-cookie").split(';').next().expect("a session").to_owned();
    let page = page.text();
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let body = format!("csrf_token={}&member={member}&on={on}", token.expect("the index has switches"));
    let headers = [("Content-Type", FORM), ("Cookie", &cookie)];
    demo.ask("POST", "/members/switch", &headers, body.as_bytes()).expect_code(303);
}

/// What every member says, by the demo's own account: node and reason.
fn outcomes(demo: &TestServer) -> Vec<(String, String)> {
    let answer =
        demo.post("/rpc3", "application/json", call::json("fanout", &json!(["Mozart"]))).expect_code(200).json();
    let outcomes = answer["result"].as_array().unwrap_or_else(|| panic!("no outcomes: {answer}"));
    let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    outcomes.iter().map(|outcome| (word(&outcome["node"]), word(&outcome["reason"]))).collect()
}

#[test]
fn two_demos_side_by_side_have_members_of_their_own() {
    let demos = [alone(), alone()];
    let nodes: Vec<Vec<String>> = demos.iter().map(members_of).collect();
    assert_eq!(nodes.iter().flatten().collect::<BTreeSet<_>>().len(), 6, "{nodes:?}");
    let whole = |demo: &TestServer, nodes: &[String]| {
        let found = demo.get("/search?keyword=Mozart").expect_code(200);
        assert_eq!(found.header("x-coverage"), "mysearch;ok=3;asked=3");
        for title in data::titles_of("Mozart") {
            assert!(found.text().contains(&title), "{title} is not found: {}", found.text());
        }
        // A program learns no addresses; the picture of the demo shows them.
        let ok = |index: usize| (format!("[{index}]"), "ok".to_owned());
        assert_eq!(outcomes(demo), [0, 1, 2].map(ok));
        let picture = demo.get("/fanout").expect_code(200).text();
        assert!(nodes.iter().all(|node| picture.contains(node)), "{nodes:?}: {picture}");
    };
    whole(&demos[0], &nodes[0]);
    whole(&demos[1], &nodes[1]);
    // What is switched off in one is off there alone.
    switch(&demos[0], 3, "no");
    let partly = demos[0].get("/search?keyword=Mozart").expect_code(200);
    assert_eq!(partly.header("x-coverage"), "mysearch;ok=2;asked=3;not_sent=1");
    assert_eq!(outcomes(&demos[0])[2], ("[2]".to_owned(), "refused".to_owned()));
    whole(&demos[1], &nodes[1]);
    switch(&demos[0], 3, "yes");
    whole(&demos[0], &nodes[0]);
    // One that ends leaves the other's members alone.
    let [first, second] = demos;
    let (status, _, log, _) = first.stop();
    assert!(status.success(), "{status}: {log}");
    whole(&second, &nodes[1]);
}

#[test]
fn every_link_of_the_index_leads_somewhere_and_nothing_is_loaded_from_elsewhere() {
    let demo = alone();
    let page = demo.get("/").expect_code(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'self';"), "{:?}", page.headers);
    let page = page.text();
    assert!(!page.contains("<style") && !page.contains(" style=\"") && !page.contains("<script>"), "{page}");
    let (mut loaded, links) = (values(&page, "src"), values(&page, "href"));
    let (files, links): (Vec<&str>, Vec<&str>) =
        links.into_iter().partition(|link| link.ends_with(".css") || link.ends_with(".svg"));
    loaded.extend(files);
    for (file, kind) in [
        ("/demo.css", "text/css"),
        ("/fanout.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
        ("/three-faces.svg", "image/svg+xml"),
    ] {
        assert!(loaded.contains(&file), "{file} is not used by {page}");
        let reply = demo.get(file).expect_code(200);
        assert!(reply.header("content-type").starts_with(kind), "{file}: {:?}", reply.headers);
        let text = reply.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://") && !text.contains("url(") && !text.contains("@import"), "{file}: {text}");
    }
    for path in loaded {
        demo.get(path).expect_code(200);
    }
    assert!(links.len() > 40, "{links:?}");
    for link in links {
        let link = plain(link);
        assert!(link.starts_with('/') && !link.starts_with("//"), "{link} leads to another server");
        let code = match link.as_str() {
            "/status" => 401,
            "/add?a=1&b=x" => 400,
            "/test/db" | "/no/such/page" => 404,
            "/test/noget/error" => 405,
            _ => 200,
        };
        demo.get(&link).expect_code(code);
    }
}

#[test]
fn with_a_configuration_of_its_own_the_demo_draws_whom_that_names() {
    let members = [Member::start(Conduct::Fine("<array><data></data></array>")), Member::start(Conduct::Closed)];
    let demo = TestServer::demo().cluster("mysearch", &members.each_ref()).start();
    let page = demo.get("/").expect_code(200);
    assert!(
        page.header_all("set-cookie").is_empty() && page.text().contains("it has started no members"),
        "{}",
        page.text()
    );
    assert!(!demo.log().contains("the members listen on"), "{}", demo.log());
    let picture = demo.get("/fanout").expect_code(200);
    assert_eq!(picture.header("x-coverage"), "mysearch;ok=1;asked=2;not_sent=1");
    for text in [
        &*members[0].node(),
        &members[1].node(),
        "<b>ok</b>",
        "<b>refused</b>",
        "X-Coverage: mysearch;ok=1;asked=2;not_sent=1",
    ] {
        assert!(picture.text().contains(text), "{text} is not in {}", picture.text());
    }
    assert_eq!(demo.post("/members/switch", FORM, "member=1&on=no").code, 403);
    // Nobody at all is an outcome, too.
    let nobody = TestServer::demo().start();
    let picture = nobody.get("/fanout").expect_code(200).text();
    assert!(picture.contains("<b>undeclared</b>") && picture.contains("0 of 1 ok"), "{picture}");
}
