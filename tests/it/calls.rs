//! Every other way to call: a URL, a database given on the spot, one shard of many, with a filter, from the cache.

use serde_json::{Value, json};

use crate::harness::patience::eventually;
use crate::harness::{Conduct, Member, Postgres, TestServer};

fn ask(site: &TestServer, path: &str) -> Value {
    site.get(path).expect_code(200).json()
}

#[test]
fn wget_fetches_a_page_whatever_its_code() {
    let page = Member::start(Conduct::Page(404, "not here, sorry"));
    let site = TestServer::site().start();
    let reply = ask(&site, &format!("/wget?url=http://{}/some/page%3Fa=1&login=me:secret", page.node()));
    assert_eq!((&reply["status"], &reply["code"], &reply["reason"]), (&json!(3), &json!(404), &json!("http_status")));
    assert!(reply["data"].as_str().unwrap().contains("not here, sorry"), "{reply:#}");
    assert_eq!((page.requests(), reply["node"].as_str().unwrap()), (1, page.node().as_str()));
}

#[test]
fn wget_says_why_a_url_cannot_be_fetched() {
    let site = TestServer::site().start();
    let closed = Member::start(Conduct::Closed);
    let refused = ask(&site, &format!("/wget?url=http://{}/", closed.node()));
    assert_eq!((&refused["status"], &refused["reason"]), (&json!(0), &json!("refused")), "{refused:#}");
    let unknown = ask(&site, "/wget?url=http://no-such-host.invalid/");
    assert_eq!((&unknown["status"], &unknown["reason"]), (&json!(0), &json!("dns")), "{unknown:#}");
    for bad in ["", "nonsense", "ftp://x/", "http://"] {
        let reply = ask(&site, &format!("/wget?url={bad}"));
        assert_eq!(reply["status"], 0, "{bad}: {reply:#}");
        assert!(!reply["msg"].as_str().unwrap().is_empty(), "{bad}: {reply:#}");
    }
}

#[test]
fn a_form_is_posted_encoded() {
    let member = Member::start(Conduct::Page(200, "thanks"));
    let site = TestServer::site().start();
    let reply = ask(&site, &format!("/post?url=http://{}/form&value=%C3%A4%20%26", member.node()));
    assert_eq!((&reply["status"], &reply["code"]), (&json!(3), &json!(200)), "{reply:#}");
    let body = member.bodies().pop().unwrap();
    assert!(
        ["value=%C3%A4+%26&other=a%26b%3Dc+d", "value=%C3%A4%20%26&other=a%26b%3Dc%20d"].contains(&body.as_str()),
        "{body}"
    );
}

#[test]
fn rpc_calls_a_method_at_a_url() {
    let member = Member::start(Conduct::Fine("<array><data><value><int>7</int></value></data></array>"));
    let site = TestServer::site().start();
    let reply = ask(&site, &format!("/rpc?url=http://{}/RPC2&method=a.b.c", member.node()));
    assert_eq!((&reply["reason"], &reply["data"]), (&json!("ok"), &json!([7])), "{reply:#}");
    let body = member.bodies().pop().unwrap();
    assert!(body.contains("<methodName>a.b.c</methodName>") && body.contains("two"), "{body}");
}

#[test]
fn a_database_may_be_given_on_the_spot_and_parameters_are_data() {
    let postgres = Postgres::shared();
    let site = TestServer::site().start();
    let password = Postgres::password();
    let injected = "%27%3B%20DROP%20TABLE%20cities%3B%20--";
    let path = |password: &str, database: &str| {
        format!("/db?server=127.0.0.1:{}&database={database}&password={password}&text={injected}", postgres.port())
    };
    let reply = ask(&site, &path(password, "whole"));
    assert_eq!(reply["data"], json!([{"text": "'; DROP TABLE cities; --", "next": 42}]), "{reply:#}");
    let refused = ask(&site, &path("wrong-password", "whole"));
    assert_eq!((&refused["status"], &refused["reason"]), (&json!(0), &json!("login")), "{refused:#}");
    assert!(!refused.to_string().contains("wrong-password"));
    let missing = ask(&site, &path(password, "nowhere"));
    assert_eq!((&missing["status"], &missing["reason"]), (&json!(0), &json!("login")), "{missing:#}");
}

