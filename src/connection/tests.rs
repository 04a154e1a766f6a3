//! Compares our connections with two other readers of the same octets: actix-http's decoder, which this server used
//! before, and the slow reader of `skitai_wire`'s tests. Every difference is deliberate and has a name here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use actix_codec::Decoder as _;
use actix_http::h1::{Codec, Message, MessageType};
use bytes::BytesMut;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::heard::{All, Expected, Heard, head_of, heard};

#[path = "../../actors/wire/tests/it/http1/lines.rs"]
mod lines;
#[path = "../../actors/wire/tests/it/http1/slow_requests.rs"]
mod slow_requests;

/// Input that we accept and actix-http refuses or reads differently.
const READ: [(&str, &str); 4] = [
    ("escaped", "octets of a target that should have been escaped are read as if they were"),
    ("absolute", "the authority of an absolute target is the host, whatever the header says"),
    ("ignored", "an upgrade that HTTP/1.0 names is nothing that a service could take"),
    ("offered", "an offer to go on in another protocol, or a CONNECT, does not swallow what follows"),
];

/// Input that we refuse and actix-http accepts.
const REFUSED: [(&str, &str); 6] = [
    ("feed", "a line of a head ends with CR LF, because others see no end in LF alone"),
    ("host", "a host is a name or an address, with a port or without"),
    ("target", "a target is a path, a URL, * for OPTIONS, host:port for CONNECT"),
    ("chunks", "lines of a chunked body end with CR LF and hold no control characters"),
    ("old", "a POST of HTTP/1.0 says how long it is, whatever it offers"),
    ("last", "nothing is read behind a request that ends its connection"),
];

/// Decodes octets with actix-http: its requests, and whether it refuses the rest.
fn decoded(octets: &[u8]) -> (Vec<Heard>, bool) {
    let (mut codec, mut rest) = (Codec::default(), BytesMut::from(octets));
    let (mut all, mut body): (Vec<Heard>, _) = (Vec::new(), Vec::new());
    loop {
        match codec.decode(&mut rest) {
            Ok(None) => return (all, false),
            Err(_) => return (all, true),
            Ok(Some(Message::Item(request))) => {
                let kind = codec.message_type();
                let has_body = !matches!(kind, MessageType::None);
                let is_offered = matches!(kind, MessageType::Stream);
                all.push(Heard { has_body, is_offered, body: (!has_body).then(Vec::new), ..head_of(&request) });
            }
            Ok(Some(Message::Chunk(Some(piece)))) => body.extend_from_slice(&piece),
            Ok(Some(Message::Chunk(None))) => {
                all.last_mut().expect("a body follows its head").body = Some(std::mem::take(&mut body));
            }
        }
    }
}

