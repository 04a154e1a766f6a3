//! What ejects a database and what does not; which member is asked then. Servers that die are in `loss`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use skitai_actors::db::Shards;
use skitai_actors::spec::{DbMember, DbSpec, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use crate::{Cluster, PATIENCE, bound, get, run, server, text};

fn dead() -> DbMember {
    server::member_at(server::closed_port())
}

/// Two failures eject, for longer than a test lasts.
fn soon(spec: &mut DbSpec) {
    spec.rules.eject_after = 2;
    spec.rules.eject_time = Duration::from_secs(60);
}

#[test]
fn an_ejected_member_answers_at_once_and_all_threads_know() {
    run(async {
        let shared = server::shared();
        let members = vec![shared.database().await, dead(), shared.database().await];
        let threads = Cluster::workers(members, soon, 2);
        // One failure on each thread: the count is the process's.
        for thread in &threads {
            assert_eq!(thread.all("SELECT 1", ()).await[1].reason, Reason::Refused);
        }
        for thread in &threads {
            let outcomes = thread.all("SELECT 1", ()).await;
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
            assert_eq!((outcomes[1].status, outcomes[1].reason), (Status::NotConnected, Reason::Ejected));
            assert!(outcomes[1].msg.contains("ejected") && outcomes[1].msg.contains("refused"), "{}", outcomes[1].msg);
            let at_once = bound(Duration::from_millis(50), Duration::from_secs(2));
            assert!(outcomes[1].latency < at_once, "{:?}", outcomes[1].latency);
            // No other member replaces a certain shard.
            let replies = thread.ask(Shards::At(1), "SELECT 1", ());
            assert_eq!(replies.all(Instant::now() + Duration::from_secs(5)).await[0].reason, Reason::Ejected);
            for _ in 0..20 {
                let outcome = thread.one("SELECT 1", ()).await;
                assert!(outcome.is_ok() && outcome.attempts == 1, "{} {}", outcome.attempts, outcome.msg);
            }
            assert_eq!(thread.known(1, "state").await, text("ejected"));
            assert_eq!(thread.known(1, "ejected_for").await, text("refused"));
            assert_eq!(thread.known(1, "ejections").await, Value::Int(1));
            assert_eq!(crate::get(&thread.known(1, "last_failure").await, "reason"), text("refused"));
            // Later errors do not hide the cause of the ejection.
            assert_eq!(crate::get(&crate::get(&thread.report_on(1).await, "last_error"), "reason"), text("refused"));
        }
    });
}

#[test]
fn the_last_member_is_never_ejected_and_the_ejected_are_tried_when_nobody_is_left() {
    run(async {
        let cluster = Cluster::with(vec![dead()], soon);
        for _ in 0..6 {
            assert_eq!(cluster.all("SELECT 1", ()).await[0].reason, Reason::Refused);
        }
        assert_eq!(cluster.known(0, "ejections").await, Value::Int(0));
        // Of two one may be out. Both are dead: the statement goes to the other, and then to the ejected one.
        let cluster = Cluster::with(vec![dead(), dead()], soon);
        for _ in 0..6 {
            let outcome = cluster.one("SELECT 1", ()).await;
            assert_eq!((outcome.reason, outcome.attempts), (Reason::Refused, 2));
        }
        let states = [cluster.known(0, "state").await, cluster.known(1, "state").await];
        assert_eq!(states.iter().filter(|state| **state == text("ejected")).count(), 1, "{states:?}");
        // None where the conf says so.
        let cluster = Cluster::with(vec![dead(), dead(), dead()], |spec| {
            soon(spec);
            spec.rules.max_ejected = 0;
        });
        for _ in 0..4 {
            assert!(cluster.all("SELECT 1", ()).await.iter().all(|outcome| outcome.reason == Reason::Refused));
        }
    });
}

#[test]
fn no_statement_ejects_its_database() {
    run(async {
        let shared = server::shared();
        let members = vec![shared.database().await, shared.database().await];
        let cluster = Cluster::with(members, |spec| {
            soon(spec);
            spec.connections = 2;
            spec.wait = Duration::from_millis(100);
            spec.member_timeout = Duration::from_millis(100);
        });
        let all = async |sql: &'static str, reason: Reason| {
            for _ in 0..4 {
                for outcome in cluster.all(sql, ()).await {
                    assert_eq!(outcome.reason, reason, "{sql}: {}", outcome.msg);
                }
            }
        };
        // The member's time, SQL errors of three kinds, the server's own time-out.
        all("SELECT pg_sleep(30)", Reason::Deadline).await;
        all("SELECT nothing_of_this_name", Reason::Sql).await;
        all("SELECT 1 / 0", Reason::Sql).await;
        all(
            "DO $$ BEGIN PERFORM set_config('statement_timeout', '20', true); RAISE query_canceled; END $$",
            Reason::Sql,
        )
        .await;
        // The caller's time, and callers that leave.
        for _ in 0..4 {
            let replies = cluster.ask(Spread::All, "SELECT pg_sleep(30)", ());
            drop(replies.all(Instant::now() + Duration::from_millis(30)).await);
        }
        // No call got a connection in time.
        let held: Vec<_> = (0..8).map(|_| cluster.ask(Spread::All, "SELECT pg_sleep(30)", ())).collect();
        for replies in held {
            for outcome in replies.all(Instant::now() + Duration::from_secs(5)).await {
                assert!(matches!(outcome.reason, Reason::Deadline | Reason::NoPermit), "{}", outcome.msg);
            }
        }
        for member in 0..2 {
            assert_eq!(cluster.known(member, "state").await, text("healthy"));
            assert_eq!(cluster.known(member, "ejections").await, Value::Int(0));
            assert_eq!(cluster.known(member, "failures_in_a_row").await, Value::Int(0));
        }
        assert!(cluster.all("SELECT 1", ()).await.iter().all(|outcome| outcome.is_ok()));
    });
}

