//! Bodies in chunks whose sizes, line ends, extensions and trailers two readers could take for different ones.

use super::{BODY, Case, EITHER, IN_CHUNKS, POST, REFUSED, hold};

/// A chunked request with this body; its twin is an honest one.
fn chunked(name: &'static str, body: &str, allowed: &'static [&'static str]) -> Case {
    let attack = format!("{POST}Transfer-Encoding: chunked¶¶{body}");
    Case { name, attack, allowed, twin: format!("{POST}{IN_CHUNKS}") }
}

#[test]
fn a_size_is_hexadecimal_digits() {
    hold(
        &[
            chunked("nothing beyond 64 bits", "10000000000000000¶¶<hidden>", REFUSED),
            chunked("nothing beyond 128 bits", "100000000000000000000000000000000¶¶<hidden>", REFUSED),
            chunked("all of 64 bits", "ffffffffffffffff¶<hidden>", REFUSED),
            chunked("the last of 64 bits", "fffffffffffffffe¶<hidden>", REFUSED),
            chunked("beyond 63 bits", "8000000000000000¶<hidden>", REFUSED),
            chunked("0x", "0x0¶¶<hidden>", REFUSED),
            chunked("0x and a size", "0x<x>¶<hidden>¶0¶¶", REFUSED),
            chunked("a plus sign", "+0¶¶<hidden>", REFUSED),
            chunked("a minus sign", "-0¶¶<hidden>", REFUSED),
            chunked("less than nothing", "-1¶¶<hidden>", REFUSED),
            chunked("a blank before it", " 0¶¶<hidden>", REFUSED),
            chunked("a tab before it", "\t0¶¶<hidden>", REFUSED),
            chunked("a blank behind it", "<x> ¶<hidden>¶0¶¶", EITHER),
            chunked("two numbers", "0 <x>¶<hidden>¶0¶¶", REFUSED),
            chunked("an underscore", "0_0¶¶<hidden>", REFUSED),
            chunked("a comma", "0,0¶¶<hidden>", REFUSED),
            chunked("a point", "0.0¶¶<hidden>", REFUSED),
            chunked("an h", "0h¶¶<hidden>", REFUSED),
            chunked("no digit at all", "z¶¶<hidden>", REFUSED),
            chunked("a digit of another script", "٠¶¶<hidden>", REFUSED),
            chunked("a wide digit", "０¶¶<hidden>", REFUSED),
            chunked("NUL behind it", "0\0¶¶<hidden>", REFUSED),
            chunked("VT behind it", "0\u{b}¶¶<hidden>", REFUSED),
            chunked("no size", "¶<hidden>", REFUSED),
            chunked("no size behind a chunk", "5¶hello¶¶<hidden>", REFUSED),
            chunked("an extension alone", ";a=b¶¶<hidden>", REFUSED),
            chunked("zeros before it", "0000000000000000000000000<x>¶<hidden>¶0¶¶", EITHER),
            chunked("several zeros", "<x>¶<hidden>¶000¶¶", BODY),
            chunked("large letters", "<X>¶<hidden>¶0¶¶", BODY),
        ],
        25,
    );
}

#[test]
fn a_line_of_chunks_ends_as_lines_end() {
    hold(
        &[
            chunked("LF behind a size", "<x>\n<hidden>¶0¶¶", REFUSED),
            chunked("LF behind the last size", "0\n¶<hidden>", REFUSED),
            chunked("LF behind the last two lines", "0\n\n<hidden>", REFUSED),
            chunked("LF at the very end", "0¶\n<hidden>", REFUSED),
            chunked("LF behind a chunk", "<x>¶<hidden>\n0¶¶", REFUSED),
            chunked("CR behind a size", "<x>\r<hidden>¶0¶¶", REFUSED),
            chunked("CR behind the last size", "0\r<hidden>", REFUSED),
            chunked("two CR", "0\r¶¶<hidden>", REFUSED),
            chunked("CR behind a chunk", "<x>¶<hidden>\r0¶¶", REFUSED),
            chunked("LF, then CR", "<x>\n\r<hidden>¶0¶¶", REFUSED),
            chunked("nothing behind a chunk", "5¶hello0¶¶<hidden>", REFUSED),
            chunked("two octets behind a chunk", "5¶helloXX0¶¶<hidden>", REFUSED),
            chunked("a blank behind a chunk", "5¶hello ¶0¶¶<hidden>", REFUSED),
            chunked("more than its size", "3¶hello¶0¶¶<hidden>", REFUSED),
            chunked("less than its size", "8¶hello¶0¶¶<hidden>", REFUSED),
            chunked("a size that swallows the rest", "fff¶<hidden>", REFUSED),
            chunked("no last chunk", "<x>¶<hidden>¶", REFUSED),
        ],
        15,
    );
}

#[test]
fn extensions_say_nothing_and_hide_nothing() {
    let long = format!("<x>;a={}¶<hidden>¶0¶¶", "b".repeat(20_000));
    hold(
        &[
            chunked("LF in one", "<x>;a=b\nc¶<hidden>¶0¶¶", REFUSED),
            chunked("LF at once", "2;\nxx¶<x>¶<hidden>¶0¶¶", REFUSED),
            chunked("LF behind the last", "0;a=b\n¶<hidden>", REFUSED),
            chunked("CR in one", "<x>;a=b\rc¶<hidden>¶0¶¶", REFUSED),
            chunked("LF within quotes", "<x>;a=\"\n\"¶<hidden>¶0¶¶", REFUSED),
            chunked("a line end within quotes", "<x>;a=\"¶<hidden>¶0¶¶", EITHER),
            chunked("NUL in one", "<x>;a=\0¶<hidden>¶0¶¶", REFUSED),
            chunked("without a name", "<x>;¶<hidden>¶0¶¶", EITHER),
            chunked("without a semicolon", "<x> a=b¶<hidden>¶0¶¶", REFUSED),
            chunked("a very long one", &long, EITHER),
            chunked("a size in one", "<x>;0¶<hidden>¶0;fff¶¶", BODY),
            chunked("a value", "<x>;a=b;c¶<hidden>¶0;d=e¶¶", BODY),
            chunked("quotes", "<x>;a=\"b;c\\\"d\"¶<hidden>¶0;e=\"\"¶¶", BODY),
            chunked("blanks before the semicolon", "<x> ;a=b¶<hidden>¶0¶¶", EITHER),
        ],
        12,
    );
}

#[test]
fn trailers_change_nothing() {
    let trailed = |line: &str| format!("<x>¶<hidden>¶0¶{line}¶¶");
    let many = trailed(&"X: 1¶".repeat(40_000));
    hold(
        &[
            chunked("a length", &trailed("Content-Length: 500"), EITHER),
            chunked("no length", &trailed("Content-Length: 0"), EITHER),
            chunked("a coding", &trailed("Transfer-Encoding: chunked"), EITHER),
            chunked("a coding that nobody knows", &trailed("Transfer-Encoding: x"), EITHER),
            chunked("a host", &trailed("Host: other"), EITHER),
            chunked("the end of the connection", &trailed("Connection: close"), EITHER),
            chunked("an upgrade", &trailed("Connection: Upgrade¶Upgrade: websocket"), EITHER),
            chunked("a request in their place", "0¶<hidden>", EITHER),
            chunked("no header", &trailed("X"), EITHER),
            chunked("a blank before the colon", &trailed("X : 1"), EITHER),
            chunked("a folded line", &trailed("X: 1¶ Content-Length: 500"), EITHER),
            chunked("a lone CR", &trailed("X: 1\rContent-Length: 500"), EITHER),
            chunked("NUL", &trailed("X: \0"), EITHER),
            chunked("forty thousand", &many, EITHER),
            chunked("one that says nothing", &trailed("X-Sum: 1"), BODY),
        ],
        12,
    );
}
