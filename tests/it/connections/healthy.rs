//! What all other clients do, and what must stay as it is: order, HEAD, ranges, streams, uploads, clients that leave,
//! and the end of the server.

use std::thread::scope;
use std::time::{Duration, Instant};

use super::{CEILING, SECOND, beside_a_healthy_client, get, last, notes};
use crate::harness::raw::request;
use crate::harness::{Conduct, Member, Scenario, TestServer, eventually};

const MIB: usize = 1 << 20;

fn site() -> Scenario {
    TestServer::site().route("/files = public").file("public/a.txt", "0123456789")
}

#[test]
fn replies_of_every_kind_come_in_the_order_of_their_requests() {
    let member = Member::start(Conduct::SlowHead(Duration::from_millis(30), "<int>1</int>"));
    let site = site().cluster("members", &[&member]).start();
    let range = get("/files/a.txt").replace("\r\n\r\n", "\r\nRange: bytes=2-4\r\n\r\n");
    let post = request("POST", "/noted/order/post", &[("Content-Type", "text/plain")], b"hello");
    let post = String::from_utf8(post).unwrap();
    let chunked = "POST /noted/order/chunked HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let all = [
        &get("/noted/order/get"),
        &get("/slept?millis=50"),
        &get("/files/a.txt").replace("GET", "HEAD"),
        &range,
        &get("/nothing"),
        &post,
        &get("/arrivals?cluster=members/rpc2"),
        &get("/moved"),
        chunked,
        &get("/events?cluster=members/rpc2"),
        &get("/no/such/page"),
        &get("/breaks?how=well"),
        &last("/noted/order/last"),
    ]
    .concat();
    beside_a_healthy_client(&site, || {
        // In one piece, and in pieces that end anywhere.
        for piece in [all.len(), 7, 100] {
            let mut conn = site.conn();
            for piece in all.as_bytes().chunks(piece) {
                conn.send_reluctantly(piece);
            }
            assert_eq!(conn.read().expect_code(200).text(), "order get");
            assert_eq!(conn.read().expect_code(200).text(), "slept 50");
            assert_eq!(conn.read_head().expect_code(200).header("content-length"), "10");
            assert_eq!(conn.read().expect_code(206).text(), "234");
            assert_eq!(conn.read().expect_code(204).text(), "");
            assert_eq!(conn.read().expect_code(200).text(), "order post");
            assert!(conn.read().expect_code(200).text().contains("\"reason\":\"ok\""));
            assert_eq!(conn.read().expect_code(302).header("location"), "/elsewhere");
            assert_eq!(conn.read().expect_code(200).text(), "order chunked");
            assert!(conn.read().expect_code(200).text().starts_with("data: \"ok\"\n\nevent: end\n"));
            conn.read().expect_code(404);
            assert_eq!(conn.read().expect_code(200).text(), "chunk 0\nchunk 1\nchunk 2\n");
            let closing = conn.read().expect_code(200);
            assert_eq!((closing.text().as_str(), closing.header("connection")), ("order last", "close"));
            assert!(conn.ends(), "nothing follows the last");
        }
    });
    assert_eq!(notes(&site, "order"), ["get", "post", "chunked", "last"].repeat(3));
}

#[test]
fn nothing_behind_the_last_request_of_a_connection_is_executed() {
    let site = site().start();
    for first in [last("/noted/closed/last"), get("/noted/closed/last").replace("HTTP/1.1", "HTTP/1.0")] {
        for _ in 0..10 {
            let mut conn = site.conn();
            conn.send(first.clone() + &get("/noted/closed/behind").repeat(3));
            assert_eq!(conn.read().expect_code(200).text(), "closed last");
            assert!(conn.try_read(true).is_none(), "RFC 9112, 9.6");
        }
    }
    assert_eq!(notes(&site, "closed"), ["last"; 20]);
}

#[test]
fn a_handler_that_aborts_answers_and_ends_its_connection() {
    let site = site().start();
    let mut conn = site.conn();
    conn.send(get("/defaults?needed=1") + &get("/abort?status=403") + &get("/noted/aborted/behind"));
    conn.read().expect_code(200);
    assert!(conn.read().expect_code(403).text().contains("not from there"));
    assert!(conn.try_read(true).is_none() && notes(&site, "aborted").is_empty(), "the third is not answered");
}

#[test]
fn a_client_that_leaves_lets_its_handler_go_also_behind_other_requests() {
    let hanging = Member::start(Conduct::Hangs);
    let site = site().cluster("members", &[&hanging]).start();
    let waits = "/outcomes?cluster=members/rpc2&timeout=25000";
    for (round, before) in [String::new(), get("/defaults?needed=1"), get("/nothing").repeat(3)].into_iter().enumerate()
    {
        let mut conn = site.conn();
        let answers = before.matches("GET").count();
        // And with the begin of another behind it.
        conn.send(before + &get(waits) + "GET /noted/left");
        (0..answers).for_each(|_| assert!(conn.read().code < 300));
        hanging.wait_for_requests(round + 1);
        drop(conn);
        eventually("the member sees its caller leave", || (hanging.callers_lost() == round + 1).then_some(()));
    }
    // By a reset, too.
    let conn = site.begin(waits);
    hanging.wait_for_requests(4);
    conn.reset();
    eventually("the member sees its caller leave", || (hanging.callers_lost() == 4).then_some(()));
    site.get("/defaults?needed=1").expect_code(200);
}