/// Compares our result with actix-http's. Returns the names of the differences; an error is one without a name.
fn differences(octets: &[u8], ours: &All, theirs: &[Heard], is_refused: bool) -> Result<Vec<&'static str>, String> {
    let mut names = Vec::new();
    for (nth, our) in ours.requests.iter().enumerate() {
        let is_escaped = ["%22", "%3C", "%3E", "%60", "%8", "%9", "%A", "%B", "%C", "%D", "%E", "%F"]
            .iter()
            .any(|escape| our.target.contains(escape));
        let Some(their) = theirs.get(nth) else {
            // The raw octet may be in a fragment, which no reader reports.
            let is_raw = octets.iter().any(|&octet| octet >= 0x80 || b"\"<>`".contains(&octet));
            return match (is_escaped || is_raw) && is_refused {
                true => Ok([names, vec!["escaped"]].concat()),
                false => Err(format!("{our:?} is ours alone")),
            };
        };
        let (mut our, mut their) = (our.clone(), their.clone());
        if our.target.contains("://") && our.fields != their.fields {
            names.push("absolute");
            our.fields.retain(|(name, _)| name != "host");
            their.fields.retain(|(name, _)| name != "host");
        }
        if our.version == "HTTP/1.0" && our.fields != their.fields {
            names.push("ignored");
            their.fields.retain(|(name, _)| name != "upgrade");
        }
        if is_escaped && our.target != their.target {
            names.push("escaped");
            their.target.clone_from(&our.target);
        }
        if their.is_offered {
            their = Heard { body: our.body.clone(), has_body: our.has_body, is_offered: our.is_offered, ..their };
            return match our == their {
                true => Ok([names, vec!["offered"]].concat()),
                false => Err(format!("{our:?}, {their:?}")),
            };
        }
        // For an offer of another protocol than WebSocket, the two differ only in whether they report it.
        their.is_offered = our.is_offered;
        match (&our.body, &their.body) {
            (None, Some(_)) => {
                their.body = None;
                return if our == their {
                    Ok([names, vec!["chunks"]].concat())
                } else {
                    Err(format!("{our:?}, {their:?}"))
                };
            }
            _ if our != their => return Err(format!("{our:?}, {their:?}")),
            _ => {}
        }
    }
    let more = theirs.get(ours.requests.len());
    let last = ours.requests.last();
    match (more, &ours.refused) {
        (None, Some((_, why))) if !is_refused && last.is_none_or(|last| last.body.is_some()) => {
            // We refuse an incomplete head at once; actix-http waits for its end.
            Err(format!("refused by us alone: {why}"))
        }
        (None, _) => Ok(names),
        (Some(_), Some((400, why))) if why.contains("ends with a line feed alone") => {
            Ok([names, vec!["feed"]].concat())
        }
        (Some(_), Some((400, why))) if why.contains("is no host") => Ok([names, vec!["host"]].concat()),
        (Some(_), Some((400, why))) if why.contains("is neither a path") => Ok([names, vec!["target"]].concat()),
        (Some(their), Some((400, why))) if why.contains("a POST in HTTP/1.0") && their.is_offered => {
            Ok([names, vec!["old"]].concat())
        }
        (Some(_), None) if last.is_some_and(is_last) => Ok([names, vec!["last"]].concat()),
        (Some(_), None) if last.is_some_and(|last| last.body.is_none()) => Ok([names, vec!["chunks"]].concat()),
        (Some(their), refused) => Err(format!("{their:?} is theirs alone, {refused:?}")),
    }
}

