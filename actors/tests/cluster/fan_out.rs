//! `map` and `lb` over members of each kind: their outcomes, and which calls are sent again.

use skitai_actors::wire::Value;
use skitai_actors::{Coverage, Reason, Status};

use super::member::{After, Member, answer, closed_port, closing, fine, hanging, member};
use super::*;

const FAULT: &str = "<?xml version='1.0'?><methodResponse><fault><value><struct>\
    <member><name>faultCode</name><value><int>42</int></value></member>\
    <member><name>faultString</name><value><string>no such work</string></value></member>\
    </struct></value></fault></methodResponse>";

fn complaining() -> Member {
    member(|stream, _| {
        answer(
            stream,
            "500 Internal Server Error",
            "content-type: text/plain\r\n",
            "\nthe disk is full\nsee the log\n",
        );
        After::KeepAlive
    })
}

fn faulty() -> Member {
    member(|stream, _| {
        answer(stream, "200 OK", "content-type: text/xml\r\n", FAULT);
        After::KeepAlive
    })
}

#[test]
fn six_members_six_truths() {
    in_system(async {
        let members = [fine("mozart"), complaining(), faulty(), hanging()];
        let last = closing();
        let ports = [members[0].port, members[1].port, members[2].port, members[3].port, closed_port(), last.port];
        let cluster = Started::new(spec(&ports));

        let begun = Instant::now();
        let outcomes = cluster.all(call()).await;
        let took = begun.elapsed();
        assert!((Duration::from_millis(990)..Duration::from_millis(1_200)).contains(&took), "{took:?}");

        let nodes: Vec<String> = outcomes.iter().map(|outcome| outcome.node.to_string()).collect();
        assert_eq!(nodes, ports.map(|port| format!("127.0.0.1:{port}")));
        let told: Vec<(Status, Reason, &str)> =
            outcomes.iter().map(|outcome| (outcome.status, outcome.reason, outcome.msg.as_str())).collect();
        assert_eq!(
            told,
            [
                (Status::Completed, Reason::Ok, ""),
                (Status::Error, Reason::HttpStatus, "HTTP 500 Internal Server Error: the disk is full"),
                (Status::Error, Reason::Fault, "no such work"),
                (Status::Timeout, Reason::Deadline, "no answer before the deadline"),
                (Status::NotConnected, Reason::Refused, "Connection refused (os error 111)"),
                (Status::Error, Reason::Closed, "closed by the member after the request was sent, before an answer"),
            ]
        );
        assert_eq!(outcomes[0].data, Value::String("mozart".to_owned()));
        assert_eq!((outcomes[1].code, outcomes[2].code, outcomes[2].fault), (500, 200, Some(42)));
        assert!(outcomes.iter().all(|outcome| outcome.attempts == 1), "{outcomes:?}");
        assert!(outcomes[0].latency > Duration::ZERO && outcomes[0].latency < Duration::from_secs(1));
        assert_eq!(Coverage::of(&outcomes).to_string(), "1 of 6 ok (3 failed, 1 timed out, 1 not sent)");
        assert_eq!((last.seen.requests(), members[3].seen.requests()), (1, 1));
    });
}

#[test]
fn what_may_have_run_is_asked_once() {
    in_system(async {
        // Whichever is chosen first, a call that reached it goes nowhere else.
        let members = [closing(), closing()];
        let cluster = Started::new(spec(&[members[0].port, members[1].port]));
        let outcome = cluster.one(call()).await;
        assert_eq!((outcome.status, outcome.reason, outcome.attempts), (Status::Error, Reason::Closed, 1));
        assert_eq!(members[0].seen.requests() + members[1].seen.requests(), 1);
    });
}

#[test]
fn a_refused_call_moves_on_to_the_next_member() {
    in_system(async {
        let there = fine("here");
        let cluster = Started::new(spec(&[closed_port(), closed_port(), there.port]));
        let mut attempts = Vec::new();
        for _ in 0..20 {
            let outcome = cluster.one(call()).await;
            assert_eq!(outcome.data, Value::String("here".to_owned()), "{outcome:?}");
            assert_eq!(*outcome.node, *format!("127.0.0.1:{}", there.port));
            attempts.push(outcome.attempts);
        }
        assert_eq!(there.seen.requests(), 20);
        assert!(attempts.iter().any(|attempts| *attempts > 1), "the dead ones were never drawn: {attempts:?}");
    });
}

