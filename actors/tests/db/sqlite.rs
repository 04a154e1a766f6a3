//! SQLite files as members.

use std::path::Path;
use std::time::{Duration, Instant};

use skitai_actors::spec::{DbMember, Shard, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use crate::{Cluster, bound, cell, get, rows, run, text, until};

/// Counts far longer than any test waits.
const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c";

fn member(path: &Path) -> DbMember {
    let node = path.display().to_string().into();
    DbMember { node, shard: Shard::Sqlite { path: path.to_owned() }, weight: 1 }
}

/// A new file with a name that a URI would take apart.
pub(crate) fn file() -> (tempfile::TempDir, DbMember) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my data%20?#.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE t (a INTEGER, b TEXT)").unwrap();
    let member = member(&path);
    (dir, member)
}

#[test]
fn the_five_storage_classes() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::of(vec![member]);
        let outcome = cluster
            .one("SELECT 1 AS i, 0.5 AS r, 'x' AS t, x'00ff' AS b, NULL AS n, 2 AS i, $1 AS p", (i64::MAX,))
            .await;
        assert!(outcome.is_ok(), "{}", outcome.msg);
        let row = &rows(&outcome)[0];
        assert_eq!(get(row, "i"), Value::Int(1));
        assert_eq!(get(row, "r"), Value::Double(0.5));
        assert_eq!(get(row, "t"), text("x"));
        assert_eq!(get(row, "b"), Value::Bytes(vec![0, 255]));
        assert_eq!(get(row, "n"), Value::Nil);
        assert_eq!(get(row, "p"), Value::Int(i64::MAX));
        assert_eq!(cell(&outcome, 0, 5), Value::Int(2));
        for value in [text("'; DROP TABLE t; --"), Value::Bytes(vec![1]), Value::Double(0.1), Value::Nil] {
            assert_eq!(cluster.value("SELECT $1", (value.clone(),)).await, value);
        }
        assert_eq!(cluster.value("SELECT json_extract($1, '$[1]')", (vec![7, 8],)).await, Value::Int(8));
        assert_eq!(cluster.value("PRAGMA journal_mode", ()).await, text("delete"), "as its owner made it");
    });
}

#[test]
fn numbered_parameters_are_bound_by_their_number() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::of(vec![member]);
        let pair = async |sql: &'static str| {
            let outcome = cluster.one(sql, ("one", "two")).await;
            assert!(outcome.is_ok(), "{sql}: {}", outcome.msg);
            (crate::text_of(&cell(&outcome, 0, 0)), crate::text_of(&cell(&outcome, 0, 1)))
        };
        let swapped = ("two".to_owned(), "one".to_owned());
        assert_eq!(pair("SELECT $2, $1").await, swapped);
        assert_eq!(pair("SELECT ?2, ?1").await, swapped);
        assert_eq!(pair("SELECT ?, ?").await, ("one".to_owned(), "two".to_owned()));
        assert_eq!(pair("SELECT $2, $1 WHERE $2 <> $1").await, swapped);

        for (sql, part) in [
            ("SELECT $1", "1 parameters, 2 were given"),
            ("SELECT $1, $2, $3", "3 parameters, 2 were given"),
            ("SELECT ?", "1 parameters, 2 were given"),
            ("SELECT :name, :other", ":name has no number"),
        ] {
            let outcome = cluster.one(sql, ("one", "two")).await;
            assert_eq!(outcome.reason, Reason::Sql, "{sql}");
            assert!(outcome.msg.contains(part), "{sql}: {}", outcome.msg);
        }
    });
}

#[test]
fn writes_errors_and_refusals() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::of(vec![member]);
        let inserted = cluster.one("INSERT INTO t VALUES ($1, 'x'), (2, 'y')", (1,)).await;
        assert_eq!((inserted.status, inserted.affected), (Status::Completed, Some(2)), "{}", inserted.msg);
        assert_eq!(inserted.data, Value::List(Vec::new()));
        assert_eq!(cluster.one("UPDATE t SET b = 'z' WHERE a = 99", ()).await.affected, Some(0));
        assert_eq!(cluster.one("CREATE TABLE u (a)", ()).await.affected, Some(0));
        assert_eq!(cluster.one("SELECT * FROM t", ()).await.affected, Some(2));
        let returned = cluster.one("DELETE FROM t WHERE a = 1 RETURNING b", ()).await;
        assert_eq!((cell(&returned, 0, 0), returned.affected), (text("x"), Some(1)));
        for (sql, parts) in [
            ("SELECT 1; SELECT 2", &["more than one statement"][..]),
            ("SELEC 1", &["syntax error", "position 1"]),
            ("SELECT * FROM nowhere", &["no such table: nowhere"]),
            ("BEGIN", &["refused"]),
        ] {
            let outcome = cluster.one(sql, ()).await;
            assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Sql), "{sql}");
            assert!(parts.iter().all(|part| outcome.msg.contains(part)), "{sql}: {}", outcome.msg);
        }
    });
}

