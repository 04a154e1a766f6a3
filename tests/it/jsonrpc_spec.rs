//! The examples of section 7 of the JSON-RPC 2.0 specification, as they stand there. What it leaves open is blanks, the
//! order of a batch's answers (ours is that of the calls), and `data` of an error, which is ours to fill.

use serde_json::Value;

use crate::harness::TestServer;

/// What is sent, and what comes back; nothing is no body at all.
const EXAMPLES: [(&str, &str); 16] = [
    // Positional parameters.
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
        r#"{"jsonrpc": "2.0", "result": -19, "id": 2}"#,
    ),
    // Named parameters.
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 3}"#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
        r#"{"jsonrpc": "2.0", "result": 19, "id": 4}"#,
    ),
    // A notification.
    (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, ""),
    (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, ""),
    // A method that does not exist.
    (
        r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#,
    ),
    // Invalid JSON.
    (
        r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
    ),
    // An invalid request object.
    (
        r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
    ),
    // A batch of invalid JSON.
    (
        r#"[
          {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
          {"jsonrpc": "2.0", "method"
        ]"#,
        r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#,
    ),
    // An empty array.
    ("[]", r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#),
    // An invalid batch that is not empty.
    ("[1]", r#"[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]"#),
    // An invalid batch.
    (
        "[1,2,3]",
        r#"[
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
        ]"#,
    ),
    // A batch of everything.
    (
        r#"[
          {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
          {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
          {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
          {"foo": "boo"},
          {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
          {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]"#,
        r#"[
          {"jsonrpc": "2.0", "result": 7, "id": "1"},
          {"jsonrpc": "2.0", "result": 19, "id": "2"},
          {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
          {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
          {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
        ]"#,
    ),
    // A batch of notifications alone.
    (
        r#"[
          {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
          {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]"#,
        "",
    ),
    // Beyond the examples: an id goes back as it came, however it is written.
    (r#"{"jsonrpc":"2.0","method":"get_data","id":1.0e2}"#, r#"{"jsonrpc":"2.0","result":["hello",5],"id":1.0e2}"#),
];

/// Without the blanks between tokens, which the specification leaves to the reader's eyes.
fn tight(text: &str) -> String {
    let (mut tight, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if quoted || !c.is_ascii_whitespace() {
            tight.push(c);
        }
    }
    tight
}

/// The text with the data of each error cut out; it is a text and the last of its error's members.
fn without_data(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once(r#","data":""#) {
        plain.push_str(before);
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &after[end.expect("a text ends") + 1..];
    }
    plain + rest
}

#[test]
fn every_example_of_the_specification() {
    let site = TestServer::site().start();
    let before: i64 = site.get("/noted").expect_code(200).json().as_i64().unwrap();
    for (path, kind) in [("/", "application/json-rpc"), ("/rpc3", "application/json")] {
        for (sent, due) in EXAMPLES {
            let reply = site.post(path, kind, sent);
            if due.is_empty() {
                assert_eq!((reply.code, reply.text().as_str()), (204, ""), "{sent}");
                continue;
            }
            let reply = reply.expect_code(200);
            assert_eq!(reply.header("content-type"), kind, "{sent}");
            assert_eq!(without_data(&reply.text()), tight(due), "{sent}");
        }
    }
    // Notifications do what they say, though they have no answer: 15 of `update`, 7 + 7 + 7 of the batches, twice.
    assert_eq!(site.get("/noted").expect_code(200).json(), Value::from(before + 2 * (15 + 7 + 7 + 7)));
}

#[test]
fn a_client_of_the_first_version_is_answered_in_its_form() {
    let site = TestServer::site().start();
    let ask = |sent: &str| site.post("/rpc3", "application/json", sent);
    let good = ask(r#"{"method": "subtract", "params": [3, 1], "id": "a"}"#).expect_code(200).text();
    assert_eq!(good, r#"{"result":2,"error":null,"id":"a"}"#);
    let bad = ask(r#"{"method": "nobody", "params": [], "id": 7}"#).expect_code(200).json();
    assert_eq!(
        (&bad["result"], &bad["error"]["code"], &bad["id"]),
        (&Value::Null, &Value::from(-32601), &Value::from(7))
    );
    assert_eq!(ask(r#"{"method": "subtract", "params": [3, 1], "id": null}"#).code, 204);
}

#[test]
fn what_the_standard_words_leave_out_is_in_the_data() {
    let site = TestServer::site().start();
    let data = |sent: &str| site.post("/rpc3", "", sent).expect_code(200).json()["error"]["data"].to_string();
    assert!(data(r#"{"jsonrpc":"2.0","id":1,"method":"nobody"}"#).contains("`nobody`"));
    assert!(data(r#"{"jsonrpc":"2.0","id":1,"method":7}"#).contains("method is not a string"));
    assert!(data(r#"{"jsonrpc":"2.0","#).contains("at byte"));
}
