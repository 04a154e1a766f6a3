//! The way to another protocol: which ones are offered, and after what answer they are spoken.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::tunnels::{ACCEPTED, WEBSOCKET, ask, echo};
use super::{RawMember, before};
use crate::harness::End;

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

#[test]
fn the_handshake_goes_on_and_nothing_else_of_the_connection() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        assert!(talk.is_silent_for(Duration::from_millis(200)), "nothing of it comes before the answer");
        // The first frame stands in one piece with the head.
        talk.send(ACCEPTED.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: b\r\nX-Own: 1\r\n\r\n\x01\x05first"))?;
        echo(talk)
    });
    let site = before(&member).start();
    let mut conn = ask(
        &site,
        &format!(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\
             Sec-WebSocket-Protocol: a, b\r\nOrigin: https://a.example\r\n{WEBSOCKET}\r\n\x01\x05early"
        ),
    );
    let reply = conn.read_head().expect_code(101);
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "b"),
        ("x-own", "1"),
        ("content-length", ""),
        ("transfer-encoding", ""),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    assert_eq!(conn.take(7).unwrap(), b"\x01\x05first");
    // The harness ended its head with an empty line of its own.
    assert_eq!(conn.take(9).unwrap(), b"\x01\x05early\r\n");
    let asked = member.only();
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "a, b"),
        ("origin", "https://a.example"),
        ("http2-settings", ""),
        ("content-length", ""),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    assert!(!asked.head.contains("h2c"), "{}", asked.head);
    conn.send("more");
    assert_eq!(conn.take(4).unwrap(), b"more");
}

#[test]
fn http_2_and_what_nobody_names_never_go_on() {
    let member = RawMember::answering(FINE);
    let site = before(&member).section("[mount /articles]\nproxy_upgrade = chat").start();
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: H2C\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, TLS/1.0\r\nUpgrade: irc/6.9\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: chat\r\n",
        "Connection: HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    ] {
        let mut conn = ask(&site, lines);
        assert_eq!(conn.read().expect_code(200).text(), "fine", "{lines}");
        // A request with a body offers nothing.
        conn.send(format!("POST /articles/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n{lines}\r\nhi"));
        assert_eq!(conn.read().expect_code(200).text(), "fine", "{lines}");
    }
    for asked in member.asked() {
        for gone in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(asked.header(gone), "", "{}", asked.head);
        }
    }
    assert_eq!(member.asked().len(), 12);
    // Nor does a WebSocket without its key.
    let mut conn = ask(&site, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    assert!(conn.read().expect_code(400).text().contains("Sec-WebSocket-Key"));
    assert_eq!(member.asked().len(), 12);
    for (value, why) in [("h2c", "HTTP/2 is not spoken to members"), ("a b", "names of protocols")] {
        let section = format!("[mount /articles]\nproxy_upgrade = {value}");
        let (_, said) = before(&member).section(&section).start_refused();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_protocol_that_the_mount_names_half_closes() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        talk.send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n\
             hello",
        )?;
        let mut all = Vec::new();
        while let Some(some) = talk.some() {
            all.extend(some);
        }
        talk.send(format!("{} octets", all.len()))?;
        None
    });
    let site = before(&member).section("[mount /articles]\nproxy_upgrade = irc/6.9, chat").start();
    let mut conn = ask(&site, "Connection: Upgrade\r\nUpgrade: h2c, chat, irc/6.9\r\n");
    assert_eq!(conn.read_head().expect_code(101).header("upgrade"), "chat");
    assert_eq!(member.only().header("upgrade"), "chat");
    conn.send(vec![0; 300_000]).half_close();
    assert_eq!(conn.until_end(), (b"hello300000 octets".to_vec(), End::Finished));
}

#[test]
fn only_the_right_101_is_believed() {
    let with = |from: &str, to: &str| ACCEPTED.replace(from, to);
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    for (answer, why) in [
        (with("s3pP", "s3pQ"), "without the `sec-websocket-accept`"),
        (with(accept, ""), "without the `sec-websocket-accept`"),
        (with(accept, &accept.repeat(2)), "without the `sec-websocket-accept`"),
        (with("Upgrade: websocket", "Upgrade: h2c"), "another protocol"),
        (with("Upgrade: websocket\r\n", ""), "another protocol"),
        (with("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket"), "another protocol"),
        (with("Connection: Upgrade", "Connection: close"), "without `connection: upgrade`"),
    ] {
        let (tell, told) = mpsc::channel();
        let tell = Arc::new(Mutex::new(tell));
        let member = RawMember::start({
            let answer = answer.clone();
            move |talk| {
                talk.request()?;
                talk.send(&answer)?;
                tell.lock().unwrap().send(talk.is_left()).ok()
            }
        });
        let site = before(&member).start();
        let mut conn = ask(&site, WEBSOCKET);
        let reply = conn.read().expect_code(502);
        assert!(reply.text().contains(why), "{answer}: {}", reply.text());
        assert!(told.recv().unwrap(), "its connection is closed: {answer}");
        conn.send("GET /no/such HTTP/1.1\r\nHost: h\r\n\r\n").read().expect_code(404);
    }
    // And none at all where nobody asked for it.
    let member = RawMember::answering(ACCEPTED);
    let site = before(&member).start();
    for lines in ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        assert!(ask(&site, lines).read().expect_code(502).text().contains("101"), "{lines}");
    }
}

#[test]
fn another_answer_is_an_answer() {
    let (tell, told) = mpsc::channel();
    let tell = Arc::new(Mutex::new(tell));
    let member = RawMember::start(move |talk| {
        talk.request()?;
        talk.send(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 426 No\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno",
        )?;
        tell.lock().unwrap().send(talk.is_silent_for(Duration::from_millis(200))).ok()
    });
    let site = before(&member).start();
    let mut conn = ask(&site, WEBSOCKET);
    assert_eq!(conn.read().expect_code(426).text(), "no");
    assert!(told.recv().unwrap());
    conn.send("GET /articles/b HTTP/1.1\r\nHost: h\r\n\r\n").read().expect_code(426);
    assert!(told.recv().unwrap());
    assert_eq!(member.connections(), 1, "the connection was kept");
    // Frames that came too early are no request of the member's.
    let mut conn = ask(&site, &format!("{WEBSOCKET}\r\n\x01\x05early"));
    conn.read().expect_code(426);
    assert!(told.recv().unwrap(), "the member got nothing behind the request");
    conn.read().expect_code(400);
    assert_eq!(member.asked().len(), 3);
}
