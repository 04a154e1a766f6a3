//! CONNECT: octets both ways, each half with its own end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use socket2::SockRef;

use super::{HELLO, Host, Proxy, connect, listening};
use crate::harness::{Conn, End, TestServer, eventually};

const MUCH: usize = 64 << 20;
const BUFFERS: usize = 16 << 20;

fn echo() -> u16 {
    listening("127.0.0.1:0", |mut stream| {
        let mut room = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut room) {
            stream.write_all(&room[..n]).unwrap();
        }
    })
}

#[test]
fn octets_go_both_ways_and_are_counted() {
    let port = echo();
    let proxy = Proxy::to(&[port]);
    let mut conn = proxy.tunnel(port);
    assert_eq!((proxy.count("tunnels.open"), proxy.count("tunnels.opened")), (1, 1));
    // What looks like a request is none here.
    for text in ["GET / HTTP/1.1\r\n\r\n", "\0\x16\x03", "x"] {
        conn.send(text);
        let mut back = Vec::new();
        while back.len() < text.len() {
            back.extend(conn.sip(100).expect("it is echoed"));
        }
        assert_eq!(back, text.as_bytes());
    }
    conn.half_close();
    assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
    proxy.counts("tunnels.open", 0);
    assert_eq!((proxy.count("sent.to_clients"), proxy.count("sent.to_hosts")), (22, 22));
}

#[test]
fn what_comes_with_the_connect_is_the_tunnels() {
    let port = echo();
    let proxy = Proxy::to(&[port]);
    for version in ["1.1", "1.0"] {
        let mut conn = proxy.conn();
        let ahead = "x".repeat(100_000);
        conn.send(format!("CONNECT 127.0.0.1:{port} HTTP/{version}\r\nHost: h\r\nContent-Length: 0\r\n\r\n{ahead}"));
        let reply = conn.read_head().expect_code(200);
        assert_eq!((reply.header("content-length"), reply.header("transfer-encoding")), ("", ""));
        conn.half_close();
        let (all, end) = conn.until_end();
        assert_eq!((all.len(), end), (ahead.len(), End::Finished));
    }
}

#[test]
fn a_client_that_has_ended_is_still_answered() {
    let port = listening("127.0.0.1:0", |mut stream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        // The other half is open for a while after this one has ended.
        std::thread::sleep(Duration::from_millis(300));
        write!(stream, "you said {all}").unwrap();
    });
    let proxy = Proxy::to(&[port]);
    let mut conn = proxy.tunnel(port);
    conn.send("a").send("b").half_close();
    assert_eq!(conn.until_end(), (b"you said ab".to_vec(), End::Finished));
}

#[test]
fn a_host_that_has_ended_still_hears() {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let port = listening("127.0.0.1:0", move |mut stream| {
        stream.write_all(b"I have said all").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        sender.lock().unwrap().send(all).unwrap();
    });
    let proxy = Proxy::to(&[port]);
    let mut conn = proxy.tunnel(port);
    assert_eq!(conn.until_end(), (b"I have said all".to_vec(), End::Finished));
    assert_eq!(proxy.count("tunnels.open"), 1);
    let more = "y".repeat(200_000);
    conn.send(&more).half_close();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).expect("the host hears it").len(), more.len());
    proxy.counts("tunnels.open", 0);
}