#[test]
fn dlb_asks_one_database_and_says_which() {
    let postgres = Postgres::shared();
    let site = TestServer::site().section(&postgres.shards("mydb")).start();
    let reply = ask(&site, "/dlb?cluster=@mydb");
    assert_eq!(reply["status"], 3, "{reply:#}");
    assert!(reply["node"].as_str().unwrap().contains("/shard"), "{reply:#}");
    assert!(reply["data"][0]["cities"].as_u64().unwrap() > 1000, "{reply:#}");
}

#[test]
fn a_filter_sees_every_outcome_and_its_panic_is_one_members_failure() {
    let members = [
        Member::start(Conduct::Fine(
            "<array><data><value><int>7</int></value><value><int>77</int></value></data></array>",
        )),
        Member::start(Conduct::Fine("<string>panic</string>")),
        Member::start(Conduct::Closed),
        Member::start(Conduct::Hangs),
    ];
    let site = TestServer::site().cluster("members", &members.each_ref()).panics_expected().start();
    let reply = ask(&site, "/filtered?cluster=members/RPC2");
    let column = |name: &str| reply.as_array().unwrap().iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("reason"), ["ok", "filter_panic", "refused", "deadline"].map(Value::from), "{reply:#}");
    assert_eq!(column("data"), [json!([7]), Value::Null, json!("made good"), json!("made good")], "{reply:#}");
    assert!(reply[1]["msg"].as_str().unwrap().contains("the filter met it"), "{reply:#}");
}

#[test]
fn equal_calls_share_one_answer_and_different_ones_do_not() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Fine("<int>2</int>"))];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let reply = ask(&site, "/cached?cluster=members/RPC2&argument=Bach");
                assert_eq!(reply.as_array().unwrap().len(), 2);
            });
        }
    });
    assert_eq!(members.each_ref().map(Member::requests), [1, 1], "twenty equal calls are one");
    ask(&site, "/cached?cluster=members/RPC2&argument=Haydn");
    assert_eq!(members.each_ref().map(Member::requests), [2, 2], "another argument is another call");
}

#[test]
fn an_incomplete_answer_is_never_kept() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Closed)];
    let site = TestServer::site().cluster("members", &members.each_ref()).start();
    for asked in 1..=3 {
        ask(&site, "/cached?cluster=members/RPC2&argument=Bach");
        assert_eq!(members[0].requests(), asked);
    }
}

#[test]
fn a_cached_answer_is_given_out_until_its_time_is_over() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = TestServer::site().cluster("members", &[&member]).start();
    // A machine that stands still for as long as an answer is kept gets another chance.
    eventually("of two calls the second comes from the cache", || {
        let before = member.requests();
        ask(&site, "/forgotten?cluster=members/RPC2");
        ask(&site, "/forgotten?cluster=members/RPC2");
        (member.requests() == before + 1).then_some(())
    });
    eventually("the answer is forgotten", || {
        let before = member.requests();
        ask(&site, "/forgotten?cluster=members/RPC2");
        (member.requests() > before).then_some(())
    });
}

#[test]
fn files_are_posted_as_a_browser_posts_them() {
    let member = Member::start(Conduct::Page(200, "taken"));
    let site = TestServer::site().start();
    let url = format!("http://{}/up", member.node());
    assert_eq!(site.get(&format!("/upload?url={url}")).expect_code(200).json(), "taken");
    let (head, body) = (member.heads()[0].clone(), member.bodies()[0].clone());
    assert!(head.contains("content-type: multipart/form-data; boundary=skitai-"), "{head}");
    assert!(body.contains("name=\"title\"\r\n\r\nGrüße\r\n"), "{body}");
    assert!(body.contains("name=\"photo\"; filename=\"a %22b%22.png\"\r\nContent-Type: application/octet-stream"));
    // An answer above the caller's own limit is an error, not a part of an answer.
    let refused = site.get(&format!("/upload?url={url}&largest=4")).expect_code(502).text();
    assert!(refused.contains("too_large") && refused.contains("4 bytes"), "{refused}");
    site.get(&format!("/upload?url={url}&largest=5")).expect_code(200);
}
