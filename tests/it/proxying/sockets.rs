//! WebSockets through the proxy: what clients and members from elsewhere see is what they see of each other, and a
//! server that closes says so between two frames.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::member::Talk;
use super::tunnels::{ACCEPTED, ask, open};
use super::{RawMember, before};
use crate::harness::foreign::{Server, node, python};
use crate::harness::{End, TestServer};

/// 1001 as a server sends it.
const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";

/// The Close of a client, with its code.
#[track_caller]
fn closed_with(talk: &mut Talk) -> Option<u16> {
    let head = talk.take(8)?;
    assert_eq!(head[..2], [0x88, 0x82], "{head:?}");
    Some(u16::from_be_bytes([head[6] ^ head[2], head[7] ^ head[3]]))
}

#[test]
fn a_client_and_a_server_from_elsewhere_see_no_proxy() {
    let told = |base: &str| {
        let told = python("websocket_told.py", &[base]);
        assert!(told.contains("ended without a word"), "{told}");
        told
    };
    let server = Server::start("tests/interop/websocket_server.py", [""; 0]);
    let direct = told(&format!("ws://127.0.0.1:{}", server.port));
    let server = Server::start("tests/interop/websocket_server.py", [""; 0]);
    let site = TestServer::site()
        .route("/articles = @web")
        .section(&format!("[@web]\nmembers = 127.0.0.1:{}", server.port))
        .start();
    assert_eq!(told(&format!("ws://127.0.0.1:{}/articles", site.port())), direct);
    assert!(direct.contains("permessage-deflate") && direct.contains("v1.talk"), "{direct}");
}

#[test]
fn the_demos_clients_are_answered_through_the_proxy() {
    let demo = TestServer::demo().start();
    let site = TestServer::site()
        .route("/websocket = @web/websocket")
        .section(&format!("[@web]\nmembers = 127.0.0.1:{}", demo.port()))
        .start();
    let told = ["1000", "1001", "3001", "4999", "404", "426"];
    let answer = python("websocket_frames.py", &[&site.port().to_string()]);
    assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), told[..5], "{answer}");
    let answer = node("websocket_frames.js", &[&site.port().to_string()]);
    assert_eq!(answer.split_whitespace().collect::<Vec<_>>(), told, "{answer}");
    // The proxy goes away, the member stays.
    let said = python("websocket_closing.py", &[&site.port().to_string(), &site.id().to_string()]);
    assert_eq!(said.trim(), "1001");
    let (status, took, log, _) = site.ended();
    assert!(status.success() && took < Duration::from_secs(15) && log.contains("nothing was cut"), "{took:?}: {log}");
    demo.get("/hello").expect_code(200);
}

#[test]
fn goodbye_is_said_between_two_frames() {
    // The server is told to end while either side is within a frame.
    let ((go, waits), (tell, told)) = (mpsc::channel::<()>(), mpsc::channel());
    let (waits, tell) = (Arc::new(Mutex::new(waits)), Arc::new(Mutex::new(tell)));
    let member = RawMember::start(move |talk| {
        talk.head()?;
        let (waits, tell) = (waits.lock().unwrap(), tell.lock().unwrap());
        talk.send(ACCEPTED)?;
        // 1000 octets, in a frame with a long length, of which the first half comes.
        talk.send(b"\x02\x7e\x03\xe8")?;
        talk.send([7; 500])?;
        waits.recv().ok()?;
        // Behind it another frame, which the client no longer gets.
        talk.send([&[7; 500][..], b"\x80\x01x"].concat())?;
        tell.send(talk.take(10)?).ok()?;
        tell.send(closed_with(talk)?.to_be_bytes().to_vec()).ok()?;
        talk.send(GOING_AWAY)?;
        None
    });
    let site = before(&member).start();
    let mut conn = open(&site);
    assert_eq!(conn.take(504).unwrap()[504 - 4..], [7; 4]);
    // Half of a masked frame of 4 octets.
    conn.send(b"\x82\x84\x01\x02\x03\x04ab");
    site.signal("TERM");
    assert!(conn.is_silent_for(Duration::from_millis(300)), "not within a frame");
    go.send(()).unwrap();
    let rest = conn.take(504).expect("the frame to its end, and the word behind it");
    assert_eq!((&rest[..500], &rest[500..]), (&[7; 500][..], GOING_AWAY));
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "the member is told behind the client's frame");
    conn.send(b"cd\x82\x81\0\0\0\0x");
    assert_eq!(told.recv().unwrap(), b"\x82\x84\x01\x02\x03\x04abcd");
    assert_eq!(told.recv().unwrap(), 1001_u16.to_be_bytes());
    conn.send(b"\x88\x82\0\0\0\0\x03\xe9");
    assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
    let (status, took, log, _) = site.ended();
    assert!(status.success() && took < Duration::from_secs(15) && log.contains("nothing was cut"), "{took:?}: {log}");
}

#[test]
fn who_has_said_goodbye_is_told_no_other() {
    let (go, waits) = mpsc::channel::<()>();
    let waits = Arc::new(Mutex::new(waits));
    let member = RawMember::start(move |talk| {
        talk.head()?;
        talk.send(ACCEPTED)?;
        assert_eq!(closed_with(talk), Some(1000));
        waits.lock().unwrap().recv().ok()?;
        talk.send(b"\x81\x01x\x88\x02\x03\xe8")?;
        None
    });
    let site = before(&member).start();
    let mut conn = open(&site);
    conn.send(b"\x88\x82\0\0\0\0\x03\xe8");
    site.signal("TERM");
    assert!(conn.is_silent_for(Duration::from_millis(300)));
    go.send(()).unwrap();
    assert_eq!(conn.until_end(), (b"\x81\x01x\x88\x02\x03\xe8".to_vec(), End::Finished));
    assert!(site.ended().0.success());
}

#[test]
fn one_that_is_silent_ends() {
    let (tell, told) = mpsc::channel();
    let tell = Arc::new(Mutex::new(tell));
    let member = RawMember::start(move |talk| {
        let is_chat = talk.head()?.contains("upgrade: chat");
        let accepted = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
        talk.send(if is_chat { accepted } else { ACCEPTED })?;
        let code = if is_chat { None } else { closed_with(talk) };
        tell.lock().unwrap().send((code, talk.is_left())).ok()
    });
    let site = before(&member).section("[mount /articles]\nproxy_idle = 300ms\nproxy_upgrade = chat").start();
    let mut conn = open(&site);
    assert_eq!(conn.until_end(), (GOING_AWAY.to_vec(), End::Finished));
    assert_eq!(told.recv().unwrap(), (Some(1001), true));
    let mut conn = ask(&site, "Connection: upgrade\r\nUpgrade: chat\r\n");
    conn.read_head().expect_code(101);
    assert_eq!(conn.until_end(), (Vec::new(), End::Reset));
    assert_eq!(told.recv().unwrap(), (None, true));
}
