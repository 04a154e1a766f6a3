//! Heads as real servers write them, and invalid ones.

use super::*;

const BAD: &[Reason] = &[Reason::Malformed];
const BAD_OR_LARGE: &[Reason] = &[Reason::Malformed, Reason::TooLarge];

/// A good answer with these lines among its headers; the first of them is the third line.
fn with(lines: &str) -> String {
    GOOD.replace("$T\r\n", &format!("$T\r\n{lines}"))
}

#[test]
fn a_folded_header_is_one_header() {
    in_system(async {
        let folded = |name: &str, lines: &str, value: &'static str| read(name, with(lines)).shows("x-p", value);
        run_all(vec![
            folded("blanks", "X-P: a;\r\n  b\r\n", "a; b"),
            folded("a tab", "X-P: a\r\n\tb\r\n", "a b"),
            folded("twice", "X-P: a\r\n b\r\n \t c\r\nX-Q: d\r\n", "a b c"),
            folded("blanks before the fold", "X-P: a \t\r\n b\r\n", "a b"),
            folded("nothing before the fold", "X-P:\r\n a\r\n", "a"),
            folded("bare lines", "X-P: a\n b\n", "a b"),
            folded("what looks like a header", "X-P: a\r\n Content-Length: 3\r\n", "a Content-Length: 3"),
            folded("two folded ones", "X-Q: c\r\n d\r\nX-P: a\r\n b\r\n", "a b"),
            read("the length", GOOD.replace("Length: $L", "Length:\r\n $L")),
            read(
                "the coding",
                GOOD.replace("Content-Length: $L", "Transfer-Encoding:\r\n\tchunked").replace("$B", CHUNKS),
            ),
        ])
        .await;
    });
}

#[test]
fn a_status_line_may_say_anything_or_nothing() {
    in_system(async {
        let cases = [
            "HTTP/1.1 200",
            "HTTP/1.1 200 ",
            "HTTP/1.1 200 \u{e9}t\u{e9}",
            "HTTP/1.1 200 a: b, c\td",
            "HTTP/1.1 200  OK ",
        ];
        run_all(cases.map(|line| read(format!("{line:?}"), GOOD.replace("HTTP/1.1 200 OK", line))).into()).await;
    });
}

#[test]
fn lines_may_end_and_names_may_stand_as_they_do_in_practice() {
    in_system(async {
        run_all(vec![
            read("bare lines", GOOD.replace("\r\n", "\n")),
            read("a bare line at the end", GOOD.replace("$L\r\n\r\n", "$L\n\n")),
            read("both kinds of lines", GOOD.replace("$T\r\n", "$T\n").replace("\r\n\r\n", "\n\r\n")),
            read("a blank before the colon", with("X-P : a\r\n")).shows("x-p", "a"),
            read("a tab before the colon", with("X-P\t: a\r\n")).shows("x-p", "a"),
            read("a blank before the colon of the length", GOOD.replace("Length:", "Length :")),
            read("a value of nothing", with("X-P:\r\nX-Q: \r\n")).shows("x-p", ""),
            read("octets beyond ASCII", with("X-P: \u{e9}\r\n")),
            read("a colon in the value", with("X-P: a:b\r\n")).shows("x-p", "a:b"),
        ])
        .await;
    });
}

#[test]
fn many_headers_are_read_and_too_many_are_counted() {
    in_system(async {
        let many = |count: usize| {
            // Two are in it already.
            let lines: String = (2..count).map(|nth| format!("X-{nth}: {nth}\r\n")).collect();
            (format!("{count} headers"), with(&lines))
        };
        let fine = [97, 150, 255, 256].map(|count| {
            let (name, template) = many(count);
            read(name, template).shows("x-96", "96")
        });
        let large = [257, 300, 1_000].map(|count| {
            let (name, template) = many(count);
            refused(name, template, &[Reason::TooLarge], "256")
        });
        run_all(fine.into_iter().chain(large).collect()).await;
    });
}

#[test]
fn a_line_that_is_no_header_is_named() {
    in_system(async {
        let lines = ["X Y: 1", ": x", "X-P: a\u{0}b", "no colon", "X(Y): 1", "\u{e9}: 1", "X\u{0}: 1", "X\tY: 1"];
        let mut cases: Vec<Case> = lines
            .iter()
            .map(|line| refused(format!("{line:?}"), with(&format!("{line}\r\n")), BAD, "line 3"))
            .collect();
        cases.push(refused("the fifth", with("X-A: 1\r\nX-B: 2\r\nX Y: 3\r\n"), BAD, "line 5"));
        cases.push(refused("the last", GOOD.replace("\r\n\r\n", "\r\nnone\r\n\r\n"), BAD, "line 4"));
        run_all(cases).await;
    });
}

#[test]
fn a_head_without_end_is_given_up() {
    in_system(async {
        run_all(vec![
            refused("headers", "HTTP/1.1 200 OK\r\n", BAD_OR_LARGE, "").endlessly("X: 1\r\n"),
            refused("a header", "HTTP/1.1 200 OK\r\nX: ", BAD_OR_LARGE, "").endlessly("x"),
            refused("a name", "HTTP/1.1 200 OK\r\n", BAD_OR_LARGE, "").endlessly("x"),
            refused("a fold", "HTTP/1.1 200 OK\r\nX: y\r\n", BAD_OR_LARGE, "").endlessly(" y\r\n"),
            refused("a phrase", "HTTP/1.1 200 ", BAD_OR_LARGE, "").endlessly("OK "),
            refused("no status line", "", BAD_OR_LARGE, "").endlessly("x"),
            refused("empty lines", "", BAD_OR_LARGE, "").endlessly("\r\n"),
        ])
        .await;
    });
}
