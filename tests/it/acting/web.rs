//! The form of operators: who may send it, what it asks first, and what it does.

use serde_json::{Value, json};

use super::{ADMIN_PASSWORD, VIEWER_PASSWORD, act, admin, entries, part, pid, post, site, succeeded, token, viewer};
use crate::harness::{Chaos, TestServer, eventually};
use crate::processes::serving;
use crate::status::basic;

fn with_members(chaos: &Chaos) -> TestServer {
    serving(site().section(&chaos.section("members", "")), 1)
}

fn words(site: &TestServer) -> Vec<Value> {
    let members = part(site, "cluster:members")["clusters"]["members"]["members"].clone();
    members.as_array().unwrap().iter().map(|member| member["operator"]["word"].clone()).collect()
}

#[test]
fn each_role_may_what_it_may() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    let ask = |method: &str, path: &str, login: &str| site.ask(method, path, &[("Authorization", login)], b"").code;
    let wrong = basic("viewer", "a-password-of-nobody");
    // Nobody, a wrong password, the viewer, the admin.
    let logins = ["", wrong.as_str(), &viewer(), &admin()];
    for (path, codes) in [
        ("/status", [401, 401, 200, 200]),
        ("/status.json?filter=audit", [401, 401, 200, 200]),
        ("/metrics", [401, 401, 200, 200]),
        ("/status/methods", [401, 429, 200, 200]),
        ("/status/act?action=reload", [401, 429, 403, 200]),
    ] {
        for (login, code) in logins.iter().zip(codes) {
            // Guesses at the viewer's password are throttled by themselves, so that they are made once.
            if *login != wrong {
                assert_eq!(ask("GET", path, login), code, "{path} {login}");
            }
        }
    }
    let form = [("action", "reload"), ("confirm", "yes")];
    assert_eq!(post(&site, &form, &[]).code, 401);
    let refused = post(&site, &form, &[("Authorization", &viewer())]).expect_code(403);
    assert!(refused.text().contains("may look and change nothing"), "{}", refused.text());
    // Not with a token of the admin's either.
    let stolen = token(&site, &admin());
    let form = [("action", "reload"), ("confirm", "yes"), ("csrf_token", stolen.as_str())];
    assert_eq!(post(&site, &form, &[("Authorization", &viewer())]).code, 403);
    assert_ne!(VIEWER_PASSWORD, ADMIN_PASSWORD);
    let guess = || ask("GET", "/status", &wrong);
    let guesses: Vec<u16> = (0..6).map(|_| guess()).collect();
    assert_eq!((guesses[0], guesses[5]), (401, 429), "{guesses:?}");
    assert_eq!(ask("GET", "/status", &admin()), 200, "the viewer's guesses are not the admin's");
}

#[test]
fn only_a_page_of_this_site_may_send_it() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    let (login, good) = (admin(), token(&site, &admin()));
    let send = |token: &str, headers: &[(&str, &str)]| {
        let node = chaos.node(0);
        let fields = [("action", "drain"), ("cluster", "members"), ("member", &*node), ("confirm", "yes")];
        let fields = [&fields[..], &[("csrf_token", token)]].concat();
        post(&site, &fields, &[&[("Authorization", login.as_str())], headers].concat()).code
    };
    for (token, headers) in [
        ("", &[][..]),
        ("nonsense", &[][..]),
        (&good[1..], &[][..]),
        (&good, &[("Sec-Fetch-Site", "cross-site")][..]),
        (&good, &[("Sec-Fetch-Site", "same-site")][..]),
        (&good, &[("Sec-Fetch-Site", "none")][..]),
        (&good, &[("Origin", "https://evil.example")][..]),
        (&good, &[("Origin", "null")][..]),
        (&good, &[("Sec-Fetch-Site", "same-origin"), ("Origin", "http://127.0.0.1:1")][..]),
    ] {
        assert_eq!(send(token, headers), 403, "{token} {headers:?}");
    }
    assert_eq!(words(&site), [Value::Null, Value::Null], "nothing was done");
    assert_eq!(send(&good, &[("Sec-Fetch-Site", "same-origin"), ("Origin", "http://127.0.0.1")]), 303);
    eventually("it is done", || (words(&site)[0] == "drained").then_some(()));
}

