//! The processes of an instance together never hold more connections to a database than the configuration says, while
//! one replaces another; and no request fails for it.
//!
//! The server itself holds them to it: each test has a database with a limit of connections, which refuses one more
//! with SQLSTATE 53300. A sampler counts them as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Conn, Postgres, Reply, Scenario, TestServer, eventually};

/// Counts connections until it is told that it is over. Gives the most, and how often it has looked.
const WATCH: &str = "CREATE OR REPLACE FUNCTION watched(db text) RETURNS text LANGUAGE plpgsql AS $$ \
    DECLARE most int := 0; now int; looks int := 0; BEGIN \
    WHILE NOT EXISTS (SELECT FROM pg_shdescription d JOIN pg_database b ON d.objoid = b.oid \
        WHERE b.datname = db AND d.description = 'over') LOOP \
    PERFORM pg_stat_clear_snapshot(); \
    SELECT count(*) INTO now FROM pg_stat_activity WHERE datname = db AND usename = db; \
    most := greatest(most, now); looks := looks + 1; PERFORM pg_sleep(0.001); \
    END LOOP; RETURN most || ' ' || looks; END $$";

/// A database that its owner may hold so many connections to.
struct Limited {
    name: &'static str,
    limit: usize,
    watch: JoinHandle<String>,
}

impl Limited {
    fn new(name: &'static str, limit: usize) -> Limited {
        let postgres = Postgres::shared();
        let password = Postgres::password();
        postgres.psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"));
        postgres.psql("postgres", &format!("CREATE DATABASE {name} OWNER {name} CONNECTION LIMIT {limit}"));
        let function = WATCH.replace("watched", &format!("watched_{name}"));
        postgres.psql("postgres", &function);
        let watch = std::thread::spawn(move || postgres.psql("postgres", &format!("SELECT watched_{name}('{name}')")));
        Limited { name, limit, watch }
    }

    fn member(&self) -> String {
        let (port, name, password) = (Postgres::shared().port(), self.name, Postgres::password());
        format!("127.0.0.1:{port}/{name}/{name}/{password}")
    }

    /// What was seen at most.
    fn end(self) -> usize {
        Postgres::shared().psql("postgres", &format!("COMMENT ON DATABASE {} IS 'over'", self.name));
        let seen = self.watch.join().expect("it can be watched");
        let (most, looks) = seen.trim().split_once(' ').expect("two numbers");
        assert!(looks.parse::<usize>().unwrap() > 100, "{seen}");
        let most = most.parse().unwrap();
        assert!(most <= self.limit, "{most} connections to {}, which may have {}", self.name, self.limit);
        most
    }
}

/// A site with these databases. It waits for a connection as long as a busy machine may need.
fn site(section: &str) -> Scenario {
    TestServer::site_of(&["/ = rolling"])
        .server("supervise", "yes")
        .server("drain_idle", "300ms")
        .section(&format!("[@db]\ntype = postgresql\nwait = 10s\nconnect_timeout = 5s\n{section}"))
}

/// Clients that ask again and again, each on one connection until the server says that it closes.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    fn begin(site: &TestServer, paths: &[&'static str]) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let begin = |path: &&'static str| {
            let (port, path, is_over) = (site.port(), *path, is_over.clone());
            std::thread::spawn(move || {
                let (mut conn, mut count) = (Conn::to(port), 0);
                while !is_over.load(Relaxed) {
                    conn.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
                    let reply = conn.read().expect_code(200);
                    if reply.header("connection").eq_ignore_ascii_case("close") {
                        conn = Conn::to(port);
                    }
                    count += 1;
                }
                count
            })
        };
        let clients = paths.iter().map(begin).collect();
        Load { is_over, clients }
    }

    fn end(self) -> usize {
        self.is_over.store(true, Relaxed);
        self.clients.into_iter().map(|client| client.join().expect("every answer was a good one")).sum()
    }
}

const SELECT: &str = "/select?sql=SELECT%201::bigint%20AS%20n%20FROM%20pg_sleep(0.002)";
const SHARED: &str = "/select?shared=true";

fn reload(site: &TestServer) {
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stderr), site.log());
}

fn pid(site: &TestServer) -> u64 {
    site.get("/pid").expect_code(200).text().parse().expect("a number")
}

fn next_pid(site: &TestServer, last: u64) -> u64 {
    let now = || site.try_get("/pid").and_then(|reply: Reply| reply.text().parse().ok());
    eventually("another process serves", || now().filter(|now| *now != last))
}

