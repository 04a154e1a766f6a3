//! A check passes with any answer of its protocol, also a fault or one with an HTTP code of failure.

use futures_util::future::join_all;
use skitai_actors::cluster::Prober;
use skitai_actors::spec::{Check, CheckKind};

use super::member::{After, Heard, Member, answer, member, xml};
use super::*;

const XML_FAULT: &str = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value>\
     </member><member><name>faultString</name><value>no such method</value></member></struct></value></fault>\
     </methodResponse>";

/// The id of a JSON-RPC call; `None` for anything else.
fn id(heard: &Heard) -> Option<&str> {
    heard.body.starts_with('{').then(|| heard.body.rsplit_once(":").unwrap().1.trim_end_matches('}'))
}

/// A member that makes its status and its body from the request.
fn saying(say: impl Fn(&Heard) -> (&'static str, String) + Send + Sync + 'static) -> Member {
    member(move |stream, heard| {
        let (status, body) = say(heard);
        answer(stream, status, "", &body);
        After::KeepAlive
    })
}

/// A member that speaks only JSON-RPC; it answers anything else with this.
fn json_alone(otherwise: &'static str) -> Member {
    saying(move |heard| match id(heard) {
        Some(id) => ("200 OK", format!(r#"{{"jsonrpc":"2.0","result":[],"id":{id}}}"#)),
        None => (otherwise, "POST JSON, please".to_owned()),
    })
}

/// The state of a member after some checks, and the requests that it got.
async fn judged(kind: CheckKind, there: &Member) -> (String, Vec<Heard>) {
    // Also the limit of an answer.
    let check = Some(Check { kind, interval: Duration::from_millis(200) });
    // Always alive, so that one member stays.
    let twin = saying(|heard| match id(heard) {
        Some(id) => ("200 OK", format!(r#"{{"jsonrpc":"2.0","result":[],"id":{id}}}"#)),
        None => ("200 OK", xml("a")),
    });
    let cluster = Started::new(ClusterSpec { check, ..spec(&[there.port, twin.port]) });
    let _prober = Prober::start(&cluster.roster).unwrap();
    // Three failed checks eject; a few more show that this does not change.
    eventually("it is asked", || there.seen.requests() >= 8).await;
    (cluster.word(0, "state").await, there.seen.heard())
}

fn rpc(path: &str) -> CheckKind {
    CheckKind::Rpc(path.to_owned())
}

/// All of them at once: each waits for a few checks.
async fn all_judged<'a>(
    cases: impl IntoIterator<Item = (&'a str, &'a str, Member)>,
) -> Vec<(&'a str, &'a str, (String, Vec<Heard>))> {
    let judge = async |(name, path, there)| (name, path, judged(rpc(path), &there).await);
    join_all(cases.into_iter().map(judge)).await
}

#[test]
fn every_answer_of_the_protocol_is_alive() {
    in_system(async {
        let json = |text: &'static str, status: &'static str| {
            saying(move |heard| (status, id(heard).map_or_else(|| xml("no"), |id| text.replace("ID", id))))
        };
        let cases = [
            ("a result", "/RPC2", saying(|_| ("200 OK", xml("a")))),
            ("a result under 202", "/RPC2", saying(|_| ("202 Accepted", xml("a")))),
            ("a result under 500", "/RPC2", saying(|_| ("500 x", xml("a")))),
            ("a fault", "/RPC2", saying(|_| ("200 OK", XML_FAULT.to_owned()))),
            ("a fault under 500", "/RPC2", saying(|_| ("500 Internal Server Error", XML_FAULT.to_owned()))),
            ("a fault under 400", "/x", saying(|_| ("400 Bad Request", XML_FAULT.to_owned()))),
            ("a fault under 404", "/x", saying(|_| ("404 Not Found", XML_FAULT.to_owned()))),
            ("a result of JSON", "/rpc3", json(r#"{"jsonrpc":"2.0","result":[],"id":ID}"#, "200 OK")),
            ("a result of JSON below a path", "/a/rpc3?b=c", json(r#"{"result":[],"error":null,"id":ID}"#, "200 OK")),
            (
                "an error of 2.0",
                "/rpc3",
                json(r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"},"id":ID}"#, "404 Not Found"),
            ),
            (
                "an error of 1.0",
                "/rpc3",
                json(r#"{"result":null,"error":{"code":-8,"message":"no"},"id":ID}"#, "500 x"),
            ),
            (
                "an error of 1.0 that knows no id",
                "/rpc3",
                json(r#"{"result":null,"error":{"code":1,"message":"no"},"id":null}"#, "500 x"),
            ),
            (
                "an error without an id",
                "/rpc3",
                json(r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"},"id":null}"#, "400 x"),
            ),
            ("JSON where XML is not known", "/RPC2", json_alone("415 Unsupported Media Type")),
            ("JSON where XML is no method", "/api", json_alone("405 Method Not Allowed")),
            ("JSON where XML is a page", "/", json_alone("200 OK")),
        ];
        for (name, path, (state, heard)) in all_judged(cases).await {
            assert_eq!(state, "healthy", "{name}: {:?}", heard.last());
            if path.contains("rpc3") {
                assert!(heard.iter().all(|heard| id(heard).is_some()), "{name} is asked in JSON alone");
            } else {
                assert!(heard[0].body.contains("<methodName>system.listMethods<"), "{name} is asked in XML first");
            }
        }
    });
}

#[test]
fn what_answers_for_nobody_is_not() {
    in_system(async {
        let cases = [
            ("a gateway", "/RPC2", saying(|_| ("502 Bad Gateway", "<html>nobody is there</html>".to_owned()))),
            (
                "a gateway that speaks JSON",
                "/rpc3",
                saying(|_| ("503 x", r#"{"error":{"code":503,"message":"no"}}"#.to_owned())),
            ),
            ("one that speaks it to XML", "/RPC2", saying(|_| ("503 x", r#"{"error":"unavailable"}"#.to_owned()))),
            ("a page", "/RPC2", saying(|_| ("200 OK", "<html>it works</html>".to_owned()))),
            (
                "somebody else's answer",
                "/rpc3",
                saying(|_| ("200 OK", r#"{"jsonrpc":"2.0","result":[],"id":"x"}"#.to_owned())),
            ),
            ("nothing", "/rpc3", saying(|_| ("200 OK", String::new()))),
        ];
        for (name, _, (state, heard)) in all_judged(cases).await {
            assert_eq!(state, "ejected", "{name}: {:?}", heard.last());
        }
    });
}

#[test]
fn a_page_is_alive_up_to_399() {
    in_system(async {
        let kind = || CheckKind::Http("/health".to_owned());
        let cases = [
            ("200 OK", "healthy"),
            ("204 x", "healthy"),
            ("302 x", "healthy"),
            ("399 x", "healthy"),
            ("404 x", "ejected"),
            ("503 x", "ejected"),
        ];
        let judge = async |(status, expected)| {
            let there = saying(move |_| (status, String::new()));
            (status, expected, judged(kind(), &there).await)
        };
        for (status, expected, (state, heard)) in join_all(cases.map(judge)).await {
            assert_eq!((state.as_str(), heard[0].head.starts_with("GET /health ")), (expected, true), "{status}");
        }
        // After an early hint, which is no answer.
        let there = member(|stream, _| {
            drop(std::io::Write::write_all(stream, b"HTTP/1.1 103 Early Hints\r\n\r\n"));
            answer(stream, "503 Service Unavailable", "", "");
            After::KeepAlive
        });
        assert_eq!(judged(kind(), &there).await.0, "ejected");
    });
}
