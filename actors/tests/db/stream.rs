//! Rows as a stream: their order, their pace, and every way in which they can end.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use skitai_actors::db::stream::{Broken, RowStream, streamed};
use skitai_actors::db::{ConnMode, Shards, Statement, slots};
use skitai_actors::kit::Rule;
use skitai_actors::merge::{count, max, sum};
use skitai_actors::spec::{DbSpec, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason, Status};

use crate::cancel::{Watch, next_hundred};
use crate::sqlite::file;
use crate::{Cluster, PATIENCE, get, run, server};

/// More than all the buffers on the way hold, made row by row.
const HUGE: &str = "SELECT generate_series(1, 50000000) AS i, repeat('x', 100) AS x";
const SOON: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
pub(crate) struct Pacing {
    deadline: Instant,
    patience: Duration,
}

pub(crate) fn pacing() -> Pacing {
    Pacing { deadline: Instant::now() + PATIENCE, patience: PATIENCE }
}

impl Cluster {
    pub(crate) fn rows(&self, shards: impl Into<Shards>, sql: &'static str, pacing: Pacing) -> RowStream {
        let shards = shards.into();
        let statement = Statement {
            shards,
            sql: sql.into(),
            params: [].into(),
            asker: "/test",
            asked: Instant::now(),
            mode: ConnMode::Configured,
        };
        streamed(statement, slots(&self.spec, shards), pacing.patience, |message, slots| {
            self.actor.ask(message, slots, None, pacing.deadline)
        })
    }
}

/// Three databases with every third number each, from 1 to 3 000.
async fn thirds() -> Cluster {
    let mut members = Vec::new();
    for k in 0..3 {
        let member = server::shared().database().await;
        let sql = format!("CREATE TABLE n AS SELECT i, i % 7 AS r FROM generate_series(1, 3000) i WHERE i % 3 = {k}");
        let made = Cluster::of(vec![member.clone()]).one(sql, ()).await;
        assert!(made.is_ok(), "{}", made.msg);
        members.push(member);
    }
    Cluster::of(members)
}

fn number(row: &Result<Value, Broken>) -> i64 {
    row.as_ref().unwrap_or_else(|broken| panic!("{broken:?}"))["i"].as_i64().unwrap()
}

/// Everything that comes, rows as their numbers, failures as their outcomes.
pub(crate) async fn read(mut rows: RowStream) -> (Vec<i64>, Vec<Outcome>, RowStream) {
    let (mut numbers, mut failed) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().await {
        match row {
            Err(Broken::Member(outcome)) => failed.push(*outcome),
            row => numbers.push(number(&row)),
        }
    }
    assert!(rows.next().await.is_none(), "an end is an end");
    (numbers, failed, rows)
}

#[test]
fn rows_come_as_they_arrive_by_member_or_in_their_order() {
    run(async {
        let cluster = thirds().await;
        let all = || cluster.rows(Spread::All, "SELECT i, r FROM n ORDER BY r, i DESC", pacing());
        let (mut numbers, failed, rows) = read(all()).await;
        assert!(failed.is_empty() && rows.coverage().is_complete(), "{}", rows.coverage());
        assert_eq!(rows.outcomes().map(|told| told.unwrap().affected).collect::<Vec<_>>(), [Some(1000); 3]);
        let names: Vec<&str> = rows.columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, ["i", "r"]);
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=3000).collect::<Vec<_>>());

        let of_member: Vec<i64> = read(all().by_member()).await.0.into_iter().map(|i| i % 3).collect();
        assert!(of_member.is_sorted() && of_member.len() == 3000);

        let mut expected: Vec<i64> = (1..=3000).collect();
        expected.sort_by_key(|i| (i % 7, -i));
        assert_eq!(read(all().sorted_by("r, -i")).await.0, expected);
    });
}

#[test]
fn aggregates_are_made_of_rows_that_are_not_kept() {
    run(async {
        let cluster = thirds().await;
        let rows = || cluster.rows(Spread::All, "SELECT i, r FROM n", pacing());
        let total = rows().aggregated(None, &[count(), sum("i")]).await.unwrap();
        let groups = rows().aggregated(Some("r"), &[count(), sum("i"), max("i")]).await.unwrap();
        assert_eq!(total.total(), Value::from_pairs([("count", 3000.into()), ("sum", (3000 * 3001 / 2).into())]));
        let groups = groups.groups().unwrap();
        assert_eq!(groups.rows().len(), 7);
        let of = |r: i64| (1..=3000).filter(move |i| i % 7 == r);
        for (r, row) in (0..).zip(groups.rows()) {
            let expected =
                [("r", r), ("count", of(r).count() as i64), ("sum", of(r).sum()), ("max", of(r).max().unwrap())];
            assert_eq!(*row, Value::from_pairs(expected.map(|(name, number)| (name, number.into()))));
        }
    });
}

