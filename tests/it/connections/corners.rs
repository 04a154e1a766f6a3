//! Where two rules of connections meet: an offer at a service that reads its body, a client that leaves behind a full
//! queue, an end behind a reply, a body that is read while the answer is sent.

use std::time::{Duration, Instant};

use super::{CEILING, SECOND, beside_a_healthy_client, get, last};
use crate::harness::{TestServer, eventually};

fn services() -> TestServer {
    TestServer::site().server("body_timeout", "1s").route("/at = services").start()
}

#[test]
fn an_offer_at_a_service_that_reads_its_body_is_no_body() {
    let site = services();
    for (offer, length) in [
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", "Content-Length: 0\r\n"),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n", ""),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Content-Length: 0\r\n"),
        ("", "Content-Length: 0\r\n"),
    ] {
        let mut conn = site.conn();
        conn.send(format!("POST /at/echo HTTP/1.1\r\nHost: h\r\n{offer}{length}\r\n") + &get("/at/deep/behind"));
        assert_eq!(conn.read().expect_code(201).text(), "/at/echo 0", "{offer}");
        assert_eq!(conn.read().expect_code(200).text(), "deep behind", "{offer}");
    }
    // A GET that offers a WebSocket could be one, so its body is waited for, within the time of a body.
    let (mut conn, since) = (site.conn(), Instant::now());
    conn.send("GET /at/read HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(conn.read().expect_code(200).text(), "0 octets");
    assert!(since.elapsed() < CEILING, "{:?}", since.elapsed());
}

#[test]
fn a_client_that_leaves_behind_a_full_queue_is_seen_to() {
    let site = TestServer::site().start();
    site.get("/nothing").expect_code(204);
    let descriptors = site.descriptors();
    beside_a_healthy_client(&site, || {
        for more in [0, 16 * 1024, 100_000] {
            for is_reset in [false, true] {
                let mut conn = site.conn();
                conn.send(get("/quiet"));
                conn.read_head().expect_code(200);
                conn.send_what_fits(&vec![b'x'; more]);
                if is_reset {
                    conn.reset();
                }
            }
        }
    });
    eventually("every descriptor is back", || (site.descriptors() <= descriptors).then_some(()));
}

#[test]
fn an_end_does_not_wait_for_the_rest_of_a_body() {
    let site = TestServer::site().start();
    let mut conn = site.conn();
    conn.send("POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx");
    conn.read().expect_code(404);
    let (status, took, log, _) = site.stop();
    assert!(status.success() && took < Duration::from_secs(4), "{status} after {took:?}: {log}");
}

#[test]
fn a_head_of_a_stream_says_no_length() {
    let site = TestServer::site().start();
    for path in ["/letters?chunks=1", "/pieces?pieces=1"] {
        let head = site.ask("HEAD", path, &[], b"").expect_code(200);
        assert_eq!((head.header("content-length"), head.header("transfer-encoding")), ("", "chunked"), "{path}");
    }
    assert_eq!(site.ask("HEAD", "/large?bytes=9", &[], b"").header("content-length"), "9");
}

#[test]
fn no_100_comes_in_the_midst_of_a_reply() {
    let site = services();
    let head = "POST /at/lazy HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut conn = site.conn();
    conn.send(head);
    let (rest, _) = conn.until_end();
    let reply = String::from_utf8_lossy(&rest);
    assert!(reply.starts_with("HTTP/1.1 200") && !reply.contains(" 100 "), "{reply}");
    // A client that sends it all the same has it back.
    let mut conn = site.conn();
    conn.send(head.replace("Expect: 100-continue\r\n", "") + "hello" + &last("/nothing"));
    assert_eq!(conn.read().expect_code(200).text(), "hello");
    conn.read().expect_code(204);
}

#[test]
fn a_body_that_stops_while_it_is_echoed_has_its_time() {
    let site = services();
    let (mut conn, since) = (site.conn(), Instant::now());
    conn.send("POST /at/lazy HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhello");
    conn.read_head().expect_code(200);
    assert!(conn.was_reset() || eventually("the connection is cut", || conn.was_reset().then_some(true)));
    assert!(since.elapsed() > SECOND / 2 && since.elapsed() < CEILING, "{:?}", since.elapsed());
}
