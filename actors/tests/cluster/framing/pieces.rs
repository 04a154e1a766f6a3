//! An answer may be split anywhere, and must not be cut anywhere: every position is tried.

use super::*;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: $T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n$2\r\n$Y;a=1\r\n$R\r\n0\r\n\
                       X-Sum: 1\r\n\r\n";

/// A member that writes as much of the answer as the path says, `/17/`, and then, a little later, the rest or nothing.
fn splitting(template: String, is_cut: bool) -> Member {
    member(move |stream, heard| {
        let kind = if heard.head.starts_with("POST") { Kind::Rpc } else { Kind::Page };
        let answer = kind.octets(&template, TEXT);
        let at: usize = heard.head.split('/').nth(1).unwrap().parse().unwrap();
        let (first, rest) = answer.split_at(at);
        drop(stream.write_all(first));
        if is_cut {
            return After::Close;
        }
        pause_for(3);
        drop(stream.write_all(rest));
        After::KeepAlive
    })
}

/// Tries every position by both clients; returns what went wrong.
async fn every_place(name: &str, template: String, is_cut: bool) -> Vec<String> {
    let lengths = [Kind::Page, Kind::Rpc].map(|kind| (kind, kind.octets(&template, TEXT).len()));
    let there = splitting(template, is_cut);
    let mut wrong = Vec::new();
    for way in Way::both(there.port) {
        for (kind, length) in lengths {
            for at in 1..length {
                let request = Request { path: format!("/{at}/").into(), ..kind.request("") };
                let outcome = way.ask(request).await;
                let is_right = if is_cut {
                    outcome.reason == Reason::Closed && outcome.msg.contains("middle")
                } else {
                    outcome.is_ok() && outcome.data == Value::String(TEXT.to_owned())
                };
                if !is_right {
                    wrong.push(format!("{name} ({}) at {at} of {length}: {}", way.name(), brief(&outcome)));
                }
                // If one position hangs, so may all others: each gets only its share of the time.
                if wrong.len() > 4 {
                    return wrong;
                }
            }
        }
        let (connections, requests) = (there.seen.connections(), there.seen.requests());
        if !is_cut && connections > 2 {
            wrong.push(format!("{name} ({}): {connections} connections for {requests} calls", way.name()));
        }
    }
    wrong
}

async fn all(is_cut: bool, templates: Vec<(&str, String)>) {
    let runs = templates.into_iter().map(|(name, template)| Box::pin(every_place(name, template, is_cut)));
    let wrong = join_all(runs).await.concat();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_answer_may_be_split_anywhere() {
    in_system(async {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
        let folded = GOOD.replace("$T\r\n", "$T\r\nX-P: a\r\n b\r\n").replace("Length: $L", "Length: $L, $L");
        all(
            false,
            vec![
                ("a length", GOOD.to_owned()),
                ("chunks", CHUNKED.to_owned()),
                ("folds and lists", folded),
                ("100 before a length", format!("HTTP/1.1 100 Continue\r\n\r\n{GOOD}")),
                ("103 and 100 before chunks", format!("{hints}HTTP/1.1 100 Continue\r\n\r\n{CHUNKED}")),
                ("bare lines", GOOD.replace("\r\n", "\n")),
            ],
        )
        .await;
    });
}

#[test]
fn an_answer_cut_anywhere_is_none() {
    in_system(async {
        let old = GOOD.replace("HTTP/1.1", "HTTP/1.0");
        all(
            true,
            vec![
                ("a length", GOOD.to_owned()),
                ("1.0", old),
                ("chunks", CHUNKED.to_owned()),
                ("bare lines", CHUNKED.replace("\r\n", "\n")),
            ],
        )
        .await;
    });
}
