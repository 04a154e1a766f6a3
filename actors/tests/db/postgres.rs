//! One statement on one PostgreSQL: parameters, rows, errors, connections.

use std::time::{Duration, Instant};

use skitai_actors::db::{AdHoc, AdHocStatement, ConnMode, IntoParams};
use skitai_actors::kit::{ActorRef, Admission};
use skitai_actors::spec::{DbMember, DbTls, Secret, Shard, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason, Status};

use crate::cancel::Watch;
use crate::{Cluster, PATIENCE, cell, get, rows, run, server, text};

async fn cluster() -> Cluster {
    Cluster::of(vec![server::shared().database().await])
}

/// Texts of the program are prepared under a name, others are sent unnamed; both ways must give the same result.
async fn both(cluster: &Cluster, sql: &'static str, params: impl IntoParams + Clone) -> [Outcome; 2] {
    [cluster.one(sql, params.clone()).await, cluster.one(sql.to_owned(), params).await]
}

#[test]
fn parameters_are_typed_by_their_place() {
    run(async {
        let cluster = cluster().await;
        for outcome in both(
            &cluster,
            "SELECT $1::int4 AS i, $2::numeric AS n, $3::timestamptz AS t, $4::bool AS b, $5::bytea AS o, $6::text AS x, \
             $7::float8 AS f, $8::text AS nothing",
            vec![
                Value::Int(7),
                Value::String("1.50".to_owned()),
                Value::DateTime("2024-01-01T00:00:00Z".to_owned()),
                Value::Bool(true),
                Value::Bytes(vec![0, 1]),
                Value::Int(5),
                Value::Double(0.1),
                Value::Nil,
            ],
        )
        .await
        {
            assert!(outcome.is_ok(), "{}", outcome.msg);
            let row = &rows(&outcome)[0];
            assert_eq!(get(row, "i"), Value::Int(7));
            assert_eq!(get(row, "n"), text("1.50"));
            assert_eq!(get(row, "t"), Value::DateTime("2024-01-01T00:00:00+00:00".to_owned()));
            assert_eq!(get(row, "b"), Value::Bool(true));
            assert_eq!(get(row, "o"), Value::Bytes(vec![0, 1]));
            assert_eq!(get(row, "x"), text("5"));
            assert_eq!(get(row, "f"), Value::Double(0.1));
            assert_eq!(get(row, "nothing"), Value::Nil);
            assert_eq!(outcome.affected, Some(1));
        }
    });
}

#[test]
fn lists_and_maps_are_what_their_place_wants() {
    run(async {
        let cluster = cluster().await;
        let list = Value::List(vec![text("a\"b"), text("NULL"), Value::Nil]);
        for sql in ["SELECT $1::text[]", "SELECT $1::jsonb"] {
            for outcome in both(&cluster, sql, (list.clone(),)).await {
                assert!(outcome.is_ok(), "{}", outcome.msg);
                assert_eq!(cell(&outcome, 0, 0), list, "{sql}");
            }
        }
        let map = Value::from_pairs([("k\n\"", Value::List(vec![Value::Int(1), Value::Double(0.5)]))]);
        for outcome in both(&cluster, "SELECT $1::jsonb", (map.clone(),)).await {
            assert_eq!(cell(&outcome, 0, 0), map);
        }
        assert_eq!(cluster.value("SELECT 3 = ANY($1::int[])", (vec![1, 2, 3],)).await, Value::Bool(true));
    });
}

#[test]
fn a_parameter_is_data_whatever_it_says() {
    run(async {
        let cluster = cluster().await;
        let made = cluster.one("CREATE TABLE t (name text)", ()).await;
        assert_eq!((made.status, rows(&made).len(), made.affected), (Status::Completed, 0, Some(0)), "{}", made.msg);
        for evil in ["'; DROP TABLE t; --", "\\'; DROP TABLE t; --", "$1", "{\"a\"}"] {
            for outcome in both(&cluster, "INSERT INTO t VALUES ($1) RETURNING name", (evil,)).await {
                assert!(outcome.is_ok(), "{}", outcome.msg);
                assert_eq!(cell(&outcome, 0, 0), text(evil));
            }
        }
        assert_eq!(cluster.value("SELECT count(*) FROM t", ()).await, Value::Int(8));
    });
}

