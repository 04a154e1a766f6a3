//! Every state of a connection has its clock: a head from its first octet (the first one from the accept), the silence
//! between requests, and nothing else. What works or waits for an event is not hurried.

use std::time::{Duration, Instant};

use super::{CEILING, SECOND, beside_a_healthy_client, get, last, logged, refused};
use crate::harness::{Conn, Scenario, TestServer, eventually};

/// Heads have a second; between requests there is more time than any of these tests has.
fn quick_heads() -> Scenario {
    TestServer::site().server("head_timeout", "1s").server("access_log", "access.log")
}

/// Every clock that a test may shorten has a second.
fn quick() -> Scenario {
    quick_heads().server("keep_alive", "1s").server("send_timeout", "1s")
}

/// A connection on which one request was answered, and stays.
fn used(site: &TestServer) -> Conn {
    let mut conn = site.conn();
    conn.send(get("/defaults?needed=7"));
    assert_eq!(conn.read().expect_code(200).json()["needed"], 7);
    conn
}

#[test]
fn one_octet_of_a_second_head_has_the_time_of_a_head() {
    let site = quick_heads().start();
    // Its port is open before its threads are: it answers once it has all it opens.
    drop(used(&site));
    let descriptors = site.descriptors();
    beside_a_healthy_client(&site, || {
        let mut begun: Vec<(Conn, Instant)> = (0..200)
            .map(|_| {
                let mut conn = used(&site);
                conn.send("G");
                (conn, Instant::now())
            })
            .collect();
        for (conn, since) in &mut begun {
            refused(conn, 408);
            assert!(since.elapsed() < CEILING * 2, "it was ended after {:?}", since.elapsed());
        }
        logged(&site, begun[0].0.own_port(), 408);
    });
    // A thread that had not begun when they were counted has a handful of its own.
    eventually("the descriptors are given back", || (site.descriptors() <= descriptors + 20).then_some(()));
    assert!(!site.stop().2.contains("ERROR"), "a client's silence is no fault of ours");
}

#[test]
fn a_later_head_that_stops_anywhere_is_ended() {
    let site = quick_heads().start();
    let whole = "GET /defaults?needed=1 HTTP/1.1\r\nHost: h\r\nX-Long: 0123456789\r\n";
    beside_a_healthy_client(&site, || {
        // Behind an answer, at every kind of place.
        let mut stopped: Vec<Conn> = [3, 20, 33, 35, 40, whole.len() - 1, whole.len()]
            .map(|at| {
                let mut conn = used(&site);
                conn.send(&whole[..at]);
                conn
            })
            .into();
        // Along with the request before it.
        let mut behind = site.conn();
        behind.send(get("/defaults?needed=7") + "GE");
        behind.read().expect_code(200);
        stopped.push(behind);
        // Behind a body.
        let mut posted = site.conn();
        posted.send(
            "POST /noted/clocks/post HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabcP",
        );
        posted.read().expect_code(200);
        stopped.push(posted);
        let since = Instant::now();
        for conn in &mut stopped {
            refused(conn, 408);
        }
        assert!(since.elapsed() < CEILING, "they were ended after {:?}", since.elapsed());
    });
}

#[test]
fn octets_that_drip_earn_no_time() {
    let site = quick_heads().start();
    beside_a_healthy_client(&site, || {
        for mut conn in [site.conn(), used(&site)] {
            let since = Instant::now();
            conn.send("GET /defaults?needed=1 HTTP/1.1\r\nX-Drip: ");
            while conn.is_silent_for(Duration::from_millis(50)) {
                assert!(since.elapsed() < CEILING, "it still takes octets after {:?}", since.elapsed());
                conn.send_reluctantly(b"x");
            }
            assert!(since.elapsed() > SECOND / 2, "it had its time: {:?}", since.elapsed());
            // The octets that were sent into the end may have taken the words with them.
            if let Some(reply) = conn.try_read(true) {
                reply.expect_code(408);
            }
        }
    });
}

