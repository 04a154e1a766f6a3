//! The demo, tested as its author would: served in the test's own process, beside members that fail as they are told.

use skitai::prelude::*;
use skitai::test::{FakeCluster, TestServer, TestSite};

fn site(members: &FakeCluster) -> TestServer {
    TestSite::of([super::demo(), crate::quickstart::app()])
        .conf_text(include_str!("../demo.conf"))
        .cluster("mysearch", members)
        .start()
}

#[test]
fn a_search_merges_what_came_back_and_says_what_did_not() {
    let members = FakeCluster::start(3);
    members.answer_with("search", |member, _| [format!("work {member}")]);
    let site = site(&members);
    assert_eq!(site.get("/search").json::<Vec<String>>(), ["work 0", "work 1", "work 2"]);
    assert_eq!(members.member(0).calls()[0].params, [Value::from("Mozart")]);
    members.member(1).error_rate(1.0);
    members.member(2).latency(secs(60));
    let found = site.get("/search?keyword=Bach");
    assert_eq!(found.json::<Vec<String>>(), ["work 0"]);
    assert_eq!(found.header("x-coverage"), Some("1 of 3 ok (1 failed, 1 timed out)"));
}

#[test]
fn without_any_member_a_search_is_an_error_with_every_reason() {
    let members = FakeCluster::start(3);
    members.fault("search", 4, "out of order");
    members.member(2).stop();
    let site = site(&members);
    let failed = site.get("/search");
    assert_eq!(failed.status, 502);
    for told in ["out of order", "refused", "0 of 3 ok"] {
        assert!(failed.text().contains(told), "{told}: {}", failed.text());
    }
    members.answer("search", ["back"]).member(2).start_again();
    assert_eq!(site.xmlrpc("search", ("Mozart",)).map(|found| found.len()), Ok(3));
}

#[test]
fn a_session_lasts_as_long_as_its_client_keeps_the_cookie() {
    let site = site(&FakeCluster::start(1));
    let mut client = site.client();
    assert_eq!(client.post("/test/signin", &[("username", "hansroh")]).text(), "Welcome hansroh");
    assert!(client.get("/").text().contains("Signed in as hansroh"));
    assert!(!site.get("/").text().contains("Signed in"), "another client is nobody");
    assert_eq!(client.get("/test/signout").text(), "hansroh, signed out");
    assert!(!client.get("/").text().contains("Signed in"));
}

#[test]
fn one_function_has_three_faces() {
    let site = TestSite::of([super::demo()]).production().start();
    assert_eq!(site.get("/add?a=1&b=2").json::<i64>(), 3);
    assert_eq!(
        site.post_json("/add", &Value::from_pairs([("a", Value::Int(1)), ("b", Value::Int(2))])).json::<i64>(),
        3
    );
    assert_eq!(site.jsonrpc("add", (1, 2)), Ok(Value::Int(3)));
    let refused = site.xmlrpc("add", (i64::MAX, 1)).expect_err("beyond 64 bits");
    assert_eq!(refused.code, -32602, "{refused}");
}
