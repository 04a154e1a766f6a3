//! Overload: of the actor, and of the connections of one member; and the report of the actor about it.

use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{closed_port, fine, hanging};
use super::*;

#[test]
fn the_hundred_and_first_hanging_call_is_refused_at_once() {
    in_system(async {
        let there = hanging();
        let cluster = Started::admitting(spec(&[there.port]), Admission { in_flight: 100 });
        let deadline = after(5_000);
        let hung: Vec<_> = (0..100).map(|_| cluster.ask(Spread::All, call(), deadline)).collect();
        eventually("all hundred arrive", || there.seen.requests() == 100).await;
        let begun = Instant::now();
        let outcomes = cluster.ask(Spread::All, call(), deadline).all(deadline).await;
        assert!(begun.elapsed() < bound(Duration::from_millis(50), Duration::from_secs(4)));
        assert_eq!((outcomes[0].status, outcomes[0].reason), (Status::NotConnected, Reason::NotAdmitted));
        assert_eq!(there.seen.requests(), 100);

        // Their departure makes room again.
        drop(hung);
        eventually("all hundred are closed", || there.seen.eofs() == 100).await;
        let deadline = after(100);
        let outcomes = cluster.ask(Spread::All, call(), deadline).all(deadline).await;
        assert_eq!(outcomes[0].reason, Reason::Deadline);
    });
}

#[test]
fn a_call_that_found_no_connection_was_not_sent() {
    in_system(async {
        let there = hanging();
        let cluster = Started::new(ClusterSpec { connections: 2, ..spec(&[there.port]) });
        let deadline = after(300);
        let three: Vec<_> = (0..3).map(|_| cluster.ask(Spread::All, call(), deadline)).collect();
        let mut told = Vec::new();
        for replies in three {
            told.extend(replies.all(deadline).await.into_iter().map(|outcome| (outcome.status, outcome.reason)));
        }
        let (late, unsent) = ((Status::Timeout, Reason::Deadline), (Status::NotConnected, Reason::NoPermit));
        assert_eq!(told, [late, late, unsent]);
        assert_eq!(there.seen.requests(), 2);
    });
}

#[test]
fn a_call_waits_for_a_connection_and_then_gets_it() {
    in_system(async {
        let there = fine("a");
        let cluster = Started::new(ClusterSpec { connections: 1, ..spec(&[there.port]) });
        let deadline = after(2_000);
        let many: Vec<_> = (0..20).map(|_| cluster.ask(Spread::All, call(), deadline)).collect();
        for replies in many {
            let outcomes = replies.all(deadline).await;
            assert!(outcomes[0].is_ok(), "{outcomes:?}");
        }
        assert_eq!((there.seen.connections(), there.seen.requests()), (1, 20));
    });
}

#[test]
fn a_hanging_member_does_not_use_up_the_connections_of_the_others() {
    in_system(async {
        let (slow, quick) = (hanging(), fine("a"));
        let cluster = Started::new(ClusterSpec { connections: 3, ..spec(&[slow.port, quick.port]) });
        let deadline = after(500);
        let many: Vec<_> = (0..30).map(|_| cluster.ask(Spread::All, call(), deadline)).collect();
        for replies in many {
            let outcomes = replies.all(deadline).await;
            assert!(outcomes[1].is_ok(), "{outcomes:?}");
        }
    });
}

#[test]
fn the_report_counts_every_outcome() {
    in_system(async {
        let (good, slow, dead) = (fine("a"), hanging(), closed_port());
        let cluster = Started::new(spec(&[good.port, slow.port, dead]));
        let deadline = after(200);
        cluster.ask(Spread::All, call(), deadline).all(deadline).await;
        let deadline = after(5_000);
        let mut replies = cluster.ask(Spread::All, call(), deadline);
        // The outcomes of the dead and the good member have arrived, so they are not cancelled.
        for _ in 0..2 {
            replies.next(deadline).await.expect("an outcome");
        }
        eventually("the second call arrives", || slow.seen.requests() == 2).await;
        drop(replies);
        eventually("it is gone", || slow.seen.eofs() == 2).await;

        let deadline = after(1_000);
        let told = cluster.post.reporter().report(deadline).all(deadline).await.remove(0).0;
        let members = match field(&told, "members") {
            Value::List(members) => members.clone(),
            other => panic!("{other:?}"),
        };
        let number = |member: &Value, name: &str| match field(member, name) {
            Value::Int(number) => *number,
            other => panic!("{name}: {other:?}"),
        };
        let counts = |member: &Value| {
            ["sent", "ok", "timed_out", "cancelled", "not_connected", "in_flight"].map(|name| number(member, name))
        };
        assert_eq!(counts(&members[0]), [2, 2, 0, 0, 0, 0]);
        assert_eq!(counts(&members[1]), [2, 0, 1, 1, 0, 0]);
        assert_eq!(counts(&members[2]), [0, 0, 0, 0, 2, 0]);
        assert_eq!(field(field(&members[2], "last_error"), "reason"), &Value::String("refused".to_owned()));
        assert!(number(field(&members[2], "last_error"), "when") > 1_600_000_000);
        assert_eq!(number(field(&members[0], "latency"), "count"), 2);
        assert_eq!(number(&members[0], "connections"), 100);
    });
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value {
        Value::Map(map) => map.get(name).unwrap_or_else(|| panic!("no {name} in {value:?}")),
        other => panic!("no map: {other:?}"),
    }
}
