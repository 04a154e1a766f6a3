//! SQLite files: their journal stays as their owner set it, errors say why a file cannot be written, and all commits
//! are in the file at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skitai_actors::balance::Health;
use skitai_actors::db::{ConnMode, Database, Files, Statement, slots};
use skitai_actors::kit::{ActorRef, Admission, Replies};
use skitai_actors::spec::{DbMember, DbSpec, Shard, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};

use crate::{Cluster, PATIENCE, run, text};

pub(crate) fn member(path: &Path) -> DbMember {
    let node = path.display().to_string().into();
    DbMember { node, shard: Shard::Sqlite { path: path.to_owned() }, weight: 1 }
}

/// A file with one table and this journal mode.
pub(crate) fn made(path: &Path, mode: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
    connection.execute_batch("CREATE TABLE t (a INTEGER)").unwrap();
}

/// The journal mode in the file itself: octets 18 and 19 are 1 for a rollback journal and 2 for a write-ahead log.
fn mode_in_the_file(path: &Path) -> [u8; 2] {
    std::fs::read(path).unwrap()[18..20].try_into().unwrap()
}

/// The rows of a copy of the file alone.
fn rows_of_a_copy(path: &Path) -> i64 {
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).unwrap();
    let connection = rusqlite::Connection::open(&copy).unwrap();
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn log_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[test]
fn a_file_keeps_the_journal_mode_of_its_owner() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        for (mode, octets) in [("DELETE", [1, 1]), ("WAL", [2, 2])] {
            let path = dir.path().join(format!("{mode}.db"));
            made(&path, mode);
            let cluster = Cluster::of(vec![member(&path)]);
            assert_eq!(cluster.value("SELECT 7", ()).await, Value::Int(7));
            assert!(cluster.one("INSERT INTO t VALUES (1)", ()).await.is_ok());
            assert_eq!(cluster.value("SELECT count(*) FROM t", ()).await, Value::Int(1));
            assert_eq!(cluster.value("PRAGMA journal_mode", ()).await, text(&mode.to_lowercase()));
            assert_eq!(mode_in_the_file(&path), octets, "{mode}");
            // Less than FULL is safe with a log alone.
            let synchronous = if mode == "WAL" { 1 } else { 2 };
            assert_eq!(cluster.value("PRAGMA synchronous", ()).await, Value::Int(synchronous), "{mode}");
        }
    });
}

#[test]
fn an_empty_file_gets_a_write_ahead_log() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new.db");
        std::fs::File::create(&path).unwrap();
        let cluster = Cluster::of(vec![member(&path)]);
        assert!(cluster.one("CREATE TABLE t (a INTEGER)", ()).await.is_ok());
        assert_eq!(cluster.value("PRAGMA journal_mode", ()).await, text("wal"));
        assert_eq!(mode_in_the_file(&path), [2, 2]);
    });
}

#[test]
fn a_moved_file_is_an_error_and_works_again_after_its_return() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("here.db");
        made(&path, "DELETE");
        let cluster = Cluster::with(vec![member(&path)], |spec| spec.connections = 1);
        assert!(cluster.one("INSERT INTO t VALUES (1)", ()).await.is_ok());
        let aside = dir.path().join("aside.db");
        std::fs::rename(&path, &aside).unwrap();
        let lost = cluster.one("INSERT INTO t VALUES (2)", ()).await;
        assert_eq!(lost.reason, Reason::Connect, "{}", lost.msg);
        assert!(lost.msg.starts_with("SQLite 1032: ") && lost.msg.contains("put it back"), "{}", lost.msg);
        assert!(
            lost.sql_error
                .is_some_and(|error| error.hint.as_ref().is_some_and(|hint| hint.contains("nothing was written")))
        );
        std::fs::rename(&aside, &path).unwrap();
        assert!(cluster.one("INSERT INTO t VALUES (3)", ()).await.is_ok());
        assert_eq!(cluster.value("SELECT sum(a) FROM t", ()).await, Value::Int(4), "what failed was not written");
    });
}

/// Actors of several threads whose files are closed together.
struct Site {
    files: Arc<Files>,
    spec: Arc<DbSpec>,
    threads: Vec<ActorRef<Database>>,
}

impl Site {
    fn of(path: &Path) -> Site {
        let files = Arc::<Files>::default();
        let spec = Arc::new(DbSpec::new("mydb", vec![member(path)]));
        let health = Arc::new(Health::of_databases(&spec));
        let thread = |_| {
            let (spec, health, files) = (spec.clone(), health.clone(), files.clone());
            ActorRef::open("db mydb", Admission::default(), move || {
                Database::new(spec.clone(), health.clone()).closed_with(&files)
            })
        };
        let threads = (0..2).map(thread).collect();
        Site { files, spec, threads }
    }

