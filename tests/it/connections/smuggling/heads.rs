//! First lines, line ends, targets, methods and names that two readers could take for different ones; and bodies of
//! requests that have none as a rule.

use super::{BODY, Case, EITHER, IN_CHUNKS, POST, REFUSED, UNKNOWN, WITH_LENGTH, hold};

/// A request as it is; its twin has an ordinary head and the same body.
fn raw(name: &'static str, attack: impl Into<String>, allowed: &'static [&'static str]) -> Case {
    Case { name, attack: attack.into(), allowed, twin: format!("{POST}{WITH_LENGTH}") }
}

/// A request with this first line and the hidden request for its body.
fn line(name: &'static str, line: &str, allowed: &'static [&'static str]) -> Case {
    raw(name, format!("{line}¶Host: h¶Content-Type: text/plain¶{WITH_LENGTH}"), allowed)
}

/// An ordinary POST with more header lines before its length.
fn lines(name: &'static str, lines: &str, allowed: &'static [&'static str]) -> Case {
    raw(name, format!("{POST}{lines}{WITH_LENGTH}"), allowed)
}

#[test]
fn a_first_line_is_three_words() {
    hold(
        &[
            line("two blanks before the target", "POST  <first> HTTP/1.1", REFUSED),
            line("two blanks before the version", "POST <first>  HTTP/1.1", REFUSED),
            line("a tab", "POST\t<first> HTTP/1.1", REFUSED),
            line("a tab before the version", "POST <first>\tHTTP/1.1", REFUSED),
            line("a blank behind it", "POST <first> HTTP/1.1 ", REFUSED),
            line("a blank before it", " POST <first> HTTP/1.1", REFUSED),
            line("VT for a blank", "POST\u{b}<first> HTTP/1.1", REFUSED),
            line("a lone CR", "POST <first>\rHTTP/1.1", REFUSED),
            line("a lone CR behind it", "POST <first> HTTP/1.1\r", REFUSED),
            line("four words", "POST <first> x HTTP/1.1", REFUSED),
            line("a version in the target", "POST <first> HTTP/1.1 HTTP/1.1", REFUSED),
            line("no version", "POST <first>", REFUSED),
            raw("HTTP/0.9", "GET <first>¶<hidden>", REFUSED),
            line("version 0.9", "POST <first> HTTP/0.9", REFUSED),
            line("version 2.0", "POST <first> HTTP/2.0", REFUSED),
            line("version 3", "POST <first> HTTP/3", REFUSED),
            line("version 1.2", "POST <first> HTTP/1.2", EITHER),
            line("version 1.10", "POST <first> HTTP/1.10", REFUSED),
            line("version 11", "POST <first> HTTP/11", REFUSED),
            line("version 1,1", "POST <first> HTTP/1,1", REFUSED),
            line("version in small letters", "POST <first> http/1.1", REFUSED),
            line("another protocol", "POST <first> ICAP/1.0", REFUSED),
            raw("the preface of HTTP/2", "PRI * HTTP/2.0¶¶SM¶¶<hidden>", REFUSED),
            raw("no first line", "Host: h¶Content-Length: <n>¶¶<hidden>", REFUSED),
            line("a line end before it", "¶POST <first> HTTP/1.1", BODY),
            line("many line ends before it", &format!("{}POST <first> HTTP/1.1", "¶".repeat(50)), EITHER),
            line("LF before it", "\nPOST <first> HTTP/1.1", REFUSED),
            line("CR before it", "\rPOST <first> HTTP/1.1", REFUSED),
            line("NUL before it", "\0POST <first> HTTP/1.1", REFUSED),
        ],
        25,
    );
}

#[test]
fn a_target_and_a_method_are_what_they_are() {
    hold(
        &[
            line("NUL in the target", "POST <first>\0 HTTP/1.1", REFUSED),
            line("DEL in the target", "POST <first>\u{7f} HTTP/1.1", REFUSED),
            line("a line feed in the target", "POST <first>\n HTTP/1.1", REFUSED),
            line("a fragment", "POST <first>#x HTTP/1.1", EITHER),
            line("no slash", "POST noted/x/first HTTP/1.1", REFUSED),
            line("an absolute target", "POST http://other<first> HTTP/1.1", BODY),
            line("an absolute target of nobody", "POST http://<first> HTTP/1.1", REFUSED),
            line("an absolute target with a user", "POST http://me@other<first> HTTP/1.1", EITHER),
            line("an absolute target of another kind", "POST ftp://other<first> HTTP/1.1", EITHER),
            line("an authority for a target", "POST h:80 HTTP/1.1", REFUSED),
            line("CONNECT", "CONNECT h:80 HTTP/1.1", &["", "second"]),
            line("CONNECT to a path", "CONNECT <first> HTTP/1.1", &["", "second"]),
            line("OPTIONS of everything", "OPTIONS * HTTP/1.1", &["", "second"]),
            line("a star for a POST", "POST * HTTP/1.1", REFUSED),
            line("TRACE", "TRACE <first> HTTP/1.1", &["", "second"]),
            line("a method in small letters", "post <first> HTTP/1.1", UNKNOWN),
            line("a method that nobody knows", "BREW <first> HTTP/1.1", UNKNOWN),
            line("a method of marks", "!#$%&'*+-.^_`|~ <first> HTTP/1.1", UNKNOWN),
            line("a method with a colon", "PO:ST <first> HTTP/1.1", REFUSED),
            line("a method with NUL", "POST\0 <first> HTTP/1.1", REFUSED),
            line("a method with a bracket", "POST( <first> HTTP/1.1", REFUSED),
            line("a method beyond ASCII", "PÖST <first> HTTP/1.1", REFUSED),
            line("a long method", &format!("{} <first> HTTP/1.1", "M".repeat(9000)), UNKNOWN),
        ],
        20,
    );
}

#[test]
fn a_body_is_a_body_whatever_the_method() {
    let chunked = |method: &str| format!("{method} <first> HTTP/1.1¶Host: h¶Content-Type: text/plain¶{IN_CHUNKS}");
    hold(
        &[
            line("GET", "GET <first> HTTP/1.1", BODY),
            line("HEAD", "HEAD <first> HTTP/1.1", BODY),
            line("DELETE", "DELETE <first> HTTP/1.1", BODY),
            line("OPTIONS", "OPTIONS <first> HTTP/1.1", BODY),
            line("PUT", "PUT <first> HTTP/1.1", BODY),
            raw("GET in chunks", chunked("GET"), BODY),
            raw("HEAD in chunks", chunked("HEAD"), BODY),
            raw("DELETE in chunks", chunked("DELETE"), BODY),
            lines("with an upgrade", "Connection: Upgrade¶Upgrade: h2c¶HTTP2-Settings: AAEAAEAAAAIAAAAB¶", BODY),
            lines("with a WebSocket", "Connection: Upgrade¶Upgrade: websocket¶", BODY),
            lines("with an upgrade that is not in earnest", "Upgrade: websocket¶", BODY),
            raw("an upgrade in chunks", format!("{POST}Connection: Upgrade¶Upgrade: h2c¶{IN_CHUNKS}"), BODY),
            lines("expected", "Expect: 100-continue¶", BODY),
            raw("expected in chunks", format!("{POST}Expect: 100-continue¶{IN_CHUNKS}"), BODY),
            lines("expected to be something else", "Expect: the-worst¶", UNKNOWN),
            lines("a connection that names the length", "Connection: Content-Length¶", BODY),
            lines("a connection that names the host", "Connection: Host, keep-alive¶", BODY),
            raw("a connection that names the coding", format!("{POST}Connection: Transfer-Encoding¶{IN_CHUNKS}"), BODY),
            lines("the last of its connection", "Connection: close¶", &["first"]),
            lines("the last of its connection, among others", "Connection: x, CLOSE ,y¶", &["first"]),
            lines("another method in a header", "X-HTTP-Method-Override: GET¶", BODY),
        ],
        20,
    );
}

#[test]
fn a_head_is_lines_of_names_and_values() {
    let bare = format!("{POST}{WITH_LENGTH}").replace('¶', "\n");
    let many = "X: 1¶".repeat(200);
    let long = format!("X: {}¶", "x".repeat(150_000));
    let zero = |end: &str| format!("{POST}Content-Length: 0{end}<hidden>");
    hold(
        &[
            lines("two hosts", "Host: h¶", REFUSED),
            lines("two hosts that differ", "hOST: other¶", REFUSED),
            raw("no host", format!("POST <first> HTTP/1.1¶{WITH_LENGTH}"), REFUSED),
            raw("a host of blanks", format!("POST <first> HTTP/1.1¶Host: a b¶{WITH_LENGTH}"), REFUSED),
            raw("a blank before the first header", format!("POST <first> HTTP/1.1¶ Host: h¶{WITH_LENGTH}"), REFUSED),
            raw("a line of blanks", format!("POST <first> HTTP/1.1¶ ¶Host: h¶{WITH_LENGTH}"), REFUSED),
            raw("LF for every line end", bare, REFUSED),
            lines("LF for one line end", "X: 1\n", REFUSED),
            lines("CR for one line end", "X: 1\r", REFUSED),
            lines("two CR", "X: 1\r¶", REFUSED),
            lines("LF in the midst of a value", "X: 1\n2¶", REFUSED),
            lines("NUL", "X: \0¶", REFUSED),
            lines("VT", "X: \u{b}¶", EITHER),
            lines("DEL", "X: \u{7f}¶", EITHER),
            lines("a control character", "X: \u{1}¶", EITHER),
            lines("a folded line", "X: 1¶ 2¶", REFUSED),
            lines("a folded line of blanks", "X: 1¶ ¶", REFUSED),
            lines("a name with a blank", "X Y: 1¶", REFUSED),
            lines("a name with NUL", "X\0Y: 1¶", REFUSED),
            lines("a name beyond ASCII", "Größe: 1¶", REFUSED),
            lines("no colon", "X¶", REFUSED),
            lines("too many lines before the length", &many, REFUSED),
            lines("too long a line before the length", &long, REFUSED),
            raw("CR CR LF at the end", zero("¶\r¶"), REFUSED),
            raw("LF CR LF at the end", format!("{POST}Content-Length: <n>\n¶<hidden>"), REFUSED),
            raw("CR at the end", zero("¶\r"), REFUSED),
            lines("names of marks", "!#$%&'*+-.^_`|~: 1¶X_Y: 1¶x.y: 1¶1: 1¶", BODY),
            lines("values of all kinds", "X: größe\t\"a\" (b) {c}¶Y:¶Z: ,,;=¶", BODY),
            lines("a name twice", "X: 1¶X: 2¶", BODY),
        ],
        25,
    );
}
