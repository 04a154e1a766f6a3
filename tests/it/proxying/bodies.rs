//! Bodies: at the pace of the slower side, whole or visibly not.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::member::{Talk, wait_for};
use super::{RawMember, before};
use crate::harness::{Conn, End, TestServer, eventually};

/// So many octets, none of which is where another is.
fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn get(conn: &mut Conn, path: &str) {
    conn.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
}

#[test]
fn large_bodies_go_both_ways_as_they_came() {
    // Sends back what it gets, in the same framing.
    let member = RawMember::start(|talk| {
        let asked = talk.request()?;
        if asked.header("transfer-encoding").is_empty() {
            talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.body.len()))?;
            return talk.send(&asked.body);
        }
        talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for piece in asked.body.chunks(100_000) {
            talk.send(format!("{:x}\r\n", piece.len()))?;
            talk.send(piece)?;
            talk.send("\r\n")?;
        }
        talk.send("0\r\nX-Trailer: dropped\r\n\r\n")
    });
    let site = before(&member).start();
    let body = octets(6_000_001);
    let mut conn = site.conn();
    for round in 0..2 {
        conn.send(format!("PUT /articles HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
        let reply = conn.send(&body).read().expect_code(200);
        assert_eq!(reply.header("content-length"), body.len().to_string());
        assert!(reply.body == body, "round {round}: {} octets", reply.body.len());
    }
    conn.send("PUT /articles HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.chunks(70_001) {
        conn.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    let reply = conn.send("0\r\nX-Trailer: dropped\r\n\r\n").read().expect_code(200);
    assert_eq!(reply.header("transfer-encoding"), "chunked");
    assert!(reply.body == body);
    // One connection of the member was enough.
    assert_eq!((member.connections(), member.asked().len()), (1, 3));
}

#[test]
fn a_slow_reader_of_a_small_answer_holds_no_connection() {
    let answer = octets(60_000);
    let member = RawMember::start({
        let answer = answer.clone();
        move |talk| {
            talk.request()?;
            talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len()))?;
            talk.send(&answer)
        }
    });
    let site = TestServer::site()
        .server("threads", "1")
        .route("/articles = @web")
        .section(&format!("[@web]\nmembers = {}\nconnections = 1", member.node()))
        .start();
    // None of them reads, and the member has a single connection.
    let mut slow: Vec<Conn> = (0..20).map(|_| Conn::narrowest(site.port())).collect();
    for (nth, conn) in slow.iter_mut().enumerate() {
        get(conn, "/articles");
        wait_for(&member, nth + 1);
    }
    for conn in &mut slow {
        assert!(conn.read().expect_code(200).body == answer);
    }
    assert_eq!(member.connections(), 1);
}

#[test]
fn a_client_that_does_not_read_stops_the_member() {
    let sent = Arc::new(Mutex::new(0_usize));
    let member = RawMember::start({
        let sent = Arc::clone(&sent);
        move |talk| {
            talk.request()?;
            talk.send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")?;
            let piece = octets(50_000);
            for _ in 0..8_000 {
                talk.send(&piece)?;
                *sent.lock().unwrap() += piece.len();
            }
            None
        }
    });
    let site = before(&member).start();
    let memory = site.memory();
    let mut conn = Conn::narrow(site.port());
    get(&mut conn, "/articles");
    assert_eq!(conn.read_head().code, 200);
    // It stops far before its end, with what lies in kernels.
    let mut last = 0;
    eventually("the member is stopped", || {
        let now = *sent.lock().unwrap();
        let is_still = now == last && now > 0;
        last = now;
        std::thread::sleep(Duration::from_millis(100));
        is_still.then_some(())
    });
    assert!(last < 40_000_000, "{last} octets");
    assert!(site.memory() < memory + 20_000_000, "{} after {memory}", site.memory());
}