    fn ask(&self, thread: usize, sql: &'static str) -> Replies<Outcome> {
        let (shards, asked, mode) = (Spread::One.into(), Instant::now(), ConnMode::Configured);
        let statement = Statement { shards, sql: sql.into(), params: [].into(), asker: "/test", asked, mode };
        self.threads[thread].ask(statement, slots(&self.spec, shards), None, Instant::now() + PATIENCE)
    }

    async fn one(&self, thread: usize, sql: &'static str) -> Outcome {
        self.ask(thread, sql).all(Instant::now() + PATIENCE).await.remove(0)
    }

    /// Closes as the end of a process does: from another thread than those of the actors.
    async fn closed(&self, finishes: Duration) -> Duration {
        let (files, began) = (self.files.clone(), Instant::now());
        actix_rt::task::spawn_blocking(move || files.close(finishes)).await.unwrap();
        began.elapsed()
    }
}

/// Waits until a statement holds the write lock.
async fn written_to(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let until = Instant::now() + PATIENCE;
    while connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
        assert!(Instant::now() < until, "no statement writes");
        actix_rt::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn all_that_was_committed_is_in_the_file_once_it_is_closed() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        made(&path, "WAL");
        let site = Site::of(&path);
        for number in 0..5 {
            let outcome = site.one(number % 2, "INSERT INTO t VALUES (1)").await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
        }
        assert!(log_of(&path).exists() && rows_of_a_copy(&path) == 0, "until then they are in the log alone");
        site.closed(Duration::from_secs(5)).await;
        assert_eq!(rows_of_a_copy(&path), 5);
        assert!(!log_of(&path).exists());
        let late = site.one(0, "SELECT 1").await;
        assert_eq!(late.reason, Reason::Connect, "{}", late.msg);
        assert!(late.msg.contains("about to end"), "{}", late.msg);
    });
}

#[test]
fn a_statement_under_way_may_end_and_one_that_does_not_is_stopped() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("busy.db");
        made(&path, "WAL");
        let site = Site::of(&path);
        assert!(site.one(0, "INSERT INTO t VALUES (1)").await.is_ok());
        let some = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000000) \
                    SELECT x FROM c";
        let endless =
            "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c";
        let some = site.ask(0, some);
        written_to(&path).await;
        site.closed(PATIENCE).await;
        assert!(some.all(Instant::now() + PATIENCE).await[0].is_ok(), "it had time enough");
        assert_eq!(rows_of_a_copy(&path), 1_000_001);
        assert!(!log_of(&path).exists());

        let site = Site::of(&path);
        let never = site.ask(0, endless);
        written_to(&path).await;
        let took = site.closed(Duration::ZERO).await;
        assert!(took < Duration::from_secs(5), "closing took {took:?}");
        let never = never.all(Instant::now() + PATIENCE).await.remove(0);
        assert!(never.reason == Reason::Sql && never.msg.contains("interrupted"), "{}", never.msg);
        assert_eq!(rows_of_a_copy(&path), 1_000_001, "what was not committed is undone");
        assert!(!log_of(&path).exists());
    });
}

/// Nobody asks after the file was replaced, so only its closing can see that the log is not that of the new file.
#[test]
fn the_log_of_a_replaced_file_does_not_get_into_the_new_one() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside, other) =
            (dir.path().join("log.db"), dir.path().join("aside.db"), dir.path().join("other.db"));
        made(&path, "WAL");
        made(&other, "WAL");
        let site = Site::of(&path);
        for thread in [0, 1] {
            assert!(site.one(thread, "INSERT INTO t VALUES (1)").await.is_ok());
        }
        std::fs::rename(&path, &aside).unwrap();
        std::fs::rename(&other, &path).unwrap();
        site.closed(Duration::from_secs(5)).await;
        let opened = rusqlite::Connection::open(&path).unwrap();
        assert_eq!(opened.query_row("SELECT count(*) FROM t", [], |row| row.get(0)), Ok(0_i64));
        assert_eq!(rows_of_a_copy(&aside), 2);
        let next = Site::of(&path);
        assert!(
            next.one(0, "INSERT INTO t VALUES (1)").await.is_ok(),
            "the site that was closed has forgotten its file"
        );
    });
}
