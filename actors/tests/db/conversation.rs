//! Transactions and sessions: what they keep, what they undo, and in what state they leave a connection.

use std::time::{Duration, Instant};

use skitai_actors::db::{Command, Conversation, ConversationKind, IntoParams, Shards};
use skitai_actors::kit::Replies;
use skitai_actors::spec::{DbMember, Shard};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason, Status};
use tokio::sync::{mpsc, oneshot};

use crate::{Cluster, PATIENCE, cell, run, server};

/// The caller's end of a conversation.
pub(crate) struct Line {
    orders: mpsc::Sender<Command>,
    replies: Replies<Outcome>,
}

impl Line {
    pub(crate) async fn open(cluster: &Cluster, kind: ConversationKind) -> Line {
        Line::within(cluster, kind, PATIENCE).await
    }

    /// One with this much time for everything.
    pub(crate) async fn within(cluster: &Cluster, kind: ConversationKind, time: Duration) -> Line {
        let (orders, received) = mpsc::channel(4);
        let (ready, readied) = oneshot::channel();
        let asked = Conversation { with: Shards::One, kind, asker: "/test", orders: received, ready };
        let replies = cluster.actor.ask(asked, vec![Outcome::unsent("x".into())], None, Instant::now() + time);
        readied.await.expect("a connection");
        Line { orders, replies }
    }

    pub(crate) async fn order(&self, order: impl FnOnce(oneshot::Sender<Outcome>) -> Command) -> Outcome {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.expect("the conversation goes on");
        answered.await.expect("an answer")
    }

    pub(crate) async fn execute(&self, sql: &'static str, params: impl IntoParams) -> Outcome {
        let params = params.into_params();
        self.order(|answer| Command::Execute { sql: sql.into(), params, answer }).await
    }

    /// The outcome of the conversation.
    pub(crate) async fn end(self) -> Outcome {
        drop(self.orders);
        self.replies.all(Instant::now() + PATIENCE).await.remove(0)
    }
}

/// A single connection, so that the next borrower gets the one that the last left.
async fn both() -> Vec<(Cluster, tempfile::TempDir)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.db");
    std::fs::write(&path, "").unwrap();
    let file = DbMember { node: "t.db".into(), shard: Shard::Sqlite { path }, weight: 1 };
    let mut clusters = Vec::new();
    for member in [server::shared().database().await, file] {
        let cluster = Cluster::with(vec![member], |spec| spec.connections = 1);
        let made = cluster.one("CREATE TABLE t (n int PRIMARY KEY)", ()).await;
        assert!(made.is_ok(), "{}", made.msg);
        clusters.push((cluster, tempfile::tempdir().unwrap()));
    }
    clusters[1].1 = dir;
    clusters
}

const INSERT: &str = "INSERT INTO t VALUES ($1)";

async fn count(cluster: &Cluster) -> i64 {
    cluster.value("SELECT count(*) FROM t", ()).await.as_i64().unwrap()
}

#[test]
fn a_commit_keeps_and_everything_else_undoes() {
    run(async {
        for (cluster, _dir) in both().await {
            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            assert_eq!(line.execute(INSERT, (1,)).await.affected, Some(1));
            assert!(line.order(Command::Commit).await.is_ok());
            assert!(line.end().await.is_ok());
            assert_eq!(count(&cluster).await, 1);

            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            line.execute(INSERT, (2,)).await;
            assert!(line.order(Command::Rollback).await.is_ok());
            assert_eq!(count(&cluster).await, 1);

            // The caller neither commits nor rolls back.
            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            line.execute(INSERT, (3,)).await;
            assert!(line.end().await.is_ok());
            assert_eq!(count(&cluster).await, 1);

            // The caller leaves between two statements.
            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            line.execute(INSERT, (4,)).await;
            drop(line);
            assert_eq!(count(&cluster).await, 1);
        }
    });
}

#[test]
fn a_failed_statement_ends_its_transaction_unless_a_savepoint_holds_it() {
    run(async {
        for (cluster, _dir) in both().await {
            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            line.execute(INSERT, (1,)).await;
            assert_eq!(line.execute(INSERT, (1,)).await.reason, Reason::Sql);
            let commit = line.order(Command::Commit).await;
            assert_eq!((commit.status, commit.reason), (Status::Error, Reason::Sql));
            assert!(commit.msg.starts_with("not committed"), "{}", commit.msg);
            assert_eq!(count(&cluster).await, 0);

            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            line.execute(INSERT, (1,)).await;
            assert!(line.order(|answer| Command::Save(0, answer)).await.is_ok());
            line.execute(INSERT, (2,)).await;
            assert_eq!(line.execute(INSERT, (2,)).await.reason, Reason::Sql);
            assert!(line.order(|answer| Command::Undo(0, answer)).await.is_ok());
            assert!(line.order(Command::Commit).await.is_ok());
            assert_eq!(count(&cluster).await, 1);
        }
    });
}

