//! The headers decide where an answer ends: chunks, a length, or the end of the connection.

use super::*;

const BAD: &[Reason] = &[Reason::Malformed];
const BAD_OR_LARGE: &[Reason] = &[Reason::Malformed, Reason::TooLarge];

/// A 200 with these headers, followed by this.
fn with(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: $T\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    with("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn chunks_are_read_however_they_are_written() {
    in_system(async {
        let coded = |coding: &str| with(coding, CHUNKS);
        let old =
            |fields: &str| chunked(CHUNKS).replace("HTTP/1.1 200 OK\r\n", &format!("HTTP/1.0 200 OK\r\n{fields}"));
        run_all(vec![
            read("one chunk", chunked("$X\r\n$B\r\n0\r\n\r\n")),
            read("two chunks", chunked(CHUNKS)),
            read("CHUNKED", coded("TRANSFER-ENCODING:CHUNKED\r\n")),
            read("Chunked behind blanks", coded("Transfer-Encoding: \t Chunked \r\n")),
            read("identity, chunked", coded("Transfer-Encoding: identity, chunked\r\n")).either(),
            read("over two lines", coded("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n")).either(),
            read("an empty word and chunked", coded("Transfer-Encoding: ,chunked\r\n")).either(),
            read("an upper size", chunked("$U\r\n$B\r\n0\r\n\r\n")),
            read("zeros before the sizes", chunked("0000000000000000000000$X\r\n$B\r\n00000\r\n\r\n")),
            read("blanks behind the size", chunked("$X  \r\n$B\r\n0 \r\n\r\n")),
            read("a tab behind the size", chunked("$X\t\r\n$B\r\n0\t\r\n\r\n")),
            read("bare lines", chunked("$X\n$B\n0\n\n")),
            read("an extension", chunked("$X;a=1\r\n$B\r\n0;b\r\n\r\n")),
            read("an extension behind blanks", chunked("$X ; a = 1 ;b\r\n$B\r\n0\r\n\r\n")),
            read("a quoted extension", chunked("$X;a=\"x;y\\\"z 0\"\r\n$B\r\n0\r\n\r\n")),
            read("an extension of 1 000", chunked(&format!("$X;{}\r\n$B\r\n0\r\n\r\n", "a".repeat(1_000)))),
            read("a trailer", chunked("$X\r\n$B\r\n0\r\nX-Sum: 1\r\n\r\n")),
            read("trailers", chunked("$X\r\n$B\r\n0\r\nX-A: 1\r\nX-B : 2\r\nX-C:\r\n\r\n")),
            read("a length among the trailers", chunked("$X\r\n$B\r\n0\r\nContent-Length: 3\r\n\r\n")),
            read("1.0", old("")).once(),
            // RFC 9112, 6.1: faulty under 1.0, so the connection ends with it.
            read("1.0 that keeps", old("Connection: keep-alive\r\n")).once(),
            // A sender of both may try to smuggle an answer.
            read("a short length too", coded("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")).once(),
            read("a long length too", coded("Transfer-Encoding: chunked\r\nContent-Length: 30000\r\n")).once(),
            read("its own length too", coded("Transfer-Encoding: chunked\r\nContent-Length: $L\r\n")).once(),
        ])
        .await;
    });
}

#[test]
fn a_coding_that_is_not_read_here_is_refused() {
    in_system(async {
        let cases =
            ["gzip, chunked", "chunked, gzip", "chunked, chunked", "foo", "gzip", "xchunked", "chunked, identity, foo"];
        let mut cases: Vec<Case> = cases
            .iter()
            .map(|coding| {
                refused(*coding, with(&format!("Transfer-Encoding: {coding}\r\n"), CHUNKS), BAD, "transfer-encoding")
            })
            .collect();
        for (one, other) in [("chunked", "gzip"), ("gzip", "chunked"), ("chunked", "chunked")] {
            let fields = format!("Transfer-Encoding: {one}\r\nX: y\r\nTransfer-Encoding: {other}\r\n");
            cases.push(refused(format!("{one} and {other}"), with(&fields, CHUNKS), BAD, "transfer-encoding"));
        }
        let with_length = with("Transfer-Encoding: foo\r\nContent-Length: $L\r\n", "$B");
        cases.push(refused("foo and a length", with_length, BAD, "transfer-encoding"));
        run_all(cases).await;
    });
}

#[test]
fn identity_is_no_coding() {
    in_system(async {
        run_all(vec![
            read("to the end", with("Transfer-Encoding: identity\r\n", "$B")).closed(),
            read("Identity to the end", with("transfer-encoding:Identity\r\n", "$B")).closed(),
            read("a length", with("Transfer-Encoding: identity\r\nContent-Length: $L\r\n", "$B")).either(),
            read("a length, closed", with("Content-Length: $L\r\nTransfer-Encoding: identity\r\n", "$B")).closed(),
            read("1.0", with("Transfer-Encoding: identity\r\n", "$B").replace("1.1 2", "1.0 2")).closed(),
        ])
        .await;
    });
}

#[test]
fn a_length_is_a_number_however_often_it_is_said() {
    in_system(async {
        let lengths = |fields: &str| with(fields, "$B");
        run_all(vec![
            read("once", lengths("Content-Length: $L\r\n")),
            read("twice", lengths("Content-Length: $L\r\nContent-Length: $L\r\n")),
            read("thrice", lengths("Content-Length: $L\r\nX: y\r\ncontent-length:$L\r\nCONTENT-LENGTH:  $L\r\n")),
            read("a list", lengths("Content-Length: $L, $L\r\n")),
            read("a long list", lengths("Content-Length: $L,$L ,\t$L\r\n")),
            read("a list and a line", lengths("Content-Length: $L, $L\r\nContent-Length: $L\r\n")),
            read("zeros before it", lengths("Content-Length: 00000000000000000000000$L\r\n")),
            read("blanks around it", lengths("Content-Length:\t $L \t\r\n")),
            read("0", with("Content-Length: 0\r\n", "")).empty(200),
        ])
        .await;
    });
}

#[test]
fn a_length_that_is_no_number_or_two_is_refused() {
    in_system(async {
        let lengths = |fields: &str| with(fields, "$B");
        let mut cases: Vec<Case> =
            ["+$L", "-1", "$Lx", "", "0x5", "$L 5", "1e1", "$L.0", "$L, 5", "5, $L, $L", "\u{b2}"]
                .iter()
                .map(|value| refused(*value, lengths(&format!("Content-Length: {value}\r\n")), BAD, "content-length"))
                .collect();
        for (one, other) in [("$L", "5"), ("5", "$L"), ("$L", "x"), ("$L, $L", "6")] {
            let fields = format!("Content-Length: {one}\r\nContent-Length: {other}\r\n");
            cases.push(refused(format!("{one} and {other}"), lengths(&fields), BAD, "content-length"));
        }
        for value in ["18446744073709551616", "18446744073709551615", "9223372036854775808", &"9".repeat(500)] {
            cases.push(refused(value, lengths(&format!("Content-Length: {value}\r\n")), &[Reason::TooLarge], ""));
        }
        run_all(cases).await;
    });
}

#[test]
fn what_announces_nothing_goes_to_the_end_of_the_connection() {
    in_system(async {
        let mut cases = Vec::new();
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            for fields in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
                let head = with(fields, "").replace("HTTP/1.1", version);
                let name = format!("{version} {}", fields.trim());
                cases.push(read(&name, format!("{head}$B")).closed());
                cases.push(read(format!("{name} in pieces"), head.as_str()).then(20, "$2").then(20, "$R").closed());
                cases.push(read(format!("{name}, empty"), head).empty(200).closed());
            }
        }
        run_all(cases).await;
    });
}