#[test]
fn a_reset_comes_through() {
    let port = listening("127.0.0.1:0", |mut stream| {
        let mut one = [0];
        stream.read_exact(&mut one).unwrap();
        stream.write_all(b"half of it").unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let proxy = Proxy::to(&[port]);
    let mut conn = proxy.tunnel(port);
    conn.send("x");
    assert_eq!(conn.until_end().1, End::Reset);

    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let port = listening("127.0.0.1:0", move |mut stream| {
        let mut all = Vec::new();
        let read = stream.read_to_end(&mut all);
        sender.lock().unwrap().send(read.is_err()).unwrap();
    });
    let proxy = Proxy::to(&[port]);
    let mut conn = proxy.tunnel(port);
    conn.send("x");
    proxy.counts("sent.to_hosts", 1);
    conn.reset();
    assert!(receiver.recv_timeout(Duration::from_secs(20)).expect("it ends"), "the host saw an end in order");
    proxy.counts("tunnels.open", 0);
}

/// Writes as much as fits, and says how much when nothing more does; then the rest.
fn pour(stream: &mut TcpStream, told: impl Fn(usize)) {
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let (piece, mut written) = ([1; 65536], 0);
    while written < MUCH {
        match stream.write(&piece[..(MUCH - written).min(piece.len())]) {
            Ok(n) => written += n,
            Err(_) => break,
        }
    }
    told(written);
    stream.set_write_timeout(None).unwrap();
    while written < MUCH {
        written += stream.write(&piece[..(MUCH - written).min(piece.len())]).unwrap();
    }
}

#[test]
fn neither_side_makes_the_proxy_hold_what_the_other_does_not_read() {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let pouring = listening("127.0.0.1:0", move |mut stream| {
        pour(&mut stream, |written| sender.lock().unwrap().send(written).unwrap());
    });
    let (go, goes) = channel::<()>();
    let goes = Mutex::new(goes);
    let (counted, count) = channel();
    let counted = Mutex::new(counted);
    let deaf = listening("127.0.0.1:0", move |mut stream| {
        goes.lock().unwrap().recv().unwrap();
        let (mut room, mut all) = (vec![0; 65536], 0);
        while let Ok(n @ 1..) = stream.read(&mut room) {
            all += n;
        }
        counted.lock().unwrap().send(all).unwrap();
    });
    let proxy = Proxy::to(&[pouring, deaf]);
    let before = proxy.site.memory();
    let mut reads_nothing = proxy.tunnel(pouring);
    let written = receiver.recv_timeout(Duration::from_secs(30)).expect("it is held up");
    assert!(written < BUFFERS, "{written} bytes went somewhere");
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    stream.write_all(connect(deaf).as_bytes()).unwrap();
    super::head_of(&mut stream);
    let held = Mutex::new(0);
    pour(&mut stream, |written| {
        *held.lock().unwrap() = written;
        go.send(()).unwrap();
    });
    assert!(*held.lock().unwrap() < BUFFERS, "{held:?} bytes went somewhere");
    let grown = proxy.site.memory().saturating_sub(before);
    assert!(grown < BUFFERS, "{grown} bytes more");
    drop(stream);
    assert_eq!(count.recv_timeout(Duration::from_secs(30)).expect("the host reads it"), MUCH);
    let (all, end) = reads_nothing.until_end();
    assert_eq!((all.len(), end), (MUCH, End::Finished));
}

#[test]
fn the_sites_own_port_is_no_proxy() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::to(&[host.port]);
    let mut conn = proxy.site.conn();
    conn.send(connect(host.port)).read().expect_code(501);
    // A whole URL is the site's own page, as on any site.
    let mut conn = proxy.site.conn();
    let reply = conn.send(super::get(&host.url("/nothing"))).read();
    assert_eq!((reply.code, host.heads().len()), (204, 0));
    // And the proxy has no pages.
    let reply = proxy.ask("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n").expect_code(400);
    assert!(reply.text().contains("forward proxy"), "{}", reply.text());
    proxy.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").expect_code(400);
    assert_eq!(proxy.count("refused.form"), 2);
}

#[test]
fn without_the_key_there_is_no_proxy() {
    let host = Host::saying(HELLO);
    let site = TestServer::site().start();
    let mut conn = Conn::to(site.port());
    conn.send(connect(host.port)).read().expect_code(501);
    assert_eq!(host.heads().len(), 0);
}

#[test]
fn every_request_has_its_line_in_the_access_log() {
    let host = Host::saying(HELLO);
    let port = echo();
    let proxy = Proxy::of(TestServer::site().server("access_log", "access.log"), &[host.port, port], "");
    proxy.get(&host.url("/a?b=c")).expect_code(200);
    proxy.get("http://example.org/").expect_code(403);
    let mut conn = proxy.tunnel(port);
    conn.send("12345");
    assert_eq!(conn.sip(5).unwrap().len(), 5);
    conn.half_close();
    conn.until_end();
    let lines = eventually("three lines", || {
        let log = std::fs::read_to_string(proxy.site.dir().join("access.log")).unwrap_or_default();
        (log.lines().count() >= 3).then_some(log)
    });
    for part in [
        format!("GET {} 200 5 ", host.url("/a?b=c")),
        "GET http://example.org/ 403 ".to_owned(),
        format!("CONNECT 127.0.0.1:{port} 200 5 "),
    ] {
        assert!(lines.contains(&part), "{part} is not in\n{lines}");
    }
}
