//! The correct result for each kind of head and body. `tests/it/http1.rs` proves that pieces and oddities change
//! nothing.

use super::*;

/// The head of the final answer in these octets, to a GET.
fn head(octets: &str) -> Result<Option<Head>, Refusal> {
    HeadReader::default().read(octets.as_bytes(), false, |_, _, _| {})
}

fn framing(fields: &str) -> Framing {
    head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).expect(fields).expect("it is whole").framing
}

fn refused(octets: &str) -> Refusal {
    head(octets).expect_err(octets)
}

#[test]
fn a_body_is_framed_by_its_status_first() {
    let framing = |code: u16, is_head| {
        let octets = format!("HTTP/1.1 {code} x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n");
        HeadReader::default().read(octets.as_bytes(), is_head, |_, _, _| {}).unwrap().unwrap().framing
    };
    assert_eq!([framing(204, false), framing(304, false), framing(200, true), framing(404, true)], [Framing::None; 4]);
    assert_eq!([framing(200, false), framing(205, false), framing(500, false)], [Framing::Chunked; 3]);
}

#[test]
fn then_by_its_coding_then_by_its_length_else_by_the_connection() {
    for (fields, expected) in [
        ("Transfer-Encoding: CHUNKED\r\n", Framing::Chunked),
        ("transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n", Framing::Chunked),
        ("transfer-encoding: identity\r\n", Framing::ToTheEnd),
        ("transfer-encoding: ,\r\n", Framing::ToTheEnd),
        ("transfer-encoding: identity\r\ncontent-length: 5\r\n", Framing::Length(5)),
        ("content-length: 5\r\ntransfer-encoding:\r\n chunked\r\n", Framing::Chunked),
        ("content-length: 5\r\nContent-Length:5\r\n", Framing::Length(5)),
        ("content-length: 5, 005\r\n", Framing::Length(5)),
        ("content-length:\r\n\t5\r\n", Framing::Length(5)),
        ("content-length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
        ("connection: keep-alive\r\n", Framing::ToTheEnd),
        ("", Framing::ToTheEnd),
    ] {
        assert_eq!(framing(fields), expected, "{fields}");
    }
}

#[test]
fn what_two_readers_may_read_differently_is_refused_by_name_and_line() {
    for (field, name) in [
        ("content-length: 5\r\ncontent-length: 6", "line 4, content-length"),
        ("content-length: 5, 6", "line 3, content-length"),
        ("content-length: +5", "line 3, content-length"),
        ("content-length: -1", "line 3, content-length"),
        ("content-length: 0x5", "line 3, content-length"),
        ("content-length: 5 5", "line 3, content-length"),
        ("content-length:", "line 3, content-length"),
        ("content-length: 5,", "line 3, content-length"),
        ("content-length: 5\r\n 6", "line 3, content-length"),
        ("a: b\r\n c\r\nTransfer-Encoding: gzip, chunked", "line 5, transfer-encoding"),
        ("transfer-encoding: chunked, gzip", "line 3, transfer-encoding"),
        ("transfer-encoding: chunked, chunked", "line 3, transfer-encoding"),
        ("transfer-encoding: chunked;q=1", "line 3, transfer-encoding"),
        ("transfer-encoding: xchunked", "line 3, transfer-encoding"),
        ("X Y: 1", "line 3: \"X Y\""),
        (": 1", "line 3: \"\""),
        ("a: b\r\nno colon\r\nc: d", "line 4: \"no colon\""),
        ("a: b\r\n c\r\nx: a\0b", "line 5: \"x\""),
        ("x: a\rb", "line 3: \"x\""),
    ] {
        let refusal = refused(&format!("HTTP/1.1 200 OK\r\ndate: x\r\n{field}\r\n\r\n"));
        assert!(matches!(&refusal, Refusal::Malformed(why) if why.starts_with(name)), "{field}: {refusal}");
    }
    let too_long = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n";
    assert!(matches!(refused(too_long), Refusal::TooLarge(_)));
    for first in
        ["SSH-2.0-OpenSSH_9.2", "HTTP/2 200", "HTTP/1.2 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 099 OK", "ICY 200 OK"]
    {
        let refusal = refused(&format!("{first}\r\n\r\n"));
        assert!(matches!(&refusal, Refusal::Malformed(why) if why.starts_with("line 1")), "{first}: {refusal}");
    }
}

#[test]
fn what_no_two_readers_can_read_differently_is_read() {
    for octets in [
        "HTTP/1.1 200\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 \r\nx: y\r\n\r\n",
        "HTTP/1.1 200 \u{fc}ber gut\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\nx: y\n\n",
        "HTTP/1.1 200 OK\r\nx: y\n\r\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y  \r\n\r\n",
        "HTTP/1.1 200 OK\r\nX:y\r\n\r\n",
    ] {
        let mut fields = Vec::new();
        let read = HeadReader::default().read(octets.as_bytes(), false, |code, name, value| {
            fields.push((code, name.to_ascii_lowercase(), value.to_vec()));
        });
        assert_eq!(read.expect(octets).expect(octets).end, octets.len());
        assert_eq!(fields, [(200, "x".to_owned(), b"y".to_vec())], "{octets:?}");
    }
    let mut folded = Vec::new();
    let octets = b"HTTP/1.1 200 OK\r\nx: a;\r\n  b\r\n\t c \r\n \r\ny: \r\n d\r\n\r\n";
    HeadReader::default().read(octets, false, |_, _, value| folded.push(value.to_vec())).unwrap().unwrap();
    assert_eq!(folded, [b"a; b c".to_vec(), b"d".to_vec()]);
}

#[test]
fn interim_answers_are_stepped_over() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 7\r\n\r\nHTTP/1.0 100 Continue\r\n\r\n";
    let all = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let (mut reader, mut fields) = (HeadReader::default(), 0);
    let head = reader.read(all.as_bytes(), false, |_, _, _| fields += 1).unwrap().unwrap();
    assert_eq!((head.code, head.framing, head.end, fields), (200, Framing::Length(5), all.len() - 5, 1));
    assert!(reader.has_interim() && head.is_kept);
    assert!(
        matches!(refused("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Refusal::Malformed(why) if why.contains("101"))
    );
    let endless = interim.repeat(MAX_HEAD / interim.len() + 1);
    assert!(matches!(refused(&endless), Refusal::TooLarge(_)));
}

#[test]
fn a_connection_outlives_an_answer_whose_end_is_certain() {
    let is_kept = |octets: &str| head(octets).unwrap().unwrap().is_kept;
    for (octets, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 204 x\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x, Close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: identity\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n", false),
    ] {
        assert_eq!(is_kept(octets), expected, "{octets}");
    }
}

#[test]
fn a_head_has_its_bounds() {
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(count));
    assert!(head(&fields(MAX_FIELDS)).unwrap().is_some());
    let refusal = refused(&fields(MAX_FIELDS + 1));
    assert!(matches!(&refusal, Refusal::TooLarge(why) if why.contains("256")), "{refusal}");
    for endless in ["HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 "] {
        assert!(matches!(refused(&(endless.to_owned() + &"y".repeat(MAX_HEAD))), Refusal::TooLarge(_)));
    }
    // In pieces of one octet the cost stays bounded: a head is parsed again only when it has doubled.
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD - 100));
    let mut reader = HeadReader::default();
    for end in 1..long.len() {
        assert_eq!(reader.read(&long.as_bytes()[..end], false, |_, _, _| {}), Ok(None));
    }
    assert!(reader.read(long.as_bytes(), false, |_, _, _| {}).unwrap().is_some());
}

