//! Requests hidden in others. Each case is a request that two readers could take for different ones, with a request
//! inside that must not be executed, and beside it a legal twin that must be: both its requests, once, in order.
//!
//! - [`lengths`]: what says how long a body is; [`chunks`]: the body in pieces; [`heads`]: lines, targets and names.

mod chunks;
mod heads;
mod lengths;

use std::thread::scope;

use super::notes;
use crate::harness::{Conn, End, TestServer};

/// Refused as a whole, and the connection ends.
const REFUSED: &[&str] = &[""];
/// Legal: what is hidden is the body of the first, and the second follows.
const BODY: &[&str] = &["first second"];
/// Legal: what is hidden is a request of its own, and no secret to anybody.
const SEPARATE: &[&str] = &["first hidden second"];
/// The RFC leaves the choice: refused, or read in the one safe way, and then the connection may go on or end.
const EITHER: &[&str] = &["", "first", "first second"];
/// The same, where the connection must end behind it (RFC 9112, 6.1).
const CLOSED: &[&str] = &["", "first"];
/// The first is answered with an error and its body read, or the connection ends.
const UNKNOWN: &[&str] = &["", "first", "first second", "second"];

/// One case. Its requests are written with `¶` for a line end; `<first>` is the target of the first request, `<hidden>`
/// the hidden request as a whole, `<n>` how long that is (`<x>` in hexadecimal digits, `<n+5>` with five more). The
/// second request follows by itself and asks for the end of the connection.
struct Case {
    name: &'static str,
    attack: String,
    /// What may be executed, in order: one of these.
    allowed: &'static [&'static str],
    twin: String,
}

/// The head of a POST up to what says how long its body is.
const POST: &str = "POST <first> HTTP/1.1¶Host: h¶Content-Type: text/plain¶";
/// The legal ways to send a body.
const WITH_LENGTH: &str = "Content-Length: <n>¶¶<hidden>";
const IN_CHUNKS: &str = "Transfer-Encoding: chunked¶¶<x>¶<hidden>¶0¶¶";

/// The whole of what is sent in a case of this number.
fn written(template: &str, case: &str) -> Vec<u8> {
    let hidden = format!("GET /noted/{case}/hidden HTTP/1.1\r\nHost: h\r\n\r\n");
    let second = format!("GET /noted/{case}/second HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let text = template
        .replace('¶', "\r\n")
        .replace("<first>", &format!("/noted/{case}/first"))
        .replace("<n>", &hidden.len().to_string())
        .replace("<n+5>", &(hidden.len() + 5).to_string())
        .replace("<x>", &format!("{:x}", hidden.len()))
        .replace("<X>", &format!("{:X}", hidden.len()))
        .replace("<hidden>", &hidden);
    (text + &second).into_bytes()
}

/// The codes of all replies, but for 100.
fn codes(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("HTTP/1.").skip(1).filter_map(|line| line.get(2..5)?.parse().ok());
    lines.filter(|code| *code != 100).collect()
}

/// Sends one case's octets in pieces of this size and gives the codes that came back, and whether an end did.
fn sent(port: u16, bytes: &[u8], piece: usize) -> (Vec<u16>, End) {
    let mut conn = Conn::to(port);
    for piece in bytes.chunks(piece) {
        conn.send_reluctantly(piece);
    }
    let (bytes, end) = conn.until_end();
    (codes(&bytes), end)
}

/// A case as it is sent: its octets and those of its legal twin, each with the name under which what they execute is
/// noted.
pub(super) struct Octets<'c> {
    pub(super) name: &'c str,
    pub(super) attack: (&'c str, Vec<u8>),
    pub(super) twin: (&'c str, Vec<u8>),
    /// What may be executed, in order: one of these.
    pub(super) allowed: &'c [&'c str],
}

/// What was executed at the server of this port, whoever made it.
fn executed(port: u16, case: &str) -> String {
    let asked = format!("GET /notes/{case} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = Conn::to(port).send(asked).read().expect_code(200).json();
    let notes = answer.as_array().expect("a list").iter().map(|what| what.as_str().expect("a text").to_owned());
    notes.collect::<Vec<_>>().join(" ")
}

/// What is wrong with one case, sent in one of two ways.
fn judged(site: &TestServer, case: &Case, number: usize, piece: usize) -> Result<(), String> {
    let (attack, twin) = (format!("a{number}x{piece}"), format!("t{number}x{piece}"));
    let (attack_octets, twin_octets) = (written(&case.attack, &attack), written(&case.twin, &twin));
    let octets =
        Octets { name: case.name, attack: (&attack, attack_octets), twin: (&twin, twin_octets), allowed: case.allowed };
    judged_octets(site.port(), &octets, piece)
}

/// The same for octets, at the server of a port.
pub(super) fn judged_octets(port: u16, case: &Octets<'_>, piece: usize) -> Result<(), String> {
    let said = |what: &str| Err(format!("{} ({piece} octets at a time): {what}", case.name));
    let (answers, end) = sent(port, &case.attack.1, piece);
    if end == End::Never {
        return said(&format!("answered {answers:?} and never ended"));
    }
    let done = executed(port, case.attack.0);
    let good = answers.iter().filter(|code| **code == 200).count();
    if !case.allowed.contains(&done.as_str()) {
        return said(&format!("executed {done:?}, answered {answers:?}"));
    }
    if good != done.split_terminator(' ').count() {
        return said(&format!("executed {done:?} but answered {answers:?}"));
    }
    if done.is_empty() && !matches!(answers[..], [400..=599]) {
        return said(&format!("refused with {answers:?}"));
    }
    let (answers, _) = sent(port, &case.twin.1, piece);
    let done = executed(port, case.twin.0);
    if done != "first second" || answers != [200, 200] {
        return said(&format!("its legal twin executed {done:?}, answered {answers:?}"));
    }
    Ok(())
}

/// All cases of a table, side by side, each in one piece and in small ones.
fn hold(table: &[Case], least: usize) {
    assert!(table.len() >= least, "{} cases", table.len());
    let site = TestServer::site().server("body_timeout", "700ms").server("head_timeout", "2s").start();
    let judge = |(number, case)| {
        [usize::MAX, 13].into_iter().filter_map(|piece| judged(&site, case, number, piece).err()).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = scope(|threads| {
        let judge = &judge;
        let cases: Vec<_> = table.iter().enumerate().map(|case| threads.spawn(move || judge(case))).collect();
        cases.into_iter().flat_map(|case| case.join().expect("every case ends")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), table.len(), wrong.join("\n"));
    // Once more, when all is over: nothing was executed late.
    for (number, case) in table.iter().enumerate().filter(|(_, case)| case.allowed != SEPARATE) {
        for piece in [usize::MAX, 13] {
            let executed = notes(&site, &format!("a{number}x{piece}"));
            assert!(!executed.contains(&"hidden".to_owned()), "{}: {executed:?}", case.name);
        }
    }
    site.get("/defaults?needed=1").expect_code(200);
}
