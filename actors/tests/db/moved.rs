//! A SQLite file that another program moves, removes or replaces while it is open: nothing is written to what is no
//! longer there, and nothing of the old file gets into the new one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use skitai_actors::db::{Command, Conversation, ConversationKind, Shards};
use skitai_actors::spec::Spread;
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};
use tokio::sync::{mpsc, oneshot};

use crate::conversation::Line;
use crate::files::{made, member};
use crate::stream::{pacing, read};
use crate::{Cluster, PATIENCE, run, until};

#[derive(Clone, Copy, Debug)]
enum Way {
    Moved,
    Removed,
    Replaced,
}

/// A database in `mode` with one row, 1, written by the first of two threads; the second has not opened it.
struct Open {
    _dir: tempfile::TempDir,
    path: PathBuf,
    aside: PathBuf,
    other: PathBuf,
    threads: Vec<Cluster>,
}

impl Open {
    async fn of(mode: &str) -> Open {
        let dir = tempfile::tempdir().unwrap();
        let at = |name| dir.path().join(name);
        let (path, aside, other) = (at("here.db"), at("aside.db"), at("other.db"));
        made(&path, mode);
        made(&other, mode);
        rusqlite::Connection::open(&other).unwrap().execute_batch("INSERT INTO t VALUES (1000)").unwrap();
        let threads = threads(&path);
        let written = threads[0].one("INSERT INTO t VALUES (1)", ()).await;
        assert!(written.is_ok(), "{}", written.msg);
        Open { _dir: dir, path, aside, other, threads }
    }

    fn goes(&self, way: Way) {
        if matches!(way, Way::Moved) {
            return std::fs::rename(&self.path, &self.aside).unwrap();
        }
        // A second name keeps what is removed, so that it can be put back.
        std::fs::hard_link(&self.path, &self.aside).unwrap();
        match way {
            Way::Replaced => std::fs::rename(&self.other, &self.path).unwrap(),
            _ => std::fs::remove_file(&self.path).unwrap(),
        }
    }
}

fn threads(path: &Path) -> Vec<Cluster> {
    Cluster::workers(vec![member(path)], |spec| spec.connections = 2, 2)
}

fn refused(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.reason, Reason::Connect, "{what}: {}", outcome.msg);
    let code = outcome.sql_error.as_ref().map(|error| error.code.as_str());
    assert_eq!(code, Some("1032"), "{what}: {}", outcome.msg);
    for part in ["SQLite 1032: ", "moved, removed or replaced", "put it back", "restart the server"] {
        assert!(outcome.msg.contains(part), "{what}: {}", outcome.msg);
    }
}

/// How a stream of rows ends for its only member.
async fn streamed(cluster: &Cluster, sql: &'static str) -> Outcome {
    read(cluster.rows(Spread::One, sql, pacing())).await.1.remove(0)
}

/// The outcome of a conversation that does not get as far as its first statement.
async fn conversation(cluster: &Cluster, kind: ConversationKind) -> Outcome {
    let (orders, received) = mpsc::channel::<Command>(1);
    let (ready, _) = oneshot::channel();
    let asked = Conversation { with: Shards::One, kind, asker: "/test", orders: received, ready };
    let replies = cluster.actor.ask(asked, vec![Outcome::unsent("x".into())], None, Instant::now() + PATIENCE);
    let outcome = replies.all(Instant::now() + PATIENCE).await.remove(0);
    drop(orders);
    outcome
}

/// The sum of the rows in the file alone; `None` while it is being written. It is copied, for SQLite shares what it
/// knows of a log by the file's inode.
fn sum_in(path: &Path) -> Option<i64> {
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).unwrap();
    let connection = rusqlite::Connection::open(&copy).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let sum = connection.query_row("SELECT coalesce(sum(a), 0) FROM t", [], |row| row.get(0));
    sum.ok().filter(|_| whole == "ok")
}

#[test]
fn nothing_runs_on_a_file_that_is_gone_and_all_is_well_once_it_is_back() {
    run(async {
        for mode in ["WAL", "DELETE"] {
            for way in [Way::Moved, Way::Removed, Way::Replaced] {
                let what = format!("{mode} {way:?}");
                let open = Open::of(mode).await;
                let (known, new) = (&open.threads[0], &open.threads[1]);
                open.goes(way);
                let at_path = std::fs::read(&open.path).ok();
                refused(&known.one("INSERT INTO t VALUES (2)", ()).await, &what);
                refused(&known.one("SELECT a FROM t", ()).await, &what);
                refused(&streamed(known, "SELECT a FROM t").await, &what);
                refused(&conversation(known, ConversationKind::Transaction).await, &what);
                // What connects now would give the old file's log to the new file.
                refused(&new.one("SELECT a FROM t", ()).await, &what);
                refused(&new.one("INSERT INTO t VALUES (3)", ()).await, &what);
                assert!(std::fs::read(&open.path).ok() == at_path, "{what}: what is there now was written to");

                std::fs::rename(&open.aside, &open.path).unwrap();
                for thread in [known, new] {
                    let written = thread.one("INSERT INTO t VALUES (10)", ()).await;
                    assert!(written.is_ok(), "{what}: {}", written.msg);
                }
                assert_eq!(known.value("SELECT sum(a) FROM t", ()).await, Value::Int(21), "{what}");
            }
        }
    });
}

/// Outside a transaction each statement of a session stands alone. What was committed is in the file that was moved.
#[test]
fn a_session_under_way_is_refused_and_so_is_what_begins_then() {
    run(async {
        for kind in [ConversationKind::Transaction, ConversationKind::Session] {
            let open = Open::of("WAL").await;
            let line = Line::open(&open.threads[0], ConversationKind::Session).await;
            assert!(line.execute("INSERT INTO t VALUES (2)", ()).await.is_ok());
            open.goes(Way::Moved);
            refused(&line.execute("INSERT INTO t VALUES (3)", ()).await, "a session under way");
            drop(line.end().await);
            refused(&conversation(&open.threads[0], kind).await, "a new one");
            until("it is closed", async || sum_in(&open.aside) == Some(3)).await;
        }
    });
}

#[test]
fn a_restart_takes_the_file_that_is_there_and_the_old_one_has_all_its_rows() {
    run(async {
        for mode in ["WAL", "DELETE"] {
            let mut open = Open::of(mode).await;
            open.goes(Way::Replaced);
            refused(&open.threads[0].one("INSERT INTO t VALUES (2)", ()).await, mode);
            // As with a changed configuration: the new actors are there before the old ones end.
            let restarted = threads(&open.path);
            refused(&restarted[0].one("SELECT a FROM t", ()).await, mode);
            open.threads.clear();
            until("the old file is closed", async || {
                let outcome = restarted[0].one("SELECT sum(a) FROM t", ()).await;
                outcome.is_ok() || {
                    refused(&outcome, mode);
                    false
                }
            })
            .await;
            for thread in &restarted {
                assert!(thread.one("INSERT INTO t VALUES (20)", ()).await.is_ok());
            }
            assert_eq!(restarted[1].value("SELECT sum(a) FROM t", ()).await, Value::Int(1_040), "{mode}");
            drop(restarted);
            until("the new file is closed", async || sum_in(&open.path) == Some(1_040)).await;
            assert_eq!(sum_in(&open.aside), Some(1), "{mode}: what was committed is in the file it was committed to");
        }
    });
}
