//! Calls to members: who was asked, why, where the time went, who ended it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{as_admin, keeping, last_part, listed, part, record_of, record_with, tries};
use crate::harness::{Chaos, Conduct, Member, Steady, TestServer, eventually};

const VALUE: &str = "<int>1</int>";

#[test]
fn a_slow_member_is_seen_and_a_quick_request_is_not_kept() {
    let quick = Member::start(Conduct::Fine(VALUE));
    let slow = Member::start(Conduct::SlowHead(Duration::from_millis(300), VALUE));
    let site = TestServer::site().server("slow", "200ms").cluster("both", &[&quick, &slow]).cluster("one", &[&quick]);
    let site = site.start();
    site.get("/outcomes?cluster=one").expect_code(200);
    let reply = site.get("/outcomes?cluster=both").expect_code(200);
    let record = record_of(&site, &reply);
    assert_eq!((&record["why"], &record["status"]), (&json!("slow"), &json!(200)), "{record:#}");
    assert_eq!((&record["route"], &record["asked"], &record["missing"]), (&json!("/outcomes"), &json!(2), &json!(0)));
    assert!(record["ms"].as_f64().unwrap() >= 300.0, "{record:#}");
    let tries = tries(&record);
    let nodes: Vec<&Value> = tries.iter().map(|one| &one["node"]).collect();
    assert_eq!(nodes, [&json!(quick.node()), &json!(slow.node())]);
    assert!(part(&tries[1], "wait") >= 295.0 && part(&tries[0], "wait") < 290.0, "{tries:#?}");
    assert!(tries.iter().all(|one| one["picked"] == "all" && one["ended"] == "answer" && one["is_ok"] == true));
    assert!(tries.iter().all(|one| one["is_dialled"] == true && part(one, "connect") > 0.0), "{tries:#?}");
    let call = &record["calls"][0];
    assert_eq!((&call["what"], &call["source"]), (&json!("search of @both"), &json!("members")));
    assert!(call["until_us"].as_u64() >= call["at_us"].as_u64().map(|at| at + 300_000), "{call:#}");
    let listed = listed(&site);
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!(listed[0]["id"], record["id"]);
    // The page says the same.
    let page = as_admin(&site, &format!("/status/trail/{}", record["id"].as_str().unwrap())).expect_code(200).text();
    for text in ["search of @both", &slow.node(), "all members are asked", "<svg", "wait 3"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn a_dead_member_is_a_try_before_the_one_that_answers() {
    let (dead, well) = (Member::start(Conduct::Closed), Member::start(Conduct::Fine(VALUE)));
    let site = keeping().cluster("pair", &[&dead, &well]).start();
    let record = eventually("the dead one was asked first", || {
        let record = record_of(&site, &site.get("/outcomes?cluster=pair&way=lb").expect_code(200));
        (tries(&record).len() == 2).then_some(record)
    });
    let tries = tries(&record);
    let told = |one: &Value| json!([one["node"], one["reason"], one["cause"], one["picked"], one["is_given"]]);
    assert_eq!(told(&tries[0]), json!([dead.node(), "refused", "first", "sooner_of_two", false]));
    assert_eq!(told(&tries[1]), json!([well.node(), "ok", "failover", "only_one_left", true]));
    assert_eq!(last_part(&tries[0]), "connect");
    assert!(tries[0]["at_us"].as_u64() <= tries[1]["at_us"].as_u64());
    assert!(tries[1]["why"].as_str().unwrap().contains("the one before was not sent"), "{tries:#?}");
}

#[test]
fn a_retry_is_told_and_so_is_the_budget_that_refuses_one() {
    let (broken, well) = (Member::start(Conduct::Resets), Member::start(Conduct::Fine(VALUE)));
    let pair = |name: &str, retries: u32| {
        let keys = format!("retries = {retries}\nmax_ejected = 0");
        format!("[@{name}]\nmembers = {}, {}\n{keys}", broken.node(), well.node())
    };
    let site = keeping().section(&pair("retried", 1)).section(&pair("never", 0)).start();
    let ask = |cluster: &str| site.get(&format!("/one?cluster={cluster}&way=call&idempotent=true"));
    let record = eventually("the broken one was asked first", || {
        let record = record_of(&site, &ask("retried").expect_code(200));
        (tries(&record).len() == 2).then_some(record)
    });
    let both = tries(&record);
    assert_eq!(
        json!([both[0]["reason"], both[1]["cause"], both[1]["reason"]]),
        json!(["reset", "retry", "ok"]),
        "{both:#?}"
    );
    let unrepeated = eventually("it fails without a retry", || {
        let reply = ask("never");
        (reply.code != 200).then(|| tries(&record_of(&site, &reply))[0].clone())
    });
    assert_eq!(unrepeated["unrepeated"], "may_have_run", "{unrepeated:#}");
    // With nobody who is well, the budget is empty after a while.
    let all_broken = [(); 4].map(|()| Member::start(Conduct::Resets));
    let nodes: Vec<String> = all_broken.iter().map(Member::node).collect();
    let keys = format!("[@broken]\nmembers = {}\nretries = 3\nmax_ejected = 0", nodes.join(", "));
    let site = keeping().section(&keys).start();
    eventually("the budget refuses a retry", || {
        let reply = site.get("/one?cluster=broken&way=call&idempotent=true").expect_code(502);
        let tries = tries(&record_of(&site, &reply));
        tries.iter().any(|one| one["unrepeated"] == "budget_refused").then_some(())
    });
}

#[test]
fn a_hedge_that_wins_says_whom_it_outran_and_why_there_was_one() {
    let chaos = Chaos::start(3);
    let site = keeping().section(&chaos.section("members", "balance = p2c\nhedge = yes")).start();
    Steady::on(&site, 400, 400).run(|nth| format!("/one?cluster=members&id={nth}"));
    chaos.set(0, "stall 100 3000");
    let mut id = 1_000;
    let record = eventually("a call was late and another answered", || {
        id += 1;
        let record = record_of(&site, &site.get(&format!("/one?cluster=members&id={id}")).expect_code(200));
        tries(&record).iter().any(|one| one["ended"] == "outrun").then_some(record)
    });
    let tries = tries(&record);
    let lost = tries.iter().find(|one| one["ended"] == "outrun").unwrap();
    let won = tries.iter().find(|one| one["is_given"] == true).unwrap();
    assert_eq!(json!([lost["node"], lost["reason"], lost["cause"]]), json!([chaos.node(0), "cancelled", "first"]));
    assert_eq!(last_part(lost), "wait");
    assert_eq!(json!([won["reason"], won["cause"]]), json!(["ok", "hedge"]), "{tries:#?}");
    // It began when the first was later than this.
    let late = won["late_ms"].as_f64().expect("the percentile that was passed");
    let waited = (won["at_us"].as_f64().unwrap() - lost["at_us"].as_f64().unwrap()) / 1e3;
    assert!(waited >= late * 0.99, "{waited} ms, and late after {late} ms");
    assert!(won["why"].as_str().unwrap().contains("95th percentile"), "{won:#}");
}

#[test]
fn who_ended_what_was_given_up() {
    let well = Member::start(Conduct::SlowHead(Duration::from_millis(100), VALUE));
    let hangs = Member::start(Conduct::Hangs);
    let site = keeping().cluster("both", &[&well, &hangs]).cluster("hangs", &[&hangs]);
    let section = format!("[@short]\nmembers = {}\nmember_timeout = 150ms", hangs.node());
    let site = site.section(&section).start();
    let ended = |path: &str| {
        let record = record_of(&site, &site.get(path).expect_code(200));
        let hung = tries(&record).into_iter().find(|one| one["node"] == *hangs.node()).expect("the one that hangs");
        (record, hung)
    };
    let (record, by_deadline) = ended("/outcomes?cluster=both&timeout=200");
    assert_eq!(json!([record["why"], record["missing"]]), json!(["partial", 1]), "{record:#}");
    assert_eq!(json!([by_deadline["ended"], by_deadline["reason"]]), json!(["deadline", "deadline"]));
    assert!(part(&by_deadline, "wait") >= 150.0 && last_part(&by_deadline) == "wait", "{by_deadline:#}");
    let (_, by_rule) = ended("/outcomes?cluster=both&rule=first:1");
    assert_eq!(json!([by_rule["ended"], by_rule["reason"]]), json!(["completion_rule", "cancelled"]));
    assert_eq!(last_part(&by_rule), "wait");
    let (_, by_member) = ended("/outcomes?cluster=short");
    assert_eq!(json!([by_member["ended"], by_member["reason"]]), json!(["member_timeout", "deadline"]));
    // The client leaves.
    let before = hangs.requests();
    let mut conn = site.conn();
    conn.send("GET /outcomes?cluster=hangs&timeout=9000 HTTP/1.1\r\nHost: x\r\n\r\n");
    hangs.wait_for_requests(before + 1);
    drop(conn);
    let left = eventually("the record of who left", || listed(&site).into_iter().find(|short| short["status"] == 499));
    let left = record_with(&site, left["id"].as_str().unwrap());
    let one = &tries(&left)[0];
    assert_eq!(json!([one["ended"], one["reason"]]), json!(["departure", "cancelled"]), "{left:#}");
    // The same of a stream, whose first line has come.
    let before = hangs.requests();
    let mut conn = site.begin("/arrivals?cluster=both");
    hangs.wait_for_requests(before + 1);
    conn.read_head();
    conn.next_chunk().expect("who is well answers");
    drop(conn);
    let streamed = eventually("the record of the stream", || {
        listed(&site).into_iter().find(|short| short["route"] == "/arrivals")
    });
    let streamed = record_with(&site, streamed["id"].as_str().unwrap());
    let ended: Vec<&Value> =
        streamed["calls"][0]["tries"].as_array().unwrap().iter().map(|one| &one["ended"]).collect();
    assert_eq!(ended, ["answer", "departure"], "{streamed:#}");
    assert_eq!(last_part(one), "wait");
}

#[test]
fn what_the_cache_knew_says_how_old_it_was() {
    let member = Member::start(Conduct::Fine(VALUE));
    let site = keeping().server("num_result_cache_max", "10").cluster("one", &[&member]).start();
    let first = record_of(&site, &site.get("/cached?cluster=one&argument=a").expect_code(200));
    assert_eq!(first["calls"][0]["source"], "members");
    std::thread::sleep(Duration::from_millis(50));
    let second = record_of(&site, &site.get("/cached?cluster=one&argument=a").expect_code(200));
    let call = &second["calls"][0];
    assert_eq!(call["source"], "cache", "{second:#}");
    assert!((50.0..60_000.0).contains(&call["age_ms"].as_f64().unwrap()), "{call:#}");
    assert_eq!(call["tries"][0]["parts"], json!([]), "it went its way for another request");
    assert_eq!(member.requests(), 1);
}

#[test]
fn a_request_that_is_passed_on_has_the_course_of_its_member() {
    let (dead, page) = (Member::start(Conduct::Closed), Member::start(Conduct::Page(503, "no")));
    let site = TestServer::site_of(&["/ = testsite", "/behind = @behind"]);
    let site = site.cluster("behind", &[&page]).cluster("dead", &[&dead]).route("/dead = @dead").start();
    let record = record_of(&site, &site.get("/behind/x?token=abc").expect_code(503));
    assert_eq!(json!([record["why"], record["route"]]), json!(["failed", "/behind/*"]), "{record:#}");
    assert_eq!(json!([tries(&record)[0]["node"], tries(&record)[0]["code"]]), json!([page.node(), 503]), "{record:#}");
    assert_eq!(record["path"], "/behind/x?token=(hidden)");
    let record = record_of(&site, &site.get("/dead/x").expect_code(502));
    assert_eq!(json!([tries(&record)[0]["reason"], record["status"]]), json!(["refused", 502]), "{record:#}");
}

#[test]
fn a_request_that_no_member_took_is_kept() {
    let dead = format!("127.0.0.1:{}", crate::harness::ports::free());
    let site = keeping().route("/dead = @dead").section(&format!("[@dead]\nmembers = {dead}")).start();
    let reply = site.get("/dead/q?pwd=hunter2").expect_code(502);
    let record = record_of(&site, &reply);
    assert_eq!(
        (&record["why"], &record["status"], &record["route"]),
        (&json!("failed"), &json!(502), &json!("/dead/*"))
    );
    assert_eq!(record["path"], "/dead/q?pwd=(hidden)");
    assert!(listed(&site).iter().any(|one| one["id"] == record["id"]), "{record}");
}