#[test]
fn a_client_that_reads_nothing_is_read_all_the_same() {
    const LENGTH: usize = 20_000_000;
    // An answer that is larger than what lies in between, before the body of the request is read.
    let member = RawMember::start(|talk| {
        let head = talk.head()?;
        assert!(head.contains(&LENGTH.to_string()), "{head}");
        talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"))?;
        let stream = Arc::clone(&talk.stream);
        let sender = std::thread::spawn(move || std::io::Write::write_all(&mut &*stream, &octets(LENGTH)).is_ok());
        talk.take(LENGTH)?;
        sender.join().unwrap().then_some(())
    });
    let site = before(&member).start();
    let mut conn = Conn::narrow(site.port());
    conn.send(format!("PUT /articles HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n"));
    conn.send(octets(LENGTH));
    assert!(conn.read().expect_code(200).body == octets(LENGTH));
}

#[test]
fn a_broken_answer_never_looks_whole() {
    for (answer, resets) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfine", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\nnonsense", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nfi", false),
        ("HTTP/1.1 200 OK\r\n\r\nfine", true),
    ] {
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = Mutex::new(receiver);
        let member = RawMember::start(move |talk| {
            talk.request()?;
            talk.send(answer)?;
            // Not before the client has what came.
            let _ = receiver.lock().unwrap().recv();
            if resets { talk.reset() } else { None }
        });
        let site = before(&member).start();
        for version in ["1.1", "1.0"] {
            let mut conn = site.conn();
            conn.send(format!("GET /articles HTTP/{version}\r\nHost: h\r\n\r\n"));
            let is_said = sender.send(());
            assert!(is_said.is_ok());
            let (bytes, end) = conn.until_end();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(end, End::Reset, "{answer:?} {resets} {version}: {text}");
            assert!(!text.contains("0\r\n\r\n"), "{answer:?}: {text}");
        }
        drop(sender);
    }
}

#[test]
fn an_answer_that_dribbles_is_whole() {
    // Octet by octet, in every framing, and longer than the member may be silent.
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine",
    ] {
        let member = RawMember::start(move |talk| {
            talk.request()?;
            for octet in answer.as_bytes() {
                talk.send([*octet])?;
                std::thread::sleep(Duration::from_millis(8));
            }
            answer.contains("100").then_some(())
        });
        let site = TestServer::site()
            .route("/articles = @web")
            .section(&format!("[@web]\nmembers = {}\nmember_timeout = 300ms", member.node()))
            .start();
        let mut conn = site.conn();
        conn.send("GET /articles HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(conn.read().expect_code(200).text(), "fine", "{answer}");
        assert!(conn.ends());
    }
}

#[test]
fn a_member_that_closes_after_each_answer_costs_nothing() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")?;
        None
    });
    let site = before(&member).start();
    let mut conn = site.conn();
    for nth in 0..50 {
        get(&mut conn, "/articles");
        assert_eq!(conn.read().expect_code(200).text(), "fine", "{nth}");
    }
    // One that had been sent twice would have been asked twice.
    assert_eq!(member.asked().len(), 50);
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        talk.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end")?;
        None
    });
    let site = before(&member).start();
    let mut conn = site.conn();
    for _ in 0..2 {
        get(&mut conn, "/articles");
        assert_eq!(conn.read().expect_code(200).text(), "to the end");
    }
}

