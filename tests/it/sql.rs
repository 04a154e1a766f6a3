//! The shards' union equals one database: the same expectation over the demo's SQLite files and over PostgreSQL; and
//! what is said when a shard is lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::data::{City, cities, third};
use crate::harness::{Postgres, Relay, Reply, TestServer, eventually};

/// Three SQLite files with the thirds, made without the demo.
pub(crate) fn sqlite_section(dir: &Path) -> String {
    let all = cities();
    let mut members = Vec::new();
    for k in 0..3 {
        let path = dir.join(format!("third{k}.db"));
        let mut file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch("CREATE TABLE cities (name TEXT, country TEXT, population INTEGER)").unwrap();
        let batch = file.transaction().unwrap();
        for city in third(&all, k) {
            let row = (city.name, city.country, city.population);
            batch.execute("INSERT INTO cities VALUES (?1, ?2, ?3)", row).unwrap();
        }
        batch.commit().unwrap();
        members.push(path.display().to_string());
    }
    format!("[@mydb]\ntype = sqlite3\nmembers = {}", members.join(", "))
}

/// The list of rows in an answer, perhaps under a name beside the coverage.
fn rows(answer: &Value) -> &Vec<Value> {
    let list = answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array));
    list.unwrap_or_else(|| panic!("no list of rows: {answer}"))
}

fn named(answer: &Value) -> Vec<(String, i64)> {
    let pair = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["population"].as_i64().unwrap());
    let mut pairs: Vec<_> = rows(answer).iter().map(pair).collect();
    pairs.sort();
    pairs
}

fn expected(at_least: i64) -> Vec<(String, i64)> {
    let big = cities().into_iter().filter(|city| city.population >= at_least);
    let mut pairs: Vec<_> = big.map(|city| (city.name, city.population)).collect();
    pairs.sort();
    pairs
}

fn admits_a_gap(reply: &Reply) -> bool {
    reply.code >= 500
        || reply.headers.iter().any(|(name, _)| name.contains("coverage"))
        || reply.text().contains("coverage")
}

/// What a demo whose `@mydb` holds all cities must answer, whatever the shards are made of.
fn assert_equals_one_database(demo: &TestServer) {
    assert_eq!(named(&demo.get("/cities?at_least=10000000").expect_code(200).json()), expected(10_000_000));
    assert_eq!(named(&demo.get("/cities?at_least=500000").expect_code(200).json()), expected(500_000));
    assert_eq!(named(&demo.get("/cities").expect_code(200).json()), expected(1_000_000), "a million is the default");
    assert_eq!(named(&demo.get("/cities?at_least=1000000000").expect_code(200).json()), []);

    let top: City = cities().into_iter().max_by_key(|city| city.population).unwrap();
    let answer = demo.get("/top-city").expect_code(200).json();
    assert_eq!((&answer["name"], &answer["population"]), (&json!(top.name), &json!(top.population)), "{answer}");

    // The order of all is that of one database, ties included.
    let mut sorted = cities();
    sorted.retain(|city| city.population >= 1_000_000);
    sorted.sort_by(|a, b| b.population.cmp(&a.population).then_with(|| a.name.cmp(&b.name)));
    let answer = demo.get("/cities").expect_code(200).json();
    let names: Vec<&str> = rows(&answer).iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, sorted.iter().map(|city| city.name.as_str()).collect::<Vec<_>>());

    // So it is of those that are sent as they come.
    let lines = demo.get("/cities/all").expect_code(200).text();
    let populations: Vec<i64> = (lines.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["population"].as_i64().unwrap())
        .collect();
    assert!(populations.len() == cities().len() && populations.is_sorted_by(|one, next| one >= next));

    // What the shards added up is added up.
    let mut countries = BTreeMap::<String, (i64, i64)>::new();
    for city in cities() {
        let country = countries.entry(city.country).or_default();
        *country = (country.0 + 1, country.1 + city.population);
    }
    let mut countries: Vec<_> = countries.into_iter().collect();
    countries.sort_by(|a, b| b.1.1.cmp(&a.1.1).then_with(|| a.0.cmp(&b.0)));
    let answer = demo.get("/countries?top=5").expect_code(200).json();
    // PostgreSQL's sum of 64-bit numbers is a numeric, which is sent as text.
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap();
    let received: Vec<_> = (rows(&answer).iter())
        .map(|row| (row["country"].as_str().unwrap().to_owned(), (number(&row["cities"]), number(&row["people"]))))
        .collect();
    assert_eq!(received, countries[..5]);

    // A bound parameter is data, whatever it looks like.
    demo.get("/cities?at_least=1%20OR%201=1").expect_code(400);
    let call = json!({"jsonrpc": "2.0", "method": "cities", "params": {"at_least": 10_000_000}, "id": 1});
    let answer = demo.post("/", "application/json-rpc", call.to_string()).expect_code(200).json();
    assert_eq!(named(&answer["result"]), expected(10_000_000));
}

