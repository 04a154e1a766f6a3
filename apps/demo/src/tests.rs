//! Tests of the demo, as its author would write them: served in the test's process, with members that fail on demand.

use skitai::prelude::*;
use skitai::test::{Client, FakeCluster, TestReply, TestServer, TestSite};

use crate::members::Members;

const CONF: &str = include_str!("../demo.conf");

fn site(members: &FakeCluster) -> TestServer {
    TestSite::of([super::demo(&Members::default()), crate::quickstart::app()])
        .conf_text(CONF)
        .cluster("mysearch", members)
        .start()
}

/// The demo with its own members, and with additional lines for `[server]`.
fn own(server: &str) -> TestServer {
    const USUAL: &str = "127.0.0.1:5001, 127.0.0.1:5002, 127.0.0.1:5003";
    let members = Members::default();
    let nodes: Vec<String> =
        members.start(0).expect("free ports").iter().map(std::net::SocketAddr::to_string).collect();
    assert!(CONF.contains(USUAL), "{CONF}");
    let conf = CONF.replace(USUAL, &nodes.join(", ")).replace("[server]", &format!("[server]\n{server}"));
    TestSite::of([super::demo(&members), crate::quickstart::app()]).conf_text(conf).start()
}

/// The token of the switches in a page; `None` if it has no switches.
fn token_of(page: &TestReply) -> Option<&str> {
    page.text().split("name=\"csrf_token\" value=\"").nth(1)?.split('"').next()
}

/// A client that has opened the index, and its token.
fn visitor(site: &TestServer) -> (Client, String) {
    let mut client = site.client();
    let page = client.get("/");
    let token = token_of(&page).unwrap_or_else(|| panic!("no switches: {}", page.text())).to_owned();
    (client, token)
}

/// `X-Coverage` where all of the three members answered.
const WHOLE: &str = "mysearch;ok=3;asked=3";

/// Sends a switch as the page's form does, with additional headers.
fn switch(client: &mut Client, token: &str, member: &str, on: &str, headers: &[(&str, &str)]) -> TestReply {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("csrf_token={token}&keyword=Bach&member={member}&on={on}");
    client.ask("POST", "/members/switch", &[&form, headers].concat(), body.as_bytes())
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
    assert_eq!(found.header("x-coverage"), Some("mysearch;ok=1;asked=3;failed=1;timed_out=1"));
}