/// The content of a chunked body, and the offset after it.
fn unchunked(body: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let (mut reader, mut content, mut at) = (ChunkReader::default(), Vec::new(), 0);
    while at < body.len() && !reader.is_done() {
        let piece = reader.read(&body[at..])?;
        content.extend_from_slice(&body[at..][piece.content.clone()]);
        at += piece.used;
    }
    Ok(reader.is_done().then(|| (content, body.len() - at)))
}

#[test]
fn chunks_are_read() {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "5;a=b;c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n",
        "5 \t\r\nhello\r\n00\r\n\r\n",
        "0005\r\nhello\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n",
        "5\nhello\n0\n\n",
    ] {
        assert_eq!(unchunked(body.as_bytes()), Ok(Some((b"hello".to_vec(), 0))), "{body:?}");
        assert_eq!(unchunked(format!("{body}rest").as_bytes()), Ok(Some((b"hello".to_vec(), 4))), "{body:?}");
        for end in 0..body.len() {
            assert_eq!(unchunked(&body.as_bytes()[..end]), Ok(None), "{body:?} up to {end}");
        }
    }
    let mut written = Vec::new();
    for content in [&b"he"[..], b"", &[b'x'; 300], b"\r\n0\r\n\r\n"] {
        write_chunk(&mut written, content);
    }
    written.extend_from_slice(LAST_CHUNK);
    let expected = [&b"he"[..], &[b'x'; 300], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(unchunked(&written), Ok(Some((expected, 0))));
}