#[test]
fn the_throwaway_databases_hold_disjoint_thirds() {
    let postgres = Postgres::shared();
    let count = |database: &str| postgres.psql(database, "SELECT count(*), sum(population) FROM cities");
    let numbers = |database: &str| -> Vec<i64> {
        count(database).trim().split('|').map(|number| number.parse().unwrap()).collect()
    };
    let whole = numbers("whole");
    let shards: Vec<Vec<i64>> = (0..3).map(|k| numbers(&format!("shard{k}"))).collect();
    assert_eq!(whole[0], i64::try_from(cities().len()).unwrap());
    for column in 0..2 {
        assert_eq!(shards.iter().map(|shard| shard[column]).sum::<i64>(), whole[column]);
    }
}

#[test]
fn three_sqlite_files_equal_one_database() {
    let scenario = TestServer::demo();
    let section = sqlite_section(scenario.dir());
    assert_equals_one_database(&scenario.section(&section).start());
}

#[test]
fn a_certain_shard_is_asked_and_no_other() {
    let section = Postgres::shared().shards("mydb");
    let site = TestServer::site().section(&section).start();
    for n in 0..3 {
        let received = site.get(&format!("/shard?cluster=mydb&n={n}")).expect_code(200).json();
        assert_eq!(received["data"][0]["name"], format!("shard{n}"), "{received}");
    }
    let received = site.get("/shard?cluster=mydb&n=3").expect_code(200).json();
    assert!(
        received["reason"] == "unsendable" && received["msg"].as_str().unwrap().contains("3 members"),
        "{received}"
    );
    // A key has a shard of its own, always the same; a hundred of them have all shards.
    let shard = |key: usize| {
        let received = site.get(&format!("/shard?cluster=mydb&key=customer{key}")).expect_code(200).json();
        received["data"][0]["name"].as_str().unwrap_or_else(|| panic!("{received}")).to_owned()
    };
    let all: Vec<String> = (0..100).map(shard).collect();
    assert_eq!(all, (0..100).map(shard).collect::<Vec<_>>());
    for n in 0..3 {
        let share = all.iter().filter(|name| **name == format!("shard{n}")).count();
        assert!((15..55).contains(&share), "shard{n} has {share} of 100 keys");
    }
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let postgres = Postgres::shared();
    let section = format!("{}\nconnections = 2", postgres.shards("mydb"));
    let site = TestServer::site().without("coverage_detail").section(&section).panics_expected().start();
    let count =
        || postgres.psql("shard0", "SELECT coalesce(string_agg(n::text, ','), '') FROM moved").trim().to_owned();
    postgres.psql(
        "shard0",
        "DROP TABLE IF EXISTS moved; CREATE TABLE moved (n int PRIMARY KEY); GRANT ALL ON moved TO skitai",
    );
    // An error, a panic, a client that left, the deadline: nothing stays.
    assert_eq!(site.get("/move?cluster=mydb&how=error").code, 409);
    assert_eq!(count(), "");
    assert_eq!(site.get("/move?cluster=mydb&how=panic").code, 500);
    assert_eq!(count(), "");
    // A failure that was ignored has ended the transaction; its commit does not pretend otherwise.
    let ignored = site.get("/move?cluster=mydb&how=ignore");
    assert!(ignored.code >= 500 && !ignored.text().contains("duplicate key"), "{}", ignored.text());
    eventually("the log says why", || site.log().contains("not committed").then_some(()));
    assert_eq!(count(), "");
    let begin = site.get("/move?cluster=mydb&how=begin");
    assert!(begin.code >= 500, "{}", begin.text());
    eventually("the log says why", || site.log().contains("COMMIT is refused: tx(..) itself commits").then_some(()));
    assert_eq!(count(), "");
    let mut hasty = site.conn();
    hasty.send(b"GET /move?cluster=mydb&how=late HTTP/1.1\r\nHost: x\r\n\r\n");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state <> 'idle' AND pid <> pg_backend_pid()";
    eventually("the statement runs", || (postgres.psql("shard0", busy).trim() == "1").then_some(()));
    drop(hasty);
    eventually("the statement is cancelled", || (postgres.psql("shard0", busy).trim() == "0").then_some(()));
    eventually("the transaction is gone", || (count().is_empty()).then_some(()));
    // The savepoint's failure undid the savepoint alone.
    let done = site.get("/move?cluster=mydb&how=commit").expect_code(200).json();
    assert_eq!(done, json!({"again": false, "rows": [{"n": 1}]}));
    assert_eq!(count(), "1");
    // All connections were given back or closed: statements find some.
    for _ in 0..8 {
        site.get("/shard?cluster=mydb&n=0").expect_code(200);
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shard0' AND state LIKE 'idle in transaction%'";
    assert_eq!(postgres.psql("shard0", open).trim(), "0");
}

#[test]
fn a_session_leaves_nothing_behind() {
    let section = format!("{}\nconnections = 1", Postgres::shared().shards("mydb"));
    let site = TestServer::site().section(&section).start();
    let received = site.get("/settings?cluster=mydb").expect_code(200).json();
    assert_eq!(received[0][0]["path"], "nowhere");
    assert_ne!(received[1][0]["path"], "nowhere", "{received}");
}

#[test]
fn rows_leave_as_csv_and_as_ndjson() {
    let site = TestServer::site().section(&Postgres::shared().shards("mydb")).start();
    let mut top = cities();
    top.sort_by(|a, b| b.population.cmp(&a.population).then_with(|| a.name.cmp(&b.name)));
    let csv = site.get("/export?cluster=mydb&format=csv").expect_code(200);
    assert!(csv.header("content-type").starts_with("text/csv"));
    let line = |city: &City| format!("{},{}\r\n", city.name, city.population);
    assert_eq!(csv.text(), format!("name,population\r\n{}{}", line(&top[0]), line(&top[1])));
    let ndjson = site.get("/export?cluster=mydb&format=ndjson").expect_code(200).text();
    let rows: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[1], json!({"name": top[1].name, "population": top[1].population}));
}

