//! Members that send something other than an answer.

use std::io::Write;
use std::thread::sleep;

use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{After, Member, answer, member, raw};
use super::*;

async fn ask(there: &Member, request: Request) -> Outcome {
    Started::new(spec(&[there.port])).one(request).await
}

async fn assert_error(there: &Member, request: Request, reason: Reason, word: &str) {
    let outcome = ask(there, request).await;
    assert_eq!((outcome.status, outcome.reason), (Status::Error, reason), "{outcome:?}");
    assert!(outcome.msg.contains(word), "{outcome:?}");
}

#[test]
fn garbage_is_malformed() {
    in_system(async {
        assert_error(&raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), call(), Reason::Malformed, "HTTP").await;
        assert_error(&raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"), call(), Reason::Malformed, "").await;
        let half = raw("HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n<?xml version='1.0'?><me");
        assert_error(&half, call(), Reason::Malformed, "").await;
        let json = Request::jsonrpc("/", 1, "{}");
        assert_error(&raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"), json, Reason::Malformed, "").await;
    });
}

#[test]
fn an_answer_cut_short_is_no_answer() {
    in_system(async {
        let get = || Request::get("/");
        let half = raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
        assert_error(&half, get(), Reason::Closed, "middle").await;
        let chunked = raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
        assert_error(&chunked, get(), Reason::Closed, "middle").await;
        assert_error(&raw("HTTP/1.1 200 OK\r\ncontent-le"), get(), Reason::Closed, "middle").await;
        // Without an announced end, the end of the connection ends the answer.
        let open = raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello");
        assert_eq!(ask(&open, get()).await.data, Value::String("hello".to_owned()));
        let whole = raw(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
        assert_eq!(ask(&whole, get()).await.data, Value::String("hello".to_owned()));
    });
}

#[test]
fn too_much_is_refused() {
    in_system(async {
        let announced = raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n");
        assert_error(&announced, call(), Reason::TooLarge, "1048576 bytes").await;
        let endless = member(|stream, _| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
            After::Close
        });
        assert_error(&endless, call(), Reason::TooLarge, "1048576 bytes").await;
        let long_head = member(|stream, _| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nx: "));
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
            After::Close
        });
        assert_error(&long_head, call(), Reason::TooLarge, "head").await;
    });
}

#[test]
fn a_dripping_body_meets_the_deadline() {
    in_system(async {
        let dripping = member(|stream, _| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"));
            while stream.write_all(b"x").is_ok() {
                #[expect(clippy::disallowed_methods, reason = "the member drips, on a thread of its own")]
                sleep(Duration::from_millis(20));
            }
            After::AwaitEof
        });
        let cluster = Started::new(spec(&[dripping.port]));
        let begun = Instant::now();
        let deadline = after(300);
        let outcomes = cluster.ask(Spread::All, call(), deadline).all(deadline).await;
        assert!(begun.elapsed() < bound(Duration::from_millis(500), Duration::from_secs(5)));
        assert_eq!((outcomes[0].status, outcomes[0].reason), (Status::Timeout, Reason::Deadline));
        eventually("the member notices", || dripping.seen.eofs() == 1).await;
    });
}

#[test]
fn a_page_of_any_code_is_an_answer() {
    in_system(async {
        let there = member(|stream, heard| {
            let headers = "content-type: text/html; charset=utf-8\r\nX-Made-By: hand\r\n";
            if heard.head.starts_with("GET /bytes") {
                answer(stream, "200 OK", "content-type: image/png\r\n", "\u{1}");
            } else {
                answer(stream, "500 Internal Server Error", headers, "<p>ü</p>");
            }
            After::KeepAlive
        });
        let outcome = ask(&there, Request::get("/page?a=1")).await;
        assert_eq!((outcome.status, outcome.code), (Status::Completed, 500));
        assert!(!outcome.is_ok());
        assert_eq!(outcome.data, Value::String("<p>ü</p>".to_owned()));
        assert!(outcome.headers.contains(&("x-made-by".to_owned(), "hand".to_owned())), "{:?}", outcome.headers);
        let outcome = ask(&there, Request::get("/bytes")).await;
        assert!(outcome.is_ok());
        assert_eq!(outcome.data, Value::Bytes(vec![1]));
        assert!(there.seen.heard()[0].head.starts_with("GET /page?a=1 HTTP/1.1\r\n"));
    });
}

#[test]
fn json_rpc_answers_and_errors_are_told_apart() {
    in_system(async {
        let there = member(|stream, heard| {
            let body = if heard.body.contains("good") {
                r#"{"jsonrpc":"2.0","id":1,"result":[1,"a"]}"#
            } else {
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}"#
            };
            answer(stream, "200 OK", "content-type: application/json\r\n", body);
            After::KeepAlive
        });
        let call = |method: &str| {
            Request::jsonrpc("/rpc", 1, format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#))
        };
        let outcome = ask(&there, call("good")).await;
        assert_eq!(outcome.data, Value::List(vec![Value::Int(1), Value::String("a".to_owned())]), "{outcome:?}");
        let outcome = ask(&there, call("bad")).await;
        assert_eq!(
            (outcome.reason, outcome.fault, outcome.msg.as_str()),
            (Reason::Fault, Some(-32601), "no such method")
        );
    });
}