#[test]
fn when_nobody_can_be_reached_the_last_cause_is_told() {
    in_system(async {
        let cluster = Started::new(spec(&[closed_port(), closed_port()]));
        let outcome = cluster.one(call()).await;
        assert_eq!((outcome.status, outcome.reason, outcome.attempts), (Status::NotConnected, Reason::Refused, 2));
    });
}

#[test]
fn a_member_that_takes_longer_than_its_time_is_not_asked_elsewhere() {
    in_system(async {
        let (slow, other) = (hanging(), hanging());
        let spec = ClusterSpec { member_timeout: Duration::from_millis(100), ..spec(&[slow.port, other.port]) };
        let cluster = Started::new(spec);
        let outcome = cluster.one(call()).await;
        assert_eq!((outcome.status, outcome.reason), (Status::Timeout, Reason::Deadline));
        assert_eq!(outcome.msg, "no answer within the member's timeout of 100ms");
        assert_eq!(slow.seen.requests() + other.seen.requests(), 1);

        let outcomes = cluster.all(call()).await;
        assert!(outcomes.iter().all(|outcome| outcome.msg == "no answer within the member's timeout of 100ms"));
        let limit = bound(Duration::from_millis(500), Duration::from_secs(1));
        assert!(outcomes.iter().all(|outcome| outcome.latency < limit), "{outcomes:?}");
        eventually("the members see the end", || slow.seen.eofs() + other.seen.eofs() == 3).await;
    });
}

#[test]
fn a_request_that_cannot_be_sent_says_why_to_every_slot() {
    in_system(async {
        let there = fine("a");
        let cluster = Started::new(spec(&[there.port, there.port]));
        let outcomes = cluster.all(Request::get("/").header("x y", "z")).await;
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, Reason::Unsendable));
            assert!(outcome.msg.contains("\"x y\""), "{}", outcome.msg);
        }
        assert_eq!(there.seen.connections(), 0);
    });
}

#[test]
fn a_cluster_without_members_answers_nobody() {
    in_system(async {
        let cluster = Started::new(spec(&[]));
        assert!(cluster.all(call()).await.is_empty());
        let outcome = cluster.one(call()).await;
        assert_eq!(
            (outcome.status, outcome.msg.as_str()),
            (Status::NotConnected, "not sent: the cluster has no members")
        );
        assert_eq!(&*outcome.node, "@members");
    });
}

#[test]
fn an_unknown_name_is_a_dns_failure() {
    in_system(async {
        let mut spec = spec(&[1]);
        spec.members[0].host = "nobody.invalid".to_owned();
        let outcome = Started::new(spec).one(call()).await;
        assert_eq!((outcome.status, outcome.reason), (Status::NotConnected, Reason::Dns), "{outcome:?}");
        assert!(!outcome.msg.is_empty());
    });
}

#[test]
fn what_is_sent_names_the_member_and_the_type() {
    in_system(async {
        let there = fine("a");
        let cluster = Started::new(spec(&[there.port]));
        cluster.one(call().login("anna", "secret").header("x-trace", "7")).await;
        let heard = there.seen.heard().remove(0);
        // The codec adds a date to everything it writes.
        let mut lines: Vec<&str> = heard.head.lines().filter(|line| !line.starts_with("date: ")).collect();
        lines.sort_unstable();
        let length = format!("content-length: {}", heard.body.len());
        let host = format!("host: 127.0.0.1:{}", there.port);
        assert_eq!(
            lines,
            [
                "POST /rpc2 HTTP/1.1",
                "authorization: Basic YW5uYTpzZWNyZXQ=",
                length.as_str(),
                "content-type: text/xml",
                host.as_str(),
                "x-trace: 7",
            ]
        );
        assert!(heard.body.starts_with("<?xml"));
    });
}