#[test]
fn a_client_that_closes_its_half_gets_what_is_quick_and_is_gone_to_all_else() {
    let hanging = Member::start(Conduct::Hangs);
    let site = site().cluster("members", &[&hanging]).start();
    for _ in 0..20 {
        let mut conn = site.conn();
        conn.send(get("/defaults?needed=3")).half_close();
        assert_eq!(conn.read().expect_code(200).json()["needed"], 3);
        assert!(conn.ends());
        let mut posting = site.conn();
        posting.send(request("POST", "/noted/half/post", &[("Content-Type", "text/plain")], b"hello")).half_close();
        assert_eq!(posting.read().expect_code(200).text(), "half post");
        assert!(posting.ends());
    }
    assert_eq!(notes(&site, "half").len(), 20);
    let mut waiting = site.begin("/outcomes?cluster=members/rpc2&timeout=25000");
    hanging.wait_for_requests(1);
    waiting.half_close();
    eventually("its call is let go", || (hanging.callers_lost() == 1).then_some(()));
    assert!(waiting.ends(), "nobody answers it");
    // Half a request and no more is no request.
    let mut half = site.conn();
    half.send("POST /noted/half/never HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc").half_close();
    let (bytes, _) = half.until_end();
    assert!(!String::from_utf8_lossy(&bytes).contains(" 200 "));
    assert_eq!(notes(&site, "half").len(), 20);
}

#[test]
fn twenty_mebibytes_come_whole_and_the_connection_goes_on() {
    let site = site().start();
    let content: Vec<u8> = (0..=250).cycle().take(20 * MIB).collect();
    let sum = content.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    let body = [&head[..], &content, b"\r\n--b--\r\n"].concat();
    let kind = [("Content-Type", "multipart/form-data; boundary=b")];
    beside_a_healthy_client(&site, || {
        let mut conn = site.conn();
        conn.send(request("POST", "/up/one", &kind, &body)).send(get("/defaults?needed=4"));
        let answer = conn.read().expect_code(200).json();
        assert_eq!((&answer[0]["bytes"], &answer[0]["sum"]), (&content.len().into(), &sum.into()));
        assert_eq!(conn.read().expect_code(200).json()["needed"], 4);
        // The same in chunks of odd sizes.
        conn.send("POST /up/one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n");
        conn.send("Content-Type: multipart/form-data; boundary=b\r\n\r\n");
        for chunk in body.chunks(99_991) {
            conn.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        conn.send("0\r\n\r\n".to_owned() + &get("/defaults?needed=5"));
        assert_eq!(conn.read().expect_code(200).json()[0]["sum"], sum);
        assert_eq!(conn.read().expect_code(200).json()["needed"], 5);
    });
}

#[test]
fn large_replies_come_whole_to_those_who_read_slowly() {
    let site = site().start();
    beside_a_healthy_client(&site, || {
        let mut conn = site.conn();
        conn.send(get("/large?bytes=3000000") + &get("/letters?chunks=48") + &get("/defaults?needed=6"));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(conn.read().expect_code(200).body.len(), 3_000_000);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(conn.read().expect_code(200).body.len(), 48 << 16);
        assert_eq!(conn.read().expect_code(200).json()["needed"], 6);
    });
}

#[test]
fn a_thousand_requests_on_one_connection_and_a_burst_beside_others() {
    let site = site().server("threads", "1").start();
    let many: String = (0..1000).map(|n| get(&format!("/float/{n}.5"))).collect();
    beside_a_healthy_client(&site, || {
        scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    let mut conn = site.conn();
                    conn.send(&many);
                    for n in 0..1000 {
                        assert_eq!(conn.read().expect_code(200).text(), format!("{n}.5"));
                    }
                });
            }
        });
    });
}

#[test]
fn at_the_end_idle_connections_end_at_once_and_requests_under_way_are_finished() {
    let site = site().start();
    let fresh: Vec<_> = (0..10).map(|_| site.conn()).collect();
    let used: Vec<_> = (0..10)
        .map(|_| {
            let mut conn = site.conn();
            conn.send(get("/defaults?needed=1"));
            conn.read().expect_code(200);
            conn
        })
        .collect();
    let mut working = site.begin("/slept?millis=1500");
    let mut streaming = site.begin("/pieces?pieces=3&millis=400");
    streaming.read_head().expect_code(200);
    let log = site.watched();
    scope(|threads| {
        let working = threads.spawn(|| {
            let reply = working.read().expect_code(200);
            let answer = (reply.text(), reply.header("connection").to_ascii_lowercase());
            (answer, working.ends())
        });
        let streaming = threads.spawn(|| {
            let mut octets = 0;
            while let Some(chunk) = streaming.next_chunk() {
                octets += chunk.len();
            }
            (octets, streaming.ends())
        });
        // What is under way has reached its handler.
        std::thread::sleep(SECOND / 5);
        let idle = threads.spawn(move || {
            let mut took = Vec::new();
            for mut conn in fresh.into_iter().chain(used) {
                assert!(conn.try_read(true).is_none() && conn.ends(), "nobody asked anything");
                took.push(Instant::now());
            }
            took
        });
        let asked = Instant::now();
        let (status, took, _, _) = site.stop();
        assert!(status.success(), "{status}: {}", log.lock().unwrap());
        assert!(took < CEILING, "the end took {took:?}");
        let last = idle.join().unwrap().into_iter().max().expect("twenty");
        assert!(
            last - asked > SECOND / 2 && last - asked < CEILING,
            "idle connections were held for {:?}",
            last - asked
        );
        assert_eq!(working.join().unwrap(), (("slept 1500".to_owned(), "close".to_owned()), true));
        assert_eq!(streaming.join().unwrap(), (3 << 16, true));
    });
}
