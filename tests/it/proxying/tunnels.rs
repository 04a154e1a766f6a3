//! Other protocols behind a 101: how their octets go both ways, and how they end.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::member::Talk;
use super::{RawMember, before};
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conn, End, TestServer, eventually};
use crate::status::basic;

/// What a browser sends for a WebSocket, with the key of RFC 6455.
pub(super) const WEBSOCKET: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// What a member answers to it.
pub(super) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

/// A connection with a request that offers another protocol.
pub(super) fn ask(site: &TestServer, lines: &str) -> Conn {
    let mut conn = site.conn();
    conn.send(format!("GET /articles/talk HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
    conn
}

/// An open WebSocket.
pub(super) fn open(site: &TestServer) -> Conn {
    let mut conn = ask(site, WEBSOCKET);
    conn.read_head().expect_code(101);
    conn
}

/// A member that takes each WebSocket, and does this then.
pub(super) fn taking(conduct: impl Fn(&mut Talk) -> Option<()> + Send + Sync + 'static) -> RawMember {
    RawMember::start(move |talk| {
        talk.request()?;
        talk.send(ACCEPTED)?;
        conduct(talk)?;
        None
    })
}

/// Says back what it gets, until that ends.
pub(super) fn echo(talk: &mut Talk) -> Option<()> {
    loop {
        let some = talk.some()?;
        talk.send(some)?;
    }
}

/// What the status page says of the member.
fn report(site: &TestServer) -> serde_json::Value {
    let login = basic("admin", ADMIN_PASSWORD);
    let headers = [("Authorization", login.as_str()), ("Accept", "application/json")];
    let tree = site.ask("GET", "/status", &headers, b"").expect_code(200).json();
    let found = member_of(&tree);
    found.cloned().unwrap_or_else(|| panic!("{tree:#}"))
}

/// The first map that has `in_flight` and `node`.
fn member_of(tree: &serde_json::Value) -> Option<&serde_json::Value> {
    match tree {
        serde_json::Value::Object(map) if map.contains_key("in_flight") && map.contains_key("node") => Some(tree),
        serde_json::Value::Object(map) => map.values().find_map(member_of),
        serde_json::Value::Array(all) => all.iter().find_map(member_of),
        _ => None,
    }
}

#[test]
fn a_tunnel_holds_its_connection_and_is_counted() {
    let member = taking(echo);
    let site = TestServer::site()
        .route("/articles = @web")
        .section(&format!("[@web]\nmembers = {}\nconnections = 1\nmember_timeout = 200ms", member.node()))
        .server("threads", "1")
        .start();
    let mut held = open(&site);
    assert_eq!(report(&site)["in_flight"], 1);
    ask(&site, WEBSOCKET).read().expect_code(503);
    // It may be silent for longer than an answer.
    assert!(held.is_silent_for(Duration::from_millis(300)));
    held.send("more");
    assert_eq!(held.take(4).unwrap(), b"more");
    drop(held);
    eventually("its connection is given back", || (report(&site)["in_flight"] == 0).then_some(()));
    let mut next = open(&site);
    next.send("next");
    assert_eq!(next.take(4).unwrap(), b"next");
}

#[test]
fn who_breaks_off_is_seen_to_break_off() {
    for is_reset in [false, true] {
        // A frame of 200 octets, of which 3 come.
        let member = taking(move |talk| {
            talk.send(b"\x82\x7e\0\xc8abc")?;
            talk.some()?;
            if is_reset { talk.reset() } else { None }
        });
        let site = before(&member).start();
        let mut conn = open(&site);
        assert_eq!(conn.take(7).unwrap(), b"\x82\x7e\0\xc8abc");
        conn.send("x");
        let end = if is_reset { End::Reset } else { End::Finished };
        assert_eq!(conn.until_end(), (Vec::new(), end), "as the member ended");
        open(&site);
    }
    let (tell, told) = mpsc::channel();
    let tell = Arc::new(Mutex::new(tell));
    let member = taking(move |talk| {
        talk.some()?;
        tell.lock().unwrap().send(talk.is_left()).ok()
    });
    let site = before(&member).start();
    for is_reset in [false, true] {
        let mut conn = open(&site);
        conn.send("x");
        if is_reset {
            conn.reset()
        } else {
            drop(conn)
        }
        assert!(told.recv_timeout(Duration::from_secs(20)).unwrap(), "the member sees that its client left");
    }
    eventually("nothing is left", || (report(&site)["in_flight"] == 0).then_some(()));
}

#[test]
fn each_way_has_its_own_pace() {
    const LENGTH: usize = 30_000_000;
    // The member sends without an end, and reads all the same.
    let (tell, told) = mpsc::channel();
    let tell = Arc::new(Mutex::new(tell));
    let member = taking(move |talk| {
        let stream = Arc::clone(&talk.stream);
        let sender = std::thread::spawn(move || {
            let mut sent = 0_usize;
            while std::io::Write::write_all(&mut &*stream, &[0; 50_000]).is_ok() {
                sent += 50_000;
            }
            sent
        });
        let (mut got, mut room) = (0, vec![0; 64 * 1024]);
        while got < LENGTH {
            got += (&*talk.stream).read(&mut room).ok().filter(|&count| count > 0)?;
        }
        tell.lock().unwrap().send(got).ok()?;
        talk.is_left();
        drop(talk.stream.shutdown(std::net::Shutdown::Both));
        tell.lock().unwrap().send(sender.join().unwrap()).ok()
    });
    let site = before(&member).start();
    let memory = site.memory();
    let mut conn = Conn::narrow(site.port());
    conn.send(format!("GET /articles HTTP/1.1\r\nHost: h\r\n{WEBSOCKET}\r\n"));
    conn.read_head().expect_code(101);
    // It reads nothing of what is sent to it, and sends.
    for _ in 0..LENGTH / 50_000 {
        conn.send([0; 50_000]);
    }
    assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), LENGTH);
    assert!(site.memory() < memory + 20_000_000, "{} after {memory}", site.memory());
    drop(conn);
    let sent = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(sent < 40_000_000, "the member was stopped: {sent} octets");
}

