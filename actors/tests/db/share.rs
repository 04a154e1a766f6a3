//! How the connections of a member are shared: statements beside unread streams, and the calls of one request
//! beside those of others.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use skitai_actors::Reason;
use skitai_actors::db::stream::{Broken, RowStream, streamed};
use skitai_actors::db::{ConnMode, Shards, Statement, slots};
use skitai_actors::kit::Party;
use skitai_actors::spec::{DbMember, Spread};
use skitai_actors::wire::Value;

use crate::sqlite::file;
use crate::{Cluster, PATIENCE, cell, get, run, server, text};

/// More rows than all the buffers on the way hold, made one by one.
const POSTGRES: &str = "SELECT generate_series(1, 50000000) AS i, repeat('x', 100) AS x";
const SQLITE: &str = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 50000000) SELECT i FROM c";

fn statement(sql: &'static str, params: Vec<Value>) -> Statement {
    let (shards, asked, mode) = (Shards::from(Spread::One), Instant::now(), ConnMode::Configured);
    Statement { shards, sql: sql.into(), params: params.into(), asker: "/test", asked, mode }
}

impl Cluster {
    fn stream(&self, sql: &'static str) -> RowStream {
        let slots = slots(&self.spec, Shards::from(Spread::One));
        streamed(statement(sql, Vec::new()), slots, PATIENCE, |message, slots| {
            self.actor.ask(message, slots, None, Instant::now() + PATIENCE)
        })
    }
}

/// The first row of a stream that is not read further.
async fn begun(mut rows: RowStream) -> RowStream {
    let first = rows.next().await.expect("a row").expect("no failure");
    assert_eq!(first["i"], Value::Int(1));
    rows
}

/// Two of four connections are for streams. Both are taken by readers that do not read; statements go on beside them.
async fn streams_leave_half(member: DbMember, huge: &'static str) {
    let cluster = Cluster::with(vec![member], |spec| {
        spec.connections = 4;
        spec.wait = Duration::from_millis(600);
    });
    let first = begun(cluster.stream(huge)).await;
    let _second = begun(cluster.stream(huge)).await;
    let refused = cluster.stream(huge).next().await;
    let Some(Err(Broken::Member(outcome))) = refused else { panic!("a third has no connection: {refused:?}") };
    assert_eq!(outcome.reason, Reason::NoPermit, "{}", outcome.msg);
    let told = &outcome.msg;
    assert!(told.contains("within 600ms") && told.contains("streams have 2 of the 4 connections"), "{told}");
    assert!(told.contains("`stream_share`") && told.contains("held by /test for"), "{told}");

    let many = join_all((0..40_i64).map(|n| cluster.one("SELECT $1", (n.to_string(),)))).await;
    for (n, outcome) in many.iter().enumerate() {
        assert!(outcome.is_ok(), "{}", outcome.msg);
        assert_eq!(cell(outcome, 0, 0), text(&n.to_string()));
    }
    // One connection may be enough for statements that are short.
    let open = get(&get(&cluster.report().await, "connections"), "open");
    assert!([Value::Int(3), Value::Int(4)].contains(&open), "two streams, and no more than there may be: {open:?}");

    // One that leaves makes room for one that waits.
    let waits = cluster.stream(huge);
    let (third, ()) = futures_util::future::join(begun(waits), async { drop(first) }).await;
    drop(third);
}

#[test]
fn streams_of_postgresql_leave_half_of_the_connections_to_statements() {
    run(async { streams_leave_half(server::shared().database().await, POSTGRES).await });
}

#[test]
fn streams_of_sqlite_leave_half_of_the_connections_to_statements() {
    run(async {
        let (_dir, member) = file();
        streams_leave_half(member, SQLITE).await;
    });
}

#[test]
fn a_share_is_what_the_section_says() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::with(vec![member], |spec| {
            (spec.connections, spec.stream_share, spec.wait) = (4, 100, Duration::from_millis(600));
        });
        let mut three = Vec::new();
        for _ in 0..3 {
            three.push(begun(cluster.stream(SQLITE)).await);
        }
        let refused = cluster.stream(SQLITE).next().await;
        assert!(
            matches!(&refused, Some(Err(Broken::Member(outcome))) if outcome.msg.contains("3 of the 4")),
            "{refused:?}"
        );
        assert_eq!(cluster.value("SELECT $1", (7,)).await, Value::Int(7), "one is left for statements");
    });
}

/// A request of sixty statements and others of one each: the order of their answers.
async fn one_request_beside_others(member: DbMember, connections: usize, work: &'static str) {
    let cluster = Cluster::with(vec![member], |spec| {
        spec.connections = connections;
        spec.wait = PATIENCE;
    });
    let answered = RefCell::new(Vec::new());
    let ask = |name: &'static str, party: Party, n: i64| {
        let slots = slots(&cluster.spec, Shards::from(Spread::One));
        let until = Instant::now() + PATIENCE;
        let replies = cluster.actor.ask_for(party, statement(work, vec![Value::Int(n)]), slots, None, until);
        let answered = &answered;
        async move {
            let outcome = replies.all(until).await.remove(0);
            assert!(outcome.is_ok(), "{}", outcome.msg);
            assert_eq!(cell(&outcome, 0, 0), Value::Int(n));
            answered.borrow_mut().push(name);
        }
    };
    // Each was asked before any of the others.
    let large: Vec<_> = (0..60).map(|n| ask("large", Party::of(1), n)).collect();
    let others: Vec<_> = (2..7).map(|n| ask("other", Party::of(n), n.cast_signed())).collect();
    futures_util::future::join(join_all(large), join_all(others)).await;
    let answered = answered.borrow();
    let last = answered.iter().rposition(|name| *name == "other").expect("five others");
    // All connections are taken as it begins; then each that comes free beyond half is one of the others', so five
    // others are through after about as many of the large request, and the connections' worth that was under way.
    assert!(last < 5 + 5 + connections * 2 + 2, "the last of the others was number {last} of {}", answered.len());
    assert_eq!(answered.len(), 65);
}

#[test]
fn a_request_of_many_statements_lets_those_of_others_go_first() {
    run(async {
        let member = server::shared().database().await;
        for connections in [1, 4] {
            one_request_beside_others(member.clone(), connections, "SELECT $1::int8 FROM pg_sleep(0.01)").await;
        }
    });
}

#[test]
fn so_it_does_with_files() {
    run(async {
        let (_dir, member) = file();
        let work = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) \
                    SELECT $1 + 0 * max(x) FROM c";
        for connections in [1, 4] {
            one_request_beside_others(member.clone(), connections, work).await;
        }
    });
}
