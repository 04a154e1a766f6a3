//! A 408 ends an idle connection, or a call that took too long. Only in the first case is the call sent again (RFC
//! 9110, 15.5.9).

use skitai_actors::Status;
use skitai_actors::http::{Method, Part};

use super::*;

/// A member's reaction to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Well,
    /// This, and closes.
    Ends(&'static str),
    /// The same after 1.2 s.
    Works(&'static str),
}

const NEWER: &str = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 8\r\n\r\ntoo late";
const AFTER_100: &str =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const AFTER_103: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n";

/// The reaction to the nth request of all, which is the mth of its connection.
fn saying(what: impl Fn(usize, usize) -> Says + Send + Sync + 'static) -> Member {
    on_sockets(move |mut stream, seen| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut on_this = 0;
        while let Some(heard) = read_request(&mut reader) {
            let nth = seen.requests.fetch_add(1, SeqCst);
            let (text, pause) = match what(nth, on_this) {
                Says::Well => (well(&heard.body), 0),
                Says::Ends(text) => (text.to_owned(), 0),
                Says::Works(text) => (text.to_owned(), 1_200),
            };
            pause_for(pause);
            drop(stream.write_all(text.as_bytes()));
            if !text.starts_with("HTTP/1.1 200") {
                return;
            }
            on_this += 1;
        }
    })
}

fn well(body: &str) -> String {
    if body.contains("own-") {
        return answer_to(body, false);
    }
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nown-1".to_owned()
}

/// Every kind of request, whose good answer is `own-1`.
fn requests() -> Vec<(&'static str, Request)> {
    let rest = |method, body: Option<&str>| Request::rest(method, "/x", body.map(|body| body.into()));
    vec![
        ("XML-RPC", call_of(1, false)),
        ("JSON-RPC", call_of(1, true)),
        ("GET", Request::get("/x")),
        ("form", Request::form("/x", &[("a".to_owned(), "b".to_owned())])),
        ("upload", Request::multipart("/x", &[Part::field("a", "b")])),
        ("PUT", rest(Method::Put, Some("{}"))),
        ("PATCH", rest(Method::Patch, Some("{}"))),
        ("DELETE", rest(Method::Delete, None)),
    ]
}

/// Asks twice, so that the second time meets a used connection, and judges that outcome, the requests and the
/// connections.
async fn twice(name: &str, there: impl Fn() -> Member, code: u16, requests_and_connections: (usize, usize)) {
    let mut all = Vec::new();
    for (what, request) in requests() {
        for nth in 0..2 {
            let (there, request) = (there(), request.clone());
            all.push(Box::pin(async move {
                let way = Way::both(there.port).into_iter().nth(nth).unwrap();
                let first = way.ask(request.clone()).await;
                let is_rpc = request.path.starts_with("/rpc");
                let outcome = way.ask(request).await;
                let counted = (there.seen.requests(), there.seen.connections());
                let is_told = outcome.code == code
                    && if code == 200 {
                        outcome.data == Value::String("own-1".to_owned())
                    } else {
                        // For an RPC call that is no answer; for a page any code is one.
                        outcome.reason == Reason::HttpStatus && (outcome.status == Status::Error) == is_rpc
                    };
                let is_right = first.is_ok() && is_told && counted == requests_and_connections;
                let told = crate::framing::brief(&outcome);
                (!is_right)
                    .then(|| format!("{name} ({what}, {}): {told}, requests and connections {counted:?}", way.name()))
            }));
        }
    }
    let wrong: Vec<String> = join_all(all).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A 408 by the old rules and one by the present ones.
const BOTH: [(&str, &str); 2] = [("1.0", TIMEOUT), ("1.1", NEWER)];

#[test]
fn a_408_at_once_on_a_used_connection_was_said_to_its_rest() {
    in_system(async {
        for (name, text) in BOTH {
            // The second request of a connection is never read.
            let there = || saying(move |_, on_this| if on_this == 0 { Says::Well } else { Says::Ends(text) });
            twice(name, there, 200, (3, 2)).await;
        }
    });
}

#[test]
fn a_408_on_a_connection_made_for_the_call_is_its_answer() {
    in_system(async {
        for (name, text) in BOTH {
            for (what, request) in requests() {
                let there = saying(move |_, _| Says::Ends(text));
                for (nth, way) in Way::both(there.port).into_iter().enumerate() {
                    let outcome = way.ask(request.clone()).await;
                    let told = (outcome.code, there.seen.requests());
                    assert_eq!(told, (408, nth + 1), "{name} ({what}, {}): {outcome:?}", way.name());
                }
            }
        }
    });
}

#[test]
fn a_call_is_sent_again_once_and_no_more() {
    in_system(async {
        for (name, text) in BOTH {
            // The third request repeats the second.
            let there = || saying(move |nth, _| if nth == 0 { Says::Well } else { Says::Ends(text) });
            twice(name, there, 408, (3, 2)).await;
        }
    });
}

#[test]
fn a_408_of_a_call_that_ran_is_its_answer_and_the_call_ran_once() {
    in_system(async {
        for (name, text) in BOTH {
            let there = || saying(move |nth, _| if nth == 0 { Says::Well } else { Says::Works(text) });
            twice(name, there, 408, (2, 1)).await;
        }
    });
}

#[test]
fn a_408_behind_a_sign_of_life_is_the_answer() {
    in_system(async {
        for (name, text) in [("100", AFTER_100), ("103", AFTER_103)] {
            let there = || saying(move |nth, _| if nth == 0 { Says::Well } else { Says::Ends(text) });
            twice(name, there, 408, (2, 1)).await;
        }
    });
}

#[test]
fn without_close_a_408_is_an_answer_like_any_other() {
    in_system(async {
        for (name, text) in [
            ("its connection is kept", "HTTP/1.1 408 x\r\nContent-Length: 2\r\n\r\nno"),
            ("octets behind it", "HTTP/1.1 408 x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nno\r\n"),
            (
                "a length and chunks",
                "HTTP/1.1 408 x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
            ),
            ("HTTP/1.0 that keeps", "HTTP/1.0 408 x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nno"),
        ] {
            for nth in 0..2 {
                let there = saying(move |nth, _| if nth == 0 { Says::Well } else { Says::Ends(text) });
                let way = Way::both(there.port).into_iter().nth(nth).unwrap();
                assert!(way.ask(Request::form("/x", &[])).await.is_ok());
                let outcome = way.ask(Request::form("/x", &[])).await;
                assert_eq!((outcome.code, there.seen.requests()), (408, 2), "{name} {}", way.name());
            }
        }
    });
}