#[test]
fn errors_say_everything_the_server_said() {
    run(async {
        let cluster = cluster().await;
        cluster.one("CREATE TABLE u (id int PRIMARY KEY, city text)", ()).await;
        cluster.one("INSERT INTO u VALUES (1, 'x')", ()).await;
        let cases: [(&'static str, Vec<Value>, &[&str]); 7] = [
            ("SELECT $1::int", vec![text("abc")], &["22P02", "abc", "parameter $1"]),
            ("SELECT cty FROM u", vec![], &["42703", "\"cty\"", "position 8", "hint", "city"]),
            ("SELEC 1", vec![], &["42601", "SELEC", "position 1"]),
            ("INSERT INTO u VALUES (1, 'y')", vec![], &["23505", "u_pkey", "detail Key (id)=(1)"]),
            ("SELECT 1; SELECT 2", vec![], &["42601", "multiple commands"]),
            ("SELECT 1/$1::int", vec![Value::Int(0)], &["22012", "division by zero"]),
            ("SELECT $1::text, $2::text", vec![Value::Int(0)], &["2", "1"]),
        ];
        for (sql, params, parts) in cases {
            for outcome in both(&cluster, sql, params).await {
                assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Sql), "{sql}: {}", outcome.msg);
                for part in parts {
                    assert!(outcome.msg.contains(part), "{sql}: no {part} in {}", outcome.msg);
                }
            }
        }
        let nul = cluster.one("SELECT '\0'", ()).await;
        assert!(nul.reason == Reason::Sql && nul.msg.contains("NUL"), "{}", nul.msg);
        // None of this cost a connection.
        assert_eq!(get(&get(&cluster.report().await, "connections"), "open"), Value::Int(1));
    });
}

#[test]
fn columns_of_one_name_are_all_kept() {
    run(async {
        let outcome = cluster().await.one("SELECT 1 AS a, 2 AS a, 3 AS b", ()).await;
        let Value::Map(map) = &rows(&outcome)[0] else { panic!("{outcome:?}") };
        let pairs: Vec<(&str, &Value)> = map.0.iter().map(|(name, value)| (&**name, value)).collect();
        assert_eq!(pairs, [("a", &Value::Int(1)), ("a", &Value::Int(2)), ("b", &Value::Int(3))]);
    });
}

#[test]
fn a_write_runs_once_and_tells_its_count() {
    run(async {
        let cluster = cluster().await;
        cluster.one("CREATE TABLE t (a int)", ()).await;
        let inserted = cluster.one("INSERT INTO t SELECT generate_series(1, $1::int)", (3,)).await;
        assert_eq!((inserted.status, inserted.affected), (Status::Completed, Some(3)), "{}", inserted.msg);
        assert_eq!(inserted.data, Value::List(Vec::new()));
        assert_eq!(cluster.value("SELECT count(*) FROM t", ()).await, Value::Int(3));
        assert_eq!(cluster.one("UPDATE t SET a = 0 WHERE a > 1", ()).await.affected, Some(2));
        let empty = cluster.one("SELECT a FROM t WHERE a = 99", ()).await;
        assert_eq!((empty.is_ok(), &*empty.data), (true, &Value::List(Vec::new())));
    });
}

#[test]
fn what_would_stay_on_the_connection_is_refused() {
    run(async {
        let cluster = cluster().await;
        for sql in ["BEGIN", "SET search_path = nowhere", "LISTEN x", "COPY pg_class TO STDOUT"] {
            let outcome = cluster.one(sql, ()).await;
            assert!(outcome.reason == Reason::Sql && outcome.msg.contains("refused"), "{sql}: {}", outcome.msg);
        }
        assert_eq!(get(&get(&cluster.report().await, "connections"), "open"), Value::Int(0));
    });
}

