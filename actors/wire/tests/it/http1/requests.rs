//! Requests of HTTP/1 in all their forms: read in one piece and in any, and beside a slow reader.

use proptest::prelude::*;
use skitai_wire::http1::{HeadBounds, MAX_HEAD, MAX_REQUEST_FIELDS, MAX_TARGET, RequestReader, read_request};

use super::lines::{WHOLE, octets};
use super::quick_requests::quick;
use super::slow_requests::slow;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 30_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_readers_understand_the_same_requests(octets in octets()) {
        prop_assert_eq!(quick(&octets, &[]).0, slow(&octets));
    }

    #[test]
    fn in_whatever_pieces_requests_come_they_are_the_same(
        octets in octets(),
        ends in proptest::collection::vec(0_usize..300, 0..6),
    ) {
        let mut ends = ends;
        ends.sort_unstable();
        // A bad line may be reported only once more of its head has come, so every head has an end.
        let octets = [&octets[..], b"\r\n\r\n"].concat();
        let whole = quick(&octets, &[]);
        prop_assert_eq!(&quick(&octets, &ends), &whole);
        let each: Vec<usize> = (0..octets.len()).collect();
        prop_assert_eq!(&quick(&octets, &each), &whole);
    }
}

/// The properties above would hold of two readers that understand nothing.
#[test]
fn the_slow_reader_understands_what_it_should() {
    let read = |octets: &str| -> Vec<(String, String, Vec<u8>)> {
        slow(octets.as_bytes()).into_iter().map(|asked| (asked.method, asked.target, asked.body)).collect()
    };
    let asked = |method: &str, target: &str, body: &str| (method.to_owned(), target.to_owned(), body.into());
    let both = [asked("POST", "/b", "hello"), asked("GET", "/b", "")];
    assert_eq!(read(&[WHOLE[1], "hello", WHOLE[0], "GET"].concat()), both);
    assert_eq!(read(&[WHOLE[2], "2;x\r\nhe\r\n03\r\nllo\r\n0\r\nx:\r\n\r\n", WHOLE[0]].concat()), both);
    assert_eq!(read(&[WHOLE[2], "5\r\nhello\r\n0\r\nx\r\n\r\n", WHOLE[0]].concat()), []);
    assert_eq!(read("GET /\u{e9} HTTP/1.0\r\n\r\n"), [asked("GET", "/%C3%A9", "")]);
    assert_eq!(read(&[WHOLE[1], "hell"].concat()), []);
    assert_eq!(read(&[WHOLE[2], "5\nhello\n0\n\n"].concat()), []);
    assert_eq!(read("GET / HTTP/1.1\r\n\r\n"), []);
    assert_eq!(read(&WHOLE[0].replacen('\r', "", 1)), []);
}

/// The status that refuses these octets, in one piece and in many.
#[track_caller]
fn refused(octets: &str) -> Option<u16> {
    let (octets, halves) = (octets.as_bytes(), [octets.len() / 3, octets.len() / 2]);
    let (asked, status) = quick(octets, &[]);
    assert_eq!(quick(octets, &halves), (asked, status));
    let pieces: Vec<usize> = (0..octets.len()).step_by(16 * 1024).collect();
    assert_eq!(quick(octets, &pieces).1, status);
    status
}

#[test]
fn a_head_is_as_large_as_its_limits_and_no_larger() {
    let of_size = |size: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: h\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: h\r\nx: {}\r\n\r\n", "y".repeat(size - rest))
    };
    assert_eq!(quick(of_size(MAX_HEAD).as_bytes(), &[]).0.len(), 1);
    assert_eq!((refused(&of_size(MAX_HEAD)), refused(&of_size(MAX_HEAD + 1))), (None, Some(431)));
    let of_lines = |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    assert_eq!(quick(of_lines(MAX_REQUEST_FIELDS).as_bytes(), &[]).0[0].fields.len(), MAX_REQUEST_FIELDS);
    assert_eq!((refused(&of_lines(MAX_REQUEST_FIELDS)), refused(&of_lines(MAX_REQUEST_FIELDS + 1))), (None, Some(431)));
    let of_target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(length - 1));
    assert_eq!(quick(of_target(MAX_TARGET).as_bytes(), &[]).0[0].target.len(), MAX_TARGET);
    for (length, status) in [(MAX_TARGET, None), (MAX_TARGET + 1, Some(414)), (MAX_HEAD, Some(414))] {
        assert_eq!(refused(&of_target(length)), status, "{length}");
    }
    // What is escaped is as long as it is then.
    let escaped = |count: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "<".repeat(count));
    let most = (MAX_TARGET - 1) / 3;
    assert_eq!((refused(&escaped(most)), refused(&escaped(most + 1))), (None, Some(414)));
    // Heads and lines that never end. (A head that is both too large and wrong is refused for what is seen first.)
    for (endless, status) in [("GET / HTTP/1.1\r\nx: ", 431), ("\r\n", 431), ("GET /", 414), ("GET", 414)] {
        assert_eq!(refused(&(endless.to_owned() + &endless[endless.len() - 1..].repeat(MAX_HEAD))), Some(status));
    }
}

