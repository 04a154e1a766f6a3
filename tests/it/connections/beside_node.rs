//! The same octets to us and to a server that knows nothing of us, Node's with its parser llhttp: what is executed here
//! was seen there, with the same body and in the same order, or refused there for a reason that is named. Two readers
//! in a row that both take part of what the other refuses cannot be led astray by that; two that see different requests
//! can.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread::scope;
use std::time::{Duration, Instant};

use super::notes;
use crate::harness::foreign::node;
use crate::harness::{End, TestServer};

/// Connections, each of them once whole and once in two pieces.
const CONNECTIONS: usize = 1000;
/// Clients of ours at a time: most of them wait for a clock.
const AT_ONCE: usize = 64;

/// What Node does not see and we execute, on purpose: its code, what that is, and whether it is in these octets, which
/// are a first head and what follows it. Another Node may read more of it.
const DIFFERENCES: [Difference; 4] = [
    ("HPE_INVALID_CHUNK_SIZE", "blanks behind the size of a chunk", |_, rest| {
        let digits = rest.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        digits > 0 && matches!(rest.get(digits), Some(b' ' | b'\t'))
    }),
    (
        "HPE_INVALID_METHOD",
        "what follows a method that neither of us serves, and that ends its connection",
        |head, _| METHODS[..12].iter().all(|good| !head.trim_ascii_start().starts_with(format!("{good} ").as_bytes())),
    ),
    ("HPE_INVALID_URL", "octets of a target that should have been escaped", |head, _| {
        head.trim_ascii_start().split(|&octet| octet == b'\n').next().is_some_and(|line| !line.is_ascii())
    }),
    (OFFERED, "what follows an offer to go on in another protocol", |head, _| holds(head, b"\r\nUpgrade: ")),
];
type Difference = (&'static str, &'static str, fn(&[u8], &[u8]) -> bool);
const OFFERED: &str = "no code: nothing is read on";

fn holds(octets: &[u8], wanted: &[u8]) -> bool {
    octets.windows(wanted.len()).any(|octets| octets == wanted)
}

/// True where this difference is in these octets.
fn explains(code: &str, octets: &[u8]) -> bool {
    let begin = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let ends = (begin..octets.len()).filter_map(|at| match &octets[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    });
    let (head, rest) = octets.split_at(ends.min().unwrap_or(octets.len()));
    DIFFERENCES.iter().any(|(named, _, is_in)| *named == code && is_in(head, rest))
}

/// A small generator, so that each run sends the same (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("fewer than sides")
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

const METHODS: [&str; 14] =
    ["GET", "POST", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "GET", "POST", "PUT", "PATCH", "BREW", "post"];
