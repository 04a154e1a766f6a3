//! Statements that share a connection: each gets its own rows, however many share it and whichever callers leave.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use skitai_actors::db::{ConnMode, Shards};
use skitai_actors::kit::Replies;
use skitai_actors::spec::{DbSpec, Spread};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};

use crate::cancel::Watch;
use crate::{Cluster, PATIENCE, bound, cell, get, pooler, run, server, text, until};

/// Far below the second or more that statements sleep here, far above what a short one takes on a busy machine.
const SOON: Duration = Duration::from_millis(700);
const FIRST: Shards = Shards::At(0);

async fn with(connections: usize, change: impl FnOnce(&mut DbSpec)) -> Cluster {
    Cluster::with(vec![server::shared().database().await], |spec| {
        spec.connections = connections;
        spec.pipeline = true;
        change(spec);
    })
}

async fn ended(replies: Replies<Outcome>) -> Outcome {
    replies.all(Instant::now() + PATIENCE).await.remove(0)
}

fn mine(cluster: &Cluster, number: i32) -> Replies<Outcome> {
    cluster.ask(Spread::One, "SELECT $1::int AS mine", (number,))
}

/// A hundred at once, each with its own row.
async fn hundred(cluster: &Cluster) {
    let asked: Vec<_> = (0..100).map(|number| mine(cluster, number)).collect();
    for (number, replies) in (0..).zip(asked) {
        let outcome = ended(replies).await;
        assert!(outcome.is_ok(), "{}", outcome.msg);
        assert_eq!(cell(&outcome, 0, 0), Value::Int(number));
    }
}

async fn told(cluster: &Cluster, part: &str, name: &str) -> Value {
    get(&get(&cluster.report().await, part), name)
}

#[test]
fn a_thousand_statements_are_on_one_connection() {
    run(async {
        let cluster = with(3, |_| {}).await;
        for _ in 0..10 {
            hundred(&cluster).await;
        }
        // Made at run time, with lists, with errors in between, without a row: all of them one behind the other.
        let asked: Vec<_> = (0..60_i32)
            .map(|n| match n % 4 {
                0 => cluster.ask(Spread::One, format!("SELECT {n} AS mine"), ()),
                1 => cluster.ask(Spread::One, "SELECT 1 / ($1::int - $1::int) AS mine", (n,)),
                2 => cluster.ask(Spread::One, "SELECT $1::int[] AS mine", (vec![n, n],)),
                _ => cluster.ask(Spread::One, "SELECT $1::int, $2::int", (n,)),
            })
            .collect();
        for (n, replies) in (0..60_i64).zip(asked) {
            let outcome = ended(replies).await;
            match n % 4 {
                0 => assert_eq!(cell(&outcome, 0, 0), Value::Int(n)),
                1 => assert!(outcome.msg.contains("22012"), "{}", outcome.msg),
                2 => assert_eq!(cell(&outcome, 0, 0), Value::List(vec![Value::Int(n), Value::Int(n)])),
                _ => assert!(outcome.msg.contains("2 parameters, 1 were given"), "{}", outcome.msg),
            }
        }
        assert_eq!(told(&cluster, "connections", "open").await, Value::Int(1));
        assert_eq!(told(&cluster, "pipelined", "moved").await, Value::Int(0));
        // No statement is on it: it is back in the pool.
        assert_eq!(told(&cluster, "pipelined", "connections").await, Value::Int(0));
        assert_eq!(told(&cluster, "connections", "idle").await, Value::Int(1));
    });
}