/// A first line that is too long is refused alike, whether the end of its head is here or not.
#[test]
fn a_long_method_is_no_way_past_the_limit() {
    let long = format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "G".repeat(MAX_TARGET + 300));
    assert_eq!(refused(&long), Some(414));
}

/// Some readers take a lone LF for a blank: what stands behind it is a line to one and a value to the other.
#[test]
fn a_line_ends_with_cr_and_lf_and_nothing_less() {
    for (octets, line) in [
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", 1),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", 2),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: 1\nContent-Length: 5\r\n\r\nhello", 3),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", 3),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 1),
        ("GET / HTTP/1.1\nHost: h\n\n", 1),
    ] {
        assert_eq!(refused(octets), Some(400), "{octets:?}");
        let why = read_request(octets.as_bytes(), HeadBounds::default(), |_, _| {}).unwrap_err().why;
        assert!(why.starts_with(&format!("line {line} ends")), "{octets:?}: {why}");
        assert_eq!(quick(octets.as_bytes(), &(0..octets.len()).collect::<Vec<_>>()), (Vec::new(), Some(400)));
    }
}

/// A version is recognised by its whole word, in whatever pieces it comes.
#[test]
fn the_first_piece_may_end_in_the_version() {
    for (version, status) in
        [("HTTP/2.0", 505), ("HTTP/1.2", 505), ("HTTP/2", 400), ("HTTP/1.10", 400), ("http/1.1", 400)]
    {
        let octets = format!("GET / {version}\r\nHost: h\r\n\r\n");
        for end in 0..octets.len() {
            assert_eq!(quick(octets.as_bytes(), &[end]), (Vec::new(), Some(status)), "{version} up to {end}");
        }
    }
    // HTTP/2 by prior knowledge: its client looks for no 505.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for end in 0..preface.len() {
        assert_eq!(quick(preface, &[end]), (Vec::new(), Some(400)), "up to {end}");
    }
    // What can be no request is refused before a line of it has ended.
    for early in ["\x16\x03\x01", "hello\0", "GET\t", "GET /\0"] {
        assert_eq!(
            RequestReader::default().end(early.as_bytes()).map_err(|denied| denied.status),
            Err(400),
            "{early:?}"
        );
    }
    let told =
        RequestReader::default().end(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").map_err(|denied| denied.why);
    assert!(told.is_err_and(|why| why.starts_with("this is TLS")), "a hello of TLS is named");
}

/// Behind a carriage return stands a line feed and nothing else, and in no line of chunks a control character but a
/// tab.
#[test]
fn lines_of_chunks_end_as_they_should_whatever_stands_in_them() {
    let around =
        [("5", "\r\nhello\r\n0\r\n\r\n"), ("5;a", "b\r\nhello\r\n0\r\n\r\n"), ("5\r\nhello\r\n0\r\nX:", "\r\n\r\n")];
    for (nth, (before, behind)) in around.into_iter().enumerate() {
        for octet in 0..=u8::MAX {
            let read = |between: &[u8]| {
                let octets = [WHOLE[2].as_bytes(), before.as_bytes(), between, behind.as_bytes()].concat();
                let (asked, status) = quick(&octets, &[]);
                assert_eq!(asked, slow(&octets), "{}", octets.escape_ascii());
                assert!(asked.len() + usize::from(status.is_some()) <= 1, "{}", octets.escape_ascii());
                asked.len() == 1
            };
            let is_text = octet == b'\t' || !octet.is_ascii_control();
            // A size goes on with blanks, or with a digit and then its body is another.
            assert!(nth == 0 || read(&[octet]) == is_text, "{before:?} and {octet}");
            assert!(octet == b'\n' || !read(&[b'\r', octet]), "{before:?}, a carriage return and {octet}");
        }
    }
}

/// In pieces of an octet each, neither a long line nor empty ones are dearer than they should be: no square of them.
#[test]
fn heads_that_drip_cost_little() {
    let lines = "\r\n".repeat(MAX_HEAD / 2 - 100);
    let field = "y".repeat(MAX_HEAD - 100);
    for octets in [
        format!("{lines}GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nx: {field}\r\n\r\n"),
    ] {
        let (mut reader, begun) = (RequestReader::default(), std::time::Instant::now());
        for end in 1..octets.len() {
            assert_eq!(reader.end(&octets.as_bytes()[..end]), Ok(None));
        }
        assert_eq!(reader.end(octets.as_bytes()), Ok(Some(octets.len())));
        assert!(begun.elapsed().as_secs() < 5, "{:?}, where the square of it takes minutes", begun.elapsed());
    }
}

/// What the fuzzer begins with (`fuzz/corpus`): as its target does, without the fuzzer.
#[test]
fn the_corpus_of_requests_is_read_the_same_in_pieces() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/requests");
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 7, "{inputs:?}");
    let mut understood = 0;
    for input in inputs {
        let octets = [&std::fs::read(&input).unwrap()[1..], b"\r\n\r\n"].concat();
        let whole = quick(&octets, &[]);
        assert_eq!(quick(&octets, &(0..octets.len()).collect::<Vec<_>>()), whole, "{input:?}");
        assert_eq!(whole.0, slow(&octets), "{input:?}");
        understood += whole.0.len();
    }
    assert!(understood >= 10, "{understood} requests");
}
