//! Rows that leave while the shards still send them: whole, in order, at the reader's pace; and what is reported when
//! they are not whole.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::harness::data::cities;
use crate::harness::foreign::piped;
use crate::harness::{Postgres, Relay, TestServer, eventually};
use crate::sql::sqlite_section;

const SHARDS: usize = 4;
const ROWS: i64 = 80_000;
const IN_ORDER: &str = "SELECT id, country, population FROM event ORDER BY country COLLATE \"C\", population DESC, id";
/// More than all buffers on the way hold, made row by row. The comment tells it from the statements of other tests.
const HUGE: &str = "SELECT generate_series(1, 50000000) AS id, repeat('x', 100) AS x";

/// Four databases with a fourth of 80 000 rows each.
fn databases() -> &'static Postgres {
    static MADE: OnceLock<()> = OnceLock::new();
    let postgres = Postgres::shared();
    MADE.get_or_init(|| {
        for k in 0..SHARDS {
            let name = format!("event{k}");
            postgres.psql("postgres", &format!("CREATE DATABASE {name}"));
            postgres.psql(
                &name,
                &format!(
                    "CREATE TABLE event AS SELECT id, chr(65 + (id * 31 % 26)::int) || 'é' AS country, \
                     (id * 7919 % 1000)::int AS population FROM generate_series(1::bigint, {ROWS}) id WHERE id % 4 = {k}"
                ),
            );
        }
    });
    postgres
}

fn members(port: impl Fn(usize) -> u16) -> Vec<String> {
    (0..SHARDS).map(|k| Postgres::member(port(k), &format!("event{k}"))).collect()
}

fn four() -> (&'static Postgres, TestServer) {
    let postgres = databases();
    let section = Postgres::section("four", &members(|_| postgres.port()));
    (postgres, TestServer::site().section(&section).start())
}

/// The path that asks for a statement's rows.
fn path(sql: &str, more: &str) -> String {
    let escaped: String = sql.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/rows?cluster=four&sql={escaped}{more}")
}

fn fetched(site: &TestServer, path: &str, arguments: &[&str]) -> (i32, Value) {
    let (code, received) = piped(&[&site.url(path)], "rows.py", arguments);
    (code, serde_json::from_str(&received).unwrap())
}

/// How many statements with this comment in their text run, and how many of them wait for their reader.
fn running(postgres: &Postgres, mark: &str) -> (usize, usize) {
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE wait_event = 'ClientWrite') FROM pg_stat_activity \
         WHERE query LIKE '%{mark}%' AND state = 'active' AND pid <> pg_backend_pid()"
    );
    let received = postgres.psql("postgres", &sql);
    let (all, stalled) = received.trim().split_once('|').unwrap();
    (all.parse().unwrap(), stalled.parse().unwrap())
}

#[test]
fn four_shards_are_one_stream_in_order() {
    let (_, site) = four();
    let order = ["--order", "country,-population,id"];
    let (code, received) = fetched(&site, &path(IN_ORDER, "&order=country,-population,id"), &order);
    assert_eq!((code, &received["rows"], &received["out_of_order"]), (0, &json!(ROWS), &Value::Null), "{received}");
    assert_eq!((&received["sum"], &received["missing"]), (&json!(ROWS * (ROWS + 1) / 2), &Value::Null), "{received}");
    // As they arrive, all of them.
    let (code, received) = fetched(&site, &path(IN_ORDER, ""), &[]);
    assert_eq!((code, &received["sum"]), (0, &json!(ROWS * (ROWS + 1) / 2)), "{received}");
    // A shard that sends another order is found out, and the reply has no end.
    let (code, _) = fetched(&site, &path("SELECT id, country FROM event ORDER BY id", "&order=country"), &[]);
    // 56 is a reset, as every cut is one.
    assert!([18, 52, 56].contains(&code), "curl ended with {code}: neither cut short nor empty");
    eventually("the log tells what to do", || site.log().contains("COLLATE \"C\"").then_some(()));
}