#[test]
fn who_leaves_takes_nothing_with_him_and_leaves_nothing_behind() {
    run(async {
        let cluster = with(1, |_| {}).await;
        let made = cluster.one("CREATE TABLE t (a int)", ()).await;
        assert!(made.is_ok(), "no line for it, but a connection of its own: {}", made.msg);
        // From before the dial to after the answer, in steps too odd to line up with anything.
        for step in 0..60_u64 {
            let late = cluster.ask(Spread::One, "SELECT 'not yours' AS mine FROM pg_sleep(0.004)", ());
            let number = i32::try_from(step).unwrap();
            let neighbour = mine(&cluster, number);
            actix_rt::time::sleep(Duration::from_micros(step * 173)).await;
            drop(late);
            let mut replies = vec![neighbour, mine(&cluster, number)];
            // On an exclusive connection, the one that was shared before.
            replies.push(cluster.ask_in(ConnMode::Exclusive, Spread::One, "SELECT $1::int AS mine", (number,)));
            for replies in replies {
                let outcome = ended(replies).await;
                assert!(outcome.is_ok(), "step {step}: {}", outcome.msg);
                assert_eq!(cell(&outcome, 0, 0), Value::Int(number.into()));
            }
        }
        // Nothing is cancelled: it ran to its end.
        let watch = Watch::on(&cluster).await;
        let late = cluster.ask(Spread::One, "INSERT INTO t SELECT 7 FROM pg_sleep(0.3)", ());
        watch.until_asleep(1).await;
        drop(late);
        let held = ended(cluster.ask_in(ConnMode::Exclusive, Spread::One, "SELECT count(*) FROM t", ())).await;
        assert_eq!(cell(&held, 0, 0), Value::Int(1), "lent before the statement of another had ended");
        hundred(&cluster).await;
        assert_eq!(told(&cluster, "connections", "open").await, Value::Int(1));
    });
}

#[test]
fn a_stuck_head_makes_new_statements_go_elsewhere() {
    run(async {
        let cluster = with(3, |_| {}).await;
        hundred(&cluster).await;
        let watch = Watch::on(&cluster).await;
        let stuck = cluster.ask(Spread::One, "SELECT 'slow' AS mine FROM pg_sleep(3)", ());
        watch.until_asleep(1).await;
        until(
            "the head is old",
            async || matches!(told(&cluster, "pipelined", "oldest_ms").await, Value::Double(age) if age > 60.0),
        )
        .await;
        let began = Instant::now();
        hundred(&cluster).await;
        assert!(began.elapsed() < bound(SOON * 2, SOON * 4), "waited behind the stuck one: {:?}", began.elapsed());
        assert_eq!(told(&cluster, "pipelined", "moved").await, Value::Int(1));
        assert_eq!(told(&cluster, "connections", "open").await, Value::Int(2));
        // After its caller has left it is still the oldest statement, and no other waits for it.
        drop(stuck);
        let began = Instant::now();
        hundred(&cluster).await;
        assert!(began.elapsed() < bound(SOON * 2, SOON * 4), "{:?}", began.elapsed());
        assert_eq!(told(&cluster, "pipelined", "in_flight").await, Value::Int(1));
        until("the stuck one has ended", async || told(&cluster, "pipelined", "connections").await == Value::Int(0))
            .await;
        assert_eq!(told(&cluster, "connections", "idle").await, Value::Int(2));
    });
}

#[test]
fn there_are_never_more_connections_than_the_pool_has() {
    run(async {
        let cluster = with(2, |spec| spec.wait = Duration::from_millis(300)).await;
        let watch = Watch::on(&cluster).await;
        let mut stuck = Vec::new();
        for count in [1, 2] {
            stuck.push(cluster.ask(Spread::One, "SELECT pg_sleep(3)", ()));
            watch.until_asleep(count).await;
            // As old as a statement has to be for the next one to go elsewhere.
            actix_rt::time::sleep(Duration::from_millis(100)).await;
        }
        for mode in [ConnMode::Pipelined, ConnMode::Exclusive] {
            let refused = ended(cluster.ask_in(mode, Spread::One, "SELECT 1", ())).await;
            assert_eq!(refused.reason, Reason::NoPermit, "{}", refused.msg);
            assert!(refused.msg.contains("shared by 1 pipelined, the first of /test for"), "{}", refused.msg);
            assert!(refused.msg.contains("SELECT pg_sleep(3)"), "{}", refused.msg);
        }
        for stuck in stuck {
            assert!(ended(stuck).await.is_ok());
        }
        hundred(&cluster).await;
    });
}

#[test]
fn a_line_that_never_runs_empty_gives_way() {
    run(async {
        let cluster = with(1, |spec| spec.wait = PATIENCE).await;
        let statement = || cluster.ask(Spread::One, "SELECT pg_sleep(0.002)", ());
        let mut line: VecDeque<_> = (0..8).map(|_| statement()).collect();
        let alone = cluster.ask_in(ConnMode::Exclusive, Spread::One, "SELECT 1", ());
        let mut alone = pin!(alone.all(Instant::now() + PATIENCE));
        let began = Instant::now();
        loop {
            let next = pin!(ended(line.pop_front().unwrap()));
            match select(alone.as_mut(), next).await {
                Either::Left((outcomes, _)) => {
                    assert!(outcomes[0].is_ok(), "{}", outcomes[0].msg);
                    break;
                }
                Either::Right((outcome, _)) => assert!(outcome.is_ok(), "{}", outcome.msg),
            }
            assert!(began.elapsed() < PATIENCE / 2, "never its turn");
            line.push_back(statement());
        }
        for rest in line {
            assert!(ended(rest).await.is_ok());
        }
    });
}

