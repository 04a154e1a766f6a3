//! Clients that take nothing, or next to nothing: what is made for them is bounded, and so is the time they are given.

use std::time::{Duration, Instant};

use super::{CEILING, SECOND, beside_a_healthy_client, get};
use crate::harness::{Conn, Postgres, Scenario, TestServer, eventually};

const MIB: usize = 1 << 20;

/// A site with a file of 64 MiB, whose readers have a second to take something.
fn site() -> Scenario {
    let site = TestServer::site().server("send_timeout", "1s").route("/files = public").file("public/large.bin", "");
    let file = std::fs::File::options().write(true).open(site.dir().join("public/large.bin")).unwrap();
    // It has no blocks: 64 MiB that cost no disk.
    file.set_len(64 << 20).unwrap();
    site
}

/// A client that asks and reads nothing.
fn deaf(site: &TestServer, path: &str) -> Conn {
    let mut conn = Conn::narrowest(site.port());
    conn.send(get(path));
    conn
}

/// The server resets this connection in its time.
#[track_caller]
fn ended(conn: &Conn, since: Instant) {
    eventually("the connection is reset", || conn.was_reset().then_some(()));
    let took = since.elapsed();
    assert!(took > SECOND / 2 && took < CEILING * 2, "it was ended after {took:?}");
}

/// Clients that send one request after another as fast as these are taken, and read nothing. Each is ended, and until
/// then costs no more than its bound.
fn flooded(path: &str, code: u16) {
    const CLIENTS: usize = 8;
    let site = site().start();
    beside_a_healthy_client(&site, || {
        let before = site.memory();
        let burst = get(path).repeat(4600);
        let mut clients: Vec<(Conn, usize)> = (0..CLIENTS).map(|_| (Conn::narrowest(site.port()), 0)).collect();
        let (since, mut sent) = (Instant::now(), 0);
        while !clients.is_empty() {
            assert!(since.elapsed() < CEILING * 2, "{path}: {} clients are still served", clients.len());
            clients.retain_mut(|(conn, at)| {
                let Some(n) = conn.send_what_fits(&burst.as_bytes()[*at..]) else { return false };
                sent += n;
                *at = (*at + n) % burst.len();
                !conn.was_reset()
            });
            let grown = site.memory().saturating_sub(before);
            // 256 KiB that wait for each, what is needed to make them, and what an allocator keeps back.
            assert!(grown < CLIENTS * MIB / 2 + 24 * MIB, "{path}: {} MiB more", grown / MIB);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(since.elapsed() > SECOND / 2, "{path}: they had their time, {:?}", since.elapsed());
        assert!(sent > CLIENTS * 4096, "{path}: {sent} octets were all they could send");
    });
    // Who reads has every answer, however many requests came at once.
    let mut conn = site.conn();
    conn.send(get(path).repeat(100));
    assert!((0..100).all(|_| conn.read().code == code), "{path}: {code}");
}

#[test]
fn pages_are_not_made_without_end_for_a_client_that_reads_none() {
    flooded("/large?bytes=1500", 200);
}

#[test]
fn replies_without_a_body_are_not_made_without_end_either() {
    flooded("/nothing", 204);
}

#[test]
fn nor_are_redirects() {
    flooded("/moved", 302);
}

#[test]
fn nor_are_errors() {
    flooded("/no/such/page", 404);
}

#[test]
fn files_and_streams_that_nobody_reads_are_ended() {
    let site = site().start();
    let aborts = || site.get("/aborts").expect_code(200).json()[1].as_u64().unwrap();
    assert_eq!(aborts(), 0);
    beside_a_healthy_client(&site, || {
        let since = Instant::now();
        let paths = ["/files/large.bin", "/letters?chunks=1000", "/pieces?pieces=1000", "/large?bytes=9000000"];
        let clients = paths.map(|path| deaf(&site, path));
        clients.iter().for_each(|conn| ended(conn, since));
        eventually("the stream is aborted", || (aborts() == 1).then_some(()));
        eventually("the object is aborted, too", || (site.get("/pieces/told").json()[1] == 1).then_some(()));
    });
    // Read to their end they are whole.
    assert_eq!(site.get("/files/large.bin").expect_code(200).body.len(), 64 << 20);
    assert_eq!(site.get("/letters?chunks=30").expect_code(200).body.len(), 30 << 16);
}

#[test]
fn a_slow_reader_that_goes_on_is_served_and_one_that_takes_next_to_nothing_is_not() {
    let site = site().start();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            // Its kernel and the server's hold far more for it than it reads in this time, and it is served all the
            // same.
            let mut slow = Conn::narrow(site.port());
            slow.send(get("/letters?chunks=100"));
            let (since, mut read) = (Instant::now(), 0);
            // Three times as long as one may take nothing, several KiB a second.
            while since.elapsed() < SECOND * 3 {
                read += slow.sip(2048).filter(|some| !some.is_empty()).expect("it is served on").len();
                std::thread::sleep(Duration::from_millis(100));
            }
            assert!(read > 8 * 1024 && !slow.was_reset(), "{read} octets");
        });
        let mut crawling = deaf(&site, "/files/large.bin");
        let since = Instant::now();
        while !crawling.was_reset() && crawling.sip(50).is_some() {
            assert!(since.elapsed() < CEILING * 2, "it is still served");
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(since.elapsed() > SECOND / 2, "it had its time");
    });
}

#[test]
fn readers_of_rows_that_take_none_give_their_statements_connections_back() {
    let postgres = Postgres::shared();
    let member = Postgres::member(postgres.port(), "whole");
    let section = format!("[@rows]\ntype = postgresql\nmembers = {member}\nconnections = 2");
    let site = site().server("threads", "1").section(&section).start();
    let path = |sql: &str| {
        let escaped: String = sql.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("/rows?cluster=rows&sql={escaped}")
    };
    let huge = path("SELECT generate_series(1, 50000000) AS id, repeat('x', 100) AS x /* nobody reads */");
    let running = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%/* nobody reads */%' AND state = 'active' \
                   AND pid <> pg_backend_pid()";
        postgres.psql("postgres", sql).trim().parse::<usize>().unwrap()
    };
    beside_a_healthy_client(&site, || {
        let since = Instant::now();
        let first = deaf(&site, &huge);
        eventually("its statement runs", || (running() > 0).then_some(()));
        let second = deaf(&site, &huge);
        // Whether it has room beside them or after them: it is answered.
        let answer = eventually("the others' statements are answered", || {
            let reply = site.get(&path("SELECT 7 AS seven"));
            (reply.code == 200).then(|| reply.text())
        });
        assert!(answer.contains("seven") && since.elapsed() < CEILING * 2, "{answer} after {:?}", since.elapsed());
        eventually("no statement runs for nobody", || (running() == 0).then_some(()));
        eventually("its reader is cut", || first.was_reset().then_some(()));
        drop(second);
    });
}