#[test]
fn tables_that_change_under_a_prepared_statement_are_no_error() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 1);
        cluster.one("CREATE TABLE t (a int)", ()).await;
        cluster.one("INSERT INTO t VALUES (1)", ()).await;
        const SQL: &str = "SELECT * FROM t";
        assert_eq!(rows(&cluster.one(SQL, ()).await).len(), 1);
        cluster.one("ALTER TABLE t ADD COLUMN b text DEFAULT 'x'", ()).await;
        for _ in 0..2 {
            let outcome = cluster.one(SQL, ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
            assert_eq!(get(&rows(&outcome)[0], "b"), text("x"));
        }
        // A pooler that loses names: the statement falls back, unharmed.
        cluster.one("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", ()).await;
        let outcome = cluster.one(SQL, ()).await;
        assert!(outcome.is_ok(), "{}", outcome.msg);
    });
}

#[test]
fn no_connection_is_not_connected_with_its_reason() {
    run(async {
        let server = server::shared();
        let unknown = Shard::Postgres {
            host: "no-such-host.invalid".to_owned(),
            port: 5432,
            database: "d".to_owned(),
            user: "u".to_owned(),
            password: Secret(String::new()),
            tls: DbTls::Off,
        };
        let cases: [(DbMember, Reason, &str); 6] = [
            (server::member_at(server::closed_port()), Reason::Refused, "refused"),
            (DbMember { node: "no-such-host.invalid:5432/d".into(), shard: unknown, weight: 1 }, Reason::Dns, "lookup"),
            (server::member_at(server::silent()), Reason::ConnectTimeout, "1s"),
            (server.member("postgres", "postgres", "wrong"), Reason::Login, "28P01 password authentication failed"),
            (server.member("nowhere", "postgres", server::PASSWORD), Reason::Login, "3D000"),
            (server.member("postgres", "postgres", ""), Reason::Login, "password"),
        ];
        for (member, reason, part) in cases {
            let node = member.node.clone();
            let cluster = Cluster::with(vec![member], |spec| spec.connect_timeout = Duration::from_secs(1));
            let outcome = cluster.all("SELECT 1", ()).await.remove(0);
            assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, reason), "{node}: {}", outcome.msg);
            assert!(outcome.msg.contains(part), "{node}: {}", outcome.msg);
            assert_eq!((&*outcome.data, &outcome.node), (&Value::Nil, &node));
            let last = get(&cluster.report().await, "last_error");
            assert_eq!(get(&last, "reason"), text(reason.word()));
            assert!(matches!(get(&last, "at"), Value::DateTime(at) if at.starts_with("20") && at.ends_with("+00:00")));
        }
    });
}

#[test]
fn an_exhausted_pool_says_so() {
    run(async {
        let member = server::shared().database().await;
        let cluster = Cluster::with(vec![member], |spec| {
            spec.connections = 1;
            spec.wait = Duration::from_millis(100);
        });
        let watch = Watch::on(&cluster).await;
        let long = cluster.ask(Spread::All, "SELECT pg_sleep(2)", ());
        watch.until_asleep(1).await;
        let outcome = cluster.one("SELECT 1", ()).await;
        assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, Reason::NoPermit), "{}", outcome.msg);
        assert!(outcome.msg.contains("all 1 of this thread"), "{}", outcome.msg);
        assert!(long.all(Instant::now() + PATIENCE).await[0].is_ok());
        assert!(cluster.one("SELECT 1", ()).await.is_ok());
        let report = cluster.report().await;
        assert_eq!(get(&get(&report, "waits"), "count"), Value::Int(3));
        assert_eq!(get(&get(&report, "statements"), "ok"), Value::Int(2));
        assert_eq!(get(&get(&report, "statements"), "not_sent"), Value::Int(1));
    });
}