#[test]
fn a_shard_that_does_not_keep_the_order_is_named() {
    run(async {
        let cluster = thirds().await;
        let sql = "SELECT i, r FROM n ORDER BY CASE WHEN i = 1000 THEN 2000 ELSE i END";
        let mut rows = cluster.rows(Spread::All, sql, pacing()).sorted_by("i");
        let mut count = 0;
        let broken = loop {
            match rows.next().await.expect("an error before the end") {
                Ok(_) => count += 1,
                Err(broken) => break broken,
            }
        };
        let Broken::Unmergeable(why) = broken else { panic!("{broken:?}") };
        let why = why.to_string();
        assert!(why.contains(&*cluster.spec.members[1].node) && why.contains("COLLATE \"C\""), "{why}");
        assert!(count < 2000, "{count} rows came before it was seen");
        assert!(rows.next().await.is_none());
        let refused = cluster.rows(Spread::All, sql, pacing()).sorted_by("i downwards").next().await;
        assert!(matches!(refused, Some(Err(Broken::Unmergeable(_)))), "{refused:?}");
        let refused = cluster.rows(Spread::All, sql, pacing()).sorted_by("j").next().await;
        assert!(matches!(refused, Some(Err(Broken::Unmergeable(_)))), "{refused:?}");
    });
}

async fn single(change: impl FnOnce(&mut DbSpec)) -> (Cluster, Watch) {
    let cluster = Cluster::with(vec![server::shared().database().await], |spec| {
        spec.connections = 1;
        change(spec);
    });
    let watch = Watch::at(server::shared(), &cluster).await;
    (cluster, watch)
}