const TARGETS: [&str; 8] = [
    "<first>",
    "<first>?a=%20b",
    "http://h<first>",
    "<first>?\u{e9}",
    "<first>?<>\"`{|}",
    "*",
    "//h<first>",
    "<first>#x",
];
const VERSIONS: [&str; 6] = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 "];
const HOSTS: [&str; 7] = ["", "Host: h¶Host: h¶", "Host:¶", "Host: a b¶", "Host: [::1]:80¶", "Host : h¶", "host: h\n"];
const LINES: [&str; 18] = [
    "X: 1¶",
    "X: 1\n",
    "X: 1¶ 2¶",
    "X : 1¶",
    "X¶",
    "X: \u{1}¶",
    "X: \u{e9}\t¶",
    "X: 1\r2¶",
    "X:¶",
    "Connection: close¶",
    "Connection: keep-alive¶",
    "Connection: Upgrade¶Upgrade: websocket¶",
    "Connection: Upgrade, HTTP2-Settings¶Upgrade: h2c¶HTTP2-Settings: AAMAAABkAAQ¶",
    "Expect: 100-continue¶",
    "Transfer_Encoding: chunked¶",
    "X-Content-Length: 3¶",
    "Te: trailers¶",
    " X: 1¶",
];
/// How long the body is, and the body: `<n>` and `<x>` are the length of the hidden request.
const BODIES: [&str; 44] = [
    "¶",
    "Content-Length: 0¶¶",
    "Content-Length: <n>¶¶<hidden>",
    "Content-Length: <n>¶¶<hidden>",
    "Content-Length: 0<n>¶¶<hidden>",
    "Content-Length: +<n>¶¶<hidden>",
    "Content-Length: <n>, <n>¶¶<hidden>",
    "Content-Length: <n>¶Content-Length: <n>¶¶<hidden>",
    "Content-Length: <n>¶Content-Length: 0¶¶<hidden>",
    "Content-Length: 0x<x>¶¶<hidden>",
    "Content-Length : <n>¶¶<hidden>",
    "Content-Length:¶ <n>¶¶<hidden>",
    "Content-Length: <n>\n\n<hidden>",
    "Content-Length: <n>¶\n<hidden>",
    "Content-Length: <n>\r\r\n¶<hidden>",
    "Content-Length: 99999999999999999999¶¶<hidden>",
    "Content-Length: <n>¶Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶Content-Length: 5¶¶0¶¶<hidden>",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶5¶hello¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: CHUNKED¶¶000<x>;a=b¶<hidden>¶00¶¶",
    "Transfer-Encoding: chunked¶¶<x>;a=\"b;c\"¶<hidden>¶0;d¶¶",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶X: 1¶Y: 2¶¶",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶<hidden>",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶X¶¶",
    "Transfer-Encoding: chunked¶¶<x> ¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶<x>\t;a¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶<x>\n<hidden>\n0\n\n",
    "Transfer-Encoding: chunked¶¶<x>\r<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶<x>;a\nb¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶0x<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶ <x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>0¶¶",
    "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶\n",
    "Transfer-Encoding: chunked¶¶100000000<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked, chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: identity, chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: gzip, chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked, identity¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding:¶ chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: xchunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding : chunked¶¶<x>¶<hidden>¶0¶¶",
    "Transfer-Encoding: chunked¶¶<hidden>",
];

/// What is sent on a connection: a request of all kinds, and behind it a good one that is the last.
fn octets(dice: &mut Dice, case: &str) -> Vec<u8> {
    let mut text = String::new();
    if dice.one_in(10) {
        text += dice.pick(&["¶", "\n", "¶¶", "\r"]);
    }
    let target = if dice.one_in(3) { dice.pick(&TARGETS) } else { TARGETS[0] };
    let version = if dice.one_in(6) { dice.pick(&VERSIONS) } else { VERSIONS[0] };
    text += &format!("{} {target} {version}", dice.pick(&METHODS));
    text += if dice.one_in(15) { "\n" } else { "¶" };
    text += if dice.one_in(8) { dice.pick(&HOSTS) } else { "Host: h¶" };
    text += "Content-Type: text/plain¶";
    for _ in 0..dice.roll(3) {
        if dice.one_in(2) {
            text += dice.pick(&LINES);
        }
    }
    text +=
        if dice.one_in(2) { dice.pick(&BODIES) } else { dice.pick(&[BODIES[2], BODIES[18], BODIES[19], BODIES[21]]) };
    let hidden = format!("GET /heard/{case}/hidden HTTP/1.1\r\nHost: h\r\n\r\n");
    text += &format!("GET /heard/{case}/second HTTP/1.1¶Host: h¶Connection: close¶¶");
    let text = text
        .replace('¶', "\r\n")
        .replace("<first>", &format!("/heard/{case}/first"))
        .replace("<n>", &hidden.len().to_string())
        .replace("<x>", &format!("{:x}", hidden.len()))
        .replace("<hidden>", &hidden);
    let mut octets = text.into_bytes();
    if dice.one_in(8) {
        let place = dice.roll(octets.len());
        octets[place] = b"\0\t\n\r :;,0a\x7f\xff"[dice.roll(12)];
    }
    octets
}

struct Connection {
    case: String,
    octets: Vec<u8>,
    /// Where the second piece begins; 0 where there is but one.
    cut: usize,
}

