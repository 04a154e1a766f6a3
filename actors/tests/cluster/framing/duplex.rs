//! Members that answer while they read, and members that close while a request is sent.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::net::TcpListener;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::member::{content_length, read_head};

/// An upload of about this many bytes.
/// Made once for each size: an encoder that is not optimised takes a third of a second for one.
fn upload(size: usize) -> Request {
    static MADE: Mutex<BTreeMap<usize, Request>> = Mutex::new(BTreeMap::new());
    let make = || Request::form("/up", &[("a".to_owned(), "x".repeat(size))]);
    MADE.lock().unwrap_or_else(PoisonError::into_inner).entry(size).or_insert_with(make).clone()
}

/// A member that reads a share of each upload, writes the first text, reads the rest, and writes the second.
fn duplex(share: usize, texts: [&'static str; 2]) -> Member {
    on_sockets(move |mut stream, seen| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(head) = read_head(&mut reader) {
            let length = content_length(&head);
            let mut read = |count: usize| reader.read_exact(&mut vec![0; count]).is_ok();
            let first = length / 100 * share;
            if !read(first) || stream.write_all(texts[0].as_bytes()).is_err() || !read(length - first) {
                return;
            }
            seen.requests.fetch_add(1, SeqCst);
            drop(stream.write_all(texts[1].as_bytes()));
        }
    })
}

#[test]
fn a_member_may_answer_while_it_reads_on() {
    in_system(async {
        const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n";
        const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
        const REFUSED: &str = "HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n";
        for (share, texts) in [
            (0, [PLAIN, "done"]),
            (50, [PLAIN, "done"]),
            (50, ["HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nd", "one"]),
            (0, [CHUNKED, "4\r\ndone\r\n0\r\n\r\n"]),
            (90, [CHUNKED, "4\r\ndone\r\n0\r\n\r\n"]),
            (50, [REFUSED, "done"]),
            (
                50,
                [
                    "HTTP/1.1 103 Early Hints\r\n\r\n",
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\ndone",
                ],
            ),
        ] {
            let there = duplex(share, texts);
            for way in Way::both(there.port) {
                for _ in 0..2 {
                    let outcome = way.ask(upload(24 << 20)).await;
                    assert_eq!(
                        outcome.data,
                        Value::String("done".to_owned()),
                        "{texts:?} {}: {}",
                        way.name(),
                        brief(&outcome)
                    );
                }
            }
            assert_eq!((there.seen.requests(), there.seen.connections()), (4, 2), "{texts:?}");
        }
    });
}

/// A member that reads more of each upload than of the one before, writes this, and closes, which resets the
/// connection.
fn hanging_up(pause: u64, text: &'static str) -> Member {
    on_sockets(move |mut stream, seen| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        if read_head(&mut reader).is_some() {
            let share = seen.requests.fetch_add(1, SeqCst) * 799_919 % (9 << 20);
            drop(reader.read_exact(&mut vec![0; share]));
            drop(stream.write_all(text.as_bytes()));
            pause_for(pause);
        }
    })
}

#[test]
fn who_refuses_an_upload_and_hangs_up_is_heard_to_his_last_word() {
    in_system(async {
        for (pause, text) in [
            (0, "HTTP/1.0 413 No\r\ncontent-type: text/plain\r\n\r\ntoo large"),
            (60, "HTTP/1.0 413 No\r\ncontent-type: text/plain\r\n\r\ntoo large"),
            (
                0,
                "HTTP/1.1 403 No\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large",
            ),
            (
                60,
                "HTTP/1.1 503 No\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n",
            ),
        ] {
            let there = hanging_up(pause, text);
            for way in Way::both(there.port) {
                for _ in 0..10 {
                    // More than it reads and both kernels hold: the rest is never sent, so it is not asked again.
                    let outcome = way.ask(upload(32 << 20)).await;
                    let said = (&*outcome.data, outcome.code >= 403);
                    assert_eq!(
                        said,
                        (&Value::String("too large".to_owned()), true),
                        "{text} {}: {}",
                        way.name(),
                        brief(&outcome)
                    );
                }
            }
        }
    });
}

#[test]
fn a_good_answer_that_ends_with_a_reset_may_have_had_more_to_say() {
    in_system(async {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nthe first half of an ans",
            "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nthe first half of an ans",
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\nthe first half of an ans",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
            "HTTP/1.1 413 No\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\ntoo la",
        ] {
            let there = hanging_up(0, text);
            for way in Way::both(there.port) {
                for _ in 0..10 {
                    let outcome = way.ask(upload(16 << 20)).await;
                    let is_told = matches!(outcome.reason, Reason::Reset | Reason::Closed);
                    assert!(is_told && outcome.data.is_nil(), "{text} {}: {}", way.name(), brief(&outcome));
                }
            }
        }
    });
}

#[test]
fn what_is_told_of_a_member_that_closes_is_how_far_the_request_came() {
    in_system(async {
        let there = on_sockets(|stream, _| {
            if read_head(&mut BufReader::new(stream.try_clone().unwrap())).is_some() {
                drop(stream.shutdown(std::net::Shutdown::Write));
                pause_for(500);
            }
        });
        for way in Way::both(there.port) {
            let outcome = way.ask(upload(16 << 20)).await;
            assert_eq!(outcome.reason, Reason::Closed, "{}", brief(&outcome));
            assert!(outcome.msg.contains("while it was sent the request"), "{}", outcome.msg);
        }
    });
}

#[test]
fn what_went_out_once_may_have_run_whatever_the_second_try_comes_to() {
    in_system(async {
        for nth in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            // Answers once, reads the second request, and closes its port.
            let gone = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                read_head(&mut reader);
                answer(&mut stream, "200 OK", "content-type: text/plain\r\n", "ok");
                read_head(&mut reader);
                drop(listener);
            });
            let way = Way::both(port).into_iter().nth(nth).unwrap();
            assert!(way.ask(Request::get("/first")).await.is_ok());
            let outcome = way.ask(Request::get("/second")).await;
            assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Closed), "{}", brief(&outcome));
            gone.join().unwrap();
        }
    });
}

#[test]
fn a_length_that_nobody_has_is_no_panic() {
    in_system(async {
        let there = member(|stream, _| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nhello"));
            After::Close
        });
        let cluster = Started::new(ClusterSpec { max_answer: usize::MAX, ..spec(&[there.port]) });
        assert_eq!(cluster.one(Request::get("/")).await.reason, Reason::Closed);
    });
}