#[test]
fn what_becomes_of_a_tunnel_says_nothing_of_its_member() {
    // The first request fails, and the member is ejected. Later it takes WebSockets, and answers what else is asked.
    let is_up = Arc::new(AtomicBool::new(false));
    let member = RawMember::start({
        let is_up = Arc::clone(&is_up);
        move |talk| {
            let asked = talk.request()?;
            if !is_up.load(Ordering::SeqCst) {
                return None;
            }
            if asked.header("upgrade").is_empty() {
                return talk.send(FINE);
            }
            talk.send(ACCEPTED)?;
            // What it is sent resets it.
            talk.some()?;
            talk.reset()
        }
    });
    let other = RawMember::answering(FINE);
    let site = TestServer::site()
        .route("/articles = @web")
        .section(&format!(
            "[@web]\nmembers = {}, {}\nbalance = round_robin\nretries = 0\neject_after = 1\neject_time = 500ms\n\
             slow_start = 0",
            member.node(),
            other.node()
        ))
        .start();
    let gets = || member.asked().iter().filter(|asked| asked.header("upgrade").is_empty()).count();
    eventually("it fails", || (site.get("/articles").code == 502).then_some(()));
    is_up.store(true, Ordering::SeqCst);
    let before = gets();
    // The trial is a WebSocket, which stays.
    let mut trial = eventually("it is tried", || {
        let mut conn = ask(&site, WEBSOCKET);
        (conn.read().code == 101).then_some(conn)
    });
    let mut all = Vec::new();
    for _ in 0..10 {
        site.get("/articles").expect_code(200);
        all.push(gets());
    }
    assert!(gets() > before, "it takes part again while its trial goes on: {all:?}");
    // Its WebSockets are reset, one after the other, and it stays.
    trial.send("x");
    assert_eq!(trial.until_end().1, End::Reset);
    for _ in 0..4 {
        let mut conn = ask(&site, WEBSOCKET);
        if conn.read().code == 101 {
            conn.send("x");
            assert_eq!(conn.until_end().1, End::Reset);
        }
    }
    let before = gets();
    for _ in 0..6 {
        site.get("/articles").expect_code(200);
    }
    assert!(gets() > before, "it still takes part");
}
