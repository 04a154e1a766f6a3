//! `Content-Length` and `Transfer-Encoding`: written oddly, twice, against each other, and disguised.

use super::{BODY, CLOSED, Case, EITHER, IN_CHUNKS, POST, REFUSED, SEPARATE, WITH_LENGTH, hold};

/// A request whose body is framed by these header lines and is the hidden request; its twin has an honest length.
fn length(name: &'static str, lines: &str, allowed: &'static [&'static str]) -> Case {
    let attack = format!("{POST}{lines}¶¶<hidden>");
    Case { name, attack, allowed, twin: format!("{POST}{WITH_LENGTH}") }
}

/// The same with another body; its twin is chunked.
fn coding(name: &'static str, lines: &str, body: &str, allowed: &'static [&'static str]) -> Case {
    let attack = format!("{POST}{lines}¶¶{body}");
    Case { name, attack, allowed, twin: format!("{POST}{IN_CHUNKS}") }
}

/// A reader of the chunks sees a body that ends at once, a reader of the length one that goes on.
const ENDS_AT_ONCE: &str = "0¶¶<hidden>";
/// A reader of the length 4 sees a request after it, a reader of the chunks a body.
const GOES_ON: &str = "<x>¶<hidden>¶0¶¶";

#[test]
fn a_length_is_digits_and_one() {
    hold(
        &[
            length("a plus sign", "Content-Length: +<n>", REFUSED),
            length("a minus sign", "Content-Length: -<n>", REFUSED),
            length("minus nothing", "Content-Length: -0", REFUSED),
            length("hexadecimal", "Content-Length: 0x<x>", REFUSED),
            length("an underscore", "Content-Length: 0_<n>", REFUSED),
            length("a point", "Content-Length: <n>.0", REFUSED),
            length("an exponent", "Content-Length: <n>e0", REFUSED),
            length("a quoted one", "Content-Length: \"<n>\"", REFUSED),
            length("a parameter", "Content-Length: <n>;q=1", REFUSED),
            length("two words", "Content-Length: 0 <n>", REFUSED),
            length("nothing", "Content-Length:", REFUSED),
            length("blanks", "Content-Length: \t ", REFUSED),
            length("digits of another script", "Content-Length: ٠", REFUSED),
            length("a letter", "Content-Length: <n>b", REFUSED),
            length("a list of two that differ", "Content-Length: 0, <n>", REFUSED),
            length("a list of two that differ, the other way", "Content-Length: <n>, 0", REFUSED),
            length("a list with nothing in it", "Content-Length: ,", REFUSED),
            length("a list of the same", "Content-Length: <n>, <n>", EITHER),
            length("two lines that differ", "Content-Length: 0¶Content-Length: <n>", REFUSED),
            length("two lines, the other way", "Content-Length: <n>¶content-length: 0", REFUSED),
            length("two lines, one of them nothing", "Content-Length: <n>¶Content-Length:", REFUSED),
            length("two lines, one with a zero before", "Content-Length: 0¶Content-Length: 00", EITHER_EMPTY),
            length("two lines of the same", "Content-Length: <n>¶Content-Length: <n>", EITHER),
            length("beyond 64 bits", "Content-Length: 18446744073709551616", REFUSED),
            length("beyond 64 bits by what is there", "Content-Length: 184467440737095516160", REFUSED),
            length("beyond 63 bits", "Content-Length: 9223372036854775808", REFUSED),
            length("beyond everything", "Content-Length: 99999999999999999999999999999999999999999", REFUSED),
            length("zeros before it", "Content-Length: 000000000000000000000000<n>", EITHER),
            length("blanks around it", "Content-Length: \t <n> \t", BODY),
            length("in any case", "cOnTeNt-LeNgTh:<n>", BODY),
            length("VT before it", "Content-Length: \u{b}<n>", REFUSED),
            length("FF behind it", "Content-Length: <n>\u{c}", REFUSED),
            length("NUL behind it", "Content-Length: <n>\0", REFUSED),
            length("a lone CR before it", "Content-Length: \r<n>", REFUSED),
            length("no-break space before it", "Content-Length: \u{a0}<n>", REFUSED),
            length("on a folded line", "Content-Length:¶ <n>", REFUSED),
            length("folded behind zero", "Content-Length: 0¶\t<n>", REFUSED),
        ],
        30,
    );
}

/// Twice nothing is nothing, so what seems hidden follows in the open, or all is refused.
const EITHER_EMPTY: &[&str] = &["", "first hidden second"];

#[test]
fn the_name_of_a_length_is_its_name() {
    hold(
        &[
            length("a blank before the colon", "Content-Length : <n>", REFUSED),
            length("a tab before the colon", "Content-Length\t: <n>", REFUSED),
            length("a blank before the name", " Content-Length: <n>", REFUSED),
            length("a tab before the name", "\tContent-Length: <n>", REFUSED),
            length("folded behind another", "X: 1¶ Content-Length: <n>", REFUSED),
            length("behind a lone CR", "X: 1\rContent-Length: <n>", REFUSED),
            length("behind NUL", "X: 1\0Content-Length: <n>", REFUSED),
            length("NUL in the name", "Content-Length\0: <n>", REFUSED),
            length("a no-break space in the name", "Content-Length\u{a0}: <n>", REFUSED),
            length("quotes", "\"Content-Length\": <n>", REFUSED),
            length("brackets", "(Content-Length): <n>", REFUSED),
            length("a slash", "Content/Length: <n>", REFUSED),
            length("no colon", "Content-Length <n>", REFUSED),
            length("an equals sign", "Content-Length=<n>", REFUSED),
            length("nothing before the colon", ": <n>", REFUSED),
            length("another name, with an underscore", "Content_Length: <n>", SEPARATE),
            length("another name, with an s", "Content-Lengths: <n>", SEPARATE),
            length("another name, with an apostrophe", "Content-Length': <n>", SEPARATE),
        ],
        15,
    );
}

#[test]
fn a_coding_is_chunked_and_alone() {
    let both = |coding: &str| format!("Content-Length: <n+5>¶{coding}");
    hold(
        &[
            coding("a length and chunks", &both("Transfer-Encoding: chunked"), ENDS_AT_ONCE, CLOSED),
            coding("chunks and a length", "Transfer-Encoding: chunked¶Content-Length: 4", GOES_ON, CLOSED),
            coding("chunks and no length", "Transfer-Encoding: chunked¶Content-Length: 0", GOES_ON, CLOSED),
            coding(
                "chunks and two lengths",
                "Content-Length: 4¶Transfer-Encoding: chunked¶Content-Length: 5",
                GOES_ON,
                CLOSED,
            ),
            coding("an unknown one", "Transfer-Encoding: xchunked", "<hidden>", REFUSED),
            coding("an unknown one and a length", &both("Transfer-Encoding: xchunked"), ENDS_AT_ONCE, REFUSED),
            coding("identity", "Transfer-Encoding: identity", "<hidden>", REFUSED),
            coding("identity and a length", &both("Transfer-Encoding: identity"), ENDS_AT_ONCE, REFUSED),
            coding("nothing", "Transfer-Encoding:", "<hidden>", REFUSED),
            coding("nothing and a length", &both("Transfer-Encoding:"), ENDS_AT_ONCE, REFUSED),
            coding("chunked, then another", "Transfer-Encoding: chunked, identity", GOES_ON, REFUSED),
            coding("chunked, then gzip", "Transfer-Encoding: chunked, gzip", GOES_ON, REFUSED),
            coding("gzip, then chunked", "Transfer-Encoding: gzip, chunked", GOES_ON, EITHER),
            coding("chunked twice", "Transfer-Encoding: chunked, chunked", GOES_ON, REFUSED),
            coding("chunked in two lines", "Transfer-Encoding: chunked¶Transfer-Encoding: chunked", GOES_ON, REFUSED),
            coding(
                "chunked, then another line",
                "Transfer-Encoding: chunked¶Transfer-Encoding: identity",
                GOES_ON,
                REFUSED,
            ),
            coding("another line, then chunked", "Transfer-Encoding: x¶Transfer-Encoding: chunked", GOES_ON, EITHER),
            coding("an empty place in the list", "Transfer-Encoding: ,chunked", GOES_ON, EITHER),
            coding("a parameter", "Transfer-Encoding: chunked;q=1", GOES_ON, EITHER),
            coding("quotes", "Transfer-Encoding: \"chunked\"", GOES_ON, REFUSED),
            coding("VT before it", &both("Transfer-Encoding: \u{b}chunked"), ENDS_AT_ONCE, REFUSED),
            coding("NUL behind it", &both("Transfer-Encoding: chunked\0"), ENDS_AT_ONCE, REFUSED),
            coding("a lone CR behind it", &both("Transfer-Encoding: chunked\r"), ENDS_AT_ONCE, REFUSED),
            coding("a blank before the colon", &both("Transfer-Encoding : chunked"), ENDS_AT_ONCE, REFUSED),
            coding("a blank before the name", &both(" Transfer-Encoding: chunked"), ENDS_AT_ONCE, REFUSED),
            coding("on a folded line", &both("Transfer-Encoding:¶ chunked"), ENDS_AT_ONCE, REFUSED),
            coding("behind a lone CR", &both("X: 1\rTransfer-Encoding: chunked"), ENDS_AT_ONCE, REFUSED),
            coding("behind a lone LF", &both("X: 1\nTransfer-Encoding: chunked"), ENDS_AT_ONCE, REFUSED),
            coding("in two words", "Transfer-Encoding: chun ked", GOES_ON, REFUSED),
            coding("in any case", "TRANSFER-encoding: \t ChUnKeD \t", GOES_ON, BODY),
            length("another name, with an underscore", "Content-Length: <n>¶Transfer_Encoding: chunked", BODY),
            length("another name, TE", "Content-Length: <n>¶TE: chunked", BODY),
            length("another name, Content-Encoding", "Content-Length: <n>¶Content-Encoding: identity", BODY),
        ],
        30,
    );
}

#[test]
fn http_1_0_has_no_chunks() {
    let old =
        |case: Case| Case { attack: case.attack.replace("HTTP/1.1¶", "HTTP/1.0¶Connection: keep-alive¶"), ..case };
    let both = "Content-Length: <n+5>¶Transfer-Encoding: chunked";
    hold(
        &[
            old(coding("chunks", "Transfer-Encoding: chunked", GOES_ON, CLOSED)),
            old(coding("chunks that end at once", "Transfer-Encoding: chunked", ENDS_AT_ONCE, CLOSED)),
            old(coding("a length and chunks", both, ENDS_AT_ONCE, CLOSED)),
            old(coding("chunks and a short length", "Content-Length: 4¶Transfer-Encoding: chunked", GOES_ON, CLOSED)),
            old(coding("an unknown coding", "Transfer-Encoding: x", "<hidden>", REFUSED)),
            old(length("two lengths", "Content-Length: 0¶Content-Length: <n>", REFUSED)),
            old(length("a length", "Content-Length: <n>", EITHER)),
        ],
        7,
    );
}