#[test]
fn a_lost_connection_fails_all_who_were_on_it_once() {
    run(async {
        // Two, because the last one never is ejected.
        let members = vec![server::shared().database().await, server::shared().database().await];
        let cluster = Cluster::with(members, |spec| {
            spec.pipeline = true;
            spec.rules.eject_after = 2;
        });
        assert!(ended(cluster.ask(FIRST, "CREATE TABLE t (a int)", ())).await.is_ok());
        let watch = Watch::on(&cluster).await;
        assert!(ended(cluster.ask(FIRST, "SELECT 1", ())).await.is_ok());
        let head = cluster.ask(FIRST, "INSERT INTO t SELECT 0 FROM pg_sleep(10)", ());
        let behind: Vec<_> = (1..20_i32).map(|n| cluster.ask(FIRST, "INSERT INTO t VALUES ($1)", (n,))).collect();
        watch.until_asleep(1).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT%'";
        let admin = Cluster::of(cluster.spec.members[..1].to_vec());
        assert!(admin.one(end, ()).await.is_ok());
        for replies in std::iter::once(head).chain(behind) {
            let outcome = ended(replies).await;
            assert!(matches!(outcome.reason, Reason::Closed | Reason::Reset), "{:?} {}", outcome.reason, outcome.msg);
            assert!(outcome.msg.contains("may have run") && !outcome.reason.never_ran(), "{}", outcome.msg);
        }
        // One event to health, however many were on it; and nothing was sent again.
        assert_eq!(cluster.known(0, "state").await, text("healthy"));
        let held = ended(cluster.ask(FIRST, "SELECT count(*) FROM t", ())).await;
        assert_eq!(cell(&held, 0, 0), Value::Int(0));
    });
}

#[test]
fn a_dead_server_ejects_its_member() {
    run(async {
        let mut member = server::shared().database().await;
        if let skitai_actors::spec::Shard::Postgres { port, .. } = &mut member.shard {
            *port = server::closed_port();
        }
        let cluster = Cluster::with(vec![member], |spec| {
            spec.pipeline = true;
            spec.rules.max_ejected = 100;
            spec.rules.eject_after = 3;
        });
        let mut reasons = Vec::new();
        for _ in 0..5 {
            let asked: Vec<_> = (0..4).map(|number| mine(&cluster, number)).collect();
            for replies in asked {
                reasons.push(ended(replies).await.reason);
            }
        }
        assert!(reasons.iter().all(|reason| matches!(reason, Reason::Refused | Reason::Ejected)), "{reasons:?}");
    });
}

#[test]
fn the_members_limit_ends_the_wait_and_not_the_statement() {
    run(async {
        let cluster = with(1, |spec| spec.member_timeout = Duration::from_millis(300)).await;
        let outcome = cluster.one("SELECT pg_sleep(0.8)", ()).await;
        assert_eq!(outcome.reason, Reason::Deadline);
        assert!(outcome.msg.contains("nothing is cancelled"), "{}", outcome.msg);
        until("the line is given back", async || told(&cluster, "connections", "idle").await == Value::Int(1)).await;
        hundred(&cluster).await;
    });
}

