//! An abandoned statement ends at the server, and its connection is clean before another statement gets it.

use std::time::{Duration, Instant};

use skitai_actors::db::{Command, ConnMode, ConversationKind, Statement, slots};
use skitai_actors::spec::Spread;
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use crate::conversation::Line;
use crate::{Cluster, PATIENCE, bound, cell, get, rows, run, server, text, text_of};

const ACTIVE: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND pid <> pg_backend_pid()";

/// Looks from another database, so that the one under test has exactly its own connections.
pub(crate) struct Watch {
    admin: Cluster,
    database: String,
}

impl Watch {
    pub(crate) async fn on(cluster: &Cluster) -> Watch {
        Watch::at(server::shared(), cluster).await
    }

    /// The same on another server.
    pub(crate) async fn at(server: &server::Server, cluster: &Cluster) -> Watch {
        let admin = Cluster::of(vec![server.member("postgres", "postgres", server::PASSWORD)]);
        let database = cluster.spec.members[0].node.rsplit('/').next().unwrap().to_owned();
        let watch = Watch { admin, database };
        watch.active().await;
        watch
    }

    pub(crate) async fn active(&self) -> Value {
        self.admin.value(ACTIVE, (&self.database,)).await
    }

    /// Waits until this many statements are in their `pg_sleep`. One that is active may still be in its preparation,
    /// and a caller that leaves then takes it back before it was sent.
    pub(crate) async fn until_asleep(&self, count: i64) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'";
        let started = Instant::now();
        while self.admin.value(sql, (&self.database,)).await != Value::Int(count) {
            assert!(started.elapsed() < PATIENCE, "not {count} statements asleep within {PATIENCE:?}");
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Statements whose rows are not read.
    pub(crate) async fn waiting_to_write(&self) -> Value {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'ClientWrite'";
        self.admin.value(sql, (&self.database,)).await
    }

    /// Waits for the server (another process) to show this many running statements.
    pub(crate) async fn until(&self, count: i64, limit: Duration) {
        let started = Instant::now();
        while self.active().await != Value::Int(count) {
            assert!(started.elapsed() < limit, "not {count} active statements within {limit:?}");
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// How soon an abandoned statement is over at the server: long before it would end by itself.
fn at_once() -> Duration {
    bound(Duration::from_millis(500), Duration::from_secs(15))
}

/// A hundred borrowers, twice as many at a time as there are connections: each gets its own row, none waits long.
pub(crate) async fn next_hundred(cluster: &Cluster) {
    for round in 0..50 {
        let mine = [round * 2, round * 2 + 1];
        let asked = mine.map(|number| cluster.ask(Spread::One, "SELECT $1::int AS mine", (number,)));
        for (replies, number) in asked.into_iter().zip(mine) {
            let outcome = replies.all(Instant::now() + bound(Duration::from_secs(2), PATIENCE)).await.remove(0);
            assert!(outcome.is_ok(), "{}", outcome.msg);
            assert_eq!(get(&rows(&outcome)[0], "mine"), Value::Int(number.into()));
        }
    }
}

async fn single() -> Cluster {
    Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 1)
}

#[test]
fn the_members_limit_cancels_at_the_server() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| {
            spec.connections = 1;
            spec.member_timeout = Duration::from_millis(300);
        });
        let watch = Watch::on(&cluster).await;
        let outcome = cluster.one("SELECT pg_sleep(30)", ()).await;
        assert_eq!((outcome.status, outcome.reason), (Status::Timeout, Reason::Deadline), "{}", outcome.msg);
        watch.until(0, at_once()).await;
        next_hundred(&cluster).await;
        let report = cluster.report().await;
        assert_eq!(get(&get(&report, "statements"), "timed_out"), Value::Int(1));
        // Proven idle, so the same connection went on serving.
        assert_eq!(get(&get(&report, "connections"), "open"), Value::Int(1));
        assert_eq!(get(&report, "in_use"), Value::Int(0));
    });
}

#[test]
fn the_callers_deadline_cancels_at_the_server() {
    run(async {
        let cluster = single().await;
        let watch = Watch::on(&cluster).await;
        for sql in ["SELECT pg_sleep(30)".into(), std::borrow::Cow::Owned("SELECT pg_sleep(30) ".to_owned())] {
            let statement = Statement {
                shards: Spread::All.into(),
                sql,
                params: [].into(),
                asked: Instant::now(),
                asker: "/test",
                mode: ConnMode::Configured,
            };
            let deadline = Instant::now() + Duration::from_millis(300);
            let replies = cluster.actor.ask(statement, slots(&cluster.spec, Spread::All.into()), None, deadline);
            let outcome = replies.all(deadline).await.remove(0);
            assert_eq!((outcome.status, outcome.reason), (Status::Timeout, Reason::Deadline), "{}", outcome.msg);
            watch.until(0, at_once()).await;
            next_hundred(&cluster).await;
        }
        assert_eq!(get(&get(&cluster.report().await, "statements"), "cancelled"), Value::Int(2));
    });
}