#[test]
fn chunks_that_are_none_are_refused() {
    in_system(async {
        let sizes =
            ["8000000000000000", "ffffffffffffffff", "10000000000000000", "fffffffffffffffff", &"f".repeat(500)];
        let mut cases: Vec<Case> = sizes
            .iter()
            .map(|size| refused(*size, chunked(&format!("{size}\r\n$B\r\n0\r\n\r\n")), BAD_OR_LARGE, ""))
            .collect();
        for size in ["xyz", "0x5", "-5", "+5", "", "5 5", "5,", "5h", ";a=1", "\u{b2}", "$X\u{0}"] {
            cases.push(refused(format!("the size {size:?}"), chunked(&format!("{size}\r\n$B\r\n0\r\n\r\n")), BAD, ""));
        }
        for (name, body) in [
            ("an octet too many", "5\r\nhelloX\r\n0\r\n\r\n"),
            ("two octets too few", "7\r\nhello\r\n0\r\n\r\n"),
            ("the size right behind", "5\r\nhello0\r\n\r\n"),
            ("a return and something", "5\r\nhello\rX0\r\n\r\n"),
        ] {
            cases.push(refused(name, chunked(body), BAD, ""));
        }
        for (name, body, what) in [
            ("zeros without end", "", "0"),
            ("digits without end", "", "1"),
            ("an extension without end", "5;a=", "x"),
            ("a quoted extension without end", "5;a=\"", "; "),
            ("blanks without end", "5", " "),
            ("trailers without end", "5\r\nhello\r\n0\r\n", "X: 1\r\n"),
            ("a trailer without end", "5\r\nhello\r\n0\r\nX: ", "x"),
        ] {
            cases.push(refused(name, chunked(body), BAD_OR_LARGE, "").endlessly(what));
        }
        run_all(cases).await;
    });
}