#[test]
fn the_page_that_asks_does_not_act() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    let (login, good, node) = (admin(), token(&site, &admin()), chaos.node(0));
    let fields = [("action", "drain"), ("cluster", "@members"), ("member", &*node), ("why", "<disk & co>")];
    let fields = [&fields[..], &[("csrf_token", good.as_str())]].concat();
    let page = post(&site, &fields, &[("Authorization", &login)]).expect_code(200);
    assert_eq!((page.header("cache-control"), page.header("x-frame-options")), ("no-store", "DENY"));
    let text = page.text();
    for part in [
        &format!("Drain @members {node}?"),
        "It gets no new calls",
        "name=\"action\" value=\"drain\"",
        "name=\"cluster\" value=\"members\"",
        &format!("name=\"member\" value=\"{node}\""),
        "name=\"confirm\" value=\"yes\"",
        "method=\"post\" action=\"/status/act\"",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(!text.contains("<disk"), "{text}");
    assert!(!text.contains("every call to it will fail"), "{text}");
    assert_eq!((words(&site), entries(&site).len()), (vec![Value::Null, Value::Null], 0));
    // The last one that takes calls may be drained; the page warns.
    act(&site, &[("action", "drain"), ("cluster", "members"), ("member", &node)]).expect_code(303);
    eventually("it is done", || (words(&site)[0] == "drained").then_some(()));
    let path = format!("/status/act?action=drain&cluster=members&member={}", chaos.node(1));
    let page = site.ask("GET", &path, &[("Authorization", &login)], b"").expect_code(200).text();
    assert!(page.contains("every call to it will fail"), "{page}");
    for (path, code, why) in [
        ("action=drain&cluster=nobody&member=x", 404, "there is no cluster @nobody; there is @members"),
        ("action=drain&cluster=members&member=x", 404, "@members has no member x; it has"),
        ("action=drain&cluster=members", 400, "`member` is missing"),
        ("action=dance", 400, "one of drain, eject, restore"),
        ("action=log&level=loud", 400, "no level of the log"),
        ("action=log&level=debug&for=soon", 400, "the field `for`"),
        ("", 400, "`action` is missing"),
    ] {
        let refused = site.ask("GET", &format!("/status/act?{path}"), &[("Authorization", &login)], b"");
        assert_eq!(refused.code, code, "{path}: {}", refused.text());
        assert!(refused.text().contains(why), "{path}: {}", refused.text());
    }
}

#[test]
fn processes_are_replaced_and_ended_by_the_form() {
    let chaos = Chaos::start(1);
    let site = serving(site().own_port().section(&chaos.section("members", "")), 1);
    let before = pid(&site);
    act(&site, &[("action", "reload")]).expect_code(303);
    succeeded(&site, before);
    assert_eq!(entries(&site).last().map(|entry| entry["outcome"].clone()), Some(json!("begun")));
    // What cannot be served is told, and nothing ends.
    let before = pid(&site);
    site.rewrite("threads = 1", "threads = many");
    act(&site, &[("action", "restart")]).expect_code(303);
    let last = entries(&site).pop().unwrap();
    assert_eq!((&last["action"], &last["outcome"]), (&json!("restart"), &json!("failed")), "{last:#}");
    assert!(last["text"].as_str().unwrap().contains("threads"), "{last:#}");
    assert_eq!(pid(&site), before);
    act(&site, &[("action", "shutdown")]).expect_code(303);
    let (exit, ..) = site.ended();
    assert!(exit.success(), "{exit}");
}

#[test]
fn without_a_supervisor_what_can_be_done_is_done() {
    let chaos = Chaos::start(2);
    let site = site().server("supervise", "no").section(&chaos.section("members", "")).start();
    act(&site, &[("action", "eject"), ("cluster", "members"), ("member", &chaos.node(1))]).expect_code(303);
    assert_eq!(words(&site), [Value::Null, json!("ejected")]);
    act(&site, &[("action", "restore"), ("cluster", "members"), ("member", &chaos.node(1))]).expect_code(303);
    assert_eq!(words(&site), [Value::Null, Value::Null]);
    act(&site, &[("action", "reload")]).expect_code(303);
    let last = entries(&site).pop().unwrap();
    assert_eq!((&last["action"], &last["outcome"]), (&json!("reload"), &json!("failed")), "{last:#}");
    assert!(last["text"].as_str().unwrap().contains("no supervisor"), "{last:#}");
    act(&site, &[("action", "shutdown")]).expect_code(303);
    let (exit, ..) = site.ended();
    assert!(exit.success(), "{exit}");
}

#[test]
fn levels_of_the_log_return_by_themselves() {
    for (supervise, processes) in [("yes", "2"), ("no", "1")] {
        let chaos = Chaos::start(1);
        let site = site().server("supervise", supervise).server("processes", processes);
        let site = site.server("threads", "1").section(&chaos.section("members", "")).start();
        eventually("it serves", || (site.get("/process/pid").code == 200).then_some(()));
        let fields = [("action", "log"), ("target", "skitai"), ("level", "debug"), ("for", "2s")];
        act(&site, &fields).expect_code(303);
        let done = entries(&site).pop().unwrap();
        assert_eq!((&done["action"], &done["outcome"]), (&json!("log"), &json!("done")), "{done:#}");
        assert!(done["on"].as_str().unwrap().ends_with(",skitai=debug"), "{done:#}");
        eventually("they return", || site.log().contains("the log has the levels of the start again").then_some(()));
    }
}

#[test]
fn what_is_to_be_done_comes_once_and_in_the_body() {
    let chaos = Chaos::start(2);
    let site = with_members(&chaos);
    let (login, good, node) = (admin(), token(&site, &admin()), chaos.node(0));
    let headers = [("Authorization", &*login), ("Content-Type", "application/x-www-form-urlencoded")];
    let fields = format!("confirm=yes&csrf_token={good}&action=drain&cluster=members&member={node}");
    let refused = site.ask("POST", &format!("/status/act?{fields}"), &headers, b"").expect_code(400);
    assert!(refused.text().contains("not in the address"), "{}", refused.text());
    let twice = format!("{fields}&action=eject");
    let refused = site.ask("POST", "/status/act", &headers, twice.as_bytes()).expect_code(400);
    assert!(refused.text().contains("`action` is there more than once"), "{}", refused.text());
    let members = &crate::status::tree(&site)["clusters"]["members"]["members"];
    assert!(members[0]["operator"].is_null(), "{members}");
    // The same, once and in the body, acts.
    site.ask("POST", "/status/act", &headers, fields.as_bytes()).expect_code(303);
}
