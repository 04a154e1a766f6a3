//! Time, bytes and connections.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{HELLO, Host, Proxy, connect, get, listening};
use crate::harness::{Conn, End, TestServer, bound, eventually};

/// What takes half a second takes at most so long on a busy machine.
const CEILING: Duration = Duration::from_secs(15);

/// A host that takes everything and says nothing.
fn silent() -> u16 {
    listening("127.0.0.1:0", |mut stream| while let Ok(1..) = stream.read(&mut [0; 4096]) {})
}

#[test]
fn a_tunnel_that_rests_is_ended() {
    let port = silent();
    let proxy = Proxy::with(&[port], "idle_timeout = 700ms");
    let mut conn = proxy.tunnel(port);
    // As long as something moves it is none that rests.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        conn.send("x");
        std::thread::sleep(Duration::from_millis(100));
    }
    let rests = Instant::now();
    assert_eq!(conn.until_end(), (Vec::new(), End::Reset));
    assert!(rests.elapsed() < bound(Duration::from_millis(1200), CEILING), "{:?}", rests.elapsed());
    eventually("a line says so", || proxy.site.log().contains("nothing moved for `idle_timeout`").then_some(()));
    proxy.counts("tunnels.open", 0);
    assert_eq!(proxy.count("timed_out"), 1);
    // The same of a host that does not answer a request, and of one that stops within its answer.
    proxy.get(&format!("http://127.0.0.1:{port}/")).expect_code(504);
    let host = Host::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        drop(stream.read(&mut [0; 10]));
    });
    let proxy = Proxy::with(&[host.port], "idle_timeout = 300ms");
    let mut conn = proxy.conn();
    conn.send(get(&host.url("/")));
    assert_eq!(conn.until_end().1, End::Reset);
    assert_eq!(proxy.count("timed_out"), 1);
}

#[test]
fn a_tunnel_has_an_end_of_its_own() {
    let port = silent();
    let proxy = Proxy::with(&[port], "lifetime = 1");
    let begun = Instant::now();
    let mut conn = proxy.tunnel(port);
    while conn.send_what_fits(b"x").is_some() && !conn.was_reset() {
        std::thread::sleep(Duration::from_millis(50));
        assert!(begun.elapsed() < CEILING, "it goes on");
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    eventually("a line says so", || proxy.site.log().contains("it lasted for `lifetime`").then_some(()));
}

/// A client that reads a little now and then keeps no answer for longer than that.
#[test]
fn an_exchange_has_an_end_whoever_reads_slowly() {
    let host = Host::start(|_, stream| {
        let piece = vec![b'x'; 1 << 16];
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n"));
        while stream.write_all(&piece).is_ok() {}
    });
    let proxy = Proxy::with(&[host.port], "lifetime = 1");
    let begun = Instant::now();
    let mut conn = proxy.conn();
    conn.send(get(&host.url("/")));
    conn.read_head().expect_code(200);
    eventually("a line says so", || {
        conn.sip(100);
        proxy.site.log().contains("it lasted for `lifetime`").then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(conn.until_end().1, End::Reset);
    eventually("it is counted", || (proxy.count("timed_out") == 1).then_some(()));
}

#[test]
fn bytes_are_counted_both_ways() {
    let port = listening("127.0.0.1:0", |mut stream| {
        let mut room = [0; 1024];
        while let Ok(n @ 1..) = stream.read(&mut room) {
            if stream.write_all(&room[..n]).is_err() {
                return;
            }
        }
    });
    let proxy = Proxy::with(&[port], "max_bytes = 1k");
    let mut conn = proxy.tunnel(port);
    conn.send("x".repeat(500));
    let mut back = 0;
    while back < 500 {
        back += conn.sip(500).expect("it is echoed").len();
    }
    conn.send("x".repeat(100));
    assert_eq!(conn.until_end().1, End::Reset);
    eventually("a line says so", || proxy.site.log().contains("it has moved `max_bytes`").then_some(()));
    assert_eq!(proxy.count("too_large"), 1);
    let host = Host::start(|_, stream| {
        drop(
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}", "x".repeat(9999)).as_bytes()),
        );
    });
    let proxy = Proxy::with(&[host.port], "max_bytes = 2k");
    let mut conn = proxy.conn();
    conn.send(get(&host.url("/")));
    let (all, end) = conn.until_end();
    assert!(all.len() < 9999 && (end == End::Reset || all.starts_with(b"HTTP/1.1 502")), "{} {end:?}", all.len());
}

#[test]
fn a_client_has_so_many_connections_and_all_have() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::with(&[host.port], "max_connections_per_address = 3");
    let held: Vec<Conn> = (0..3)
        .map(|_| {
            let mut conn = proxy.conn();
            conn.send(get(&host.url("/"))).read().expect_code(200);
            conn
        })
        .collect();
    let mut more = proxy.conn();
    more.read().expect_code(503);
    assert!(more.ends());
    assert_eq!(proxy.count("refused.full"), 1);
    // The site has limits of its own, and is served.
    proxy.site.get("/nothing").expect_code(204);
    drop(held);
    eventually("there is room again", || (proxy.get(&host.url("/")).code == 200).then_some(()));
    let proxy = Proxy::with(&[host.port], "max_connections = 2\nmax_connections_per_address = 0");
    let _held: Vec<Conn> = (0..2).map(|_| proxy.tunnel(host.port)).collect();
    proxy.conn().read().expect_code(503);
    eventually("a line says so", || proxy.site.log().contains("`max_connections` of [proxy] is reached").then_some(()));
}

#[test]
fn heads_are_as_large_as_the_section_says() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::with(&[host.port], "max_head = 2k\nmax_headers = 10");
    let with = |more: &str| proxy.ask(&format!("GET {} HTTP/1.1\r\nHost: h\r\n{more}\r\n", host.url("/"))).code;
    assert_eq!(with(&format!("X: {}\r\n", "y".repeat(1000))), 200);
    assert_eq!(with(&format!("X: {}\r\n", "y".repeat(2500))), 431);
    assert_eq!((with(&"X: y\r\n".repeat(9)), with(&"X: y\r\n".repeat(10))), (200, 431));
    assert_eq!(host.heads().len(), 2);
}

#[test]
fn a_host_that_cannot_be_reached_is_given_up_in_time() {
    // A listener whose queue is full answers no handshake.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let full: Vec<_> = (0..4)
        .map(|_| {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            filler.set_nonblocking(true).unwrap();
            drop(filler.connect(&address.into()));
            filler
        })
        .collect();
    assert!(TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err(), "its queue is full");
    let proxy = Proxy::with(&[address.port()], "connect_timeout = 500ms");
    let begun = Instant::now();
    proxy.get(&format!("http://{address}/")).expect_code(504);
    proxy.ask(&connect(address.port())).expect_code(504);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < CEILING, "{took:?}");
    drop(full);
    // A client that dawdles with its head has the site's time.
    let proxy = Proxy::of(TestServer::site().server("head_timeout", "1"), &[1], "");
    let mut conn = proxy.conn();
    conn.send("CONNECT 127.");
    conn.read().expect_code(408);
}
