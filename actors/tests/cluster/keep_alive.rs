//! Connections: kept, found closed, returned, closed.

use std::io::Write;

use skitai_actors::{Reason, Status};

use super::member::{After, answer, fine, hanging, member, xml};
use super::*;

#[test]
fn a_connection_is_used_again() {
    in_system(async {
        let there = fine("a");
        let cluster = Started::new(spec(&[there.port]));
        for _ in 0..5 {
            assert!(cluster.one(call()).await.is_ok());
        }
        assert_eq!((there.seen.connections(), there.seen.requests()), (1, 5));
    });
}

#[test]
fn a_connection_that_was_closed_while_idle_is_no_failure() {
    in_system(async {
        let there = member(|stream, _| {
            answer(stream, "200 OK", "", &xml("a"));
            After::Close
        });
        let cluster = Started::new(spec(&[there.port]));
        for _ in 0..3 {
            let outcome = cluster.one(call()).await;
            assert!(outcome.is_ok(), "{outcome:?}");
            // The thread is kept busy while the close arrives, so that the event loop does not know of it.
            #[expect(clippy::disallowed_methods, reason = "a busy event loop is what this test is about")]
            std::thread::sleep(Duration::from_millis(150));
        }
        assert_eq!((there.seen.connections(), there.seen.requests()), (3, 3));
    });
}

/// It closes after its answer, a little later than the next call may come.
#[test]
fn a_server_of_http_1_0_gets_each_call_on_a_connection_of_its_own_unless_it_keeps_them() {
    in_system(async {
        for (says, after, connections) in
            [("", After::AwaitEof, 3), ("connection: keep-alive\r\n", After::KeepAlive, 1)]
        {
            let there = member(move |stream, _| {
                let xml = xml("a");
                let head = format!("HTTP/1.0 200 OK\r\ncontent-type: text/xml\r\n{says}content-length: {}", xml.len());
                drop(stream.write_all(format!("{head}\r\n\r\n{xml}").as_bytes()));
                after
            });
            let cluster = Started::new(spec(&[there.port]));
            for _ in 0..3 {
                let outcome = cluster.one(call()).await;
                assert!(outcome.is_ok(), "{outcome:?}");
            }
            assert_eq!((there.seen.connections(), there.seen.requests()), (connections, 3), "{says}");
        }
    });
}

#[test]
fn a_fetch_that_meets_a_dying_connection_is_sent_once_more() {
    in_system(async {
        // Answers the first request of a connection, and closes at the second without an answer.
        let there = member({
            let last = std::sync::Mutex::new(None);
            move |stream, _| {
                let peer = stream.peer_addr().unwrap();
                if last.lock().unwrap().replace(peer) == Some(peer) {
                    return After::Close;
                }
                answer(stream, "200 OK", "content-type: text/plain\r\n", "hello");
                After::KeepAlive
            }
        });
        let cluster = Started::new(spec(&[there.port]));
        assert!(cluster.one(Request::get("/")).await.is_ok());
        let outcome = cluster.one(Request::get("/")).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(there.seen.requests(), 3);

        // The same with a POST: it may have run, so it is not sent again.
        let outcome = cluster.one(call()).await;
        assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Closed), "{outcome:?}");
        assert_eq!(there.seen.requests(), 4);
    });
}

#[test]
fn who_leaves_closes_the_members_sockets() {
    in_system(async {
        let there = hanging();
        let cluster = Started::new(spec(&[there.port, there.port]));
        let replies = cluster.ask(Spread::All, call(), after(10_000));
        eventually("both requests arrive", || there.seen.requests() == 2).await;
        let left = Instant::now();
        drop(replies);
        eventually("both members see the end", || there.seen.eofs() == 2).await;
        let seen = there.seen.last_eof.lock().unwrap().unwrap();
        assert!(seen.duration_since(left) < bound(Duration::from_millis(500), Duration::from_secs(5)));
    });
}

#[test]
fn idle_connections_are_closed_without_being_asked() {
    in_system(async {
        let there = fine("a");
        let cluster = Started::new(spec(&[there.port]));
        let deadline = after(2_000);
        let many: Vec<_> = (0..10).map(|_| cluster.ask(Spread::One, call(), deadline)).collect();
        for replies in many {
            assert!(replies.all(deadline).await[0].is_ok());
        }
        let opened = there.seen.connections();
        assert!(opened > 1, "all went over one connection");
        // The keep-alive of 4 s and at most a period of 1 s.
        eventually("the member sees all of them close", || there.seen.eofs() == opened).await;
        eventually("none is left", || sockets_to(there.port).is_empty()).await;
    });
}

#[test]
fn what_the_member_closed_does_not_stay_half_closed() {
    in_system(async {
        let there = member(|stream, _| {
            answer(stream, "200 OK", "", &xml("a"));
            After::Close
        });
        let cluster = Started::new(spec(&[there.port]));
        assert!(cluster.one(call()).await.is_ok());
        eventually("the close arrives", || sockets_to(there.port) == ["08"]).await;
        eventually("it closes, too: CLOSE_WAIT is 08", || sockets_to(there.port).is_empty()).await;
    });
}

/// The kernel's states of this process's connections to the port; time-wait (06) is the kernel's own affair.
fn sockets_to(port: u16) -> Vec<String> {
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[2] == remote && fields[3] != "06")
        .map(|fields| fields[3].to_owned())
        .collect()
}
