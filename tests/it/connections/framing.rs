//! The table of `tests/framing`: every class of mistake that the trophies of the HTTP Garden name. Nothing of an
//! illegal request's inside is executed, its legal twin is executed exactly once, and in order. The same table fails
//! where it should: at Python's `http.server`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::thread::scope;

use serde::Deserialize;

use super::smuggling::{Octets, judged_octets};
use crate::harness::data::root;
use crate::harness::{TestServer, foreign};
use crate::proxying::member::RawMember;

/// The fewest rows at which Python's server executes what it should not, or not what it should.
const FAIL_ELSEWHERE: usize = 20;
/// Connections at a time.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Row {
    classes: Vec<String>,
    name: String,
    attack: String,
    allowed: Vec<String>,
    twin: String,
}

fn table() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("tests/framing/cases.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The octets of a template, for the case of this name.
fn octets(template: &str, case: &str) -> Vec<u8> {
    let hidden = format!("GET /noted/{case}/hidden HTTP/1.1\r\nHost: h\r\n\r\n");
    let text = template
        .replace("<first>", &format!("/noted/{case}/first"))
        .replace("<n>", &hidden.len().to_string())
        .replace("<x>", &format!("{:x}", hidden.len()))
        .replace("<hidden>", &hidden);
    let second = format!("GET /noted/{case}/second HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let octet = |char| u8::try_from(char).unwrap_or_else(|_| panic!("{char:?} is no octet"));
    text.chars().map(octet).chain(second.bytes()).collect()
}

/// What is wrong with each row at the server of this port, sent in pieces of this size.
fn failures(port: u16, rows: &[Row], piece: usize) -> Vec<String> {
    let one = |(number, row): (usize, &Row)| {
        let (attack, twin) = (format!("f{number}x{piece}"), format!("g{number}x{piece}"));
        let allowed: Vec<&str> = row.allowed.iter().map(String::as_str).collect();
        let sent = Octets {
            name: &row.name,
            attack: (&attack, octets(&row.attack, &attack)),
            twin: (&twin, octets(&row.twin, &twin)),
            allowed: &allowed,
        };
        judged_octets(port, &sent, piece).err()
    };
    let rows: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
    scope(|threads| {
        let one = &one;
        let shares: Vec<_> = (0..AT_ONCE)
            .map(|share| {
                let mine: Vec<_> = rows.iter().skip(share).step_by(AT_ONCE).copied().collect();
                threads.spawn(move || mine.into_iter().filter_map(one).collect::<Vec<String>>())
            })
            .collect();
        shares.into_iter().flat_map(|share| share.join().expect("every row ends")).collect()
    })
}

#[test]
fn the_table_has_every_class_of_the_garden() {
    let rows = table();
    let has: BTreeSet<String> = rows.iter().flat_map(|row| row.classes.iter().cloned()).collect();
    let servers = (1..=48).map(|nth| format!("s{nth}"));
    let between = (1..=25).filter(|nth| *nth != 8).map(|nth| format!("t{nth}"));
    let all: BTreeSet<String> = servers.chain(between).chain(["d1", "d2"].map(str::to_owned)).collect();
    assert_eq!((all.len(), &has), (74, &all));
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "every row has a name of its own");
}

#[test]
fn nothing_ambiguous_is_executed_and_every_twin_is() {
    let site = TestServer::site().server("body_timeout", "700ms").server("head_timeout", "2s").start();
    let rows = table();
    for piece in [usize::MAX, 1] {
        let failed = failures(site.port(), &rows, piece);
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), rows.len(), failed.join("\n"));
    }
}

#[test]
fn the_table_fails_where_it_should() {
    let server = foreign::Server::start("tests/interop/framing_http_server.py", std::iter::empty::<&str>());
    let failed = failures(server.port, &table(), usize::MAX);
    let illegal = failed.iter().filter(|row| !row.contains("its legal twin")).count();
    assert!(illegal >= FAIL_ELSEWHERE, "only {illegal} rows fail at http.server:\n{}", failed.join("\n"));
}

#[test]
fn the_table_holds_through_the_proxy() {
    let noted: Mutex<HashMap<String, Vec<String>>> = Mutex::default();
    let member = RawMember::start(move |talk| {
        let asked = talk.request()?;
        let parts: Vec<&str> = asked.line().split(' ').nth(1)?.split('/').collect();
        let mut noted = noted.lock().unwrap();
        let body = match parts[..] {
            ["", "noted", case, what] => {
                noted.entry(case.to_owned()).or_default().push(what.to_owned());
                "noted".to_owned()
            }
            ["", "notes", case] => serde_json::to_string(noted.get(case).unwrap_or(&Vec::new())).unwrap(),
            _ => "?".to_owned(),
        };
        talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    });
    let site = TestServer::site_of(&["/ = @web"])
        .section(&format!("[@web]\nmembers = {}", member.node()))
        .server("body_timeout", "700ms")
        .server("head_timeout", "2s")
        .start();
    let rows = table();
    for piece in [usize::MAX, 1] {
        let failed = failures(site.port(), &rows, piece);
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), rows.len(), failed.join("\n"));
    }
}
