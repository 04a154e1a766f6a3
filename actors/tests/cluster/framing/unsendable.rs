//! An octet that would end a line or a word of a request is not sent. All 256 octets are tried, as the chars of their
//! numbers.

use super::*;

/// The fate of a request with this character in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Refused,
    /// It may arrive or not; if it arrives, it is one well-formed request.
    Either,
}

fn in_path(sign: char) -> Fate {
    match sign {
        '\0' | '\r' | '\n' | ' ' => Fate::Refused,
        'a'..='z' | 'A'..='Z' | '0'..='9' => Fate::Arrives,
        _ if "-._~!$&'()*+,;=:@/?".contains(sign) => Fate::Arrives,
        _ => Fate::Either,
    }
}

/// A name is a token (RFC 9110, 5.6.2).
fn in_name(sign: char) -> Fate {
    if sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign) { Fate::Arrives } else { Fate::Refused }
}

fn in_value(sign: char) -> Fate {
    match sign {
        '\0' | '\r' | '\n' => Fate::Refused,
        // Other control characters have no meaning there (RFC 9110, 5.5).
        '\x01'..='\x08' | '\x0b'..='\x1f' | '\x7f' => Fate::Either,
        _ => Fate::Arrives,
    }
}

/// The line with which it arrives, and the request.
fn with(place: &str, sign: char) -> (Fate, String, Request) {
    match place {
        "path" => (in_path(sign), format!("GET /a{sign}b HTTP/1.1"), Request::get(format!("/a{sign}b"))),
        "name" => {
            let line = format!("x{sign}y: a").to_ascii_lowercase();
            (in_name(sign), line, Request::get("/").header(format!("x{sign}y"), "a"))
        }
        _ => (in_value(sign), format!("x-a: a{sign}b"), Request::get("/").header("x-a", format!("a{sign}b"))),
    }
}

/// Tries every octet in this part. Octets that a URL cannot have in its path are encoded.
async fn wrong_of(place: &'static str, way: Way, there: &Member) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_encoded = place == "path" && matches!(way, Way::Web(..));
    let mut arrived = 0;
    for octet in 0..=255_u8 {
        let sign = char::from(octet);
        let (mut fate, line, request) = with(place, sign);
        if is_encoded && fate == Fate::Refused {
            fate = Fate::Either;
        }
        let before = there.seen.requests();
        let outcome = way.ask(request).await;
        let heard = there.seen.heard().split_off(before);
        let is_refused = outcome.reason == Reason::Unsendable && heard.is_empty();
        let is_one = outcome.is_ok() && heard.len() == 1 && heard[0].head.split("\r\n").all(is_clean);
        let is_sent = is_one && heard[0].head.lines().any(|there| there.eq_ignore_ascii_case(&line));
        let is_right = match fate {
            Fate::Arrives => is_sent,
            Fate::Refused => is_refused,
            Fate::Either => is_refused || is_one,
        };
        arrived += usize::from(is_one);
        if !is_right {
            let heads: Vec<&str> = heard.iter().map(|heard| heard.head.as_str()).collect();
            wrong.push(format!("{sign:?} in the {place} ({}), {fate:?}: {}, {heads:?}", way.name(), brief(&outcome)));
        }
    }
    if arrived < 64 {
        wrong.push(format!("the {place} ({}): only {arrived} arrived", way.name()));
    }
    wrong
}

/// No line of a head contains another line, and a request line has two blanks.
fn is_clean(line: &str) -> bool {
    !line.contains(['\r', '\n', '\0']) && (!line.ends_with(" HTTP/1.1") || line.split(' ').count() == 3)
}

#[test]
fn nothing_is_sent_that_would_end_its_line() {
    in_system(async {
        let mut wrong = Vec::new();
        for place in ["path", "name", "value"] {
            let there = fine_page();
            for way in Way::both(there.port) {
                wrong.extend(wrong_of(place, way, &there).await);
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn no_second_request_is_smuggled_in() {
    in_system(async {
        let there = fine_page();
        let second = "\r\n\r\nGET /stolen HTTP/1.1\r\nHost: x";
        for way in Way::both(there.port) {
            for (what, request) in [
                ("name", Request::get("/").header(format!("x-a: b{second}\r\nx-b"), "c")),
                ("value", Request::get("/").header("x-a", format!("b{second}"))),
                ("bare value", Request::get("/").header("x-a", "b\nx-b: c")),
                ("empty name", Request::get("/").header("", "c")),
                ("call", call().header("x-a", format!("b{second}"))),
            ] {
                let outcome = way.ask(request).await;
                assert_eq!(outcome.reason, Reason::Unsendable, "{what} ({}): {}", way.name(), brief(&outcome));
            }
            let path = Request::get(format!("/ HTTP/1.1{second}"));
            let outcome = way.ask(path).await;
            assert!(!outcome.is_ok() || matches!(way, Way::Web(..)), "path ({}): {}", way.name(), brief(&outcome));
        }
        // The URL with all of it encoded is one request for one page.
        let heads: Vec<String> = there.seen.heard().into_iter().map(|heard| heard.head).collect();
        assert!(heads.iter().all(|head| head.starts_with("GET /%20HTTP/1.1%0D%0A")), "{heads:?}");
        assert!(there.seen.requests() <= 1, "{heads:?}");
    });
}