#[test]
fn a_missing_file_is_not_made() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("typo.db");
        let outcome = Cluster::of(vec![member(&path)]).all("SELECT 1", ()).await.remove(0);
        assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, Reason::Connect), "{}", outcome.msg);
        assert!(outcome.msg.contains("does not exist"), "{}", outcome.msg);
        assert!(!path.exists());
    });
}

#[test]
fn a_statement_nobody_waits_for_is_interrupted() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::with(vec![member], |spec| {
            spec.connections = 1;
            spec.member_timeout = Duration::from_millis(200);
        });
        let late = cluster.one(ENDLESS, ()).await;
        assert_eq!((late.status, late.reason), (Status::Timeout, Reason::Deadline), "{}", late.msg);
        for round in 0..20_u64 {
            let replies = cluster.ask(Spread::All, ENDLESS, ());
            actix_rt::time::sleep(Duration::from_micros(round * 311)).await;
            drop(replies);
            let started = Instant::now();
            let number = i64::try_from(round).unwrap();
            assert_eq!(cluster.value("SELECT $1", (number,)).await, Value::Int(number));
            assert!(
                started.elapsed() < bound(Duration::from_millis(800), Duration::from_secs(10)),
                "waited {:?}",
                started.elapsed()
            );
        }
        let report = cluster.report().await;
        assert_eq!(get(&get(&report, "statements"), "timed_out"), Value::Int(1));
        assert_eq!(get(&report, "kind"), text("sqlite3"));
    });
}

#[test]
fn the_end_of_the_event_loop_closes_what_is_open() {
    let (dir, member) = file();
    let path = dir.path().join("my data%20?#.db");
    let running = run(async {
        let cluster = Cluster::of(vec![member]);
        assert!(cluster.one("INSERT INTO t VALUES (1, 'x')", ()).await.is_ok());
        let replies = cluster.ask(Spread::All, ENDLESS, ());
        until("it runs", async || get(&cluster.report().await, "in_use") == Value::Int(1)).await;
        replies
    });
    drop(running);
    let open = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target.starts_with(dir.path()))
    };
    let until = Instant::now() + Duration::from_secs(5);
    while open() {
        assert!(Instant::now() < until, "a connection to {} is still open", path.display());
        #[expect(clippy::disallowed_methods, reason = "the event loop has ended; a thread is waited for")]
        std::thread::sleep(Duration::from_millis(10));
    }
    let kept = rusqlite::Connection::open(&path).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0));
    assert_eq!(kept, Ok(1_i64));
}

/// SQLite waits for a lock in a sleep that no interrupt ends. Such a statement must not hold up its thread.
#[test]
fn a_statement_that_cannot_be_interrupted_stops_no_event_loop() {
    run(async {
        let (dir, member) = file();
        let cluster = Cluster::with(vec![member], |spec| {
            (spec.connections, spec.member_timeout) = (1, Duration::from_millis(100));
        });
        assert_eq!(cluster.value("SELECT 7", ()).await, Value::Int(7));
        let lock = rusqlite::Connection::open(dir.path().join("my data%20?#.db")).unwrap();
        lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let late = cluster.one("INSERT INTO t VALUES (1, 'x')", ()).await;
        assert_eq!(late.reason, Reason::Deadline, "{}", late.msg);
        // It is interrupted for a second, then its connection is given up.
        let (began, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
        while began.elapsed() < Duration::from_millis(2_500) {
            actix_rt::time::sleep(Duration::from_millis(5)).await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        lock.execute_batch("ROLLBACK").unwrap();
        assert!(longest < bound(Duration::from_millis(100), Duration::from_millis(800)), "it stood for {longest:?}");
        until("another statement", async || cluster.one("INSERT INTO t VALUES (2, 'y')", ()).await.is_ok()).await;
    });
}
