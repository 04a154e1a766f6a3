//! Compressed answers, and the headers that every request of a cluster carries.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use skitai_actors::cluster::Prober;
use skitai_actors::http::Request;
use skitai_actors::spec::Encoding;
use skitai_actors::spec::{Check, CheckKind, ClusterSpec, Login, Rules, Secret};
use skitai_actors::wire::Value;
use skitai_actors::{Outcome, Reason};

use crate::member::{After, Member, answer, member, xml};
use crate::{Started, call, eventually, in_system, spec};

/// A member that compresses this body for clients that accept it.
fn packing(body: impl AsRef<[u8]>) -> Member {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(body.as_ref()).unwrap();
    let packed = writer.finish().unwrap();
    let plain = body.as_ref().to_vec();
    member(move |stream, heard| {
        let is_taken = heard.head.lines().any(|line| line == "accept-encoding: gzip");
        let (header, body) = if is_taken { ("content-encoding: gzip\r\n", &packed) } else { ("", &plain) };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\n{header}content-length: {length}\r\n\r\n");
        drop(stream.write_all(head.as_bytes()));
        drop(stream.write_all(body));
        After::KeepAlive
    })
}

fn taking(member: &Member) -> Started {
    Started::new(ClusterSpec { encoding: Encoding::Gzip, ..spec(&[member.port]) })
}

fn encoded(request: Request, encoding: Encoding) -> Request {
    Request { encoding: Some(encoding), ..request }
}

#[test]
fn a_packed_answer_is_the_same_answer() {
    in_system(async {
        let there = packing(xml(&"x".repeat(300_000)));
        let expected = Value::String("x".repeat(300_000));
        let (plain, packed) = (Started::new(spec(&[there.port])), taking(&there));
        let all = [
            plain.one(call()).await,
            packed.one(call()).await,
            plain.one(encoded(call(), Encoding::Gzip)).await,
            packed.one(encoded(call(), Encoding::Identity)).await,
        ];
        assert!(all.iter().all(|outcome| outcome.data == expected));
        let asked: Vec<bool> =
            there.seen.heard().iter().map(|heard| heard.head.contains("accept-encoding: gzip")).collect();
        assert_eq!(asked, [false, true, true, false]);
    });
}

#[test]
fn a_page_does_not_say_what_it_came_like() {
    in_system(async {
        let there = packing("hello");
        let outcome = taking(&there).one(Request::get("/")).await;
        assert_eq!(outcome.data, Value::String("hello".to_owned()));
        let names: Vec<&str> = outcome.headers.iter().map(|header| header.0.as_str()).collect();
        assert!(!names.contains(&"content-encoding") && !names.contains(&"content-length"), "{names:?}");
        // A caller that sets the header itself gets the body as it came.
        let outcome = taking(&there).one(Request::get("/").header("Accept-Encoding", "gzip")).await;
        assert!(outcome.headers.iter().any(|header| header.0 == "content-encoding"), "{:?}", outcome.headers);
    });
}

#[test]
fn a_bomb_is_too_large() {
    in_system(async {
        let bomb = packing(vec![b' '; 64 << 20]);
        let outcome = taking(&bomb).one(call()).await;
        assert_eq!(outcome.reason, Reason::TooLarge, "{}", outcome.msg);
        assert!(outcome.msg.contains("1048576 bytes"), "{}", outcome.msg);
        let small = Request { max_answer: Some(1_000), ..call() };
        let outcome = taking(&packing(xml(&"x".repeat(2_000)))).one(small).await;
        assert_eq!(outcome.reason, Reason::TooLarge, "{}", outcome.msg);
    });
}

#[test]
fn what_is_only_said_to_be_packed_is_malformed() {
    in_system(async {
        let liar = member(|stream, _| {
            let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello";
            drop(stream.write_all(head.as_bytes()));
            After::KeepAlive
        });
        let outcome = taking(&liar).one(call()).await;
        assert_eq!(outcome.reason, Reason::Malformed, "{}", outcome.msg);
        assert!(outcome.msg.contains("gzip"), "{}", outcome.msg);
    });
}

#[test]
fn the_clusters_login_goes_with_every_call_that_has_none() {
    in_system(async {
        let there = packing(xml("a"));
        let login = Some(Login { user: "Aladdin".to_owned(), password: Secret("open sesame".to_owned()) });
        let cluster = Started::new(ClusterSpec { login, ..spec(&[there.port]) });
        cluster.one(call()).await;
        let outcomes: Vec<Outcome> = cluster.all(call().login("me", "mine")).await;
        assert!(outcomes[0].is_ok());
        let sent: Vec<String> = there
            .seen
            .heard()
            .iter()
            .map(|heard| heard.head.lines().filter(|line| line.starts_with("authorization")).collect())
            .collect();
        assert_eq!(sent, ["authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "authorization: Basic bWU6bWluZQ=="]);
    });
}

#[test]
fn a_check_logs_in_as_a_call_does() {
    in_system(async {
        let there = member(|stream, heard| {
            let is_known = heard.head.contains("authorization: Basic bWU6bWluZQ==");
            answer(stream, if is_known { "200 OK" } else { "401 Unauthorized" }, "", "");
            After::KeepAlive
        });
        let login = Some(Login { user: "me".to_owned(), password: Secret("mine".to_owned()) });
        let check = Some(Check { kind: CheckKind::Http("/".to_owned()), interval: Duration::from_millis(200) });
        let rules = Rules { fall: 1, max_ejected: 100, ..Rules::default() };
        // Two members, because the last one is never ejected.
        let twice = [there.port, there.port];
        let known = Started::new(ClusterSpec { login, check: check.clone(), rules, ..spec(&twice) });
        let stranger = Started::new(ClusterSpec { check, rules, ..spec(&twice) });
        let _probers = [Prober::start(&known.roster), Prober::start(&stranger.roster)];
        let is_out = |cluster: &Started| {
            let lineup = cluster.roster.lineup();
            let health = lineup.health();
            (0..2).any(|index| health.candidate(index, health.now(), false).is_out)
        };
        eventually("who does not log in is refused", || is_out(&stranger)).await;
        let asked = there.seen.requests();
        eventually("both are asked on", || there.seen.requests() > asked + 8).await;
        assert!(!is_out(&known));
    });
}