/// Two of each, which differ in the word for their case.
fn connections() -> Vec<Connection> {
    let mut dice = Dice(2026);
    let of = |nth: usize| {
        let seed = dice.roll(usize::MAX) as u64;
        let whole = Connection { case: format!("w{nth}"), octets: octets(&mut Dice(seed), &format!("w{nth}")), cut: 0 };
        let octets = octets(&mut Dice(seed), &format!("c{nth}"));
        [whole, Connection { case: format!("c{nth}"), cut: 1 + dice.roll(octets.len() - 1), octets }]
    };
    (0..CONNECTIONS).flat_map(of).collect()
}

/// What is executed of each connection, in order.
fn executed(site: &TestServer, all: &[Connection]) -> Vec<Vec<String>> {
    let (next, reply) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let client = || {
        while let Some(Connection { case, octets, cut }) = all.get(next.fetch_add(1, SeqCst)) {
            let mut conn = site.conn();
            conn.send_reluctantly(&octets[..*cut]).send_reluctantly(&octets[*cut..]);
            let (bytes, end) = conn.until_end();
            assert_ne!(end, End::Never, "{case}: {}", bytes.escape_ascii());
            reply.lock().unwrap_or_else(PoisonError::into_inner).insert(case, notes(site, case));
        }
    };
    scope(|threads| (0..AT_ONCE).for_each(|_| drop(threads.spawn(client))));
    let mut reply = reply.into_inner().unwrap();
    all.iter().map(|connection| reply.remove(&connection.case).expect("each was sent")).collect()
}

/// What Node saw of each connection, in the same form as ours, and the code of what refused the rest.
fn seen(all: &[Connection]) -> Vec<(Vec<String>, Option<String>)> {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let file = tempfile::NamedTempFile::new().unwrap();
    let reply: Vec<_> = all.iter().map(|one| serde_json::json!({"octets": hex(&one.octets), "cut": one.cut})).collect();
    std::fs::write(file.path(), serde_json::to_vec(&reply).unwrap()).unwrap();
    let reply: Vec<serde_json::Value> =
        serde_json::from_str(&node("requests_seen.js", &[file.path().to_str().unwrap()])).unwrap();
    let request = |reply: &serde_json::Value| {
        let url = reply["url"].as_str().unwrap();
        let what = url.split(['?', '#']).next().unwrap().rsplit('/').next().unwrap();
        // Without a body's end it is no request that is executed.
        reply["body"].as_str().map(|body| format!("{} {what} {body}", reply["method"].as_str().unwrap()))
    };
    reply
        .iter()
        .map(|reply| {
            let requests = reply["requests"].as_array().unwrap().iter();
            (requests.filter_map(request).collect(), reply["refused"].as_str().map(str::to_owned))
        })
        .collect()
}

#[test]
fn what_is_executed_was_seen_by_node_or_refused() {
    let began = Instant::now();
    let site = TestServer::site()
        .server("body_timeout", "300ms")
        .server("head_timeout", "1s")
        .server("keep_alive", "1s")
        .start();
    let all = connections();
    let seen = seen(&all);
    let after_node = began.elapsed();
    let executed = executed(&site, &all);
    let (mut wrong, mut met, mut alike) = (Vec::new(), BTreeMap::<&str, u32>::new(), 0);
    for ((Connection { octets, .. }, ours), (theirs, refused)) in all.iter().zip(&executed).zip(&seen) {
        // Not all that is seen is executed: some of it belongs to no request here.
        let mut rest = theirs.iter();
        let Some(missing) = ours.iter().find(|our| !rest.any(|their| their == *our)) else {
            alike += ours.len();
            continue;
        };
        // Where Node has no word for it, it reads nothing on.
        let reason = refused.as_deref().filter(|code| *code != "SILENT").unwrap_or(OFFERED);
        // The request that is hidden is one of its own for both, or for none.
        match explains(reason, octets) && !missing.contains("hidden ") {
            true => *met.entry(reason).or_default() += 1,
            false => {
                let octets = octets.escape_ascii();
                wrong.push(format!("{octets}\n  executed {ours:?}\n  Node saw {theirs:?}, {reason}"));
            }
        }
    }
    println!("{alike} requests alike, {met:?}, Node {after_node:?}, all {:?}", began.elapsed());
    assert!(wrong.is_empty(), "{} of {} connections:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.len() >= 1_000 && alike > 800, "{alike} requests of {} connections", all.len());
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
