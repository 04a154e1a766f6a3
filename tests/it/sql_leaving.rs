//! Clients that leave while databases work for them, and databases that are lost: what is left behind and what is
//! reported.

use std::thread::scope;
use std::time::{Duration, Instant};

use crate::harness::{Postgres, Relay, TestServer, eventually};
use crate::status;

const DATABASES: [&str; 4] = ["shard0", "shard1", "shard2", "whole"];

/// How often a client leaves. `proof/sql` says 200 and holds the figures to their bounds; here the order of magnitude
/// will do.
fn rounds() -> Option<usize> {
    Some(std::env::var("SQL_ROUNDS").ok()?.parse().expect("SQL_ROUNDS is a number"))
}

#[test]
fn clients_that_leave_a_fan_out_over_databases_leave_nothing_running() {
    let postgres = Postgres::shared();
    let members = DATABASES.map(|database| Postgres::member(postgres.port(), database));
    let site = TestServer::site().section(&Postgres::section("four", &members)).start();
    let number = |sql: &str| -> usize { postgres.psql("postgres", sql).trim().parse().unwrap() };
    // The text tells these from the statements of other tests.
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS nobody_waits%' AND state = 'active' \
                  AND pid <> pg_backend_pid()";
    let mine = |from: usize| {
        // 1 000 through the same pools, eight at a time, each with a number of its own.
        let ask = |client: usize| {
            let mut conn = site.conn();
            for n in (from..from + 1_000).filter(|n| n % 8 == client) {
                conn.send(format!("GET /mine?cluster=four&n={n} HTTP/1.1\r\nHost: x\r\n\r\n"));
                let reply = conn.read().expect_code(200);
                assert_eq!(reply.text(), format!("[{n},{n},{n},{n}]"));
            }
        };
        scope(|threads| (0..8).for_each(|client| drop(threads.spawn(move || ask(client)))));
    };
    mine(0);
    let descriptors = site.descriptors();
    let connections =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%mine_of_this_test%' AND pid <> pg_backend_pid()";
    let before = number(connections);
    let mut slowest = Duration::ZERO;
    let count = rounds().unwrap_or(3);
    for round in 1..=count {
        let mut conn = site.conn();
        conn.send("GET /asleep?cluster=four HTTP/1.1\r\nHost: x\r\n\r\n");
        eventually("all four work", || (number(active) == DATABASES.len()).then_some(()));
        let left = Instant::now();
        drop(conn);
        eventually("nothing runs any more", || (number(active) == 0).then_some(()));
        slowest = slowest.max(left.elapsed());
        // Every round in the test; now and then where there are 200 of them.
        if count <= 3 || round % 20 == 0 {
            mine(round * 1_000);
        }
    }
    println!("{count} rounds over 4 databases: after {slowest:?} at most nothing was active");
    let limit = if rounds().is_some() { Duration::from_millis(500) } else { Duration::from_secs(5) };
    assert!(slowest < limit, "{slowest:?}");
    assert!(number(connections) <= before.max(40), "{} connections, {before} before", number(connections));
    // One request's connection may still be closing.
    eventually("the server holds what it held at the start", || (site.descriptors() <= descriptors + 1).then_some(()));
}

#[test]
fn a_killed_server_leaves_statements_that_end_by_themselves() {
    let postgres = Postgres::shared();
    let members = DATABASES.map(|database| Postgres::member(postgres.port(), database));
    let site = TestServer::site().section(&Postgres::section("four", &members)).start();
    // From this server's connections alone: other tests have the same statement.
    let ours = "SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE query LIKE '%AS nobody_waits%' \
                AND state = 'active' AND pid <> pg_backend_pid() AND backend_start >= ";
    let began = format!("'{}'", postgres.psql("postgres", "SELECT now()").trim());
    let mut conn = site.conn();
    conn.send("GET /asleep?cluster=four HTTP/1.1\r\nHost: x\r\nX-Request-Timeout-Ms: 1500\r\n\r\n");
    let pids = eventually("all four work", || {
        let pids = postgres.psql("postgres", &format!("{ours}{began}")).trim().to_owned();
        (pids.split(',').count() >= DATABASES.len()).then_some(pids)
    });
    let killed = Instant::now();
    site.kill();
    let active = format!("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({pids}) AND state = 'active'");
    eventually("nothing runs any more", || (postgres.psql("postgres", &active).trim() == "0").then_some(()));
    let took = killed.elapsed();
    println!("kill -9 with 1.5 s left: its statements had ended after {took:?}");
    // Two seconds, which 1.5 are rounded up to, and one of grace; without the deadline it were eleven.
    let limit = if rounds().is_some() { Duration::from_millis(3_500) } else { Duration::from_secs(8) };
    assert!(took < limit, "{took:?}");
}