/// A statement that is already prepared on a shared connection takes a shorter path, with the same results.
#[test]
fn what_is_at_hand_ends_as_everything_else() {
    const SLEEP: &str = "SELECT pg_sleep($1)";
    const INVERSE: &str = "SELECT 12 / $1::int AS mine";
    const ALL: &str = "SELECT * FROM changing WHERE $1::int = $1::int";
    run(async {
        let cluster = with(1, |spec| spec.member_timeout = Duration::from_millis(400)).await;
        for made in ["CREATE TABLE changing (a int)", "INSERT INTO changing VALUES (1)"] {
            assert!(cluster.one(made, ()).await.is_ok());
        }
        let before = [cluster.one(SLEEP, (0.0,)).await, cluster.one(INVERSE, (4,)).await, cluster.one(ALL, (1,)).await];
        assert!(before.iter().all(Outcome::is_ok), "{before:?}");
        // The prepared statement has other columns now.
        assert!(cluster.one("ALTER TABLE changing ADD COLUMN b int DEFAULT 2", ()).await.is_ok());

        // Keeps the connection shared for less than the time after which statements avoid it.
        let hold = async || {
            let held = cluster.ask(Spread::One, SLEEP, (0.03,));
            until("the line is there", async || told(&cluster, "pipelined", "in_flight").await == Value::Int(1)).await;
            held
        };
        let held = hold().await;
        let asked = [(INVERSE, 6), (INVERSE, 0), (ALL, 1), (INVERSE, 3)];
        let asked = asked.map(|(sql, number)| cluster.ask(Spread::One, sql, (number,)));
        assert_eq!(told(&cluster, "pipelined", "in_flight").await, Value::Int(5), "all are on it");
        let mut outcomes = futures_util::future::join_all(asked.into_iter().map(ended)).await.into_iter();
        let mut next = || outcomes.next().unwrap();
        assert_eq!(cell(&next(), 0, 0), Value::Int(2));
        let failed = next();
        assert_eq!((failed.reason, failed.msg.contains("22012")), (Reason::Sql, true), "{}", failed.msg);
        let changed = next();
        assert_eq!(cell(&changed, 0, 1), Value::Int(2), "{}", changed.msg);
        assert_eq!(cell(&next(), 0, 0), Value::Int(4));
        assert!(ended(held).await.is_ok());
        let held = hold().await;
        let late = ended(cluster.ask(Spread::One, SLEEP, (0.9,))).await;
        assert!(ended(held).await.is_ok());
        assert_eq!(late.reason, Reason::Deadline);
        assert!(late.msg.contains("nothing is cancelled"), "{}", late.msg);
        until("the line is given back", async || told(&cluster, "connections", "idle").await == Value::Int(1)).await;
        let statements = get(&cluster.report().await, "statements");
        assert_eq!([get(&statements, "failed"), get(&statements, "timed_out")], [1, 1].map(Value::Int));
    });
}

#[test]
fn only_six_words_share_and_an_exclusive_one_is_cancelled() {
    run(async {
        let cluster = with(2, |_| {}).await;
        let refused = ended(cluster.ask_in(ConnMode::Pipelined, Spread::One, "CREATE TABLE u (a int)", ())).await;
        assert_eq!(refused.reason, Reason::Sql);
        assert!(refused.msg.contains("CREATE is refused on a shared connection"), "{}", refused.msg);
        let refused = cluster.one("BEGIN", ()).await;
        assert!(refused.msg.contains("use .tx("), "{}", refused.msg);
        let watch = Watch::on(&cluster).await;
        let long = cluster.ask_in(ConnMode::Exclusive, Spread::One, "SELECT pg_sleep(30)", ());
        watch.until_asleep(1).await;
        drop(long);
        watch.until(0, bound(SOON * 2, PATIENCE)).await;
        // The conf says nothing; the call asks for it.
        let cluster = Cluster::of(vec![server::shared().database().await]);
        let asked: Vec<_> = (0..50_i32)
            .map(|n| cluster.ask_in(ConnMode::Pipelined, Spread::One, "SELECT $1::int AS mine", (n,)))
            .collect();
        for (n, replies) in (0..).zip(asked) {
            assert_eq!(cell(&ended(replies).await, 0, 0), Value::Int(n));
        }
        assert_eq!(told(&cluster, "connections", "open").await, Value::Int(1));
    });
}

#[test]
fn through_a_transaction_pooler() {
    run(async {
        let direct = server::shared().database().await;
        let pooler = pooler::Pooler::before(server::shared());
        let cluster = pooler::cluster(pooler.member(&direct));
        for round in 0..10 {
            let asked: Vec<_> = (0..50_i32)
                .map(|n| match n % 2 {
                    0 => cluster.ask_in(ConnMode::Pipelined, Spread::One, "SELECT $1::int AS mine", (n,)),
                    _ => cluster.ask_in(
                        ConnMode::Pipelined,
                        Spread::One,
                        format!("SELECT {n} AS mine, {round} AS r"),
                        (),
                    ),
                })
                .collect();
            for (n, replies) in (0..).zip(asked) {
                let outcome = ended(replies).await;
                assert!(outcome.is_ok(), "{}", outcome.msg);
                assert_eq!(cell(&outcome, 0, 0), Value::Int(n));
            }
        }
        assert_eq!(told(&cluster, "connections", "open").await, Value::Int(1));
    });
}
