//! How fast the codec is beside quick-xml's bare events and beside dxr, over the same documents of about 20 kB.
//!
//!     cargo run --profile dist -p skitai-wire --example speed [ROUNDS]
//!
//! All contestants take turns in one process, so that a busy machine hits all alike; a contestant's time is its
//! shortest turn, which is the one the machine disturbed least. `proof/wire` holds the ratios to their bounds.
#![expect(clippy::print_stdout, reason = "figures are all it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use quick_xml::Reader;
use quick_xml::events::Event;
use skitai_wire::{Limits, Value, json, xmlrpc};

/// Runs of one turn: about 10 ms, long beside the clock's grain and short beside a scheduler's quantum.
const RUNS: u32 = 100;
/// Turns of each contestant unless the command line says otherwise.
const ROUNDS: usize = 40;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let answer = rows();
    let dense = xmlrpc::write_response(&answer).expect("rows of plain values");
    let dense = String::from_utf8(dense).expect("XML is written as UTF-8");
    let spaced = as_python_spaces(&dense);
    let foreign = dxr::MethodResponse::from_xml(&dense).expect("what dxr can read, too");
    println!(
        "one response, {} rows: {} bytes dense, {} bytes spaced as Python does",
        answer.len(),
        dense.len(),
        spaced.len()
    );
    for (name, xml) in [("dense", &dense), ("spaced", &spaced)] {
        let times = race(
            rounds,
            [
                &mut || drop(black_box(xmlrpc::parse_response(black_box(xml.as_bytes()), &Limits::default()))),
                &mut || events(black_box(xml)),
                &mut || drop(black_box(dxr::MethodResponse::from_xml(black_box(xml)))),
            ],
        );
        let [ours, bare, theirs] = times;
        println!(
            "parse {name}: ours {} | bare quick-xml events {} | dxr {}",
            rate(xml, ours),
            rate(xml, bare),
            rate(xml, theirs)
        );
        println!("parse {name}, ours / bare events: {:.2}", ratio(bare, ours));
        println!("parse {name}, ours / dxr: {:.2}", ratio(theirs, ours));
    }
    let [ours, theirs] = race(
        rounds,
        [&mut || drop(black_box(xmlrpc::write_response(black_box(&answer)))), &mut || {
            drop(black_box(black_box(&foreign).to_xml()))
        }],
    );
    println!("write: ours {} | dxr {}", rate(&dense, ours), rate(&dense, theirs));
    println!("write, ours / dxr: {:.2}", ratio(theirs, ours));
    let text = json::to_vec(&answer).expect("rows of plain values");
    let [read, written] = race(
        rounds,
        [&mut || drop(black_box(json::parse_value(black_box(&text)))), &mut || {
            drop(black_box(json::to_vec(black_box(&answer))))
        }],
    );
    println!("the same as JSON, {} bytes: parse {:?}, write {:?}", text.len(), read, written);
}

/// What a search or a query answers: rows of a few columns, of every common type.
fn rows() -> Value {
    let row = |at: i64| {
        Value::from_pairs([
            ("id", Value::Int(100_000 + 37 * at)),
            ("title", Value::from(format!("Quartet no. {at} in D, <first> movement"))),
            ("price", Value::Double(1.25 * at as f64)),
            ("available", Value::Bool(at % 3 == 0)),
            ("changed", Value::DateTime(format!("202601{:02}T10:20:30", at % 28 + 1))),
        ])
    };
    Value::from((0..46).map(row).collect::<Vec<_>>())
}

/// Python's `xmlrpc.client` ends most elements with a line feed.
fn as_python_spaces(xml: &str) -> String {
    let ends =
        ["<params>", "<param>", "<data>", "<struct>", "<member>", "</name>", "</value>", "</member>", "</param>"];
    ends.into_iter().fold(xml.to_owned(), |xml, end| xml.replace(end, &format!("{end}\n")))
}

/// Every event of a document, looked at and dropped: what any reader over quick-xml has to pay.
fn events(xml: &str) {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().expect("a document of ours") {
            Event::Eof => return,
            event => drop(black_box(event)),
        }
    }
}

/// The shortest time of one run for each contestant.
fn race<const N: usize>(rounds: usize, mut contestants: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..rounds {
        for (contestant, best) in contestants.iter_mut().zip(&mut best) {
            let start = Instant::now();
            for _ in 0..RUNS {
                contestant();
            }
            *best = (*best).min(start.elapsed() / RUNS);
        }
    }
    best
}

fn rate(xml: &str, time: Duration) -> String {
    format!("{:.0} MB/s ({:.1} µs)", xml.len() as f64 / time.as_secs_f64() / 1e6, time.as_secs_f64() * 1e6)
}

/// How many times as fast as `other` something is that took `time`.
fn ratio(other: Duration, time: Duration) -> f64 {
    other.as_secs_f64() / time.as_secs_f64()
}