#[test]
fn other_forms_have_the_same_rows() {
    let (_, site) = four();
    let sql = "SELECT id, country, NULL AS nothing, '' AS empty FROM event WHERE id <= 1000 ORDER BY id";
    let reply = site.get(&path(sql, "&order=id&format=json")).expect_code(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let rows = reply.json();
    let ids: Vec<i64> = rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
    let reply = site.get(&path(sql, "&order=id&format=csv")).expect_code(200);
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present");
    let expected: String = (1..=1000)
        .map(|id| format!("{id},{}é,,\"\"\r\n", char::from(65 + u8::try_from(id * 31 % 26).unwrap())))
        .collect();
    assert_eq!(reply.text(), format!("id,country,nothing,empty\r\n{expected}"));
    // Nothing is something else than an error.
    let none = "SELECT id FROM event WHERE id < 0";
    assert_eq!(site.get(&path(none, "&format=json")).expect_code(200).json(), json!([]));
    assert_eq!(site.get(&path(none, "")).expect_code(200).text(), "");
}

#[test]
fn a_client_that_stops_reading_stops_the_shards_and_costs_no_memory() {
    let (postgres, site) = four();
    let mark = "a_stopped_reader";
    let huge = path(&format!("{HUGE} /* {mark} */"), "&order=id");
    site.get("/rows-added?cluster=four").expect_code(500);
    let before = site.memory();
    let mut conn = site.begin(&huge);
    conn.read_head().expect_code(200);
    conn.next_chunk().expect("rows");
    // Nothing is read from here on.
    eventually("all four wait for their reader", || (running(postgres, mark) == (SHARDS, SHARDS)).then_some(()));
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more for a client that reads nothing");
    // It goes on where it stood.
    let mut last = 0;
    for _ in 0..1_000 {
        let chunk = conn.next_chunk().expect("more rows");
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            let row: Value = serde_json::from_slice(line).unwrap();
            let id = row["id"].as_i64().unwrap();
            assert!(id == last || id == last + 1 || last == 0, "{id} after {last}");
            last = id;
        }
    }
    let grown = site.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more after {last} rows of each");
    drop(conn);
    eventually("nothing runs any more", || (running(postgres, mark).0 == 0).then_some(()));
    // A program that leaves in the middle: curl's 23 is its pipe.
    let (code, received) = fetched(&site, &huge, &["--leave", "5000", "--order", "id"]);
    assert_eq!((code, &received["rows"], &received["out_of_order"]), (23, &json!(5000), &Value::Null));
    eventually("nothing runs any more", || (running(postgres, mark).0 == 0).then_some(()));
    // The next statements find connections.
    assert_eq!(fetched(&site, &path(IN_ORDER, ""), &[]).1["rows"], json!(ROWS));
}

#[test]
fn a_client_that_reads_nothing_for_too_long_loses_its_statements() {
    let (postgres, site) = four();
    let mark = "an_absent_reader";
    let mut conn = site.begin(&path(&format!("{HUGE} /* {mark} */"), "&patience=0.3&format=csv"));
    conn.read_head().expect_code(200);
    eventually("its statements begin", || (running(postgres, mark).0 == SHARDS).then_some(()));
    eventually("its statements are cancelled", || (running(postgres, mark).0 == 0).then_some(()));
    // What had been made comes, and then no end.
    while conn.try_chunk().is_some_and(|chunk| !chunk.is_empty()) {}
    eventually("the log tells why", || site.log().contains("not read for 300ms").then_some(()));
}

/// Four members behind wires that can be cut.
fn wired() -> ([Relay; SHARDS], TestServer) {
    let port = databases().port();
    let relays = [0, 1, 2, 3].map(|_| Relay::to(port));
    let section = Postgres::section("four", &members(|k| relays[k].port()));
    let site = TestServer::site().without("coverage_detail").section(&section).start();
    (relays, site)
}

#[test]
fn a_dead_shard_is_never_a_silent_hole() {
    let (relays, site) = wired();
    relays[2].cut();
    let (code, received) = fetched(&site, &path(IN_ORDER, "&order=country"), &["--order", "country"]);
    assert_eq!(
        (code, &received["rows"], &received["out_of_order"]),
        (0, &json!(ROWS / 4 * 3), &Value::Null),
        "{received}"
    );
    let call = &received["missing"]["$coverage"]["clusters"][0];
    assert_eq!(
        (&call["cluster"], &call["asked"], &call["ok"], &call["not_sent"]),
        (&json!("four"), &json!(4), &json!(3), &json!(1))
    );
    assert_eq!(call["missing"], json!([{"index": 2, "reason": "refused"}]), "a stranger learns no address");
    let node = format!("127.0.0.1:{}/event2", relays[2].port());
    let line = format!("partial answer: four: 3 of 4 ok (1 not sent): {node} refused");
    eventually("the log tells it", || site.log().contains(&line).then_some(()));
    // Where the end has no room for it, there is an error instead.
    for how in ["&format=csv", "&format=json", "&strict=true"] {
        let reply = site.get(&path(IN_ORDER, &format!("&order=country{how}"))).expect_code(502);
        assert!(reply.text().contains("refused"), "{}", reply.text());
    }
    relays.iter().for_each(Relay::cut);
    for how in ["", "&format=csv", "&format=json"] {
        site.get(&path(IN_ORDER, how)).expect_code(502);
    }
}