/// Whether the client wants to close after this request.
fn is_last(heard: &Heard) -> bool {
    let lines = heard.fields.iter().filter(|(name, _)| name == "connection");
    let words: Vec<String> = lines
        .flat_map(|(_, value)| value.split(|&octet| octet == b','))
        .map(|word| String::from_utf8_lossy(word).trim().to_ascii_lowercase())
        .collect();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    has("close") || (heard.version == "HTTP/1.0" && !has("keep-alive"))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn whatever_actix_http_reads_otherwise_has_a_name() {
    let system = actix_rt::System::new();
    let met = RefCell::new(BTreeMap::<&str, u32>::new());
    let (both, refused) = (RefCell::new(0), RefCell::new(0));
    let one = |octets: Vec<u8>| {
        // The appended end of a head makes both refuse it, where one would wait.
        let octets = [&octets[..], b"\r\n\r\n"].concat();
        let (ours, (theirs, is_refused)) = system.block_on(async { (heard(&octets, &[]).await, decoded(&octets)) });
        let names = differences(&octets, &ours, &theirs, is_refused).map_err(|what| {
            let octets = octets.escape_ascii();
            TestCaseError::fail(format!("{octets}\n{what}\nours {ours:?}\ntheirs {theirs:?} {is_refused}"))
        })?;
        *both.borrow_mut() += ours.requests.len();
        *refused.borrow_mut() += usize::from(ours.refused.is_some());
        for name in names {
            *met.borrow_mut().entry(name).or_default() += 1;
        }
        Ok(())
    };
    // Added explicitly, because it occurs too rarely by chance.
    let rare = b"POST / HTTP/1.0\r\nUpgrade: websocket\r\n";
    if let Err(error) =
        TestRunner::new(config(20_000)).run(&prop_oneof![1 => Just(rare.to_vec()), 999 => lines::octets()], one)
    {
        panic!("{error}");
    }
    let (both, refused, met) = (both.into_inner(), refused.into_inner(), met.into_inner());
    println!("{both} requests, {refused} refusals, {met:?}");
    assert!(both > 10_000 && refused > 5_000, "{both} requests, {refused} refusals: they would agree on nothing");
    for (name, why) in READ.iter().chain(&REFUSED) {
        assert!(met.contains_key(name), "it is no difference any more that {why}");
    }
    assert_eq!(met.len(), READ.len() + REFUSED.len(), "{met:?}");
}

/// The slow reader's result for these octets.
fn expected(octets: &[u8]) -> Vec<Expected> {
    slow_requests::slow(octets).into_iter().map(|asked| (asked.method, asked.body, asked.is_kept)).collect()
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn a_service_hears_what_the_slow_reader_understands_in_whatever_pieces(
        octets in lines::octets(),
        ends in proptest::collection::vec(0_usize..300, 0..4),
    ) {
        let (octets, mut ends) = ([&octets[..], b"\r\n\r\n"].concat(), ends);
        ends.sort_unstable();
        crate::fuzzing::connection(&octets, &ends, &expected(&octets));
    }
}

/// Runs the fuzzer's corpus, as its target does, without the fuzzer.
#[test]
fn the_corpus_is_heard_the_same_in_pieces() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/connections");
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 6, "{inputs:?}");
    let mut requests = 0;
    for input in inputs {
        let octets = std::fs::read(&input).unwrap();
        let octets = &octets[1..];
        let expected = expected(octets);
        requests += expected.len();
        for piece in [1, 7, 100] {
            crate::fuzzing::connection(octets, &(0..octets.len()).step_by(piece).collect::<Vec<_>>(), &expected);
        }
    }
    assert!(requests >= 8, "{requests} requests");
}

/// The checks above must fail for a connection that records nothing, or anything.
#[test]
fn what_is_not_heard_would_be_seen() {
    let system = actix_rt::System::new();
    let octets = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n";
    let all = system.block_on(heard(octets, &[20, 60]));
    let good = expected(octets);
    assert_eq!((good.len(), all.requests.len(), &all.refused), (2, 2, &None));
    all.check(&good);
    let fails = |all: &All, expected: &[Expected]| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| all.check(expected))).is_err()
    };
    let less = All { requests: all.requests[..1].to_vec(), refused: None };
    let mut other = all.clone();
    other.requests[0].body = Some(b"hellO".to_vec());
    let mut broken = all.clone();
    broken.requests[0].body = None;
    assert!(fails(&less, &good) && fails(&all, &good[..1]) && fails(&other, &good) && fails(&broken, &good));
    // So must the comparison that names every difference.
    let (theirs, is_refused) = system.block_on(async { decoded(octets) });
    assert_eq!(differences(octets, &all, &theirs, is_refused), Ok(Vec::new()));
    for wrong in [&less, &other, &broken.clone()] {
        let named = differences(octets, wrong, &theirs, is_refused);
        assert!(named.is_err() || named == Ok(vec!["chunks"]), "{named:?}");
    }
}

/// Empty lines before a head, one octet at a time: each is read once, so the cost is linear.
#[test]
fn empty_lines_that_drip_cost_little() {
    let octets = ["\r\n".repeat(30_000).as_bytes(), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
    let begun = Instant::now();
    let all = actix_rt::System::new().block_on(heard(&octets, &(0..octets.len()).collect::<Vec<_>>()));
    assert_eq!(all.requests.len(), 1);
    assert!(begun.elapsed().as_secs() < 10, "{:?}, where the square of it takes much longer", begun.elapsed());
}
