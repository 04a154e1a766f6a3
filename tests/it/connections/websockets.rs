//! The demo's WebSocket with two foreign clients: messages in fragments, pings between them, every end, large frames.

use super::{beside_a_healthy_client, get};
use crate::harness::foreign::{node, python};
use crate::harness::{TestServer, eventually};

/// What both clients print when all went well: the codes with which their connections ended, and the refusals: of a
/// path where there is none, and of a version of the protocol that is not spoken.
const TOLD: [&str; 6] = ["1000", "1001", "3001", "4999", "404", "426"];

#[test]
fn pythons_client_is_answered_in_full() {
    let demo = TestServer::demo().start();
    let answer = python("websocket_frames.py", &[&demo.port().to_string()]);
    assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), TOLD[..5], "{answer}");
    demo.get("/hello").expect_code(200);
}

#[test]
fn nodes_client_is_answered_in_full() {
    let demo = TestServer::demo().start();
    let answer = node("websocket_frames.js", &[&demo.port().to_string()]);
    assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), TOLD, "{answer}");
    demo.get("/hello").expect_code(200);
}

#[test]
fn a_client_that_leaves_its_websocket_gives_everything_back() {
    let demo = TestServer::demo().start();
    demo.get("/hello").expect_code(200);
    let descriptors = demo.descriptors();
    for round in 0..30 {
        let mut conn = demo.conn();
        conn.send(get("/websocket/echo").replace(
            "\r\n\r\n",
            "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ));
        conn.read_head().expect_code(101);
        conn.send(b"\x81\x82\0\0\0\0ok");
        assert_eq!(conn.sip(4).expect("an echo"), b"\x81\x02ok");
        if round % 2 == 0 { drop(conn) } else { conn.reset() }
    }
    eventually("the descriptors are given back", || (demo.descriptors() <= descriptors + 1).then_some(()));
}

#[test]
fn websockets_and_requests_do_not_disturb_each_other() {
    let site = TestServer::site().route("/demo = services").start();
    // A service that takes no upgrade, beside pages.
    beside_a_healthy_client(&site, || {
        for _ in 0..20 {
            let reply = site.ask("GET", "/demo/deep/x", &[("Connection", "Upgrade"), ("Upgrade", "websocket")], b"");
            assert_eq!(reply.expect_code(200).text(), "deep x");
        }
    });
}