#[test]
fn a_shard_that_is_lost_half_way_ends_the_reply_as_its_format_can() {
    let postgres = databases();
    for how in ["", "&format=csv", "&format=json", "&strict=true"] {
        let (relays, site) = wired();
        let mark = format!("lost_{}", how.len());
        let mut conn = site.begin(&path(&format!("{HUGE} /* {mark} */"), &format!("&order=id{how}")));
        conn.read_head().expect_code(200);
        conn.next_chunk().expect("rows");
        relays[1].cut();
        if how.is_empty() {
            // The others go on; let them end, too.
            let mut tail = conn.next_chunk().expect("rows");
            relays.iter().for_each(Relay::cut);
            while let Some(chunk) = conn.next_chunk() {
                tail = chunk;
            }
            let last = tail.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap();
            let last: Value = serde_json::from_slice(last).unwrap();
            let call = &last["$coverage"]["clusters"][0];
            assert_eq!((&call["ok"], &call["failed"]), (&json!(0), &json!(4)), "{last}");
            assert_eq!(call["missing"].as_array().unwrap().len(), SHARDS);
        } else {
            while conn.try_chunk().is_some_and(|chunk| {
                assert!(!chunk.is_empty(), "an end that looks like a whole reply");
                true
            }) {}
            eventually("the log says that it was cut", || site.log().contains("the reply was cut").then_some(()));
            eventually("the others are stopped", || (running(postgres, &mark).0 == 0).then_some(()));
        }
    }
}

#[test]
fn rows_are_types_sums_and_groups_without_being_kept() {
    let postgres = Postgres::shared();
    let site = TestServer::site().section(&postgres.shards("mydb")).start();
    let (count, people) = (cities().len(), cities().iter().map(|city| city.population).sum::<i64>());
    let received = site.get("/rows-added?cluster=mydb").expect_code(200).json();
    assert_eq!(
        (&received["people"], &received["read"], &received["coverage"]),
        (&json!(people), &json!(count), &json!("3 of 3 ok"))
    );
    assert_eq!(received["again"], json!({"count": count, "sum": people}));
    let received = site.get("/rows-grouped?cluster=mydb").expect_code(200).json();
    let sql = "SELECT country, count(*), max(population) FROM cities GROUP BY 1 ORDER BY 3 DESC LIMIT 3";
    let expected = postgres.psql("whole", sql);
    let line = |row: &Value| format!("{}|{}|{}\n", row["country"].as_str().unwrap(), row["count"], row["max"]);
    assert_eq!(received.as_array().unwrap().iter().map(line).collect::<String>(), expected);
    let refused = site.get("/rows-filtered?cluster=mydb");
    assert!(refused.code >= 500 && refused.text().contains(".filter(..)"), "{}", refused.text());
}

#[test]
fn merged_rows_are_read_as_a_type_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    for section in [sqlite_section(dir.path()), Postgres::shared().shards("mydb")] {
        let site = TestServer::site().section(&section).start();
        let mut largest = cities();
        largest.sort_by_key(|city| -city.population);
        let expected: Vec<String> =
            largest[..3].iter().map(|city| format!("{}: {}", city.name, city.population)).collect();
        let received = site.get("/largest?cluster=mydb&columns=name,population").expect_code(200).json();
        assert_eq!(received, json!(expected), "{section}");
        // A row that does not fit is a mistake of the handler; the log has the words.
        site.get("/largest?cluster=mydb&columns=population").expect_code(500);
        eventually("the field is named", || site.log().contains("missing field `name`").then_some(()));
        site.get("/largest?cluster=mydb&columns=population+AS+name,population").expect_code(500);
        eventually("what is wrong with it, too", || site.log().contains("expected a string").then_some(()));
    }
}
