//! The life of an app: it starts once before the first request, and ends once after the last, whatever ends the server.

use std::time::Duration;

use crate::harness::{Conduct, Member, TestServer, bound, eventually};

const ENDS: &str = "routed ends with 7";
const LET_GO: &str = "what was registered was let go";

#[test]
fn an_app_starts_once_and_ends_at_sigterm_after_the_last_request() {
    let silent = Member::start(Conduct::Hangs);
    let site = TestServer::site_of(&["/ = routed"]).server("threads", "3").cluster("silent", &[&silent]).start();
    for _ in 0..12 {
        site.get("/word/x").expect_code(200);
    }
    let mut under_way = site.begin("/waits");
    silent.wait_for_requests(1);
    // Asked for its object after the signal: had the end begun before it, the object would be gone.
    let answered = std::thread::spawn(move || under_way.read().expect_code(200).text());
    let (status, _, log, _) = site.stop();
    assert_eq!(answered.join().unwrap(), "7");
    assert!(status.success(), "{status}: {log}");
    for once in ["routed starts", ENDS, LET_GO] {
        assert_eq!(log.matches(once).count(), 1, "{once}: {log}");
    }
    assert!(log.find(ENDS) < log.find(LET_GO), "what the app did not unregister goes last: {log}");
    assert!(!log.contains("still there"), "{log}");
}

#[test]
fn a_second_signal_ends_the_app_too() {
    let silent = Member::start(Conduct::Hangs);
    let site = TestServer::site_of(&["/ = routed"]).cluster("silent", &[&silent]).server("deadline", "20s").start();
    let mut under_way = site.begin("/waits");
    silent.wait_for_requests(1);
    let log = site.watched();
    let scenario = site.stop_at_once();
    assert!(under_way.ends(), "nobody answers");
    eventually("the app has ended", || log.lock().unwrap().contains(ENDS).then_some(()));
    drop(scenario);
}

#[test]
fn an_app_that_cannot_start_puts_away_what_it_had() {
    // Both apps are of one program; the second registers a name that the first has.
    let site = TestServer::site_of(&["/ = failing"]).env("TESTSITE_FAILS", "yes");
    let (status, said) = site.start_refused();
    assert!(!status.success());
    assert!(said.contains("`failing`: startup: an object `number` is registered already"), "{said}");
    assert_eq!((said.matches(ENDS).count(), said.matches(LET_GO).count()), (1, 1), "{said}");
}

#[test]
fn an_object_is_reached_by_its_name_and_its_type() {
    let site = TestServer::site_of(&["/ = routed"]).start();
    let reply = site.get("/objects").expect_code(200).json();
    assert_eq!(reply[0], "7");
    assert!(reply[1].as_str().unwrap().contains("`number` is not a alloc::string::String"), "{reply}");
    assert!(reply[2].as_str().unwrap().contains("no object `nothing` is registered"), "{reply}");
}

#[test]
fn the_demos_searcher_is_shared_and_closed() {
    let demo = TestServer::demo().route("/quick/ = quickstart").start();
    assert!(demo.get("/quick/searcher?keyword=Eroica").expect_code(200).text().contains("Eroica"));
    demo.get("/quick/searcher?keyword=Requiem").expect_code(200);
    let (status, took, log, _) = demo.stop();
    let limit = bound(Duration::from_secs(2), Duration::from_secs(10));
    assert!(status.success() && took < limit, "{status} {took:?}: {log}");
    assert_eq!(log.matches("the searcher knows").count(), 1, "{log}");
    assert_eq!(log.matches("the searcher was asked 2 times").count(), 1, "{log}");
}