/// Waits until the server says that it waits for us.
async fn until_stalled(watch: &Watch) {
    let started = Instant::now();
    while watch.waiting_to_write().await != Value::Int(1) {
        assert!(started.elapsed() < SOON * 5, "the server does not wait for its reader");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_reader_that_stops_stops_the_server_and_one_that_leaves_cancels() {
    run(async {
        let (cluster, watch) = single(|_| {}).await;
        let mut rows = cluster.rows(Spread::All, HUGE, pacing());
        for expected in 1..=1000 {
            assert_eq!(number(&rows.next().await.unwrap()), expected);
        }
        until_stalled(&watch).await;
        // What was made is what the sockets and two batches hold, and goes on where it stood.
        for expected in 1001..=20_000 {
            assert_eq!(number(&rows.next().await.unwrap()), expected);
        }
        until_stalled(&watch).await;
        drop(rows);
        watch.until(0, SOON).await;
        next_hundred(&cluster).await;
        assert_eq!(cluster.value("SHOW statement_timeout", ()).await, crate::text("21s"), "the usual limit is back");
        let report = cluster.report().await;
        assert_eq!(get(&get(&report, "connections"), "open"), Value::Int(1), "proven idle, and used again");
        assert_eq!(get(&get(&report, "statements"), "cancelled"), Value::Int(1));
    });
}

#[test]
fn a_slow_reader_is_no_slow_member() {
    run(async {
        let limit = Duration::from_millis(400);
        let (cluster, watch) = single(|spec| spec.member_timeout = limit).await;
        let sql = "SELECT i, repeat('x', 100) AS x FROM generate_series(1, 300000) i";
        let mut rows = cluster.rows(Spread::All, sql, pacing());
        assert_eq!(number(&rows.next().await.unwrap()), 1);
        until_stalled(&watch).await;
        // Longer than the member's limit, and than the server's own, which is a second more.
        actix_rt::time::sleep(limit * 2 + Duration::from_secs(1)).await;
        let (numbers, failed, rows) = read(rows).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!((numbers.len(), rows.coverage().is_complete()), (299_999, true));
        let longest = get(&get(&cluster.report().await, "queries"), "longest_ms");
        assert!(matches!(longest, Value::Double(ms) if ms < 1_500.0 * 4.0), "{longest:?}");
        next_hundred(&cluster).await;
    });
}

#[test]
fn a_reader_that_reads_nothing_loses_its_connection() {
    run(async {
        let (cluster, watch) = single(|_| {}).await;
        let patience = Duration::from_millis(300);
        let mut rows = cluster.rows(Spread::All, HUGE, Pacing { patience, ..pacing() });
        assert_eq!(number(&rows.next().await.unwrap()), 1);
        until_stalled(&watch).await;
        watch.until(0, SOON).await;
        next_hundred(&cluster).await;
        let (numbers, failed, rows) = read(rows).await;
        assert!(numbers.is_sorted() && numbers.len() < 5_000, "what had come is not taken back: {}", numbers.len());
        assert_eq!((failed[0].status, failed[0].reason), (Status::Timeout, Reason::Unread));
        assert!(failed[0].msg.contains("not read") && failed[0].msg.contains("rows had come"), "{}", failed[0].msg);
        assert_eq!(rows.coverage().timed_out, 1);
    });
}

#[test]
fn a_reader_that_waits_for_one_member_is_idle_for_none() {
    run(async {
        let (slow, quick) = (server::shared().database().await, server::shared().database().await);
        for (member, late) in [(&slow, "pg_sleep(2)"), (&quick, "1")] {
            let sql = format!(
                "CREATE VIEW n AS SELECT i, repeat('x', 100) AS x FROM (SELECT {late}) s, generate_series(1, 300000) i"
            );
            assert!(Cluster::of(vec![member.clone()]).one(sql, ()).await.is_ok());
        }
        let cluster = Cluster::of(vec![slow, quick]);
        // A merge in order cannot take a row of the quick one while it knows none of the slow one.
        let pacing = Pacing { patience: Duration::from_millis(300), ..pacing() };
        let (numbers, failed, _) =
            read(cluster.rows(Spread::All, "SELECT i FROM n ORDER BY i", pacing).sorted_by("i")).await;
        assert!(failed.is_empty(), "{failed:?}");
        assert!(numbers.len() == 600_000 && numbers.is_sorted());
    });
}

#[test]
fn a_silent_server_and_a_deadline_end_it_with_what_they_are() {
    run(async {
        let sql =
            "SELECT i, repeat('x', 100) AS x, CASE WHEN i = 5000 THEN pg_sleep(30) END FROM generate_series(1, 9999) i";
        let (cluster, watch) = single(|spec| spec.member_timeout = Duration::from_millis(300)).await;
        let (numbers, failed, _) = read(cluster.rows(Spread::All, sql, pacing())).await;
        assert!(numbers.len() > 1000 && numbers.len() < 5000, "{}", numbers.len());
        assert_eq!(failed[0].reason, Reason::Deadline);
        assert!(failed[0].msg.contains("no further row within the member's timeout of 300ms"), "{}", failed[0].msg);
        watch.until(0, SOON).await;
        next_hundred(&cluster).await;

        let (cluster, watch) = single(|_| {}).await;
        let deadline = Instant::now() + Duration::from_millis(500);
        let (numbers, failed, _) = read(cluster.rows(Spread::All, sql, Pacing { deadline, ..pacing() })).await;
        assert!(numbers.len() > 1000 && failed[0].reason == Reason::Deadline, "{failed:?}");
        watch.until(0, SOON).await;
        next_hundred(&cluster).await;
    });
}

#[test]
fn a_dead_shard_is_told_and_the_others_go_on() {
    run(async {
        let mut members = thirds().await.spec.members.to_vec();
        members[1] = server::member_at(server::closed_port());
        let cluster = Cluster::of(members);
        let sql = "SELECT i FROM n ORDER BY i";
        for rows in [cluster.rows(Spread::All, sql, pacing()), cluster.rows(Spread::All, sql, pacing()).sorted_by("i")]
        {
            let (numbers, failed, rows) = read(rows).await;
            assert_eq!((numbers.len(), failed.len(), failed[0].status), (2000, 1, Status::NotConnected));
            assert_eq!(failed[0].node, cluster.spec.members[1].node);
            assert_eq!(rows.coverage().to_string(), "2 of 3 ok (1 not sent)");
        }
        let (_, failed, _) =
            read(cluster.rows(Spread::All, sql, pacing()).sorted_by("i").under(Rule::AllOrError)).await;
        assert_eq!((failed.len(), failed[0].status), (1, Status::NotConnected), "the cause, and no one it took along");
        let (numbers, failed, _) = read(cluster.rows(Shards::At(1), sql, pacing())).await;
        assert!(numbers.is_empty() && failed.len() == 1, "never an empty success");
        let (numbers, failed, _) = read(cluster.rows(Spread::One, sql, pacing())).await;
        assert!(numbers.len() == 1000 && failed.is_empty(), "one that certainly ran nowhere goes to another");
    });
}

#[test]
fn a_shard_that_is_killed_half_way_is_told() {
    run(async {
        let mortal = server::Server::start();
        let member = |server: &server::Server| server.member("postgres", "postgres", server::PASSWORD);
        let cluster = Cluster::of(vec![member(server::shared()), member(&mortal)]);
        let mut rows = cluster.rows(Spread::All, HUGE, pacing()).sorted_by("i");
        for expected in 1..=1000 {
            assert_eq!(number(&rows.next().await.unwrap()), (expected + 1) / 2);
        }
        mortal.kill();
        let mut after = 0;
        let broken = loop {
            match rows.next().await.unwrap() {
                Ok(_) => after += 1,
                Err(broken) => break broken,
            }
            assert!(after < 1_000_000, "a shard is gone and its rows do not end");
        };
        let Broken::Member(outcome) = broken else { panic!("{broken:?}") };
        assert_eq!(outcome.node, cluster.spec.members[1].node);
        assert!(matches!(outcome.reason, Reason::Reset | Reason::Closed), "{outcome:?}");
        assert!(outcome.msg.contains("rows had come"), "{}", outcome.msg);
        // Reading on gives the rows of the other.
        let (one, two) = (number(&rows.next().await.unwrap()), number(&rows.next().await.unwrap()));
        assert_eq!(two, one + 1);
    });
}

#[test]
fn an_error_of_the_statement_is_the_members() {
    run(async {
        let (cluster, _) = single(|_| {}).await;
        let (numbers, failed, _) = read(cluster.rows(Spread::All, "SELECT i FROM nowhere", pacing())).await;
        assert!(numbers.is_empty() && failed[0].sql_error.as_ref().is_some_and(|error| error.code == "42P01"));
        let sql = "SELECT i, 1 / (5000 - i) AS q FROM generate_series(1, 9999) i";
        let (numbers, failed, _) = read(cluster.rows(Spread::All, sql, pacing())).await;
        assert_eq!((numbers.len(), failed[0].reason), (4999, Reason::Sql), "{failed:?}");
        let (_, failed, _) = read(cluster.rows(Spread::All, "BEGIN", pacing())).await;
        assert_eq!(failed[0].reason, Reason::Sql);
        next_hundred(&cluster).await;
    });
}

const NUMBERS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT i FROM n";

#[test]
fn sqlite_streams_at_the_readers_pace_and_stops_when_nobody_reads() {
    run(async {
        let (_dir, member) = file();
        let cluster = Cluster::with(vec![member], |spec| {
            spec.connections = 1;
            spec.member_timeout = Duration::from_millis(500);
        });
        let mut rows = cluster.rows(Spread::All, NUMBERS, pacing());
        for expected in 1..=1000 {
            assert_eq!(number(&rows.next().await.unwrap()), expected);
        }
        // The reader's pause is not the member's.
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        for expected in 1001..=5000 {
            assert_eq!(number(&rows.next().await.unwrap()), expected);
        }
        drop(rows);
        // The one connection is free again, although its thread was waiting for its reader.
        let outcome = cluster.one("SELECT 1 AS one", ()).await;
        assert!(outcome.is_ok() && outcome.latency < SOON, "{outcome:?}");

        let patience = Duration::from_millis(300);
        let mut rows = cluster.rows(Spread::All, NUMBERS, Pacing { patience, ..pacing() });
        assert_eq!(number(&rows.next().await.unwrap()), 1);
        let outcome = cluster.one("SELECT 1 AS one", ()).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        let (numbers, failed, _) = read(rows).await;
        assert!(numbers.len() < 5_000 && failed[0].reason == Reason::Unread, "{} {failed:?}", numbers.len());
        assert_eq!(get(&get(&cluster.report().await, "connections"), "open"), Value::Int(1));
    });
}
