//! Members that report coverage of their own: in the header in both its forms, beside a result, in an envelope, in a
//! last line; and what is no report.

use skitai_actors::http::Method;
use skitai_actors::{Coverage, Leaves, Reason, Status};

use super::member::{After, Member, answer, fine, member};
use super::*;

const VALUE: &str =
    "<?xml version='1.0'?><methodResponse><params><param><value>data</value></param></params></methodResponse>";
const FAULT: &str = "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>4</int>\
    </value></member><member><name>faultString</name><value>no</value></member></struct></value></fault></methodResponse>";
/// A report with a gap, and one without.
const GAP: &str = r#"{"complete":false,"clusters":[{"cluster":"b","asked":4,"ok":3,"not_sent":1,"missing":[{"index":2,"reason":"refused"}]}]}"#;
const WHOLE: &str = r#"{"complete":true,"clusters":[{"cluster":"b","asked":4,"ok":4,"missing":[]}]}"#;

/// A member that answers everything like this.
fn saying(status: &'static str, head: &'static str, body: String) -> Member {
    member(move |stream, _| {
        answer(stream, status, head, &body);
        After::KeepAlive
    })
}

/// What is said, and what it comes to: the reason, whether the answer is good and whole, and the leaves.
type Row = (&'static str, &'static str, String, Request, (Reason, bool, bool), Option<(usize, usize)>);