#[test]
fn leaving_cancels_at_the_server() {
    run(async {
        let cluster = single().await;
        let watch = Watch::on(&cluster).await;
        let replies = cluster.ask(Spread::All, "SELECT pg_sleep(30)", ());
        watch.until_asleep(1).await;
        drop(replies);
        watch.until(0, at_once()).await;
        next_hundred(&cluster).await;
    });
}

#[test]
fn leaving_at_any_moment_harms_nobody() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 2);
        let watch = Watch::on(&cluster).await;
        // From before the dial to after the answer, in steps too odd to line up with anything.
        for step in 0..60_u64 {
            let replies = cluster.ask(Spread::One, "SELECT 'not yours' AS mine FROM pg_sleep(0.004)", ());
            actix_rt::time::sleep(Duration::from_micros(step * 173)).await;
            drop(replies);
            let number = i64::try_from(step).unwrap();
            let outcome = cluster.one("SELECT $1::int8 AS mine", (number,)).await;
            assert!(outcome.is_ok(), "step {step}: {}", outcome.msg);
            assert_eq!(get(&rows(&outcome)[0], "mine"), Value::Int(number));
            assert!(
                outcome.latency < bound(Duration::from_secs(1), PATIENCE),
                "step {step} waited {:?}",
                outcome.latency
            );
        }
        watch.until(0, at_once()).await;
        next_hundred(&cluster).await;
    });
}

#[test]
fn a_huge_answer_nobody_reads_is_stopped_too() {
    run(async {
        let cluster = single().await;
        let watch = Watch::on(&cluster).await;
        let replies = cluster.ask(Spread::All, "SELECT i, repeat('x', 100) FROM generate_series(1, 50000000) i", ());
        watch.until(1, PATIENCE).await;
        drop(replies);
        watch.until(0, at_once() * 3).await;
        next_hundred(&cluster).await;
    });
}

#[test]
fn the_server_ends_a_statement_by_itself_when_nobody_is_left() {
    run(async {
        let with = |limit: bool| async move {
            let cluster = Cluster::with(vec![server::shared().database().await], |spec| {
                spec.connections = 1;
                spec.member_timeout = Duration::from_secs(4);
                spec.statement_timeout = limit;
            });
            cluster.value("SHOW statement_timeout", ()).await
        };
        assert_eq!(with(true).await, crate::text("5s"));
        assert_eq!(with(false).await, crate::text("0"));
    });
}

#[test]
fn the_servers_own_limit_follows_what_is_left_of_the_deadline() {
    run(async {
        let cluster = single().await;
        let shown = async |mode: ConnMode, left: Duration| {
            let (asked, sql) = (Instant::now(), "SELECT current_setting('statement_timeout')".into());
            let statement =
                Statement { shards: Spread::One.into(), sql, params: [].into(), asker: "/test", asked, mode };
            let deadline = asked + left;
            let replies = cluster.actor.ask(statement, slots(&cluster.spec, Spread::One.into()), None, deadline);
            let outcome = replies.all(deadline).await.remove(0);
            assert!(outcome.is_ok(), "{}", outcome.msg);
            text_of(&cell(&outcome, 0, 0))
        };
        let (own, shared) = (ConnMode::Exclusive, ConnMode::Pipelined);
        // On one and the same connection: with each change, and not with each statement.
        for (mode, seconds, expected) in [
            (own, 60, "21s"),
            (own, 3, "5s"),
            (own, 4, "5s"),
            (own, 60, "21s"),
            (own, 1, "2s"),
            (shared, 1, "21s"),
            (own, 1, "2s"),
            (own, 7, "9s"),
        ] {
            assert_eq!(shown(mode, Duration::from_secs(seconds)).await, expected, "{mode:?} with {seconds} s left");
        }
        assert_eq!(get(&get(&cluster.report().await, "connections"), "open"), Value::Int(1));
        // In a transaction, and clean afterwards.
        let line = Line::within(&cluster, ConversationKind::Transaction, Duration::from_secs(2)).await;
        assert_eq!(cell(&line.execute("SHOW statement_timeout", ()).await, 0, 0), text("3s"));
        assert!(line.order(Command::Rollback).await.is_ok());
        assert!(line.end().await.is_ok());
        assert_eq!(shown(own, PATIENCE).await, "21s");
        next_hundred(&cluster).await;
    });
}
