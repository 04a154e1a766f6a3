//! A server that takes no writes any more: its connections are not lent again, because its name, or the proxy before
//! it, may lead to another server by now.

use std::time::Instant;

use skitai_actors::db::{ConnMode, ConversationKind};
use skitai_actors::spec::{Shard, Spread};
use skitai_actors::{Outcome, Reason};

use crate::conversation::Line;
use crate::server::{PASSWORD, shared};
use crate::{Cluster, PATIENCE, cell, run, text};

/// A database whose server becomes one that takes no writes, and then another is behind its name.
#[test]
fn a_connection_that_refused_a_write_is_not_lent_again() {
    run(async {
        let member = shared().database().await;
        let Shard::Postgres { database, .. } = &member.shard else { panic!("a PostgreSQL") };
        let admin = Cluster::of(vec![shared().member("postgres", "postgres", PASSWORD)]);
        let set = async |word: &str| {
            let sql = format!("ALTER DATABASE {database} SET default_transaction_read_only = {word}");
            let outcome = admin.one(sql, ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
        };
        let refused = |outcome: &Outcome| {
            let code = outcome.sql_error.as_ref().map(|error| error.code.as_str());
            assert_eq!((outcome.reason, code), (Reason::Sql, Some("25006")), "{}", outcome.msg);
        };
        let maker = Cluster::of(vec![member.clone()]);
        assert!(maker.one("CREATE TABLE t (a int)", ()).await.is_ok());
        for mode in [ConnMode::Exclusive, ConnMode::Pipelined] {
            set("on").await;
            let cluster = Cluster::of(vec![member.clone()]);
            // Several connections, all of which lead to the server as it was.
            let all: Vec<_> = (0..3).map(|_| cluster.ask_in(mode, Spread::One, "SELECT pg_sleep(0.2)", ())).collect();
            for replies in all {
                assert!(replies.all(Instant::now() + PATIENCE).await[0].is_ok());
            }
            set("off").await;
            let write = async || {
                let replies = cluster.ask_in(mode, Spread::One, "INSERT INTO t VALUES (1)", ());
                replies.all(Instant::now() + PATIENCE).await.remove(0)
            };
            refused(&write().await);
            for _ in 0..4 {
                let outcome = write().await;
                assert!(outcome.is_ok(), "{mode:?}: {}", outcome.msg);
            }
            // It is no sign of bad health.
            assert_eq!(cluster.known(0, "state").await, text("healthy"), "{mode:?}");
        }
        // A transaction that its author has made read-only costs its own connection, and no other.
        let cluster = Cluster::with(vec![member.clone()], |spec| spec.connections = 2);
        let pid = cluster.value("SELECT pg_backend_pid()", ()).await;
        let line = Line::open(&cluster, ConversationKind::Transaction).await;
        assert!(line.execute("SET TRANSACTION READ ONLY", ()).await.is_ok());
        let held = cell(&line.execute("SELECT pg_backend_pid()", ()).await, 0, 0);
        refused(&line.execute("INSERT INTO t VALUES (2)", ()).await);
        drop(line.end().await);
        let now = cluster.value("SELECT pg_backend_pid()", ()).await;
        assert!(now != held, "the connection of the transaction is closed");
        assert!(held == pid || now == pid, "the other one stays");
    });
}