#[test]
fn answers_without_a_body_have_none() {
    let member = RawMember::start(|talk| {
        let asked = talk.request()?;
        let answer = match asked.line().split(' ').next() {
            Some("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n",
            Some("DELETE") => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n",
        };
        talk.send(answer)
    });
    let site = before(&member).start();
    let mut conn = site.conn();
    for _ in 0..2 {
        conn.send("HEAD /articles HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = conn.read_head().expect_code(200);
        assert_eq!((head.header("content-length"), head.header("etag")), ("1000", "\"a\""));
        conn.send("DELETE /articles HTTP/1.1\r\nHost: h\r\n\r\n").read().expect_code(204);
        get(&mut conn, "/articles");
        conn.read().expect_code(304);
    }
    // Who announces a body may send it yet: only after the 204 the connection is used again.
    assert_eq!(member.connections(), 4);
}

#[test]
fn events_pass_as_they_happen() {
    let (sender, receiver) = mpsc::channel::<&'static str>();
    let receiver = Mutex::new(receiver);
    let member = RawMember::start(move |talk: &mut Talk| {
        talk.request()?;
        talk.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        while let Ok(event) = receiver.lock().unwrap().recv() {
            talk.send(format!("{:x}\r\n{event}\r\n", event.len()))?;
        }
        talk.send("0\r\n\r\n")
    });
    // Events are silent for longer than a member may be.
    let site = TestServer::site()
        .route("/articles = @web")
        .section(&format!("[@web]\nmembers = {}\nmember_timeout = 300ms", member.node()))
        .start();
    let mut conn = site.begin("/articles/events");
    assert_eq!(conn.read_head().code, 200);
    assert!(conn.is_silent_for(Duration::from_millis(700)));
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        sender.send(event).unwrap();
        assert_eq!(conn.next_chunk().as_deref(), Some(event.as_bytes()));
    }
    drop(sender);
    assert_eq!(conn.next_chunk(), None);
}

#[test]
fn an_early_answer_leaves_no_octet_behind() {
    // Refuses an upload at its head, and reads on as a decent server does.
    let member = RawMember::start(|talk| {
        let head = talk.head()?;
        if head.starts_with("PUT") {
            talk.send("HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno!")?;
            talk.is_left();
            return None;
        }
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
    });
    let site = before(&member).start();
    let smuggled = b"GET /articles/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for length in [smuggled.len(), 1_000_000] {
        let mut conn = site.conn();
        conn.send(format!("PUT /articles HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
        assert_eq!(conn.read().expect_code(413).text(), "no!");
        // The rest of the body is a request to whoever loses count.
        conn.send_reluctantly(smuggled);
        if length == smuggled.len() {
            get(&mut conn, "/articles/next");
            assert_eq!(conn.read().expect_code(200).text(), "fine");
        } else {
            assert!(conn.ends(), "too much is left to be read away");
        }
        assert_eq!(site.get("/articles/other").expect_code(200).text(), "fine");
    }
}

#[test]
fn octets_behind_an_answer_are_nobodys() {
    let member = RawMember::start(|talk| {
        talk.request()?;
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")
    });
    let site = before(&member).start();
    let mut conn = site.conn();
    for _ in 0..3 {
        get(&mut conn, "/articles");
        assert_eq!(conn.read().expect_code(200).text(), "fine");
    }
    assert_eq!(member.connections(), 3, "no connection with a stray answer is used again");
}

#[test]
fn a_client_that_leaves_ends_the_exchange() {
    let (sender, receiver) = mpsc::channel::<bool>();
    let sender = Mutex::new(sender);
    let member = RawMember::start(move |talk| {
        talk.head()?;
        let sender = sender.lock().unwrap();
        // It is asked; and then left.
        sender.send(true).ok()?;
        sender.send(talk.is_left()).ok()?;
        None
    });
    let site = before(&member).start();
    let within = Duration::from_secs(20);
    let conn = site.begin("/articles");
    assert!(receiver.recv_timeout(within).unwrap());
    drop(conn);
    assert!(receiver.recv_timeout(within).unwrap());
    // In the middle of its body: no member takes for whole what is not.
    let mut conn = site.conn();
    conn.send("PUT /articles HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    assert!(receiver.recv_timeout(within).unwrap());
    drop(conn);
    assert!(receiver.recv_timeout(within).unwrap());
    assert!(member.asked().is_empty());
}

#[test]
fn a_body_has_the_bound_of_its_mount() {
    let member = RawMember::answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    let site = before(&member).section("[mount /articles]\nproxy_max_body = 1k").start();
    let put = |body: &[u8]| site.ask("PUT", "/articles", &[], body);
    put(&octets(1024)).expect_code(200);
    put(&octets(1025)).expect_code(413);
    let mut conn = site.conn();
    conn.send("PUT /articles HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    conn.send("800\r\n").send(octets(0x800)).send_reluctantly(b"\r\n0\r\n\r\n");
    conn.read().expect_code(413);
    assert_eq!(member.asked().len(), 1);
}
