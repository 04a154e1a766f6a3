//! Requests in clear text: what the host gets, what the client gets, and what is cut.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use super::{HELLO, Host, Proxy, connect, fields, get};
use crate::harness::{Conn, End, TestServer, eventually, ports};

/// More than all buffers on the way can hold.
const MUCH: usize = 64 << 20;
/// What they may hold.
const BUFFERS: usize = 16 << 20;

#[test]
fn the_host_gets_the_request_without_what_is_of_the_connection() {
    let host = Host::saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x-private, keep-alive\r\nKeep-Alive: timeout=5\r\n\
         X-Private: 1\r\nProxy-Authenticate: Basic realm=x\r\nUpgrade: h2c\r\nVia: 1.0 other\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\nX-Public: yes\r\n\r\nhello",
    );
    let proxy = Proxy::to(&[host.port]);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: somebody.else\r\nConnection: keep-alive, X-Secret\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic Ym9iOnNlY3JldA==\r\nX-Secret: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n\
         Proxy: http://evil/\r\nHTTP2-Settings: x\r\nKeep-Alive: 1\r\nVia: 1.0 before\r\nX-Forwarded-For: 192.0.2.1\r\nCookie: c=3\r\n\
         Accept: a\r\nAccept: b\r\n\r\n",
        host.url("/a%20b?c=d&e")
    );
    let mut conn = proxy.conn();
    conn.send(&request);
    let reply = conn.read().expect_code(200);
    let head = &host.heads()[0];
    assert!(head.starts_with("GET /a%20b?c=d&e HTTP/1.1\r\n"), "{head}");
    assert_eq!(fields(head, "host"), [format!("127.0.0.1:{}", host.port)]);
    for gone in [
        "proxy-connection",
        "proxy",
        "proxy-authorization",
        "x-secret",
        "te",
        "upgrade",
        "http2-settings",
        "keep-alive",
        "transfer-encoding",
        "content-length",
    ] {
        assert_eq!(fields(head, gone), [""; 0], "{gone} in {head}");
    }
    let via = fields(head, "via");
    assert!(via.len() == 1 && via[0].starts_with("1.0 before, 1.1 skitai-"), "{via:?}");
    assert_eq!((fields(head, "x-forwarded-for"), fields(head, "cookie")), (vec!["192.0.2.1"], vec!["c=3"]));
    assert_eq!((fields(head, "accept"), fields(head, "connection")), (vec!["a", "b"], vec!["close"]));
    assert_eq!((reply.text().as_str(), reply.header("x-public")), ("hello", "yes"));
    for gone in ["x-private", "keep-alive", "proxy-authenticate", "upgrade", "connection"] {
        assert_eq!(reply.header(gone), "", "{gone} in {:?}", reply.headers);
    }
    let all = |name: &str| reply.headers.iter().filter(|(known, _)| known == name).count();
    assert_eq!((all("set-cookie"), all("via")), (2, 2), "{:?}", reply.headers);
    // The client's connection goes on, also to another host.
    let other = Host::saying(HELLO);
    conn.send(get(&host.url("/again"))).read().expect_code(200);
    conn.send(get(&other.url("/"))).read().expect_code(403);
    assert_eq!((host.heads().len(), other.heads().len()), (2, 0));
    proxy.counts("exchanges.open", 0);
    assert_eq!((proxy.count("requests"), proxy.count("exchanges.opened"), proxy.count("refused.port")), (3, 2, 1));
    assert_eq!(proxy.count("sent.to_clients"), 10);
}

#[test]
fn an_options_goes_as_far_as_it_may() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::to(&[host.port]);
    let asks =
        |hops| proxy.ask(&format!("OPTIONS {} HTTP/1.1\r\nHost: h\r\nMax-Forwards: {hops}\r\n\r\n", host.url("/")));
    asks("0").expect_code(204);
    assert_eq!(host.heads().len(), 0);
    asks("2").expect_code(200);
    assert_eq!(fields(&host.heads()[0], "max-forwards"), ["1"]);
}

#[test]
fn a_client_is_told_to_hosts_only_where_a_key_says_so() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::with(&[host.port], "forwarded_for = yes");
    proxy.get(&host.url("/")).expect_code(200);
    let request = format!("GET {} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", host.url("/"));
    proxy.ask(&request).expect_code(200);
    let told: Vec<String> = host.heads().iter().map(|head| fields(head, "x-forwarded-for").join("|")).collect();
    assert_eq!(told, ["127.0.0.1", "192.0.2.1, 127.0.0.1"]);
}