#[test]
fn sums_and_averages_are_those_of_one_database() {
    let postgres = Postgres::shared();
    let site = TestServer::site().section(&postgres.shards("mydb")).start();
    let mine = site.get("/averages?cluster=mydb&column=population").expect_code(200).json();
    let sql = "SELECT count(*), sum(population), avg(population), min(population), max(population) FROM cities";
    let theirs = postgres.psql("whole", sql);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mine: Vec<String> = mine.as_object().unwrap().values().map(text).collect();
    assert_eq!(mine.join("|"), theirs.trim());
    let received = site.get("/averages?cluster=mydb&column=nothing");
    assert_eq!(received.code, 500, "{}", received.text());
    let why = "no column `nothing`; the rows have name, country, population";
    eventually("the log tells why", || site.log().contains(why).then_some(()));
}

#[test]
fn three_postgresql_databases_equal_one_database() {
    let section = Postgres::shared().shards("mydb");
    assert_equals_one_database(&TestServer::demo().section(&section).start());
}

#[test]
fn one_postgresql_database_with_all_rows_answers_the_same() {
    let members = [Postgres::member(Postgres::shared().port(), "whole")];
    assert_equals_one_database(&TestServer::demo().section(&Postgres::section("mydb", &members)).start());
}

/// A demo whose three databases are reached over wires that can be cut.
fn demo_over_relays() -> (TestServer, [Relay; 3]) {
    let port = Postgres::shared().port();
    let relays = [0, 1, 2].map(|_| Relay::to(port));
    let members: Vec<String> =
        relays.iter().enumerate().map(|(k, relay)| Postgres::member(relay.port(), &format!("shard{k}"))).collect();
    (TestServer::demo().section(&Postgres::section("mydb", &members)).start(), relays)
}

#[test]
fn a_lost_database_is_never_silent_success_and_comes_back() {
    let (demo, relays) = demo_over_relays();
    demo.get("/top-city").expect_code(200);
    relays[1].cut();
    let reply = demo.get("/cities");
    assert!(admits_a_gap(&reply), "{}: {}", reply.code, reply.text());
    assert!(!demo.log().contains(Postgres::password()), "the log shows a password");
    assert!(!reply.text().contains(Postgres::password()), "an answer shows a password");
    // The largest of two thirds need not be the largest: this route answers all or an error.
    let top = demo.get("/top-city");
    assert!(top.code >= 500, "{}: {}", top.code, top.text());
    relays[1].mend();
    eventually("the mended database answers again", || (demo.get("/top-city").code == 200).then_some(()));
}

