//! A statement over several members: all of them in their order, or one of them.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use skitai_actors::db::Shards;
use skitai_actors::spec::Spread;
use skitai_actors::wire::Value;
use skitai_actors::{Coverage, Reason, Status};

use crate::{Cluster, cell, run, server, until};

#[test]
fn all_members_answer_in_their_order_and_a_dead_one_is_not_silent() {
    run(async {
        let server = server::shared();
        let dead = server::member_at(server::closed_port());
        let cluster = Cluster::of(vec![server.database().await, dead.clone(), server.database().await]);
        let outcomes = cluster.all("SELECT current_database()", ()).await;
        let statuses: Vec<Status> = outcomes.iter().map(|outcome| outcome.status).collect();
        assert_eq!(statuses, [Status::Completed, Status::NotConnected, Status::Completed]);
        assert_eq!(Coverage::of(&outcomes).to_string(), "2 of 3 ok (1 not sent)");
        for index in [0, 2] {
            assert!(outcomes[index].node.ends_with(&crate::text_of(&cell(&outcomes[index], 0, 0))));
        }
        assert_eq!((&outcomes[1].node, outcomes[1].reason), (&dead.node, Reason::Refused));
        assert_eq!(outcomes[1].data, Value::Nil);
    });
}

#[test]
fn each_outcome_comes_as_it_arrives() {
    run(async {
        let server = server::shared();
        let cluster = Cluster::of(vec![server.database().await, server.database().await]);
        let slow = crate::text_of(&cell(&cluster.all("SELECT current_database()", ()).await[0], 0, 0));
        let sql = "SELECT 1 FROM pg_sleep(CASE WHEN current_database() = $1 THEN 1 ELSE 0 END)";
        let mut replies = cluster.ask(Spread::All, sql, (slow,));
        let (first, _) = replies.next(Instant::now() + Duration::from_secs(5)).await.unwrap();
        let is_waiting = poll_fn(|context| Poll::Ready(replies.poll_arrival(context).is_pending())).await;
        assert!(first == 1 && is_waiting, "the other has not come");
        let (second, outcome) = replies.next(Instant::now() + Duration::from_secs(5)).await.unwrap();
        assert!(second == 0 && outcome.is_ok());
    });
}

#[test]
fn one_goes_on_to_another_member_only_when_none_has_seen_it() {
    run(async {
        let server = server::shared();
        let dead = || server::member_at(server::closed_port());
        let cluster = Cluster::of(vec![dead(), server.database().await, dead()]);
        let mut tries = Vec::new();
        for _ in 0..20 {
            let outcome = cluster.one("SELECT 1", ()).await;
            assert!(outcome.is_ok(), "{}", outcome.msg);
            tries.push(outcome.attempts);
        }
        assert!(tries.iter().any(|tries| *tries > 1), "no dead member was ever met: {tries:?}");

        let none = Cluster::of(vec![dead(), dead()]).one("SELECT 1", ()).await;
        assert_eq!((none.reason, none.attempts), (Reason::Refused, 2));

        // Both members are fine; an SQL error and a time-out stay with the member that saw the statement.
        let cluster = Cluster::with(vec![server.database().await, server.database().await], |spec| {
            spec.member_timeout = Duration::from_millis(200);
        });
        let wrong = cluster.one("SELECT nothing_of_this_name", ()).await;
        assert_eq!((wrong.reason, wrong.attempts), (Reason::Sql, 1));
        let late = cluster.one("SELECT pg_sleep(5)", ()).await;
        assert_eq!((late.reason, late.attempts), (Reason::Deadline, 1));
    });
}

#[test]
fn one_prefers_the_member_with_less_to_do() {
    run(async {
        let server = server::shared();
        let cluster = Cluster::of(vec![server.database().await, server.database().await]);
        cluster.all("SELECT 1", ()).await;
        let busy = cluster.ask(Spread::One, "SELECT current_database() FROM pg_sleep(2)", ());
        until("one of them works", async || {
            let reports = [cluster.report_on(0).await, cluster.report_on(1).await];
            reports.iter().any(|report| crate::get(report, "in_use") == Value::Int(1))
        })
        .await;
        let mut others = Vec::new();
        for _ in 0..10 {
            others.push(crate::text_of(&cluster.value("SELECT current_database()", ()).await));
        }
        let busy = crate::text_of(&cell(&busy.all(Instant::now() + Duration::from_secs(5)).await[0], 0, 0));
        assert!(others.iter().all(|other| *other != busy), "{busy} in {others:?}");
    });
}

#[test]
fn no_members_is_said() {
    run(async {
        let cluster = Cluster::of(Vec::new());
        assert!(cluster.all("SELECT 1", ()).await.is_empty());
        let outcome = cluster.one("SELECT 1", ()).await;
        assert_eq!((outcome.status, &*outcome.node, outcome.attempts), (Status::NotConnected, "@mydb", 0));
        assert!(outcome.msg.contains("@mydb has no members"), "{}", outcome.msg);
    });
}

#[test]
fn a_certain_member_is_asked_and_no_other() {
    run(async {
        let server = server::shared();
        let dead = server::member_at(server::closed_port());
        let cluster = Cluster::of(vec![server.database().await, dead, server.database().await]);
        let ask = async |shards: Shards| {
            let replies = cluster.ask(shards, "SELECT current_database()", ());
            replies.all(Instant::now() + Duration::from_secs(5)).await.remove(0)
        };
        for index in [0, 2] {
            let outcome = ask(Shards::At(index)).await;
            assert_eq!(outcome.node, cluster.spec.members[index].node, "{}", outcome.msg);
            assert!(outcome.node.ends_with(&crate::text_of(&cell(&outcome, 0, 0))));
        }
        // No other member replaces a shard that is gone, because no other has its rows.
        let gone = ask(Shards::At(1)).await;
        assert_eq!((gone.reason, gone.attempts), (Reason::Refused, 1));
        let none = ask(Shards::At(3)).await;
        assert_eq!(none.reason, Reason::Unsendable);
        assert!(none.msg.contains("@mydb has 3 members") && none.msg.contains("no shard 3"), "{}", none.msg);
        let owner = |place: u64| ask(Shards::Of(place));
        let (first, again) = (owner(1).await, owner(1).await);
        assert_eq!(first.node, again.node);
    });
}