#[test]
fn a_statement_under_way_is_cancelled_with_its_transaction() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 1);
        cluster.one("CREATE TABLE t (n int)", ()).await;
        let line = Line::open(&cluster, ConversationKind::Transaction).await;
        line.execute(INSERT, (1,)).await;
        let (answer, answered) = oneshot::channel();
        let slow = Command::Execute { sql: "SELECT pg_sleep(30)".into(), params: [].into(), answer };
        line.orders.send(slow).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(200), answered).await.is_err());
        let began = Instant::now();
        drop(line);
        assert_eq!(count(&cluster).await, 0);
        assert!(began.elapsed() < Duration::from_secs(3), "the next borrower waited {:?}", began.elapsed());
        let open = cluster.report().await;
        assert_eq!(crate::get(&crate::get(&open, "connections"), "open"), Value::Int(1));
    });
}

#[test]
fn a_session_may_do_what_lasts_and_its_connection_forgets_it() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 1);
        let pid = cluster.value("SELECT pg_backend_pid()", ()).await;
        let line = Line::open(&cluster, ConversationKind::Session).await;
        for sql in
            ["SET work_mem = '77MB'", "BEGIN", "CREATE TEMP TABLE mine ()", "LISTEN jobs", "SELECT pg_advisory_lock(7)"]
        {
            assert!(line.execute(sql, ()).await.is_ok(), "{sql}");
        }
        assert_eq!(cell(&line.execute("SHOW work_mem", ()).await, 0, 0), Value::from("77MB"));
        // A failure ends no session.
        assert_eq!(line.execute("ROLLBACK", ()).await.status, Status::Completed);
        assert_eq!(line.execute("SELECT x", ()).await.reason, Reason::Sql);
        assert!(line.end().await.is_ok());
        assert_eq!(cluster.value("SELECT pg_backend_pid()", ()).await, pid, "the connection was closed, not cleaned");
        let left = "SELECT current_setting('work_mem') = '77MB' OR EXISTS (SELECT FROM pg_listening_channels()) \
                    OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
        assert_eq!(cluster.value(left, ()).await, Value::Bool(false));
        // A cleaned connection is like a new one: its limit is set again.
        assert_eq!(cluster.value("SHOW statement_timeout", ()).await, Value::from("21s"));
    });
}

#[test]
fn what_would_break_the_bond_is_refused() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 1);
        let line = Line::open(&cluster, ConversationKind::Transaction).await;
        let wrong = [
            ("COMMIT", "itself commits"),
            ("SET x = 1", "SET LOCAL"),
            ("LISTEN a", ".session("),
            ("SELECT '\0'", "NUL character"),
        ];
        for (sql, why) in wrong {
            let outcome = line.execute(sql, ()).await;
            assert!(outcome.reason == Reason::Sql && outcome.msg.contains(why), "{sql}: {}", outcome.msg);
        }
        drop(line);
        let line = Line::open(&cluster, ConversationKind::Transaction).await;
        assert!(line.execute("SET LOCAL work_mem = '77MB'", ()).await.is_ok());
        assert!(line.order(Command::Commit).await.is_ok());
        assert_ne!(cluster.value("SHOW work_mem", ()).await, Value::from("77MB"));
        let two = cluster.one("SELECT 1; SELECT 2", ()).await;
        assert!(two.msg.contains("42601") && two.msg.contains("one by one, in .tx("), "{}", two.msg);
    });
}

#[test]
fn nobody_stands_in_once_a_connection_was_there() {
    run(async {
        let dead = server::member_at(server::closed_port());
        let cluster = Cluster::of(vec![dead.clone(), server::shared().database().await]);
        for _ in 0..6 {
            let line = Line::open(&cluster, ConversationKind::Transaction).await;
            assert!(line.execute("SELECT 1", ()).await.is_ok());
            assert!(line.order(Command::Commit).await.is_ok());
        }
        let (_orders, received) = mpsc::channel(4);
        let (ready, readied) = oneshot::channel();
        let asked = Conversation {
            with: Shards::All,
            kind: ConversationKind::Session,
            asker: "/test",
            orders: received,
            ready,
        };
        let replies = cluster.actor.ask(asked, vec![Outcome::unsent("x".into())], None, Instant::now() + PATIENCE);
        assert!(readied.await.is_err());
        let outcome = replies.all(Instant::now() + PATIENCE).await.remove(0);
        assert!(outcome.reason == Reason::Unsendable && outcome.msg.contains(".shard_by("), "{}", outcome.msg);
    });
}
