//! The queue for connections, to a server that does not exist.

use deadpool::Runtime;
use futures_util::FutureExt;

use super::super::dial::Dialer;
use super::*;
use crate::db::budget::{BudgetKey, Budgets, Said, Share};
use crate::outcome::Reason;
use crate::spec::DbTls;

/// A queue for this many connections to a server that does not exist.
fn queue(connections: usize) -> Arc<PostgresPool> {
    shared(connections, Share::fixed(connections))
}

fn shared(connections: usize, share: Share) -> Arc<PostgresPool> {
    let wait = Duration::from_secs(1);
    let timeout = Duration::from_secs(5);
    let limits = MemberLimits {
        connections,
        streams: 1,
        stream_share: 50,
        wait,
        connect_timeout: timeout,
        member_timeout: timeout,
        statement_timeout: false,
    };
    let mut config = tokio_postgres::Config::new();
    // No server listens on the port of tcpmux.
    config.host("127.0.0.1").port(1).user("nobody");
    let dialer = Arc::new(Dialer::new("127.0.0.1", 1, &DbTls::Off, None, None, share));
    let pool = Pool::builder(ConnectionManager { config, dialer }).max_size(connections).runtime(Runtime::Tokio1);
    PostgresPool::new(pool.build().expect("a pool with a runtime is complete"), limits, Gate::new(1))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn free(queue: &Arc<PostgresPool>) -> Option<ConnPermit> {
    queue.acquire(Party::ALONE, soon()).ok()
}

fn enqueue(queue: &Arc<PostgresPool>) -> Acquire<PostgresPool> {
    queue.acquire(Party::ALONE, soon()).expect_err("all permits are taken")
}

fn lend(queue: &Arc<PostgresPool>) -> impl Future<Output = Result<PooledConn, StatementFailure>> {
    queue.lend(Instant::now())
}

#[tokio::test]
async fn a_turn_goes_to_the_first_who_still_waits() {
    let queue = queue(2);
    let (one, other) = (free(&queue), free(&queue));
    assert!(one.is_some() && other.is_some() && free(&queue).is_none());
    assert!(!queue.is_awaited());
    let (left, first, second) = (enqueue(&queue), enqueue(&queue), enqueue(&queue));
    drop(left);
    assert!(queue.is_awaited());
    drop(one);
    let mut second = second;
    assert!((&mut second).now_or_never().is_none());
    let first = first.await;
    drop(first);
    let second = second.await;
    assert!(!queue.is_awaited());
    drop((second, other));
    assert_eq!(queue.places.state().taken, 0);
}

#[tokio::test]
async fn a_turn_nobody_fetched_is_not_lost() {
    let queue = queue(1);
    let permit = free(&queue);
    let (leaves, stays) = (enqueue(&queue), enqueue(&queue));
    drop(permit);
    // The permit is sent to this waiter, which is never polled again.
    drop(leaves);
    drop(stays.await);
    assert_eq!(queue.places.state().taken, 0);
    assert!(free(&queue).is_some());
}

#[tokio::test]
async fn who_leaves_leaves_no_trace() {
    let queue = queue(1);
    let permit = free(&queue);
    let stays = enqueue(&queue);
    for _ in 0..1_000 {
        drop(enqueue(&queue));
    }
    assert!(queue.places.state().waiting.len() < 4, "{}", queue.places.state().waiting.len());
    drop(permit);
    drop(stays.await);
}

#[tokio::test]
async fn who_finds_no_server_leaves_the_try_to_the_next() {
    let queue = queue(1);
    let all = futures_util::future::join_all((0..5).map(|_| lend(&queue))).await;
    for one in all {
        assert_eq!(one.expect_err("no server listens there").reason, Reason::Refused);
    }
    assert_eq!(queue.places.state().taken, 0);
}

/// The pool of one thread, in a process that is granted nothing at first.
fn rolled(connections: usize) -> (Arc<PostgresPool>, Arc<Budgets>, BudgetKey, std::sync::mpsc::Receiver<Said>) {
    let (sender, said) = std::sync::mpsc::channel();
    // At the end of a test nobody listens any more.
    let budgets = Budgets::new(move |_, what| {
        let _ = sender.send(what);
    });
    let key: BudgetKey = ("one".into(), "here".into());
    (shared(connections, budgets.join(key.clone(), connections)), budgets, key, said)
}

#[tokio::test]
async fn who_waits_is_woken_when_the_limit_grows() {
    let (queue, budgets, key, said) = rolled(4);
    let (first, second) = (enqueue(&queue), enqueue(&queue));
    assert_eq!(said.try_recv(), Ok(Said::Wanted));
    budgets.granted(&key, 1);
    queue.follow();
    let permit = first.await;
    assert!(permit.is_some());
    assert!(free(&queue).is_none(), "one waits, and none is free");
    budgets.granted(&key, 3);
    queue.follow();
    assert!(second.await.is_some() && free(&queue).is_some());
    assert_eq!((queue.limit(), queue.streams.limit()), (4, 2));
}

#[tokio::test]
async fn a_place_that_is_asked_back_is_not_passed_on() {
    let (queue, budgets, key, said) = rolled(2);
    budgets.granted(&key, 2);
    queue.follow();
    let (one, other) = (free(&queue), free(&queue));
    budgets.asked(&key, 1);
    queue.follow();
    // It has no connection, so its seat is free at once.
    assert_eq!(said.try_recv(), Ok(Said::Returned(1)));
    let waits = enqueue(&queue);
    drop(one);
    assert_eq!((queue.limit(), queue.places.taken()), (1, 1));
    assert!(queue.is_awaited(), "there is one place, and it is taken");
    drop(other);
    drop(waits.await);
    assert_eq!(queue.places.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_back_what_rests_and_asks_for_what_it_needs() {
    let (queue, budgets, key, said) = rolled(3);
    budgets.granted(&key, 3);
    queue.follow();
    let one = free(&queue);
    budgets.leave();
    queue.follow();
    assert_eq!((said.try_recv(), queue.limit()), (Ok(Said::Returned(2)), 1));
    let waits = enqueue(&queue);
    assert_eq!(said.try_recv(), Ok(Said::Wanted), "the other one may be held for long");
    drop(one);
    let held = waits.await;
    assert_eq!(queue.limit(), 1, "it was waited for");
    drop(held);
    assert_eq!((said.try_recv(), queue.limit()), (Ok(Said::Returned(1)), 0));
    let failure = lend(&queue).await.expect_err("nothing comes");
    assert_eq!(failure.reason, Reason::NoPermit);
    assert!(failure.msg.contains("given back by the process that leaves"), "{}", failure.msg);
    budgets.granted(&key, 1);
    queue.follow();
    assert_eq!(said.try_recv(), Ok(Said::Returned(1)), "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_so() {
    let queue = queue(1);
    let _turn = free(&queue);
    let failure = lend(&queue).await.expect_err("there is one turn, and it is taken");
    assert_eq!(failure.reason, Reason::NoPermit);
    assert!(failure.msg.starts_with("no connection was free within 1s: all 1 of this thread"), "{}", failure.msg);
    assert!(!queue.is_awaited());
}