#[test]
fn a_restarted_server_is_found_again() {
    run(async {
        let server = server::Server::start();
        let cluster = Cluster::of(vec![server.member("postgres", "postgres", server::PASSWORD)]);
        for quickly in [true, false] {
            assert_eq!(cluster.value("SELECT 1", ()).await, Value::Int(1));
            server.down();
            let down = cluster.one("SELECT 1", ()).await;
            assert!(down.status < Status::Completed && down.data == Value::Nil, "{down:?}");
            if !quickly {
                actix_rt::time::sleep(Duration::from_millis(1_100)).await;
            }
            server.up();
            assert_eq!(cluster.value("SELECT 1", ()).await, Value::Int(1), "quickly: {quickly}");
        }
        // Without a statement while it was down: the stale connection is replaced before anything is sent.
        server.down();
        server.up();
        assert_eq!(cluster.value("SELECT 1", ()).await, Value::Int(1));
    });
}

#[test]
fn a_killed_connection_is_an_error_that_is_not_sent_again() {
    run(async {
        let member = server::shared().database().await;
        let (cluster, other) = (Cluster::of(vec![member.clone()]), Cluster::of(vec![member]));
        cluster.one("CREATE TABLE t (a int)", ()).await;
        let watch = Watch::on(&cluster).await;
        let running = cluster.ask(Spread::One, "INSERT INTO t SELECT 1 FROM pg_sleep(10)", ());
        watch.until_asleep(1).await;
        const KILL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                            WHERE datname = current_database() AND query LIKE 'INSERT%'";
        assert_eq!(other.value(KILL, ()).await, Value::Int(1));
        let outcome = running.all(Instant::now() + PATIENCE).await.remove(0);
        assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Closed), "{}", outcome.msg);
        assert!(outcome.msg.contains("57P01") && outcome.msg.contains("may have run"), "{}", outcome.msg);
        assert_eq!(cluster.value("SELECT count(*) FROM t", ()).await, Value::Int(0));
    });
}

#[test]
fn databases_named_at_run_time() {
    run(async {
        let member = server::shared().database().await;
        let second = Duration::from_secs(1);
        let actor = ActorRef::open("adhoc", Admission::default(), move || AdHoc::new(2, second, second, PATIENCE));
        let ask = |member: DbMember| {
            let statement = AdHocStatement {
                member,
                sql: "SELECT current_database()".into(),
                params: ().into_params(),
                asker: "/test",
                mode: ConnMode::Configured,
            };
            let slots = statement.slots();
            actor.ask(statement, slots, None, Instant::now() + PATIENCE).all(Instant::now() + PATIENCE)
        };
        for _ in 0..3 {
            let outcome = ask(member.clone()).await.remove(0);
            assert!(outcome.is_ok(), "{}", outcome.msg);
            assert!(member.node.ends_with(&crate::text_of(&cell(&outcome, 0, 0))));
        }
        // More targets than are kept: old ones make room.
        let port = server::closed_port();
        for number in 0..70 {
            let mut target = server::member_at(port);
            target.node = format!("target {number}").into();
            assert_eq!(ask(target).await[0].reason, Reason::Refused);
        }
        let told = actor.reporter().report(Instant::now() + PATIENCE).all(Instant::now() + PATIENCE).await;
        let Value::List(members) = get(&told[0].0, "members") else { panic!("{told:?}") };
        assert_eq!(members.len(), 64);
    });
}

