//! A real PgBouncer in transaction mode between us and PostgreSQL: every statement may meet another server connection.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use skitai_actors::Reason;
use skitai_actors::db::{Command, ConversationKind};
use skitai_actors::spec::{DbMember, Shard, Spread};
use skitai_actors::wire::Value;

use crate::cancel::{Watch, next_hundred};
use crate::conversation::Line;
use crate::server::{self, PASSWORD, Server};
use crate::{Cluster, get, rows, run, text};

/// Server connections of the pooler: fewer than ours to it, so that statements change connections.
const SHARED: usize = 3;

/// One pooler; it ends with the pipe to the shell around it, which is the end of this process too.
pub(crate) struct Pooler {
    port: u16,
    dir: PathBuf,
    shell: Child,
}

impl Pooler {
    pub(crate) fn before(server: &Server) -> Pooler {
        let bin = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(Path::new).into_iter().find(|bin| bin.exists());
        let bin = bin.expect("no pgbouncer: run tests/run as root, or install the Debian package `pgbouncer`");
        let port = server::closed_port();
        let folder = server::as_postgres(Path::new("mktemp"))
            .args(["-d", &std::env::temp_dir().join("skitai-pgbouncer.XXXXXX").display().to_string()])
            .output()
            .unwrap();
        let dir = PathBuf::from(String::from_utf8(folder.stdout).unwrap().trim());
        let conf = format!(
            "[databases]\n* = host=127.0.0.1 port={to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {dir}/users\npool_mode = transaction\n\
             default_pool_size = {SHARED}\nmax_client_conn = 100\nserver_login_retry = 1\nlogfile = {dir}/log\n",
            to = server.port,
            dir = dir.display(),
        );
        let script = format!(
            "cat > {dir}/conf <<'END'\n{conf}END\nprintf '\"postgres\" \"{PASSWORD}\"\\n' > {dir}/users\n\
             {bin} -q {dir}/conf 2>/dev/null & read -r end; kill -KILL $!; rm -rf {dir}",
            dir = dir.display(),
            bin = bin.display(),
        );
        let shell = server::as_postgres(Path::new("sh"))
            .args(["-c", &script])
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pooler = Pooler { port, dir, shell };
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "pgbouncer did not come up in 10 s: {}", pooler.log());
            #[expect(clippy::disallowed_methods, reason = "waits for another process to start, on its own thread")]
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    fn log(&self) -> String {
        let mut log = String::new();
        // Written by another user, readable by root and by that user.
        drop(std::fs::File::open(self.dir.join("log")).map(|mut file| file.read_to_string(&mut log)));
        log
    }

