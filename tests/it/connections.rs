//! Connections of clients, octet by octet: what is refused and in which words, what has its time and its bound, and
//! that no octet of one request is ever taken for another.
//!
//! - [`clocks`]: every state in which a connection can stand has its time; [`bounds`]: clients that take nothing;
//! - [`refusals`]: heads that are refused have a sentence, a line of the access log and no line at level ERROR;
//! - [`targets`]: hosts, targets and the methods that are the server's to answer; [`expecting`]: `Expect:
//!   100-continue`;
//! - [`bodies`]: the memory of those that are still coming, and large ones;
//! - [`upgrades`]: what nobody takes is ignored; [`old_clients`]: HTTP/1.0, and how a body without a length ends;
//! - [`smuggling`]: requests hidden in others, each with its legal twin; [`framing`]: the same as a table of data;
//! - [`beside_node`]: the same octets to a server that knows nothing of us; [`early`]: replies that come before the
//!   body;
//! - [`untrue`]: bodies that are not what their head says; [`healthy`]: what all others go on doing;
//! - [`corners`]: where two of these meet; [`websockets`]: two foreign clients.

mod beside_node;
mod bodies;
mod bounds;
mod clocks;
mod corners;
mod early;
mod expecting;
mod framing;
mod healthy;
mod old_clients;
mod refusals;
mod smuggling;
mod targets;
mod untrue;
mod upgrades;
mod websockets;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::scope;
use std::time::{Duration, Instant};

use crate::harness::{Conn, Reply, TestServer, eventually};

/// How long what takes a second may take on a machine that builds meanwhile.
const CEILING: Duration = Duration::from_secs(8);

/// The time of the shortest clock.
const SECOND: Duration = Duration::from_secs(1);

/// A GET on a connection that stays.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// The last GET of a connection.
fn last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
}

/// A reply that refuses, in full: its code, a sentence in the form of all errors, and that the connection ends. Gives
/// the sentence.
#[track_caller]
fn refusal(reply: Reply, code: u16) -> String {
    let reply = reply.expect_code(code);
    let answer = reply.json();
    assert_eq!(answer["error"]["code"], code, "{answer}");
    assert_eq!(reply.header("connection").to_ascii_lowercase(), "close", "{:?}", reply.headers);
    assert!(reply.header("content-type").starts_with("application/json"), "{:?}", reply.headers);
    let sentence = answer["error"]["message"].as_str().expect("a message").to_owned();
    assert!(sentence.split(' ').count() >= 3, "a sentence, not {sentence:?}");
    sentence
}

/// The connection is refused with this code and ends. Gives the sentence.
#[track_caller]
fn refused(conn: &mut Conn, code: u16) -> String {
    let sentence = refusal(conn.read(), code);
    assert!(conn.ends(), "nothing follows a refusal");
    sentence
}

/// The fields of the access log's line of this client and this code, once it is written.
fn logged(site: &TestServer, client: u16, code: u16) -> Vec<String> {
    let client = format!("127.0.0.1:{client}");
    let what = format!("a line of the access log of {client} with {code}");
    eventually(&what, || {
        let text = std::fs::read_to_string(site.dir().join("access.log")).unwrap_or_default();
        let mut lines = text.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        lines.find(|fields| fields.len() > 4 && fields[1] == client && fields[2..].contains(&code.to_string()))
    })
}

/// What was executed of a case, in order.
fn notes(site: &TestServer, case: &str) -> Vec<String> {
    let answer = site.get(&format!("/notes/{case}")).expect_code(200).json();
    answer.as_array().expect("a list").iter().map(|what| what.as_str().expect("a text").to_owned()).collect()
}

/// Does something while a healthy client goes on asking: each of its requests has its own answer in time, and there
/// were some.
#[track_caller]
fn beside_a_healthy_client<T>(site: &TestServer, attack: impl FnOnce() -> T) -> T {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let is_over = AtomicBool::new(false);
    let healthy = || {
        let (mut conn, mut answered, mut slowest) = (site.conn(), 0, Duration::ZERO);
        while !is_over.load(SeqCst) || answered == 0 {
            let began = Instant::now();
            conn.send(get(&format!("/defaults?needed={answered}")));
            assert_eq!(conn.read().expect_code(200).json()["needed"], answered);
            slowest = slowest.max(began.elapsed());
            answered += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        (answered, slowest)
    };
    let (value, (answered, slowest)) = scope(|threads| {
        let healthy = threads.spawn(healthy);
        let over = Over(&is_over);
        let value = attack();
        drop(over);
        (value, healthy.join().expect("the healthy client was served"))
    });
    assert!(answered > 0 && slowest < Duration::from_secs(5), "{answered} answers, the slowest after {slowest:?}");
    value
}
