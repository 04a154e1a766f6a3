//! Large bodies: the memory that all of them have while they come, and the event loop that goes on while one is read.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::scope;
use std::time::{Duration, Instant};

use super::get;
use crate::harness::{Conn, Reply, TestServer, eventually};

const MIB: usize = 1 << 20;

/// A form of so many octets that is whole but for its last ones.
fn begun(site: &TestServer, octets: usize) -> (Conn, Vec<u8>) {
    let mut conn = site.conn();
    let body = format!("items=1&rest={}", "x".repeat(octets));
    let (most, rest) = body.as_bytes().split_at(body.len() - 3);
    conn.send(head("/counted", "application/x-www-form-urlencoded", body.len())).send(most);
    (conn, rest.to_vec())
}

fn head(path: &str, kind: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn bodies_that_are_still_coming_have_a_memory_together() {
    // One thread: there is room for one of two, and no moment in which both are too much.
    let server = [("threads", "1"), ("max_body", "5m"), ("max_bodies", "6m")];
    let site = server.into_iter().fold(TestServer::site(), |site, (key, value)| site.server(key, value)).start();
    let mut both = [begun(&site, 4 * MIB), begun(&site, 4 * MIB)];
    let refused = eventually("a body for which there is no room", || {
        both.iter_mut().position(|(conn, _)| !conn.is_silent_for(Duration::from_millis(50)))
    });
    let reply = both[refused].0.read();
    assert_eq!(reply.header("retry-after"), "1", "{:?}", reply.headers);
    // Whether its connection is kept depends on how much of the body is still to come, which the machine decides.
    assert!(reply.expect_code(503).text().contains("memory"));
    let [first, second] = both;
    let (mut other, rest) = if refused == 0 { second } else { first };
    // A small one has room, and a large one that is here with its head is no concern of others.
    assert_eq!(site.post("/counted", "application/x-www-form-urlencoded", "items=1").expect_code(200).text(), "1");
    other.send(rest);
    assert_eq!(other.read().expect_code(200).text(), "1");
    // What it held is there for the next; so is what was refused, and what its client left behind.
    drop(begun(&site, 4 * MIB));
    eventually("there is room again", || {
        let (mut conn, rest) = begun(&site, 4 * MIB);
        conn.send(rest);
        (conn.read().code == 200).then_some(())
    });
}

/// Posts a large body to a server of one thread. Gives its answer, how long that took from its last octet on, and the
/// longest that another client waited meanwhile for each of its own.
fn beside(kind: &str, path: &str, body: &str) -> (Reply, Duration, Duration) {
    let site = TestServer::site().server("threads", "1").start();
    let (is_sent, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    scope(|threads| {
        let other = threads.spawn(|| {
            let (mut conn, mut longest) = (site.conn(), Duration::ZERO);
            while !is_over.load(SeqCst) {
                let began = Instant::now();
                conn.send(get("/nothing"));
                conn.read().expect_code(204);
                if is_sent.load(SeqCst) {
                    longest = longest.max(began.elapsed());
                }
            }
            longest
        });
        let mut conn = site.conn();
        conn.send(head(path, kind, body.len())).send(&body[..body.len() - 1]);
        is_sent.store(true, SeqCst);
        let began = Instant::now();
        conn.send(&body[body.len() - 1..]);
        let reply = conn.read();
        let took = began.elapsed();
        is_over.store(true, SeqCst);
        (reply, took, other.join().expect("it was served"))
    })
}

const ITEMS: usize = 500_000;

#[test]
fn a_large_body_is_read_beside_the_others() {
    let numbers = vec!["123456"; ITEMS].join(",");
    let json = format!(r#"{{"items":[{numbers}]}}"#);
    let rpc = format!(r#"{{"jsonrpc":"2.0","method":"counted","params":[[{numbers}]],"id":7}}"#);
    let items = "<value><int>1</int></value>".repeat(ITEMS * 3 / 10);
    let xml = format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>counted</methodName><params><param><value><array><data>{items}\
         </data></array></value></param></params></methodCall>"
    );
    for (kind, path, body, answer) in [
        ("application/json", "/counted", &json, ITEMS.to_string()),
        ("application/json-rpc", "/", &rpc, format!(r#""result":{ITEMS},"id":7"#)),
        ("text/xml", "/RPC2", &xml, format!("<int>{}</int>", ITEMS * 3 / 10)),
    ] {
        let (reply, took, waited) = beside(kind, path, body);
        let text = reply.expect_code(200).text();
        assert!(text.contains(&answer), "{kind}: {text}");
        // Read on the event loop it would be waited for by everybody, for as long as it takes.
        assert!(waited * 2 < took, "{kind}: others waited {waited:?} of the {took:?} that it took");
    }
}

#[test]
fn what_is_wrong_with_a_large_body_is_told_as_of_a_small_one() {
    let site = TestServer::site().start();
    let numbers = vec!["123456"; 20_000].join(",");
    let reply = site.post("/counted", "application/json", format!(r#"{{"items":[{numbers}"#)).expect_code(400);
    assert!(reply.text().contains("malformed"), "{}", reply.text());
    let reply = site.post("/", "application/json-rpc", format!(r#"[{{"id":1,"params":[{numbers}]"#)).expect_code(200);
    assert_eq!(reply.json()["error"]["code"], -32700, "{}", reply.text());
    let batch = format!(r#"[{{"jsonrpc":"2.0","method":"counted","params":[[{numbers}]],"id":"a\u0062"}}, 5]"#);
    let answers = site.post("/", "application/json-rpc", batch).expect_code(200).json();
    assert_eq!((&answers[0]["result"], &answers[0]["id"]), (&20_000.into(), &"ab".into()), "{answers}");
    assert_eq!(answers[1]["error"]["code"], -32600, "{answers}");
    let xml = format!("<?xml version=\"1.0\"?><methodCall><methodName>{}", "x".repeat(100_000));
    assert!(site.post("/RPC2", "text/xml", xml).expect_code(200).text().contains("<fault>"));
    let form = format!("items=%ff&rest={}", "x".repeat(100_000));
    let reply = site.post("/counted", "application/x-www-form-urlencoded", form).expect_code(400);
    assert!(reply.text().contains("UTF-8"), "{}", reply.text());
}