#[test]
fn answers_end_where_they_say() {
    for (answer, request, code, body) in [
        (HELLO, "GET", 200, "hello"),
        (HELLO, "HEAD", 200, ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n",
            "GET",
            200,
            "hello",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nhello", "GET", 200, "hello"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, ""),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "GET",
            200,
            "hello",
        ),
        ("HTTP/1.1 404 Nope\r\nContent-Length: 0\r\n\r\n", "GET", 404, ""),
        ("HTTP/1.1 599 Odd\r\nContent-Length: 1\r\n\r\nx", "GET", 599, "x"),
    ] {
        let host = Host::saying(answer);
        let proxy = Proxy::to(&[host.port]);
        let mut conn = proxy.conn();
        for _ in 0..2 {
            conn.send(format!("{request} {} HTTP/1.1\r\nHost: h\r\n\r\n", host.url("/")));
            let reply = if request == "HEAD" { conn.read_head() } else { conn.read() };
            let reply = reply.expect_code(code);
            assert_eq!(reply.text(), body, "{answer}");
            if request == "HEAD" || code == 304 {
                assert_eq!(reply.header("content-length"), "5");
            }
        }
        // A client of HTTP/1.0 knows no chunks.
        let mut old = proxy.conn();
        old.send(format!("{request} {} HTTP/1.0\r\n\r\n", host.url("/")));
        let (all, end) = old.until_end();
        let all = String::from_utf8_lossy(&all).into_owned();
        assert!(all.starts_with(&format!("HTTP/1.0 {code} ")) && all.ends_with(body), "{all}");
        assert!(end == End::Finished && !all.contains("chunked"), "{all}");
    }
}

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXYZ\r\n",
    ] {
        let host = Host::saying(answer);
        let proxy = Proxy::to(&[host.port]);
        let mut conn = proxy.conn();
        conn.send(get(&host.url("/")));
        let (all, end) = conn.until_end();
        assert_eq!(end, End::Reset, "{answer}: {}", String::from_utf8_lossy(&all));
        assert!(!all.ends_with(b"0\r\n\r\n"), "{answer}");
        eventually("a line says so", || proxy.site.log().contains("an answer was cut").then_some(()));
    }
}

#[test]
fn a_host_that_makes_no_sense_is_a_502() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=evil\r\nContent-Length: 0\r\n\r\n",
    ] {
        let host = Host::saying(answer);
        let proxy = Proxy::to(&[host.port]);
        let reply = proxy.get(&host.url("/")).expect_code(502);
        assert_eq!((reply.header("proxy-authenticate"), reply.header("x-request-id").len()), ("", 32), "{answer}");
        assert_eq!(proxy.count("failed"), 1);
    }
    // Nobody listens there.
    let closed = ports::free();
    let proxy = Proxy::to(&[closed]);
    proxy.get(&format!("http://127.0.0.1:{closed}/")).expect_code(502);
    proxy.ask(&connect(closed)).expect_code(502);
}

/// Reads a body of this length to its end, or to the end of the connection, and sums its bytes.
fn summed(stream: &mut impl Read, length: Option<usize>) -> (usize, u64) {
    let (mut read, mut sum, mut room) = (0, 0, [0; 65536]);
    while length.is_none_or(|length| read < length) {
        let most = length.map_or(room.len(), |length| (length - read).min(room.len()));
        match stream.read(&mut room[..most]) {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                read += n;
                sum += room[..n].iter().map(|byte| u64::from(*byte)).sum::<u64>();
            }
        }
    }
    (read, sum)
}

#[test]
fn bodies_go_both_ways_with_their_framing() {
    let host = Host::start(|head, stream| {
        let length = fields(head, "content-length").first().map(|length| length.parse().unwrap());
        let told = match length {
            Some(length) => format!("{:?}", summed(stream, Some(length))),
            None => {
                let mut all = Vec::new();
                let mut one = [0];
                while !all.ends_with(b"0\r\n\r\n") && stream.read(&mut one).unwrap_or(0) > 0 {
                    all.push(one[0]);
                }
                String::from_utf8_lossy(&all).into_owned()
            }
        };
        drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()));
    });
    let proxy = Proxy::to(&[host.port]);
    let mut conn = proxy.conn();
    let body = vec![7; 3 << 20];
    conn.send(format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", host.url("/"), body.len()));
    conn.send(&body);
    assert_eq!(conn.read().expect_code(200).text(), format!("({}, {})", body.len(), body.len() * 7));
    conn.send(format!(
        "PUT {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n",
        host.url("/")
    ));
    conn.send("0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(conn.read().expect_code(200).text(), "3\r\nabc\r\n0\r\n\r\n");
    // Nothing of two lengths reaches a host.
    let before = host.heads().len();
    let both = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        host.url("/")
    );
    proxy.ask(&both).expect_code(400);
    assert_eq!(host.heads().len(), before);
}