    /// The same database by way of the pooler.
    pub(crate) fn member(&self, member: &DbMember) -> DbMember {
        let mut member = member.clone();
        if let Shard::Postgres { port, database, .. } = &mut member.shard {
            *port = self.port;
            member.node = format!("127.0.0.1:{port}/{database}").into();
        }
        member
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

pub(crate) fn cluster(member: DbMember) -> Cluster {
    Cluster::with(vec![member], |spec| {
        spec.connections = 8;
        spec.statement_timeout = false;
    })
}

#[test]
fn statements_and_transactions_through_a_transaction_pooler() {
    run(async {
        let direct = server::shared().database().await;
        let pooler = Pooler::before(server::shared());
        let cluster = cluster(pooler.member(&direct));
        let made =
            "CREATE TABLE t (id int PRIMARY KEY, note text, tags text[], doc jsonb, at timestamptz, sum numeric)";
        assert!(cluster.one(made, ()).await.is_ok());
        // Texts of the program and texts made at run time, more at a time than the pooler has connections.
        for round in 0..20 {
            let asked: Vec<_> = (0..16)
                .map(|n| {
                    let id = round * 16 + n;
                    match n % 4 {
                        0 => cluster.ask(Spread::One, "SELECT $1::int AS mine", (id,)),
                        1 => cluster.ask(Spread::One, "SELECT $1::int + 0 AS mine, $2::text AS other", (id, "x")),
                        2 => cluster.ask(Spread::One, format!("SELECT $1::int AS mine, {n} AS other"), (id,)),
                        _ => cluster.ask(
                            Spread::One,
                            "INSERT INTO t VALUES ($1, $2, $3, $4, now(), 1.50) RETURNING id AS mine",
                            (id, "note", vec!["a", "b,c"], Value::from_pairs([("k", Value::Int(1))])),
                        ),
                    }
                })
                .collect();
            for (n, replies) in asked.into_iter().enumerate() {
                let outcome = replies.all(Instant::now() + Duration::from_secs(8)).await.remove(0);
                assert!(outcome.is_ok(), "{}", outcome.msg);
                assert_eq!(get(&rows(&outcome)[0], "mine"), Value::Int(i64::from(round) * 16 + n as i64));
            }
        }
        // No setting and no name of ours is left on its connections.
        for _ in 0..20 {
            assert_eq!(cluster.value("SHOW statement_timeout", ()).await, text("0"));
            assert_eq!(cluster.value("SELECT count(*) FROM pg_prepared_statements", ()).await, Value::Int(0));
        }
        let told = cluster.one("SELECT tags, doc, sum FROM t LIMIT 1", ()).await;
        assert_eq!(get(&rows(&told)[0], "tags"), Value::List(vec![text("a"), text("b,c")]));
        assert_eq!(get(&rows(&told)[0], "sum"), text("1.50"));

        // A transaction has its own limit for as long as it lasts, and leaves none.
        let line = Line::within(&cluster, ConversationKind::Transaction, Duration::from_secs(2)).await;
        assert_eq!(get(&rows(&line.execute("SHOW statement_timeout", ()).await)[0], "statement_timeout"), text("3s"));
        assert!(line.order(Command::Commit).await.is_ok());
        assert!(line.end().await.is_ok());
        for _ in 0..20 {
            assert_eq!(cluster.value("SHOW statement_timeout", ()).await, text("0"));
        }

        // Transactions side by side, one undone.
        let lines = [
            Line::open(&cluster, ConversationKind::Transaction).await,
            Line::open(&cluster, ConversationKind::Transaction).await,
        ];
        for (n, line) in lines.iter().enumerate() {
            for step in 0..3 {
                let id = 100_000 + i32::try_from(n).unwrap() * 10 + step;
                let added = line.execute("INSERT INTO t (id) VALUES ($1)", (id,)).await;
                assert!(added.is_ok(), "{}", added.msg);
            }
            assert_eq!(
                crate::cell(&line.execute("SELECT count(*) FROM t WHERE id >= 100000", ()).await, 0, 0),
                Value::Int(3)
            );
        }
        let [kept, undone] = lines;
        assert!(kept.order(Command::Commit).await.is_ok() && undone.order(Command::Rollback).await.is_ok());
        assert!(kept.end().await.is_ok() && undone.end().await.is_ok());
        assert_eq!(cluster.value("SELECT count(*) FROM t WHERE id >= 100000", ()).await, Value::Int(3));
        let log = pooler.log();
        assert!(!log.contains("prepared statement") && !log.contains("does not exist"), "{log}");
    });
}

#[test]
fn a_type_that_cannot_be_looked_up_is_no_refusal() {
    run(async {
        let direct = server::shared().database().await;
        let pooler = Pooler::before(server::shared());
        let cluster = cluster(pooler.member(&direct));
        for sql in ["CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE m (n int, mood mood)"] {
            assert!(cluster.one(sql, ()).await.is_ok());
        }
        let (mut read, mut unread) = (0, 0);
        for _ in 0..5 {
            let asked: Vec<_> = (0..8)
                .map(|n| cluster.ask(Spread::One, "INSERT INTO m VALUES ($1, 'ok') RETURNING mood", (n,)))
                .collect();
            for replies in asked {
                let outcome = replies.all(Instant::now() + Duration::from_secs(8)).await.remove(0);
                match outcome.reason {
                    Reason::Ok => read += 1,
                    Reason::Malformed if outcome.msg.contains("has run") => unread += 1,
                    _ => panic!("{:?} {}", outcome.reason, outcome.msg),
                }
            }
        }
        println!("{read} read, {unread} not");
        // Whatever the outcomes are, the statements ran.
        assert_eq!(cluster.value("SELECT count(*) FROM m", ()).await, Value::Int(40));
        for _ in 0..20 {
            assert_eq!(cluster.value("SELECT mood::text FROM m LIMIT 1", ()).await, text("ok"));
        }
    });
}

#[test]
fn a_statement_nobody_waits_for_is_cancelled_behind_the_pooler() {
    run(async {
        let direct = server::shared().database().await;
        let pooler = Pooler::before(server::shared());
        let cluster = cluster(pooler.member(&direct));
        let watch = Watch::at(server::shared(), &cluster).await;
        for _ in 0..3 {
            let asked: Vec<_> = (0..SHARED).map(|_| cluster.ask(Spread::All, "SELECT pg_sleep(30)", ())).collect();
            watch.until_asleep(SHARED as i64).await;
            drop(asked);

            watch.until(0, Duration::from_secs(1)).await;
            next_hundred(&cluster).await;
        }
        assert_eq!(cluster.known(0, "state").await, text("healthy"));
        assert_eq!(cluster.known(0, "failures_in_a_row").await, Value::Int(0));
    });
}

#[test]
fn the_server_behind_a_pooler_is_restarted() {
    run(async {
        let server = Server::start();
        let pooler = Pooler::before(&server);
        let cluster = cluster(pooler.member(&server.member("postgres", "postgres", PASSWORD)));
        assert!(cluster.one("SELECT 1", ()).await.is_ok());
        server.down();
        let lost =
            cluster.ask(Spread::One, "SELECT 1", ()).all(Instant::now() + Duration::from_secs(1)).await.remove(0);
        assert!(!lost.is_ok() && lost.reason != Reason::Sql, "{:?} {}", lost.reason, lost.msg);
        server.up();
        let began = Instant::now();
        loop {
            let replies = cluster.ask(Spread::One, "SELECT 1", ());
            let outcome = replies.all(Instant::now() + Duration::from_secs(1)).await.remove(0);
            if outcome.is_ok() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(9), "no recovery: {}", outcome.msg);
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