fn processes(site: &TestServer) -> usize {
    let told: Value = serde_json::from_slice(&site.command("status", &["--json"]).stdout).expect("it is JSON");
    told["processes"].as_array().map_or(0, Vec::len)
}

/// Waits until a single process is left, which may use so many connections.
fn settled(site: &TestServer, all: usize) {
    eventually("the others have left", || (processes(site) == 1).then_some(()));
    let asked: Vec<_> =
        (0..all).map(|_| site.begin("/select?sql=SELECT%202::bigint%20AS%20n%20FROM%20pg_sleep(0.3)")).collect();
    for mut conn in asked {
        conn.read().expect_code(200);
    }
    assert!(!site.log().contains("53300"), "{}", site.log());
}

#[test]
fn rolls_under_load_hold_no_more_connections_than_configured() {
    let database = Limited::new("roll_two", 2);
    let site = site(&format!("connections = 2\nmembers = {}", database.member())).start();
    let load = Load::begin(&site, &[SELECT, SELECT, SELECT, SHARED]);
    for _ in 0..8 {
        reload(&site);
    }
    settled(&site, 2);
    let count = load.end();
    assert!(count > 30, "{count}");
    assert_eq!(database.end(), 2, "both were used");
}

#[test]
fn two_processes_share_a_single_connection() {
    let database = Limited::new("roll_one", 1);
    let site = site(&format!("connections = 1\nmembers = {}", database.member())).server("threads", "1").start();
    let load = Load::begin(&site, &[SELECT, SELECT, SHARED]);
    // Requests of the one that leaves go on to need it.
    let holds = site.begin("/holds-connection?ms=300");
    for _ in 0..4 {
        reload(&site);
    }
    let mut holds = holds;
    holds.read().expect_code(200);
    settled(&site, 1);
    assert!(load.end() > 10);
    assert_eq!(database.end(), 1);
}

#[test]
fn who_leaves_keeps_what_it_uses_and_its_crash_frees_it() {
    let database = Limited::new("roll_killed", 2);
    let site = site(&format!("connections = 2\nmembers = {}", database.member())).server("threads", "1").start();
    let old = pid(&site);
    let mut held = site.begin("/holds-connection?ms=20000");
    eventually("it is held", || (count(&database) > 0).then_some(()));
    reload(&site);
    next_pid(&site, old);
    // The old one takes its clients along: it must have accepted the last of them.
    eventually("the new one alone accepts", || (0..30).all(|_| pid(&site) != old).then_some(()));
    let load = Load::begin(&site, &[SELECT, SELECT, SELECT]);
    assert_eq!(processes(&site), 2, "the old one has a request");
    assert!(std::process::Command::new("kill").args(["-9", &old.to_string()]).status().unwrap().success());
    assert!(held.ends(), "its process is gone");
    settled(&site, 2);
    assert!(load.end() > 10);
    assert_eq!(database.end(), 2, "the new one has both");
}

#[test]
fn a_member_that_a_reload_adds_is_free_at_once_and_numbers_may_change() {
    let (one, other) = (Limited::new("roll_first", 3), Limited::new("roll_added", 2));
    let site = site(&format!("connections = 3\nmembers = {}", one.member())).server("threads", "1").start();
    let mut held = site.begin("/holds-connection?ms=3000");
    eventually("it is held", || (count(&one) > 0).then_some(()));
    let load = Load::begin(&site, &[SELECT, SELECT, SELECT]);
    site.rewrite(
        "[@db]",
        &format!("[@added]\ntype = postgresql\nwait = 10s\nconnections = 2\nmembers = {}\n[@db]", other.member()),
    );
    site.rewrite("connections = 3", "connections = 1");
    let old = pid(&site);
    reload(&site);
    next_pid(&site, old);
    assert_eq!(processes(&site), 2, "the old one has a request");
    let mut asked =
        [(); 2].map(|()| site.begin("/select?cluster=added&sql=SELECT%202::bigint%20AS%20n%20FROM%20pg_sleep(0.3)"));
    asked.iter_mut().for_each(|conn| drop(conn.read().expect_code(200)));
    held.read().expect_code(200);
    // And more again.
    site.rewrite("connections = 1", "connections = 3");
    reload(&site);
    settled(&site, 3);
    load.end();
    assert_eq!((one.end(), other.end()), (3, 2));
}

/// How many connections there are now.
fn count(database: &Limited) -> usize {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{0}' AND usename = '{0}'", database.name);
    std::thread::sleep(Duration::from_millis(20));
    Postgres::shared().psql("postgres", &sql).trim().parse().unwrap()
}