#[test]
fn a_connection_that_says_nothing_has_the_time_of_its_first_head() {
    let site = quick_heads().start();
    beside_a_healthy_client(&site, || {
        for said in ["", "\r\n", "\r\n\r\n"] {
            let since = Instant::now();
            let mut conn = site.conn();
            conn.send(said);
            // Who asked nothing may be left without words.
            if let Some(reply) = conn.try_read(true) {
                reply.expect_code(408);
            }
            assert!(conn.ends() && since.elapsed() > SECOND / 2 && since.elapsed() < CEILING, "{:?}", since.elapsed());
        }
    });
}

#[test]
fn a_head_in_pieces_within_its_time_is_served() {
    let site = TestServer::site().server("head_timeout", "4s").start();
    let mut conn = used(&site);
    for turn in 0..3 {
        for piece in last("/defaults?needed=5").replace("Connection: close\r\n", "").as_bytes().chunks(16) {
            assert!(conn.is_silent_for(Duration::from_millis(20)));
            conn.send(piece);
        }
        assert_eq!(conn.read().expect_code(200).json()["needed"], 5, "turn {turn}");
    }
}

#[test]
fn silence_between_requests_ends_without_a_word() {
    let site = quick_heads().server("keep_alive", "1s").start();
    beside_a_healthy_client(&site, || {
        let mut idle: Vec<Conn> = (0..50).map(|_| used(&site)).collect();
        let since = Instant::now();
        for conn in &mut idle {
            assert!(conn.try_read(true).is_none() && conn.ends(), "nobody asked anything");
        }
        assert!(since.elapsed() > SECOND / 2 && since.elapsed() < CEILING, "they ended after {:?}", since.elapsed());
        // Each answer begins the time anew.
        let mut conn = used(&site);
        for turn in 0..6 {
            assert!(conn.is_silent_for(Duration::from_millis(400)), "turn {turn}");
            conn.send(get("/defaults?needed=7"));
            conn.read().expect_code(200);
        }
    });
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn the_time_of_a_head_does_not_run_between_requests() {
    let site = quick_heads().server("keep_alive", "10s").start();
    let mut conn = used(&site);
    assert!(conn.is_silent_for(SECOND * 5 / 2), "nothing has begun");
    conn.send(get("/defaults?needed=7"));
    conn.read().expect_code(200);
}

#[test]
fn a_handler_at_work_and_a_silent_stream_are_not_hurried() {
    let site = quick().start();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut working = site.begin("/slept?millis=3300");
            assert_eq!(working.read().expect_code(200).text(), "slept 3300");
            working.send(get("/defaults?needed=7"));
            working.read().expect_code(200);
        });
        threads.spawn(|| {
            let mut pieces = site.begin("/pieces?pieces=2&millis=1300");
            assert_eq!(pieces.read().expect_code(200).body.len(), 2 << 16);
        });
        let mut events = site.begin("/quiet");
        events.read_head().expect_code(200);
        assert_eq!(events.next_chunk().expect("the first event"), b"data: \"here\"\n\n");
        assert!(events.is_silent_for(SECOND * 33 / 10), "nothing waits to be sent, and it is not ended");
    });
}

#[test]
fn a_silent_websocket_is_not_ended() {
    let demo = TestServer::demo()
        .server("head_timeout", "1s")
        .server("keep_alive", "1s")
        .server("body_timeout", "1s")
        .server("send_timeout", "1s")
        .start();
    let mut conn = demo.conn();
    conn.send(
        "GET /websocket/echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let reply = conn.read_head().expect_code(101);
    assert_eq!(reply.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(conn.is_silent_for(SECOND * 33 / 10), "nothing was said");
    // A text of two letters, masked with zeros, comes back unmasked.
    conn.send(b"\x81\x82\0\0\0\0ok");
    assert_eq!(conn.sip(4).expect("an echo"), b"\x81\x02ok");
}