#[test]
fn a_lost_database_is_said_to_be_ejected_and_for_what() {
    let port = Postgres::shared().port();
    let relays = [0, 1, 2].map(|_| Relay::to(port));
    let members: Vec<String> =
        relays.iter().enumerate().map(|(k, relay)| Postgres::member(relay.port(), &format!("shard{k}"))).collect();
    let section = Postgres::section("three", &members) + "\neject_after = 3\neject_time = 500ms";
    let site = TestServer::site().section(&section).start();
    let answer = || site.get("/every?cluster=three").expect_code(200).json();
    assert!((0..3).all(|k| answer()[k] == "ok"));
    relays[1].cut();
    eventually("it is ejected for all threads", || (0..8).all(|_| answer()[1] == "ejected").then_some(()));
    let tree = status::tree(&site).to_string();
    assert!(tree.contains("\"ejected\"") && tree.contains("\"ejected_for\""), "{tree}");
    let log = site.log();
    assert!(log.contains("the member is ejected") && log.contains("three"), "{log}");
    assert!(!log.contains(Postgres::password()));
    // Whoever may go anywhere goes elsewhere.
    for _ in 0..10 {
        site.get("/dlb?cluster=three").expect_code(200);
    }
    relays[1].mend();
    eventually("it takes part again", || (0..8).all(|_| answer()[1] == "ok").then_some(()));
    assert!(site.log().contains("the member is readmitted"));
}

/// Where statements share a connection by the conf's word, one that says `exclusive()` has its own, and is cancelled.
#[test]
fn an_exclusive_statement_has_a_connection_of_its_own() {
    let postgres = Postgres::shared();
    let section = Postgres::section("one", &[Postgres::member(postgres.port(), "shard0")]) + "\npipeline = yes";
    let site = TestServer::site().server("threads", "1").section(&section).start();
    let path = |sql: &str, exclusive: bool| {
        let escaped: String = sql.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("/own-connection?cluster=one&exclusive={exclusive}&sql={escaped}")
    };
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS of_its_own%' AND state = 'active' \
                  AND pid <> pg_backend_pid()";
    let running = || postgres.psql("postgres", active).trim().to_owned();
    // What the status page tells of the shared one, once the statement runs.
    let shared = || {
        eventually("it runs", || (running() == "1").then_some(()));
        let tree = status::tree(&site);
        let member = &tree["databases"]["one"]["members"][0];
        (member["pipelined"]["in_flight"].clone(), member["in_use"].clone())
    };
    let mut conn = site.begin(&path("SELECT pg_sleep(2)::text AS of_its_own", false));
    assert_eq!(shared().0, 1, "the conf's word is kept");
    assert_eq!(conn.read().expect_code(200).json()["reason"], "ok");

    let conn = site.begin(&path("SELECT pg_sleep(60)::text AS of_its_own", true));
    assert_eq!(shared(), (0.into(), 1.into()), "it is not on the shared one");
    // Others pass it by there.
    let beside = site.get(&path("SELECT 1 AS one", false)).expect_code(200).json();
    assert_eq!(beside["data"][0]["one"], 1, "{beside}");
    let left = Instant::now();
    drop(conn);
    eventually("it is cancelled", || (running() == "0").then_some(()));
    assert!(left.elapsed() < Duration::from_secs(15), "nobody cancelled it: its time was over");
}