#[test]
fn a_body_that_breaks_off_is_cut_at_the_host() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let host = Host::start(move |_, stream| {
        let read = summed(stream, None).0;
        sender.lock().unwrap().send(read).unwrap();
    });
    let proxy = Proxy::to(&[host.port]);
    let mut conn = proxy.conn();
    conn.send(format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello", host.url("/")));
    eventually("the host was asked", || (host.heads().len() == 1).then_some(()));
    drop(conn);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)).expect("its connection ends"), 5);
    // And one that is no body of chunks.
    let mut conn = proxy.conn();
    conn.send(format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nZ\r\n",
        host.url("/")
    ));
    assert_eq!(conn.read().code, 400);
    assert!(receiver.recv_timeout(Duration::from_secs(20)).is_ok());
}

#[test]
fn an_answer_may_come_before_the_body() {
    let host = Host::start(|_, stream| {
        drop(stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch"));
    });
    let proxy = Proxy::to(&[host.port]);
    let mut conn = proxy.conn();
    conn.send(format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nbegin", host.url("/")));
    let reply = conn.read().expect_code(413);
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("much", "close"));
}

#[test]
fn who_waits_for_a_100_gets_the_hosts() {
    let host = Host::start(|head, stream| {
        assert_eq!(fields(head, "expect"), ["100-continue"]);
        if head.contains("/no") {
            drop(stream.write_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"));
            return;
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(HELLO.as_bytes()).unwrap();
    });
    let proxy = Proxy::to(&[host.port]);
    let request = |path| {
        format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", host.url(path))
    };
    let mut conn = proxy.conn();
    conn.send(request("/yes"));
    assert_eq!(conn.read().code, 100);
    assert_eq!(conn.send("12345").read().expect_code(200).text(), "hello");
    let mut conn = proxy.conn();
    conn.send(request("/no"));
    conn.read().expect_code(417);
}

#[test]
fn a_client_that_does_not_read_holds_up_the_host() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let host = Host::start(move |_, stream| {
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n").unwrap();
        let mut written = 0;
        while let Ok(n @ 1..) = stream.write(&[1; 65536][..(MUCH - written).min(65536)]) {
            written += n;
        }
        sender.lock().unwrap().send(written).unwrap();
        stream.set_write_timeout(None).unwrap();
        while let Ok(n @ 1..) = stream.write(&[1; 65536][..(MUCH - written).min(65536)]) {
            written += n;
        }
    });
    let proxy = Proxy::to(&[host.port]);
    let mut conn = Conn::narrow(proxy.port);
    let before = proxy.site.memory();
    conn.send(get(&host.url("/")));
    let written = receiver.recv_timeout(Duration::from_secs(30)).expect("it is held up");
    assert!(written < BUFFERS, "{written} bytes went somewhere");
    let grown = proxy.site.memory().saturating_sub(before);
    assert!(grown < BUFFERS, "{grown} bytes more");
    // It goes on when the client does.
    assert_eq!(conn.read().expect_code(200).body.len(), MUCH);
}

#[test]
fn a_host_that_does_not_read_holds_up_the_client() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let host = Host::start(move |_, stream| {
        receiver.lock().unwrap().recv().unwrap();
        let told = format!("{}", summed(stream, Some(MUCH)).0);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let proxy = Proxy::of(TestServer::site().server("send_timeout", "60"), &[host.port], "");
    let mut conn = proxy.conn();
    conn.send(format!("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {MUCH}\r\n\r\n", host.url("/")));
    let (piece, mut sent) = (vec![1; 65536], 0);
    let mut stuck = 0;
    // Full when nothing fits any more, look after look.
    while stuck < 100 && sent < MUCH {
        match conn.send_what_fits(&piece[..(MUCH - sent).min(piece.len())]).expect("it is connected") {
            0 => {
                stuck += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            n => (stuck, sent) = (0, sent + n),
        }
    }
    assert!(sent < BUFFERS, "{sent} bytes went somewhere");
    sender.send(()).unwrap();
    while sent < MUCH {
        let n = piece.len().min(MUCH - sent);
        conn.send(&piece[..n]);
        sent += n;
    }
    assert_eq!(conn.read().expect_code(200).text(), MUCH.to_string());
}
