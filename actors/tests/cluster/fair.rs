//! The calls of one request beside those of others: how they share the connections of a member.

use std::cell::RefCell;
use std::io::Write as _;

use futures_util::future::{join, join_all};
use skitai_actors::Reason;
use skitai_actors::kit::Party;
use skitai_actors::wire::Value;

use super::member::{After, Member, hanging, member};
use super::*;

const DOCUMENT: &str = "<?xml version='1.0'?><methodResponse><params><param><value><string>here</string></value>\
                        </param></params></methodResponse>";

/// A member that takes this long for each call.
fn works(time: Duration) -> Member {
    member(move |stream, _| {
        #[expect(clippy::disallowed_methods, reason = "the thread of one connection of a member, which works")]
        std::thread::sleep(time);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", DOCUMENT.len());
        drop(stream.write_all([head.as_bytes(), DOCUMENT.as_bytes()].concat().as_slice()));
        After::KeepAlive
    })
}

impl Started {
    fn ask_for(&self, party: u64, deadline: Instant) -> Replies<Outcome> {
        let lineup = self.roster.lineup();
        let slots = lineup.slots(Spread::All);
        let call = Call { lineup, spread: Spread::All, request: call() };
        self.post.ask_for(Party::of(party), call, slots, None, deadline)
    }
}

#[test]
fn a_request_of_many_calls_lets_those_of_others_go_first() {
    in_system(async {
        for connections in [1, 4] {
            let there = works(Duration::from_millis(10));
            let cluster = Started::new(ClusterSpec { connections, ..spec(&[there.port]) });
            let deadline = after(20_000);
            let answered = RefCell::new(Vec::new());
            let wait = async |name: &'static str, replies: Replies<Outcome>| {
                let outcome = replies.all(deadline).await.remove(0);
                assert!(outcome.is_ok() && outcome.data == Value::String("here".to_owned()), "{outcome:?}");
                answered.borrow_mut().push(name);
            };
            // At most twenty may wait for a single connection.
            let large: Vec<_> = (0..16).map(|_| cluster.ask_for(1, deadline)).collect();
            let others: Vec<_> = (2..6).map(|party| cluster.ask_for(party, deadline)).collect();
            let large = join_all(large.into_iter().map(|replies| wait("large", replies)));
            join(large, join_all(others.into_iter().map(|replies| wait("other", replies)))).await;
            let answered = answered.borrow();
            let last = answered.iter().rposition(|name| *name == "other").expect("four others");
            // First those under way at its start, then one of each in turn.
            assert!(last <= connections + 8, "the last of the others was number {last}: {answered:?}");
            assert_eq!((answered.len(), there.seen.requests()), (20, 20));
        }
    });
}

#[test]
fn a_request_alone_has_every_connection() {
    in_system(async {
        let there = hanging();
        let cluster = Started::new(ClusterSpec { connections: 6, ..spec(&[there.port]) });
        let deadline = after(5_000);
        let many: Vec<_> = (0..20).map(|_| cluster.ask_for(1, deadline)).collect();
        eventually("six arrive", || there.seen.requests() == 6).await;
        drop(many);
    });
}

#[test]
fn a_request_that_fills_the_room_to_wait_makes_some_for_others() {
    in_system(async {
        let there = hanging();
        let cluster = Started::new(ClusterSpec { connections: 2, ..spec(&[there.port]) });
        let deadline = after(2_000);
        // Two have a connection and twenty wait: the queue is full.
        let large: Vec<_> = (0..22).map(|_| cluster.ask_for(1, deadline)).collect();
        eventually("two arrive", || there.seen.requests() == 2).await;
        let over = cluster.ask_for(1, deadline).all(deadline).await.remove(0);
        assert_eq!(over.reason, Reason::NoPermit, "not for one of its own: {}", over.msg);
        assert!(over.msg.contains("20 calls wait for one"), "{}", over.msg);
        let other = cluster.ask_for(2, deadline);
        let mut large = large.into_iter().rev();
        let sent_away = large.next().expect("twenty-two").all(deadline).await.remove(0);
        assert_eq!(sent_away.reason, Reason::NoPermit, "{}", sent_away.msg);
        assert!(sent_away.msg.contains("makes room for others"), "{}", sent_away.msg);
        assert_eq!(there.seen.requests(), 2);
        drop(large);
        eventually("the other arrives, and no call is left", || there.seen.requests() == 3).await;
        drop(other);
    });
}