fn rows() -> Vec<Row> {
    let xml = || Request::xmlrpc("/rpc2", "<methodCall><methodName>x</methodName></methodCall>");
    let json = || Request::jsonrpc("/rpc3", 7, r#"{"jsonrpc":"2.0","method":"x","id":7}"#);
    let rest = || Request::rest(Method::Get, "/x", None);
    let page = || Request::get("/x");
    let (partial, whole) = ((Reason::Partial, true, false), (Reason::Ok, true, true));
    let result = |beside: &str| format!(r#"{{"jsonrpc":"2.0","result":1,"id":7{beside}}}"#);
    let text = |text: &str| text.to_owned();
    let (xml_head, json_head) = ("content-type: text/xml\r\n", "content-type: application/json\r\n");
    let lines = "content-type: application/x-ndjson; charset=utf-8\r\n";
    vec![
        // The header, in its form and in that of the version before, in one line or two, in any case.
        (
            "200 OK",
            "content-type: text/xml\r\nX-Coverage: b;ok=3;asked=4;not_sent=1\r\n",
            text(VALUE),
            xml(),
            partial,
            Some((3, 4)),
        ),
        ("200 OK", "x-coverage: 3 of 4 ok (1 not sent)\r\n", text(VALUE), xml(), partial, Some((3, 4))),
        ("200 OK", "X-COVERAGE: b;ok=4;asked=4\r\n", text(VALUE), xml(), whole, Some((4, 4))),
        (
            "200 OK",
            "x-coverage: b;ok=4;asked=4\r\nx-coverage: c;ok=1;asked=2;failed=1\r\n",
            text(VALUE),
            xml(),
            partial,
            Some((5, 6)),
        ),
        ("200 OK", "x-coverage: b;ok=1;asked=3;cancelled=2\r\n", text(VALUE), xml(), whole, Some((1, 3))),
        ("200 OK", "x-coverage: b;ok=2;asked=3;failed=1;enough\r\n", text(VALUE), xml(), whole, Some((2, 3))),
        (
            "200 OK",
            "x-coverage: b;ok=9;asked=10;partial=1;leaves_ok=99;leaves=100\r\n",
            text(VALUE),
            xml(),
            partial,
            Some((99, 100)),
        ),
        (
            "203 Non-Authoritative Information",
            "x-coverage: b;ok=3;asked=4;not_sent=1\r\n",
            text(VALUE),
            xml(),
            partial,
            Some((3, 4)),
        ),
        ("200 OK", "x-coverage: b;ok=3;asked=4;not_sent=1\r\n", result(""), json(), partial, Some((3, 4))),
        ("200 OK", "x-coverage: b;ok=3;asked=4;not_sent=1\r\n", text("page"), page(), partial, Some((3, 4))),
        // Beside a result, whose own words count more than the header's; in an envelope; in a last line.
        ("200 OK", json_head, result(&format!(",\"coverage\":{GAP}")), json(), partial, Some((3, 4))),
        (
            "200 OK",
            "x-coverage: b;ok=3;asked=4;not_sent=1\r\n",
            result(&format!(",\"coverage\":{WHOLE}")),
            json(),
            whole,
            Some((4, 4)),
        ),
        ("200 OK", json_head, format!("{{\"data\":[1],\"coverage\":{GAP}}}"), rest(), partial, Some((3, 4))),
        ("200 OK", lines, format!("{{\"a\":1}}\n{{\"$coverage\":{GAP}}}\n"), page(), partial, Some((3, 4))),
        ("200 OK", lines, format!("{{\"a\":1}}\n{{\"$coverage\":{GAP}}}\n"), rest(), partial, Some((3, 4))),
        (
            "200 OK",
            lines,
            text("{\"a\":1}\n{\"$coverage\":\"3 of 4 ok (1 failed)\",\"$missing\":[]}\n"),
            page(),
            partial,
            Some((3, 4)),
        ),
        (
            "200 OK",
            "content-type: text/event-stream\r\n",
            format!("data: 1\n\nevent: end\nid: $end\ndata: {GAP}\n\n"),
            page(),
            partial,
            Some((3, 4)),
        ),
        // What is no report, or no answer, changes nothing.
        ("200 OK", "content-type: text/event-stream\r\n", format!("data: {GAP}\n\n"), page(), whole, None),
        ("200 OK", "x-coverage: 93%\r\n", text(VALUE), xml(), whole, None),
        ("200 OK", "x-coverage: b;ok=5;asked=4\r\n", text(VALUE), xml(), whole, None),
        ("200 OK", "x-coverage: \r\n", text(VALUE), xml(), whole, None),
        ("200 OK", "x-coverage: b;ok=-1;asked=4\r\n", result(""), json(), whole, None),
        ("200 OK", json_head, result(",\"coverage\":0.93"), json(), whole, None),
        ("200 OK", json_head, text("{\"data\":[1],\"coverage\":\"full\"}"), rest(), whole, None),
        ("200 OK", json_head, format!("{{\"$coverage\":{GAP}}}"), rest(), whole, None),
        ("200 OK", "content-type: text/plain\r\n", format!("{{\"$coverage\":{GAP}}}"), page(), whole, None),
        ("200 OK", lines, format!("{{\"$coverage\":{GAP}}}\n{{\"a\":1}}\n"), page(), whole, None),
        (
            "404 Not Found",
            "x-coverage: b;ok=3;asked=4;not_sent=1\r\n",
            text("page"),
            page(),
            (Reason::HttpStatus, false, false),
            Some((0, 4)),
        ),
        (
            "503 Service Unavailable",
            "x-coverage: b;ok=3;asked=4;not_sent=1\r\n",
            text("no"),
            rest(),
            (Reason::HttpStatus, false, false),
            Some((0, 4)),
        ),
        (
            "200 OK",
            "content-type: text/xml\r\nx-coverage: b;ok=3;asked=4;not_sent=1\r\n",
            text(FAULT),
            xml(),
            (Reason::Fault, false, false),
            Some((0, 4)),
        ),
        ("200 OK", xml_head, text(VALUE), xml(), whole, None),
    ]
}

#[test]
fn a_members_gap_is_read_wherever_it_stands() {
    in_system(async {
        for (status, head, body, request, expected, leaves) in rows() {
            let member = saying(status, head, body.clone());
            let outcomes = Started::new(spec(&[member.port])).all(request).await;
            let outcome = &outcomes[0];
            let found = (outcome.reason, outcome.is_ok(), outcome.is_whole());
            assert_eq!(found, expected, "{status} {head:?} {body}: {outcome:?}");
            let leaves = leaves.map(|(ok, asked)| Leaves { asked, ok });
            assert_eq!(Coverage::of(&outcomes).leaves, leaves, "{status} {head:?} {body}");
            if outcome.reason == Reason::Partial {
                assert_eq!((outcome.status, outcome.msg.is_empty()), (Status::Completed, false), "{outcome:?}");
            }
        }
    });
}

#[test]
fn a_partial_answer_is_data_and_no_mark_against_its_member() {
    in_system(async {
        let partial = || saying("200 OK", "x-coverage: b;ok=3;asked=4;not_sent=1\r\n", VALUE.to_owned());
        let members = [partial(), fine("whole")];
        let cluster = Started::new(spec(&[members[0].port, members[1].port]));
        // As often as would eject a member that fails.
        for _ in 0..8 {
            let outcomes = cluster.all(call()).await;
            let coverage = Coverage::of(&outcomes);
            assert_eq!((coverage.ok, coverage.partial, coverage.good(), coverage.failed), (1, 1, 2, 0), "{outcomes:?}");
            assert_eq!(outcomes[0].data, skitai_actors::wire::Value::from("data"));
        }
        // One that refuses what it could not make whole, works as well.
        let refusing = saying("503 Service Unavailable", "x-coverage: b;ok=3;asked=4;not_sent=1\r\n", "no".to_owned());
        let broken = saying("503 Service Unavailable", "", "no".to_owned());
        for (member, reason) in [(&refusing, Reason::HttpStatus), (&broken, Reason::Ejected)] {
            let cluster = Started::new(spec(&[member.port, members[1].port, members[1].port]));
            let mut last = Reason::Ok;
            for _ in 0..8 {
                last = cluster.all(Request::get("/x")).await[0].reason;
            }
            assert_eq!(last, reason);
        }
    });
}