#[test]
fn columns_have_names_and_types_also_where_there_are_no_rows() {
    run(async {
        let cluster = Cluster::of(vec![server::shared().database().await]);
        let outcome = cluster.one("SELECT 1 AS a, 'x' AS a, '{1}'::int[] AS b, now() WHERE false", ()).await;
        let columns = outcome.columns.as_deref().unwrap();
        let told: Vec<(&str, &str)> = columns.iter().map(|column| (column.name(), column.type_name())).collect();
        assert_eq!(told, [("a", "int4"), ("a", "text"), ("b", "_int4"), ("now", "timestamptz")]);
        // Both columns of one name are there.
        let outcome = cluster.one("SELECT 1 AS a, 'x' AS a", ()).await;
        let row = &crate::rows(&outcome)[0];
        assert_eq!((&row[0], &row[1], &row["a"]), (&Value::Int(1), &text("x"), &Value::Int(1)));
        assert!(row[2].is_nil());
        // The columns of a text made at run time come with its rows.
        let outcome = cluster.one("SELECT 1 AS a".to_owned(), ()).await;
        assert_eq!(outcome.columns.unwrap()[0].type_name(), "int4");
        assert!(cluster.one("CREATE TABLE nothing ()", ()).await.columns.is_none());
    });
}

#[test]
fn an_error_comes_in_its_parts() {
    run(async {
        let cluster = Cluster::of(vec![server::shared().database().await]);
        cluster.one("CREATE TABLE once (n int PRIMARY KEY CHECK (n > 0))", ()).await;
        cluster.one("INSERT INTO once VALUES (1)", ()).await;
        let parts = async |sql: &'static str, params: Vec<&str>| {
            let outcome = cluster.one(sql, params).await;
            assert_eq!(outcome.reason, Reason::Sql, "{}", outcome.msg);
            outcome.sql_error.unwrap()
        };
        let unique = parts("INSERT INTO once VALUES ($1)", vec!["1"]).await;
        assert_eq!((unique.code.as_str(), unique.constraint.as_deref()), ("23505", Some("once_pkey")));
        assert_eq!(unique.detail.as_deref(), Some("Key (n)=(1) already exists."));
        let wrong = parts("SELECT $1::text, $2::int, $3::int", vec!["1", "ten", "3"]).await;
        assert_eq!((wrong.code.as_str(), wrong.parameter), ("22P02", Some(2)));
        assert!(wrong.message.contains("\"ten\""), "{wrong:?}");
        let unknown = parts("SELECT nn FROM once", Vec::new()).await;
        assert_eq!((unknown.code.as_str(), unknown.position), ("42703", Some(8)));
        assert!(unknown.hint.as_deref().is_some_and(|hint| hint.contains("once.n")), "{unknown:?}");
        // Made at run time, the text is not prepared first; the parts are the same.
        let outcome = cluster.one("SELECT $1::text, $2::int".to_owned(), ("1", "ten")).await;
        assert_eq!(outcome.sql_error.unwrap().parameter, Some(2));
    });
}

#[test]
fn who_waits_in_vain_is_told_who_has_the_connections() {
    run(async {
        let member = server::shared().database().await;
        let cluster = Cluster::with(vec![member], |spec| {
            spec.connections = 1;
            spec.wait = Duration::from_millis(300);
        });
        assert!(cluster.one("SELECT 1", ()).await.is_ok());
        let slow = cluster.ask(Spread::One, "SELECT /* the slow one */ pg_sleep($1)", (20,));
        let vain = cluster.one("SELECT 2", ()).await;
        assert_eq!(vain.reason, Reason::NoPermit);
        assert!(vain.msg.contains("; held by /test for "), "{}", vain.msg);
        assert!(vain.msg.contains("SELECT /* the slow one */ pg_sleep($1)"), "{}", vain.msg);
        drop(slow);
        // Where the time went: one dial, three waits of which one was long, and no query but those that ran.
        let report = cluster.report().await;
        let number = |what: &str, of: &str| get(&get(&report, what), of).as_f64().unwrap();
        assert_eq!((number("dials", "count"), number("waits", "count"), number("queries", "count")), (1.0, 3.0, 1.0));
        assert!(number("dials", "total_ms") > 0.0, "{report:?}");
        assert!((250.0..2_000.0).contains(&number("waits", "longest_ms")), "{report:?}");
    });
}
