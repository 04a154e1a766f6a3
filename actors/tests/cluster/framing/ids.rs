//! The id of JSON-RPC names the call that an answer belongs to.

use super::*;

struct Id {
    /// The members of the answer after `jsonrpc`.
    answer: &'static str,
    want: Result<i64, (Reason, &'static [&'static str])>,
    /// It is another call's answer, so the connection is not reused.
    is_strange: bool,
}

fn fine(answer: &'static str) -> Id {
    Id { answer, want: Ok(1), is_strange: false }
}

fn malformed(answer: &'static str) -> Id {
    Id { answer, want: Err((Reason::Malformed, &[])), is_strange: false }
}

fn strange(answer: &'static str, words: &'static [&'static str]) -> Id {
    Id { answer, want: Err((Reason::Malformed, words)), is_strange: true }
}

fn fault(answer: &'static str) -> Id {
    Id { answer, want: Err((Reason::Fault, &["no such method"])), is_strange: false }
}

/// All of these answer the call of id 7.
fn table() -> Vec<Id> {
    vec![
        fine(r#""id":7,"result":1"#),
        fine(r#""result":1,"id":7"#),
        fine(r#""id":"7","result":1"#),
        fine(r#""id":7.0,"result":1"#),
        fine(r#""id":7,"error":null,"result":1"#),
        strange(r#""id":999,"result":1"#, &["999", "7"]),
        strange(r#""result":1,"id":999"#, &["999", "7"]),
        strange(r#""id":8,"result":1"#, &["8", "7"]),
        strange(r#""id":"999","result":1"#, &["999", "7"]),
        strange(r#""id":18446744073709551615,"result":1"#, &["7"]),
        strange(r#""id":70,"result":{"id":7}"#, &["70", "7"]),
        malformed(r#""id":"07","result":1"#),
        malformed(r#""id":" 7","result":1"#),
        malformed(r#""id":"+7","result":1"#),
        malformed(r#""id":"","result":1"#),
        malformed(r#""id":7.5,"result":1"#),
        malformed(r#""id":-7,"result":1"#),
        malformed(r#""id":true,"result":1"#),
        malformed(r#""id":[7],"result":1"#),
        malformed(r#""id":{"id":7},"result":1"#),
        malformed(r#""id":null,"result":1"#),
        malformed(r#""result":1"#),
        fault(r#""id":7,"error":{"code":-32601,"message":"no such method"}"#),
        fault(r#""id":"7","error":{"code":-32601,"message":"no such method"}"#),
        fault(r#""id":null,"error":{"code":-32601,"message":"no such method"}"#),
        fault(r#""error":{"code":-32601,"message":"no such method"}"#),
        strange(r#""id":999,"error":{"code":-32601,"message":"no such method"}"#, &["999", "7"]),
        strange(r#""error":{"code":-32601,"message":"no such method"},"id":8"#, &["8", "7"]),
        malformed(r#""id":false,"error":{"code":-32601,"message":"no such method"}"#),
    ]
}

async fn wrong_of(Id { answer: said, want, is_strange }: Id) -> Vec<String> {
    let there = member(move |stream, heard| {
        let body = if heard.body.contains("own-7\"") {
            format!(r#"{{"jsonrpc":"2.0",{said}}}"#)
        } else {
            r#"{"jsonrpc":"2.0","id":8,"result":2}"#.to_owned()
        };
        answer(stream, "200 OK", "Content-Type: application/json\r\n", &body);
        After::KeepAlive
    });
    let mut wrong = Vec::new();
    for way in Way::both(there.port) {
        let before = there.seen.connections();
        let outcome = way.ask(json_call(7)).await;
        let is_right = match want {
            Ok(value) => outcome.is_ok() && outcome.data == Value::Int(value),
            Err((reason, words)) => {
                outcome.reason == reason
                    && *outcome.data == Value::Nil
                    && words.iter().all(|word| outcome.msg.contains(word))
                    && outcome.fault == (reason == Reason::Fault).then_some(-32601)
            }
        };
        let next = way.ask(json_call(8)).await;
        let used = there.seen.connections() - before;
        if !is_right {
            wrong.push(format!("{said} ({}): {}", way.name(), brief(&outcome)));
        } else if !next.is_ok() || next.data != Value::Int(2) {
            wrong.push(format!("{said} ({}): the next call got {}", way.name(), brief(&next)));
        } else if is_strange && used != 2 || want.is_ok() && used != 1 {
            wrong.push(format!("{said} ({}): {used} connections", way.name()));
        }
    }
    wrong
}

#[test]
fn the_answer_of_another_call_is_no_answer() {
    in_system(async {
        let wrong = join_all(table().into_iter().map(|id| Box::pin(wrong_of(id)))).await.concat();
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}
