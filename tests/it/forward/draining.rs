//! The end of a process, and its replacement: tunnels go on until `drain_timeout`.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{HELLO, Host, Proxy, listening};
use crate::harness::{Conn, End, TestServer, bound, eventually};

const CEILING: Duration = Duration::from_secs(15);

fn echo() -> u16 {
    listening("127.0.0.1:0", |mut stream| {
        let mut room = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut room) {
            if stream.write_all(&room[..n]).is_err() {
                return;
            }
        }
    })
}

fn echoes(conn: &mut Conn) {
    conn.send("ping");
    assert_eq!(conn.sip(4).expect("the tunnel goes on"), b"ping");
}

#[test]
fn a_tunnel_goes_on_until_its_time_and_is_named() {
    let port = echo();
    let proxy = Proxy::of(TestServer::site().server("drain_timeout", "3"), &[port], "");
    let mut conn = proxy.tunnel(port);
    let mut rests = proxy.conn();
    echoes(&mut conn);
    let begun = Instant::now();
    proxy.site.signal("TERM");
    eventually("nobody is let in any more", || Conn::try_to(proxy.port).is_none().then_some(()));
    assert_eq!(rests.until_end().1, End::Finished);
    echoes(&mut conn);
    assert_eq!(conn.until_end(), (Vec::new(), End::Reset));
    assert!(begun.elapsed() >= Duration::from_millis(2500), "{:?}", begun.elapsed());
    let (status, _, log, _) = proxy.site.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains(&format!("cut at `drain_timeout`: CONNECT 127.0.0.1:{port}, a socket for ")), "{log}");
}

#[test]
fn a_process_ends_with_its_last_tunnel() {
    let port = echo();
    let proxy = Proxy::of(TestServer::site().server("drain_timeout", "60"), &[port], "");
    let mut conn = proxy.tunnel(port);
    proxy.site.signal("TERM");
    eventually("nobody is let in any more", || Conn::try_to(proxy.port).is_none().then_some(()));
    echoes(&mut conn);
    let begun = Instant::now();
    conn.half_close();
    assert_eq!(conn.until_end(), (Vec::new(), End::Finished));
    let (status, _, log, _) = proxy.site.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begun.elapsed() < bound(Duration::from_secs(2), CEILING), "{:?}", begun.elapsed());
    assert!(log.contains("nothing was cut"), "{log}");
}

#[test]
fn reloads_lose_no_client_of_the_proxy() {
    let (port, host) = (echo(), Host::saying(HELLO));
    let scenario = TestServer::site().server("supervise", "yes").server("drain_timeout", "30");
    let proxy = Proxy::of(scenario, &[port, host.port], "");
    let mut conn = proxy.tunnel(port);
    for turn in 1..=3 {
        let reloaded = std::thread::scope(|scope| {
            let reload = scope.spawn(|| proxy.site.command("reload", &["--wait"]));
            // Meanwhile others come, and the tunnel of the first process goes on.
            while !reload.is_finished() {
                proxy.get(&host.url("/")).expect_code(200);
                echoes(&mut conn);
            }
            reload.join().unwrap()
        });
        assert!(reloaded.status.success(), "{turn}: {reloaded:?}");
        echoes(&mut conn);
    }
    // The processes that are gone, and the one that still has the tunnel, are in the sum.
    eventually("all are counted", || (proxy.count("tunnels.opened") == 1).then_some(()));
    assert_eq!(proxy.count("tunnels.open"), 1);
    assert!(proxy.count("exchanges.opened") >= 3);
    // A changed section is taken up.
    proxy.site.rewrite(&format!("http_ports = {port}, {}", host.port), "http_ports = 1");
    let reloaded = proxy.site.command("reload", &["--wait"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    eventually("it is taken up", || (proxy.get(&host.url("/")).code == 403).then_some(()));
}

#[test]
fn an_upgrade_keeps_the_proxys_socket() {
    let (port, host) = (echo(), Host::saying(HELLO));
    let scenario = TestServer::site().server("supervise", "yes");
    let proxy = Proxy::of(scenario, &[port, host.port], "");
    let mut conn = proxy.tunnel(port);
    let upgraded = std::thread::scope(|scope| {
        let upgrade = scope.spawn(|| proxy.site.command("upgrade", &["--wait"]));
        while !upgrade.is_finished() {
            proxy.get(&host.url("/")).expect_code(200);
            echoes(&mut conn);
        }
        upgrade.join().unwrap()
    });
    assert!(upgraded.status.success(), "{upgraded:?}");
    echoes(&mut conn);
    proxy.get(&host.url("/")).expect_code(200);
}
