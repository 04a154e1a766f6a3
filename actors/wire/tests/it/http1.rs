//! Answers of HTTP/1 in all their forms: read in one piece and in any, and beside a slow reader.

mod lines;
mod quick_requests;
mod requests;
mod slow;
mod slow_requests;

use proptest::prelude::*;
use proptest::sample::select;

use skitai_wire::http1::{HeadReader, MAX_HEAD};
use slow::{quick, slow};

/// Lines of heads, right and wrong, and what stands around them.
const LINES: [&str; 40] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200\r\n",
    "HTTP/1.0 404 Not \u{fc}\r\n",
    "HTTP/1.1 204 No Content\n",
    "HTTP/1.1 304 x\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "HTTP/1.1 101 x\r\n\r\n",
    "HTTP/1.2 200 OK\r\n",
    "Content-Length: 5\r\n",
    "content-length: 5, 5\r\n",
    "content-length: 05\n",
    "content-length: 6\r\n",
    "content-length: +5\r\n",
    "Content-Length:\r\n 5\r\n",
    "content-length: 99999999999999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: identity,\r\n\tChunked\r\n",
    "transfer-encoding: gzip\r\n",
    "connection: close\r\n",
    "Connection: keep-alive\r\n",
    "x: a\r\n b\r\n",
    "x : a\r\n",
    "X Y: 1\r\n",
    "no colon\r\n",
    "x: \0\r\n",
    "x:\r\n",
    "\r\n",
    "\n",
    "hello",
    "5\r\nhello\r\n",
    "5;a=\"b;c\"\r\nhello\r\n",
    "5 \nhello\n",
    "00\r\n\r\n",
    "0\r\nTrailer: x\r\n\r\n",
    "0x5\r\n",
    "8000000000000000\r\n",
    "\r",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
];

fn octets() -> impl Strategy<Value = Vec<u8>> {
    // Mostly something that begins as an answer does, and now and then an octet that is another.
    let lines = proptest::collection::vec(select(LINES.to_vec()), 1..12);
    let first = select(LINES[..7].to_vec());
    let odd = proptest::option::weighted(0.2, (any::<proptest::sample::Index>(), any::<u8>()));
    (first, lines, odd).prop_map(|(first, lines, odd)| {
        let mut octets = (first.to_owned() + &lines.concat()).into_bytes();
        if let Some((place, octet)) = odd {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        octets
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 20_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_the_slow_reader_understands_is_understood_alike(octets in octets(), is_head: bool) {
        if let Some(expected) = slow(&octets, is_head) {
            prop_assert_eq!(quick(&octets, is_head, &[]), Ok(Some(expected)));
        }
    }

    #[test]
    fn in_whatever_pieces_an_answer_comes_it_is_the_same(
        octets in octets(),
        is_head: bool,
        ends in proptest::collection::vec(0_usize..300, 0..6),
    ) {
        let mut ends = ends;
        ends.sort_unstable();
        // A bad line may be reported only once more of its head has come, so every head has an end.
        let octets = [&octets[..], b"\r\n\r\n"].concat();
        // A line that is refused before its end has come is quoted as far as it has come.
        let quick = |ends: &[usize]| quick(&octets, is_head, ends).map_err(|refusal| std::mem::discriminant(&refusal));
        let whole = quick(&[]);
        prop_assert_eq!(&quick(&ends), &whole);
        let each: Vec<usize> = (0..octets.len()).collect();
        prop_assert_eq!(&quick(&each), &whole);
    }
}

/// The properties above would hold of two readers that understand nothing.
#[test]
fn the_slow_reader_understands_what_it_should() {
    let read = |octets: &str| slow(octets.as_bytes(), false).map(|answer| (answer.code, answer.body, answer.behind));
    let hello = |code| Some((code, b"hello".to_vec(), 0));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), hello(200));
    assert_eq!(read("HTTP/1.1 103 x\r\n\r\nHTTP/1.0 404 x\r\n\r\nhello"), hello(404));
    assert_eq!(read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n"), hello(200));
    assert_eq!(read("HTTP/1.1 204 x\r\ncontent-length: 5\r\n\r\nhello"), Some((204, Vec::new(), 5)));
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"), None);
}

/// In pieces of an octet each, empty lines before a head are no dearer than the head itself: no square of them.
#[test]
fn empty_lines_that_drip_cost_little() {
    let lines = "\r\n".repeat(MAX_HEAD / 2 - 100);
    let octets = format!("{lines}HTTP/1.1 200 OK\r\nx: y\r\n\r\n");
    let (mut reader, begun) = (HeadReader::default(), std::time::Instant::now());
    for end in 1..octets.len() {
        assert_eq!(reader.read(&octets.as_bytes()[..end], false, |_, _, _| {}), Ok(None));
    }
    assert!(reader.read(octets.as_bytes(), false, |_, _, _| {}).unwrap().is_some() && !reader.has_interim());
    assert!(begun.elapsed().as_secs() < 5, "{:?}, where the square of it takes minutes", begun.elapsed());
}

/// What the fuzzer begins with (`fuzz/corpus`): as its target does, without the fuzzer.
#[test]
fn the_corpus_is_read_the_same_in_pieces() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/http1");
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 6, "{inputs:?}");
    for input in inputs {
        let octets = std::fs::read(&input).unwrap();
        let (is_head, octets) = (octets[0] & 1 == 1, &octets[1..]);
        let whole = quick(octets, is_head, &[]);
        assert_eq!(quick(octets, is_head, &(0..octets.len()).collect::<Vec<_>>()), whole, "{input:?}");
        if let Some(expected) = slow(octets, is_head) {
            assert_eq!(whole, Ok(Some(expected)), "{input:?}");
        }
    }
}