#[test]
fn a_refused_login_and_a_silent_server_eject() {
    run(async {
        let shared = server::shared();
        let good = shared.database().await;
        let database = good.node.rsplit('/').next().unwrap().to_owned();
        let members = vec![good.clone(), shared.member(&database, "postgres", "wrong"), good.clone(), good.clone()];
        let cluster = Cluster::with(members, soon);
        for _ in 0..3 {
            cluster.all("SELECT 1", ()).await;
        }
        assert_eq!(cluster.known(1, "ejected_for").await, text("login"));
        // Callers with less time than a dial takes: the dial continues without them and reports.
        let members = vec![good.clone(), server::member_at(server::silent()), good];
        let cluster = Cluster::with(members, |spec| {
            soon(spec);
            spec.connect_timeout = Duration::from_millis(300);
        });
        let began = Instant::now();
        while cluster.known(1, "state").await != text("ejected") {
            assert!(began.elapsed() < Duration::from_secs(8), "not ejected");
            let replies = cluster.ask(Spread::All, "SELECT 1", ());
            let outcomes = replies.all(Instant::now() + Duration::from_millis(100)).await;
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        }
        assert_eq!(cluster.known(1, "ejected_for").await, text("connect_timeout"));
        assert_eq!(cluster.all("SELECT 1", ()).await[1].reason, Reason::Ejected);
    });
}

#[test]
fn a_full_server_is_left_alone_until_there_is_room() {
    run(async {
        let narrow = server::Server::narrow(4);
        let member = narrow.member("postgres", "postgres", server::PASSWORD);
        // Other clients have all its connections.
        let hog = Cluster::with(vec![member.clone()], |spec| spec.connections = 4);
        let held: Vec<_> = (0..4).map(|_| hog.ask(Spread::All, "SELECT pg_sleep(30)", ())).collect();
        let began = Instant::now();
        while crate::get(&crate::get(&hog.report().await, "connections"), "open") != Value::Int(4) {
            assert!(began.elapsed() < Duration::from_secs(5), "four connections never came");
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
        let other = server::shared().database().await;
        let cluster = Cluster::with(vec![member, other], |spec| {
            soon(spec);
            spec.rules.eject_time = Duration::from_millis(200);
        });
        for _ in 0..2 {
            let outcomes = cluster.all("SELECT 1", ()).await;
            assert_eq!((outcomes[0].status, outcomes[0].reason), (Status::NotConnected, Reason::Connect));
            let told = outcomes[0].sql_error.as_ref().unwrap();
            assert_eq!(told.code, "53300", "{}", outcomes[0].msg);
            assert!(outcomes[1].is_ok());
        }
        assert_eq!(cluster.known(0, "state").await, text("ejected"));
        assert_eq!(cluster.known(0, "ejected_for").await, text("unavailable"));
        drop((held, hog));
        let began = Instant::now();
        while !cluster.all("SELECT 1", ()).await[0].is_ok() {
            assert!(began.elapsed() < Duration::from_secs(8), "no recovery");
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(cluster.known(0, "state").await, text("healthy"));
    });
}

#[test]
fn fifty_callers_and_four_connections_the_error_names_the_holders() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| {
            spec.connections = 4;
            spec.wait = Duration::from_millis(300);
        });
        let asked: Vec<_> =
            (0..50).map(|_| cluster.ask(Spread::All, "SELECT pg_sleep(1) AS the_slow_one", ())).collect();
        let mut waited = 0;
        for replies in asked {
            let outcome = replies.all(Instant::now() + Duration::from_secs(8)).await.remove(0);
            if outcome.is_ok() {
                continue;
            }
            waited += 1;
            assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, Reason::NoPermit), "{}", outcome.msg);
            let (_, holders) = outcome.msg.split_once("held by ").unwrap();
            assert_eq!(holders.matches("/test for ").count(), 4, "{holders}");
            assert_eq!(holders.matches("SELECT pg_sleep(1) AS the_slow_one").count(), 4, "{holders}");
        }
        assert_eq!(waited, 46);
        assert!(cluster.one("SELECT 1", ()).await.is_ok());
    });
}

#[test]
fn fifty_callers_and_four_connections_the_status_page_has_the_wait_they_had() {
    run(async {
        let cluster = Cluster::with(vec![server::shared().database().await], |spec| spec.connections = 4);
        let ask = || cluster.ask(Spread::All, "SELECT pg_sleep(0.02)", ()).all(Instant::now() + PATIENCE);
        // Dials are counted apart on the page, so they are no part of what is compared.
        join_all((0..4).map(|_| ask())).await;
        let caller = async || {
            let mut waits = Vec::new();
            for _ in 0..20 {
                let began = Instant::now();
                let outcome = ask().await.remove(0);
                assert!(outcome.is_ok(), "{}", outcome.msg);
                // For the caller all but the sleep was the wait.
                waits.push(began.elapsed().saturating_sub(Duration::from_millis(20)));
            }
            waits
        };
        let mut waits = join_all((0..50).map(|_| caller())).await.concat();
        waits.sort();
        let theirs = waits[waits.len() * 99 / 100].as_secs_f64() * 1e3;
        let Value::Double(page) = get(&get(&cluster.report().await, "waits"), "p99_ms") else { panic!("no p99") };
        println!("50 callers, 4 connections: p99 of their waits {theirs:.1} ms, on the status page {page:.1} ms");
        let off = (page / theirs - 1.0).abs();
        assert!(off <= bound(0.1, 0.3), "{off:.2} off: {page:.1} against {theirs:.1}");
    });
}