#[test]
fn a_stalled_database_costs_the_timeout_and_no_more() {
    let (demo, relays) = demo_over_relays();
    demo.get("/top-city").expect_code(200);
    relays[2].stall();
    let began = Instant::now();
    let reply = demo.get("/cities");
    assert!(admits_a_gap(&reply), "{}: {}", reply.code, reply.text());
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    // Others are served meanwhile and afterwards.
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_wrong_password_is_said_without_showing_it() {
    let port = Postgres::shared().port();
    let members = [format!("127.0.0.1:{port}/shard0/skitai/wr0ng-s3cret")];
    let demo = TestServer::demo().without("coverage_detail").section(&Postgres::section("mydb", &members)).start();
    let reply = demo.get("/top-city");
    assert!(reply.code >= 500, "{}: {}", reply.code, reply.text());
    assert!(!reply.text().contains("password"), "a stranger reads the reason alone: {}", reply.text());
    eventually("the log has what PostgreSQL said", || demo.log().contains("password").then_some(()));
    assert!(!reply.text().contains("wr0ng-s3cret") && !demo.log().contains("wr0ng-s3cret"));
}

#[test]
fn a_server_with_open_databases_stops_cleanly() {
    let scenario = TestServer::demo();
    let files = sqlite_section(scenario.dir());
    for scenario in [scenario.section(&files), TestServer::demo().section(&Postgres::shared().shards("mydb"))] {
        let demo = scenario.start();
        demo.get("/top-city").expect_code(200);
        let (status, _, log, _) = demo.stop();
        assert!(status.success() && !log.contains("panicked"), "{status}: {log}");
    }
}

#[test]
fn no_statement_is_left_running_after_a_request() {
    let section = Postgres::shared().shards("mydb");
    let demo = TestServer::demo().section(&section).start();
    for _ in 0..20 {
        demo.get("/cities?at_least=100000").expect_code(200);
    }
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() AND datname = 'shard0'";
    eventually("the demo's statements are over", || {
        (Postgres::shared().psql("shard0", busy).trim() == "0").then_some(())
    });
}

/// A file in WAL with one table `t`, and the section of a cluster `one` of it.
fn file_with_a_log(dir: &Path) -> (std::path::PathBuf, String) {
    let path = dir.join("one.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    file.execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
    let section = format!("[@one]\ntype = sqlite3\nmembers = {}", path.display());
    (path, section)
}

fn statement(sql: &str) -> String {
    let escaped: String = sql.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/rows?cluster=one&sql={escaped}")
}

/// How many rows a copy of the file alone has, without what lies beside it.
fn rows_alone(path: &Path) -> i64 {
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).unwrap();
    let file = rusqlite::Connection::open(&copy).unwrap();
    file.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn after_an_orderly_stop_a_file_has_all_that_was_committed() {
    let scenario = TestServer::site();
    let (path, section) = file_with_a_log(scenario.dir());
    let log = scenario.dir().join("one.db-wal");
    let site = scenario.section(&section).start();
    for _ in 0..5 {
        site.get(&statement("INSERT INTO t VALUES (7)")).expect_code(200);
    }
    assert_eq!(site.get(&statement("SELECT sum(a) AS sum FROM t")).expect_code(200).json()["sum"], 35);
    assert!(log.exists() && rows_alone(&path) == 0, "while it runs they are in the log alone");
    let (status, took, received, _scenario) = site.stop();
    assert_eq!(status.code(), Some(0), "{received}");
    assert!(took < Duration::from_secs(5), "the stop took {took:?}");
    assert_eq!(rows_alone(&path), 5);
    assert!(!log.exists());
}

#[test]
fn a_statement_that_never_ends_does_not_hold_a_stop_for_ever() {
    let scenario = TestServer::site();
    let (path, section) = file_with_a_log(scenario.dir());
    let log = scenario.dir().join("one.db-wal");
    let site = scenario.section(&section).start();
    site.get(&statement("INSERT INTO t VALUES (7)")).expect_code(200);
    let never = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t SELECT max(x) FROM c";
    let _conn = site.begin(&statement(never));
    let file = rusqlite::Connection::open(&path).unwrap();
    file.busy_timeout(Duration::ZERO).unwrap();
    eventually("the statement writes", || file.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err().then_some(()));
    drop(file);
    let began = Instant::now();
    let _scenario = site.stop_at_once();
    assert!(began.elapsed() < Duration::from_secs(5), "the stop took {:?}", began.elapsed());
    assert_eq!(rows_alone(&path), 1, "what was committed is there, and nothing else");
    assert!(!log.exists());
}

#[test]
fn a_file_is_not_turned_to_another_journal() {
    let scenario = TestServer::site();
    let path = scenario.dir().join("one.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let section = format!("[@one]\ntype = sqlite3\nmembers = {}", path.display());
    let site = scenario.section(&section).start();
    assert_eq!(site.get(&statement("SELECT 7 AS seven")).expect_code(200).json()["seven"], 7);
    assert_eq!(site.get(&statement("PRAGMA journal_mode")).expect_code(200).json()["journal_mode"], "delete");
    assert_eq!(std::fs::read(&path).unwrap(), before, "a SELECT changes no octet of it");
    site.stop();
}
