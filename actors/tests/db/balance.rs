//! Which member `dlb` asks, by each way of `balance`. The members are SQLite files; where one is to be busy, statements
//! of another thread are counted in what all threads know of it.

use std::path::Path;
use std::time::{Duration, Instant};

use skitai_actors::spec::{Balance, DbMember, Shard, Spread};

use crate::{Cluster, run};

/// Files of these weights, each with a table of its own number.
fn members(dir: &Path, weights: &[u32]) -> Vec<DbMember> {
    let member = |(index, weight): (usize, &u32)| {
        let path = dir.join(format!("{index}.db"));
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE rows (n INTEGER); INSERT INTO rows VALUES (1)").unwrap();
        DbMember { node: index.to_string().into(), shard: Shard::Sqlite { path }, weight: *weight }
    };
    weights.iter().enumerate().map(member).collect()
}

fn cluster(dir: &Path, weights: &[u32], balance: Balance) -> Cluster {
    Cluster::with(members(dir, weights), |spec| spec.balance = balance)
}

/// How many of so many statements, one after the other, each member got.
async fn shares(cluster: &Cluster, count: usize) -> Vec<usize> {
    let mut shares = vec![0; cluster.spec.members.len()];
    for _ in 0..count {
        let outcome = cluster.one("SELECT count(*) FROM rows", ()).await;
        assert!(outcome.is_ok(), "{}", outcome.msg);
        shares[outcome.node.parse::<usize>().unwrap()] += 1;
    }
    shares
}

/// What all threads together have in flight at a member.
fn outstanding(cluster: &Cluster, index: usize) -> usize {
    cluster.health.candidate(index, cluster.health.now(), false).outstanding
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < limit, "{what} is not so");
        actix_rt::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The members are as busy as this says, with statements of others.
fn busy(cluster: &Cluster, counts: &[usize]) {
    for (index, count) in counts.iter().enumerate() {
        for _ in 0..*count {
            cluster.health.member(index).begun(cluster.health.now());
        }
    }
}

#[test]
fn least_asks_the_one_with_the_least_to_do_for_its_weight() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::of(members(dir.path(), &[1, 1, 2]));
        assert_eq!(cluster.spec.balance, Balance::Least, "where nothing else is said");
        let idle = shares(&cluster, 200).await;
        assert!(idle.iter().all(|share| *share > 20), "a tie begins anywhere: {idle:?}");
        busy(&cluster, &[2, 3, 3]);
        assert_eq!(shares(&cluster, 50).await, [0, 0, 50]);
    });
}

#[test]
fn p2c_asks_the_freer_of_two_that_are_drawn() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(dir.path(), &[1, 1, 1], Balance::P2c);
        busy(&cluster, &[1, 2, 3]);
        let shares = shares(&cluster, 200).await;
        // The least busy one is among two of three draws; the busiest one never has the less busy neighbour.
        assert!(shares[0] > 90 && shares[1] > 30 && shares[2] == 0, "{shares:?}");
    });
}

#[test]
fn round_robin_asks_one_after_the_other_by_weight() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(dir.path(), &[1, 2], Balance::RoundRobin);
        busy(&cluster, &[0, 9]);
        assert_eq!(shares(&cluster, 90).await, [30, 60], "whatever they have to do");
    });
}

#[test]
fn ewma_leaves_a_slow_one_alone() {
    run(async {
        for (balance, is_left_alone) in [(Balance::Ewma, true), (Balance::Least, false)] {
            let dir = tempfile::tempdir().unwrap();
            let cluster = cluster(dir.path(), &[1, 1], balance);
            let slow = rusqlite::Connection::open(dir.path().join("1.db")).unwrap();
            slow.execute_batch(
                "DROP TABLE rows;
                 CREATE VIEW rows AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 60000)
                 SELECT n FROM c",
            )
            .unwrap();
            let shares = shares(&cluster, 80).await;
            assert_eq!(shares[1] < 20, is_left_alone, "{balance:?}: {shares:?}");
        }
    });
}

#[test]
fn what_one_thread_has_in_flight_is_seen_by_the_others() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let threads = Cluster::workers(members(dir.path(), &[1, 1]), |_| {}, 2);
        let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
        let asked = threads[0].ask(Spread::One, endless, ());
        until("a statement in flight", || (0..2).any(|index| outstanding(&threads[0], index) == 1)).await;
        let busy = (0..2).find(|index| outstanding(&threads[0], *index) == 1).unwrap();
        let others = shares(&threads[1], 30).await;
        assert_eq!((others[busy], others[1 - busy]), (0, 30));
        // Given up it counts no more, and what ended has left nothing.
        drop(asked);
        until("nothing in flight", || (0..2).all(|index| outstanding(&threads[0], index) == 0)).await;
        assert!(shares(&threads[1], 60).await[busy] > 5);
    });
}