#[test]
fn what_is_no_chunk_is_refused() {
    for body in [
        "xyz\r\n",
        "0x5\r\nhello",
        "-5\r\nhello",
        "\r\n",
        " 5\r\nhello",
        "5\rhello",
        "5\r\nhello!",
        "5\r\nhello\rx",
        "0\r\n\rx",
    ] {
        assert!(matches!(unchunked(body.as_bytes()), Err(Refusal::Malformed(_))), "{body:?}");
    }
    for body in [
        "8000000000000000\r\n".to_owned(),
        "f".repeat(100),
        "0".repeat(MAX_HEAD + 2),
        format!("5;{}", "x".repeat(MAX_HEAD)),
        format!("5{}", " ".repeat(MAX_HEAD + 1)),
        format!("0\r\n{}", "a: b\r\n".repeat(MAX_HEAD / 4 + 1)),
        format!("0\r\n{}", "x".repeat(MAX_HEAD + 1)),
        "1;xxxxxxxxxxxx\r\na\r\n".repeat(MAX_HEAD / 11),
    ] {
        assert!(matches!(unchunked(body.as_bytes()), Err(Refusal::TooLarge(_))), "{:?}…", &body[..10]);
    }
    // 7fffffffffffffff is the largest size; no chunk is that large, but the number is valid.
    assert_eq!(unchunked(b"7fffffffffffffff\r\nx"), Ok(None));
}

/// The octets, of all 256, that `write` accepts.
fn accepted(write: impl Fn(&mut Vec<u8>, u8) -> Result<(), UnsendableHead>) -> Vec<u8> {
    (0..=u8::MAX).filter(|&octet| write(&mut Vec::new(), octet).is_ok()).collect()
}

#[test]
fn no_octet_of_a_request_begins_a_line_of_its_own() {
    let latin1 = |octet: u8| char::from(octet).to_string();
    let path = accepted(|out, octet| write_request_line(out, "GET", &format!("/{}", latin1(octet))));
    assert_eq!(path, (0x21..=0x7e).collect::<Vec<u8>>());
    let value = accepted(|out, octet| write_field(out, "x", &[b'a', octet, b'b']));
    assert_eq!(value, std::iter::once(b'\t').chain(0x20..=0x7e).chain(0x80..=0xff).collect::<Vec<u8>>());
    let token: Vec<u8> = b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~".to_vec();
    assert_eq!(accepted(|out, octet| write_field(out, &format!("x{}", latin1(octet)), b"")), token);
    assert_eq!(accepted(|out, octet| write_request_line(out, &format!("G{}", latin1(octet)), "/")), token);
    assert!(write_field(&mut Vec::new(), "", b"").is_err() && write_request_line(&mut Vec::new(), "", "/").is_err());
    let why = write_request_line(&mut Vec::new(), "GET", "/a b").unwrap_err();
    assert_eq!(why.to_string(), "the path cannot be sent: it holds \" \"; encode spaces and other signs as %XX");
    let mut out = Vec::new();
    write_request_line(&mut out, "GET", "/a?b").unwrap();
    write_length(&mut out, 12);
    write_field(&mut out, "x", b"y").unwrap();
    assert_eq!(out, b"GET /a?b HTTP/1.1\r\ncontent-length: 12\r\nx: y\r\n");
}

#[test]
fn a_101_is_final_where_another_protocol_was_offered() {
    let answer = "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 Go\r\nUpgrade: chat\r\nContent-Length: 3\r\n\r\nhello";
    let mut fields = Vec::new();
    let read = HeadReader::after_offer().read(answer.as_bytes(), false, |code, name, _| {
        fields.push((code, name.to_owned()));
    });
    let head = read.unwrap().unwrap();
    assert_eq!((head.code, head.framing, head.is_kept), (101, Framing::ToTheEnd, false));
    assert_eq!((&answer[head.end..], fields[0].clone()), ("hello", (101, "Upgrade".to_owned())));
    // Any other answer is what it is.
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
    let head = HeadReader::after_offer().read(other.as_bytes(), false, |_, _, _| {}).unwrap().unwrap();
    assert_eq!((head.code, head.framing, head.is_kept), (200, Framing::Length(3), true));
}