#[test]
fn without_any_member_a_search_is_an_error_with_every_reason() {
    let members = FakeCluster::start(3);
    members.fault("search", 4, "out of order");
    members.member(2).stop();
    let site = site(&members);
    let failed = site.get("/search");
    assert_eq!(failed.status, 502);
    for told in ["0 of 3 ok", "[0] fault", "[1] fault", "[2] refused"] {
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
    let site = TestSite::of([super::demo(&Members::default())]).production().start();
    assert_eq!(site.get("/add?a=1&b=2").json::<i64>(), 3);
    assert_eq!(
        site.post_json("/add", &Value::from_pairs([("a", Value::Int(1)), ("b", Value::Int(2))])).json::<i64>(),
        3
    );
    assert_eq!(site.jsonrpc("add", (1, 2)), Ok(Value::Int(3)));
    let refused = site.xmlrpc("add", (i64::MAX, 1)).expect_err("beyond 64 bits");
    assert_eq!(refused.code, -32602, "{refused}");
}

#[test]
fn a_member_that_is_switched_off_is_missing_in_the_next_answer_and_back_in_the_one_after() {
    let site = own("");
    let (mut client, token) = visitor(&site);
    let whole = site.get("/search?keyword=Bach");
    assert_eq!((whole.status, whole.header("x-coverage")), (200, Some(WHOLE)));
    // More failures than would eject a member elsewhere.
    for _ in 0..7 {
        let switched = switch(&mut client, &token, "2", "no", &[]);
        assert_eq!((switched.status, switched.header("location")), (303, Some("/fanout?keyword=Bach")));
        let partly = site.get("/search?keyword=Bach");
        assert_eq!((partly.status, partly.header("x-coverage")), (200, Some("mysearch;ok=2;asked=3;not_sent=1")));
        assert!(partly.json::<Vec<Value>>().len() < whole.json::<Vec<Value>>().len());
        assert_eq!(switch(&mut client, &token, "2", "yes", &[]).status, 303);
        assert_eq!(site.get("/search?keyword=Bach").body, whole.body);
    }
    for member in ["1", "2", "3"] {
        assert_eq!(switch(&mut client, &token, member, "no", &[]).status, 303);
    }
    for _ in 0..7 {
        let none = site.get("/search?keyword=Bach");
        assert_eq!(none.status, 502);
        assert_eq!(none.text().matches("] refused").count(), 3, "{}", none.text());
        assert!(none.text().contains("0 of 3 ok (3 not sent)") && !none.text().contains("ejected"), "{}", none.text());
    }
    assert_eq!(switch(&mut client, &token, "3", "yes", &[]).status, 303);
    assert_eq!(site.get("/search?keyword=Bach").header("x-coverage"), Some("mysearch;ok=1;asked=3;not_sent=2"));
}

#[test]
fn the_picture_shows_every_outcome_of_its_own_call_and_the_header_it_came_with() {
    let site = own("");
    let (mut client, token) = visitor(&site);
    let shown = |page: &TestReply, texts: &[&str]| {
        for text in texts {
            assert!(page.text().contains(text), "{text:?} is not in {}", page.text());
        }
        for (look, many) in [
            ("ok", page.text().matches("<b>ok</b>").count()),
            ("failed", page.text().matches("<b>refused</b>").count()),
        ] {
            assert_eq!(
                page.text().matches(&format!("<path class=\"{look}\"")).count(),
                many,
                "{look}: {}",
                page.text()
            );
            assert_eq!(page.text().matches(&format!("<li class=\"{look}\"")).count(), many, "{look}: {}", page.text());
        }
    };
    let at_rest = client.get("/");
    shown(&at_rest, &["not asked yet", "Switch off"]);
    assert!(!at_rest.text().contains("<b>ok</b>") && !at_rest.text().contains("data-asked"), "{}", at_rest.text());
    let whole = client.get("/fanout?keyword=Bach");
    shown(&whole, &[WHOLE, "data-asked", "value=\"Bach\"", "The answer is whole"]);
    assert_eq!((whole.text().matches("<b>ok</b>").count(), whole.header("x-coverage")), (3, Some(WHOLE)));
    switch(&mut client, &token, "2", "off", &[]);
    let partly = client.get("/fanout?keyword=Bach");
    assert_eq!(partly.header("x-coverage"), Some("mysearch;ok=2;asked=3;not_sent=1"));
    shown(&partly, &["X-Coverage: mysearch;ok=2;asked=3;not_sent=1", "Connection refused", "Switch on", "Switch off"]);
    assert_eq!(partly.text().matches("<b>refused</b>").count(), 1);
    shown(&client.get("/"), &["<b>off</b>", "Switch on"]);
    // The data for programs is of the same call.
    let outcomes = site.jsonrpc("fanout", ("Bach",)).expect("the outcomes");
    let reasons: Vec<&str> =
        outcomes.as_list().unwrap_or_default().iter().filter_map(|outcome| outcome["reason"].as_str()).collect();
    assert_eq!(reasons, ["ok", "refused", "ok"]);
    for member in ["1", "3"] {
        switch(&mut client, &token, member, "off", &[]);
    }
    let none = client.get("/fanout?keyword=%3Cscript%3E");
    shown(&none, &["Nobody answered", "0 of 3 ok (3 not sent)", "value=\"&lt;script&gt;\""]);
    assert_eq!((none.status, none.header("x-coverage")), (200, Some("mysearch;ok=0;asked=3;not_sent=3")));
}

#[test]
fn a_switch_needs_the_token_of_its_page_and_a_page_of_this_demo() {
    let site = own("");
    let (mut client, token) = visitor(&site);
    let (_, of_another) = visitor(&site);
    for wrong in ["", "x", of_another.as_str()] {
        assert_eq!(switch(&mut client, wrong, "1", "no", &[]).status, 403, "{wrong:?}");
    }
    assert_eq!(switch(&mut site.client(), &token, "1", "no", &[]).status, 403, "a token without its session");
    let here = format!("http://{}", site.address());
    let over_tls = here.replace("http:", "https:");
    let elsewhere = [
        ("origin", "http://example.org"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", over_tls.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for foreign in elsewhere {
        let refused = switch(&mut client, &token, "1", "no", &[foreign]);
        assert_eq!(refused.status, 403, "{foreign:?}");
        assert!(refused.text().contains(foreign.1), "{foreign:?}: {}", refused.text());
    }
    assert_eq!(client.get("/members/switch?member=1&on=no").status, 405, "it is no link");
    assert_eq!(site.get("/search").header("x-coverage"), Some(WHOLE), "nobody was switched off");
    // RPC with this content type cannot come from a foreign form, so only its origin is checked.
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"members.switch","params":[1,false]}"#;
    let from = |origin: &str| {
        site.ask("POST", "/rpc3", &[("content-type", "application/json"), ("origin", origin)], call).text().to_owned()
    };
    assert!(from("http://example.org").contains("-32403"), "{}", from("http://example.org"));
    assert_eq!(site.get("/search").header("x-coverage"), Some(WHOLE), "nobody was switched off");
    let own_page = [("origin", here.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(switch(&mut client, &token, "1", "no", &own_page).status, 303);
    assert_eq!(site.get("/search").header("x-coverage"), Some("mysearch;ok=2;asked=3;not_sent=1"));
}

#[test]
fn nobody_but_who_sits_at_the_machine_may_switch() {
    let site = own("trusted_proxies = 127.0.0.1");
    let (mut client, token) = visitor(&site);
    let behind_a_proxy = [("x-forwarded-for", "192.0.2.7")];
    let refused = switch(&mut client, &token, "1", "no", &behind_a_proxy);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("192.0.2.7"), "{}", refused.text());
    let seen = site.ask("GET", "/", &behind_a_proxy, b"");
    assert_eq!((token_of(&seen), seen.header("set-cookie")), (None, None));
    assert!(seen.text().contains("No switches here") && !seen.text().contains("<button id=\"fanout-switch"));
    assert!(seen.text().contains("this comes from 192.0.2.7"), "{}", seen.text());
    // A proxy on this machine that the configuration does not trust has a loopback address, too.
    let untold = own("");
    let (mut client, token) = visitor(&untold);
    for header in [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7")] {
        assert_eq!(switch(&mut client, &token, "1", "no", &[header]).status, 403, "{header:?}");
    }
    for site in [site, untold] {
        assert_eq!(site.get("/search").header("x-coverage"), Some(WHOLE), "nobody was switched off");
    }
}

#[test]
fn a_name_that_somebody_else_leads_here_is_no_way_to_a_switch() {
    use std::io::{Read, Write};
    let site = own("");
    let ask = |host: &str| {
        let mut conn = std::net::TcpStream::connect(site.address()).expect("it listens");
        write!(conn, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut page = String::new();
        conn.read_to_string(&mut page).expect("text");
        page
    };
    let port = site.address().port();
    let rebound = ask(&format!("rebound.example.org:{port}"));
    assert!(rebound.contains("rebound.example.org") && !rebound.contains("fanout-switch-1"), "{rebound}");
    assert!(ask(&format!("localhost:{port}")).contains("fanout-switch-1"));
}

#[test]
fn without_members_of_its_own_the_demo_says_so_and_switches_nobody() {
    let members = FakeCluster::start(2);
    members.answer("search", ["a work"]).member(1).stop();
    let site = site(&members);
    let page = site.get("/");
    assert!(page.text().contains("it has started no members") && page.text().contains("@mysearch"), "{}", page.text());
    assert_eq!((token_of(&page), page.header("set-cookie")), (None, None));
    let asked = site.get("/fanout");
    assert_eq!(asked.header("x-coverage"), Some("mysearch;ok=1;asked=2;not_sent=1"));
    for node in members.nodes() {
        assert!(asked.text().contains(&node), "{node}: {}", asked.text());
    }
    assert!(!asked.text().contains("fanout-switch-"), "{}", asked.text());
    let refused = site.jsonrpc("members.switch", (1, false)).expect_err("nobody to switch");
    assert!(refused.message.contains("no member 1 of 0"), "{refused}");
}
