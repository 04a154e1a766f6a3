//! Heads that are refused before anybody of ours has seen a request: with a sentence, a line of the access log, the end
//! of the connection, and nothing at level ERROR, which would be in the log at anybody's will.

use super::{beside_a_healthy_client, get, last, logged, notes, refused};
use crate::harness::{Scenario, TestServer};

fn site() -> Scenario {
    TestServer::site().server("access_log", "access.log").server("head_timeout", "1s")
}

/// Each of these is refused with this code, is in the access log, and says so at no level that wakes anybody.
fn all_refused(code: u16, heads: &[(&str, Vec<u8>)]) {
    let site = site().start();
    let (mut sentences, mut clients) = (Vec::new(), Vec::new());
    beside_a_healthy_client(&site, || {
        for (name, head) in heads {
            // Which one it was, where it fails.
            eprintln!("{name}");
            let mut conn = site.conn();
            // What the server does not read any more is lost, and not the test's business.
            conn.send_reluctantly(head);
            sentences.push((name, refused(&mut conn, code)));
            clients.push(conn.own_port());
            // Behind a request that was answered, too.
            let mut conn = site.conn();
            conn.send(get("/defaults?needed=3")).send_reluctantly(head);
            assert_eq!(conn.read().expect_code(200).json()["needed"], 3, "{name}");
            refused(&mut conn, code);
            clients.push(conn.own_port());
        }
    });
    // The log is written once a second.
    clients.into_iter().for_each(|client| drop(logged(&site, client, code)));
    assert!(notes(&site, "refused").is_empty(), "nothing of it is executed");
    let log = site.stop().2;
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(sentences.len(), heads.len(), "{sentences:?}");
}

/// A request whose header lines are these.
fn with(lines: &str) -> Vec<u8> {
    format!("GET /noted/refused/x HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes()
}

#[test]
fn a_header_that_is_none_is_400() {
    all_refused(
        400,
        &[
            ("a blank in a name", with("X Y: 1\r\n")),
            ("a blank before the colon", with("X : 1\r\n")),
            ("no colon", with("X-Nothing\r\n")),
            ("no name", with(": 1\r\n")),
            ("a name that is no token", with("X(Y): 1\r\n")),
            ("a name beyond ASCII", with("Größe: 1\r\n")),
            ("a folded line", with("X: 1\r\n 2\r\n")),
            ("NUL in a value", with("X: \0\r\n")),
            ("a lone CR in a value", with("X: 1\r2\r\n")),
        ],
    );
}

#[test]
fn a_first_line_that_is_none_is_refused() {
    let line = |line: &str| format!("{line}\r\nHost: h\r\n\r\n").into_bytes();
    all_refused(
        400,
        &[
            ("two words", line("GET /noted/refused/x")),
            ("one word", line("HELLO")),
            ("a version that is none", line("GET /noted/refused/x HTTP/x")),
            ("control characters", line("\u{1}\u{2} / HTTP/1.1")),
            ("a method that is no token", line("G@T /noted/refused/x HTTP/1.1")),
            ("TLS to a port without it", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 random octets\r\n\r\n".to_vec()),
        ],
    );
}

#[test]
fn more_header_lines_than_are_read_are_431() {
    let lines = |count: usize| "X-Many: 1\r\n".repeat(count);
    let site = site().start();
    // `Host` is one of them.
    let most = format!("GET /defaults?needed=1 HTTP/1.1\r\nHost: h\r\n{}\r\n", lines(95));
    let mut conn = site.conn();
    conn.send(most.repeat(2));
    assert_eq!([conn.read().code, conn.read().code], [200, 200]);
    all_refused(
        431,
        &[
            ("97 lines", with(&lines(96))),
            ("98 lines", with(&lines(97))),
            ("a thousand lines", with(&lines(1000))),
            ("short lines", with(&"a:\r\n".repeat(400))),
        ],
    );
}

#[test]
fn a_head_over_128_kib_is_431() {
    let long = |octets: usize| with(&format!("X-Long: {}\r\n", "x".repeat(octets)));
    let site = site().start();
    let large = format!("X-Long: {}\r\nContent-Type: text/plain\r\n", "x".repeat(100_000));
    let mut conn = site.conn();
    conn.send(format!("GET /noted/large/first HTTP/1.1\r\nHost: h\r\n{large}\r\n")).send(last("/noted/large/second"));
    assert_eq!([conn.read().code, conn.read().code], [200, 200]);
    assert_eq!(notes(&site, "large"), ["first", "second"]);
    let mut endless = long(140_000);
    endless.truncate(139_000);
    let cookies = format!("Cookie: {}\r\n", "a=b; ".repeat(400)).repeat(90);
    all_refused(
        431,
        &[
            ("140 000 octets", long(140_000)),
            ("a line without an end", endless),
            ("many long lines", with(&cookies)),
            ("a name without an end", with(&"x".repeat(140_000))),
        ],
    );
}

#[test]
fn a_target_over_64_kib_is_414() {
    let target = |octets: usize| {
        let path = "/noted/refused/x?q=";
        let target = format!("{path}{}", "q".repeat(octets - path.len()));
        assert_eq!(target.len(), octets);
        format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
    };
    let site = site().start();
    let mut conn = site.conn();
    conn.send(get(&format!("/defaults?needed=4&rest={}", "q".repeat(60_000)))).send(get("/defaults?needed=5"));
    assert_eq!(conn.read().expect_code(200).json()["needed"], 4);
    assert_eq!(conn.read().expect_code(200).json()["needed"], 5);
    let mut endless = target(71_000);
    endless.truncate(70_000);
    let slashes = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", "/x".repeat(35_000)).into_bytes();
    all_refused(
        414,
        &[
            ("70 KB", target(70_000)),
            ("a little more than 64 KiB", target(65_600)),
            ("without an end", endless),
            ("a long path", slashes),
        ],
    );
}

#[test]
fn a_head_that_does_not_come_has_its_words_too() {
    let site = site().start();
    let mut clients = Vec::new();
    beside_a_healthy_client(&site, || {
        for part in ["GET /noted/refused/x HTTP/1.1\r\nHost: h\r\n", "GET /noted/refu", "G"] {
            let mut conn = site.conn();
            conn.send(part);
            let sentence = refused(&mut conn, 408);
            assert!(sentence.contains("1 s"), "{part:?}: {sentence}");
            clients.push(conn.own_port());
        }
    });
    clients.into_iter().for_each(|client| drop(logged(&site, client, 408)));
    assert!(notes(&site, "refused").is_empty());
    assert!(!site.stop().2.contains("ERROR"));
}

#[test]
fn many_refusals_wake_nobody() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..100 {
                        let mut conn = site.conn();
                        conn.send(with("X Y: 1\r\n"));
                        refused(&mut conn, 400);
                    }
                });
            }
        });
    });
    let log = site.stop().2;
    assert!(!log.contains("ERROR"), "{log}");
}
