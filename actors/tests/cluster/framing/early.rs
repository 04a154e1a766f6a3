//! Members that answer an upload before they have read it.

use std::io::Read as _;
use std::sync::LazyLock;

use skitai_actors::http::Part;

use super::*;

/// More than the sockets of both sides hold.
const UPLOAD: usize = 16 << 20;

const WORDS: &str = "nothing of this size is taken here";

/// What a member does once it has answered.
#[derive(Clone, Copy, Debug)]
enum Then {
    ReadsSlowly,
    StopsReading,
    /// With unread octets, so that the kernel resets the connection.
    Resets,
}

/// The head of a request; what follows it is dropped.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1_024];
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Answers a POST with this as soon as it has the head, and anything else with the page `next`.
fn hasty(answer: String, then: Then) -> Member {
    on_sockets(move |mut stream, seen| {
        while let Some(head) = read_head(&mut stream) {
            seen.requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if !head.starts_with("POST") {
                drop(stream.write_all(&Kind::Page.octets(GOOD, "next")));
                continue;
            }
            drop(stream.write_all(answer.as_bytes()));
            match then {
                // 16 KiB in 20 ms: the upload would take 20 s.
                Then::ReadsSlowly => {
                    while stream.read(&mut [0; 16_384]).is_ok_and(|count| count > 0) {
                        pause_for(20);
                    }
                }
                Then::StopsReading => pause_for(6_000),
                Then::Resets => pause_for(150),
            }
            return;
        }
    })
}

fn upload() -> Request {
    Request::multipart("/up", &[Part::field("a", "1"), Part::file("b", "b.bin", vec![b'x'; UPLOAD])])
}

async fn told_early(code: u16, first: &str, fields: &str, then: Then) -> Vec<String> {
    let length = WORDS.len();
    let head =
        format!("{first}HTTP/1.1 {code} No\r\n{fields}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    let there = hasty(format!("{head}{WORDS}"), then);
    let mut wrong = Vec::new();
    // Made once: an encoder that is not optimised takes its time.
    static FORM: LazyLock<Request> = LazyLock::new(|| Request::form("/up", &[("a".to_owned(), "x".repeat(UPLOAD))]));
    for what in ["upload", "form", "call"] {
        for way in Way::both(there.port) {
            let request = match what {
                "upload" => upload(),
                "form" => FORM.clone(),
                _ => Request::xmlrpc("/up", vec![b' '; UPLOAD]),
            };
            let (before, begun) = (there.seen.connections(), Instant::now());
            let outcome = way.ask(request).await;
            let took = begun.elapsed();
            let is_said = if what == "call" {
                outcome.reason == Reason::HttpStatus && outcome.msg.contains(WORDS)
            } else {
                outcome.status == Status::Completed && outcome.data == Value::String(WORDS.to_owned())
            };
            let name = format!("{code} {first:?} {fields:?} {then:?} ({}, {what})", way.name());
            if outcome.code != code || !is_said || took > Duration::from_secs(2) {
                wrong.push(format!("{name}: {} after {took:?}", brief(&outcome)));
                continue;
            }
            let next = way.ask(Request::get("/next")).await;
            let used = there.seen.connections() - before;
            if next.data != Value::String("next".to_owned()) || used != 2 {
                wrong.push(format!("{name}: then {}, {used} connections for two calls", brief(&next)));
            }
        }
    }
    wrong
}

#[test]
fn an_answer_that_comes_before_the_upload_is_through_is_told_at_once() {
    in_system(async {
        let close = "Connection: close\r\n";
        let goes_on = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut wrong = Vec::new();
        // One after the other: each has 16 MiB in hand.
        for (code, first, fields, then) in [
            (413, "", close, Then::ReadsSlowly),
            (413, "", close, Then::StopsReading),
            (413, "", close, Then::Resets),
            (413, "", "", Then::ReadsSlowly),
            (413, goes_on, close, Then::ReadsSlowly),
            (401, "", "WWW-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n", Then::ReadsSlowly),
            (401, "", "WWW-Authenticate: Basic realm=\"x\"\r\n", Then::StopsReading),
            (403, "", close, Then::Resets),
            (403, "HTTP/1.1 103 Early Hints\r\n\r\n", "", Then::StopsReading),
        ] {
            wrong.extend(Box::pin(told_early(code, first, fields, then)).await);
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn an_upload_that_is_read_arrives_whole() {
    in_system(async {
        for first in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
            let there = member(move |stream, heard| {
                let size = heard.body.len().to_string();
                drop(stream.write_all(&Kind::Page.octets(&format!("{first}{GOOD}"), &size)));
                After::KeepAlive
            });
            for way in Way::both(there.port) {
                for _ in 0..2 {
                    let request = upload();
                    let size = Value::String(request.body.len().to_string());
                    let outcome = way.ask(request).await;
                    assert_eq!(outcome.data, size, "{first:?} ({}): {}", way.name(), brief(&outcome));
                }
            }
            assert_eq!((there.seen.requests(), there.seen.connections()), (4, 2), "{first:?}");
        }
    });
}
