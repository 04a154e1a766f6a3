//! Failures and void answers as servers send them: a fault is a fault under any code and in any shape, an answer
//! without a value is nil, and what is no document shows how it begins.

use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{After, answer, member};
use super::*;

/// Asks a member that answers this; `ID` in the body is the call's id, 7.
async fn answered(request: Request, code: &'static str, body: impl Into<String>) -> Outcome {
    let body = body.into();
    let there = member(move |stream, _| {
        answer(stream, code, "content-type: text/plain\r\n", &body);
        After::KeepAlive
    });
    Started::new(spec(&[there.port])).one(request).await
}

fn xml_fault(code: &str, text: &str) -> String {
    format!(
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value>{code}</value></member><member>\
         <name>faultString</name><value>{text}</value></member></struct></value></fault></methodResponse>"
    )
}

#[test]
fn a_failure_is_a_fault_under_any_code_and_in_any_shape() {
    in_system(async {
        let json = [
            (r#"{"result":null,"error":{"code":-8,"message":"out of range"},"id":7}"#, -8, "out of range"),
            (r#"{"error":{"code":-8,"message":"out of range"},"id":"7"}"#, -8, "out of range"),
            (r#"{"jsonrpc":"2.0","error":{"code":"-32000","message":"full"},"id":7}"#, -32000, "full"),
            (r#"{"jsonrpc":"2.0","error":{"code":"E_FULL","message":"full"},"id":7}"#, 0, "E_FULL: full"),
            (r#"{"jsonrpc":"2.0","result":{},"error":{"code":1,"message":"both"},"id":7}"#, 1, "both"),
            (r#"{"jsonrpc":"2.0","error":{"message":"no code"},"id":7}"#, 0, "no code"),
            (r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"unread"},"id":null}"#, -32700, "unread"),
            (r#"{"error":{"code":-32601,"message":"no such method"}}"#, -32601, "no such method"),
        ];
        let xml = [
            (xml_fault("<string>warning -- Oops</string>", "<string></string>"), 0, "warning -- Oops"),
            (xml_fault("<string>4</string>", "<string>full</string>"), 4, "full"),
            (xml_fault("<nil/>", "<string>no code</string>"), 0, "no code"),
            (xml_fault("<i8>-506</i8>", "<nil/>"), -506, r#"{"faultCode":-506,"faultString":null}"#),
            ("<methodResponse><fault><value>bare</value></fault></methodResponse>".to_owned(), 0, "bare"),
        ];
        for code in ["200 OK", "400 Bad Request", "404 Not Found", "500 Internal Server Error"] {
            let of_json = json.map(|(body, fault, words)| (json_call(7), body.to_owned(), fault, words));
            let of_xml = xml.clone().map(|(body, fault, words)| (call(), body, fault, words));
            for (request, body, fault, words) in of_json.into_iter().chain(of_xml) {
                let outcome = answered(request, code, &*body).await;
                assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Fault), "{code} {body}");
                assert_eq!((outcome.fault, &*outcome.msg), (Some(fault), words), "{code} {body}");
            }
        }
        // A gateway that speaks JSON is no method of the member's.
        let outcome = answered(json_call(7), "503 x", r#"{"error":{"code":503,"message":"nobody is there"}}"#).await;
        assert_eq!((outcome.reason, outcome.fault), (Reason::HttpStatus, None));
        // The details of an error come along.
        let body = r#"{"jsonrpc":"2.0","id":7,"result":0,"error":{"code":"x","message":"no","data":{"a":[1]}}}"#;
        assert_eq!(answered(json_call(7), "200 OK", body).await.data["a"][0], Value::Int(1));
    });
}

#[test]
fn an_answer_without_a_value_is_nil() {
    in_system(async {
        let xml = |params: &str| (call(), format!("<methodResponse>{params}</methodResponse>"));
        let json = |body: &str| (json_call(7), body.to_owned());
        for (request, body) in [
            xml("<params/>"),
            xml("<params></params>"),
            xml("<params>\r\n</params>"),
            xml("<params><param/></params>"),
            json(r#"{"jsonrpc":"2.0","id":7}"#),
            json(r#"{"jsonrpc":"2.0","id":"7","error":null}"#),
            json(r#"{"id":7}"#),
        ] {
            let outcome = answered(request, "200 OK", &*body).await;
            assert!(outcome.is_ok() && *outcome.data == Value::Nil, "{body}: {outcome:?}");
        }
        for body in [r#"{"jsonrpc":"2.0","id":8}"#, r#"{"jsonrpc":"2.0"}"#, "{}"] {
            assert_eq!(answered(json_call(7), "200 OK", body).await.reason, Reason::Malformed, "{body}");
        }
    });
}

#[test]
fn what_is_no_document_shows_how_it_begins() {
    in_system(async {
        let page = "\r\n  <!DOCTYPE html>\n<html><body>Log in</body></html>";
        let rest = || Request::rest(skitai_actors::http::Method::Get, "/", None);
        for (request, body, begins) in [
            (call(), page, "; the body begins with `<!DOCTYPE html>`"),
            (json_call(7), page, "; the body begins with `<!DOCTYPE html>`"),
            (json_call(7), "Fatal error: Out of memory\nstack", "; the body begins with `Fatal error: Out of memory`"),
            (
                call(),
                r#"{"jsonrpc":"2.0","id":7,"result":1}"#,
                "begins with `{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":1}`",
            ),
            (json_call(7), "a\u{1b}[2Jb", "; the body begins with `a\u{fffd}[2Jb`"),
            (call(), "", "; the body is empty"),
            (call(), " \r\n ", "; the body is empty"),
        ] {
            let outcome = answered(request, "200 OK", body).await;
            assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Malformed), "{body}");
            assert!(outcome.msg.starts_with("HTTP 200 OK: ") && outcome.msg.ends_with(begins), "{}", outcome.msg);
        }
        let there = member(|stream, _| {
            answer(stream, "200 OK", "content-type: application/json\r\n", "<html>\nno");
            After::KeepAlive
        });
        let outcome = Started::new(spec(&[there.port])).one(rest()).await;
        assert!(outcome.msg.ends_with("; the body begins with `<html>`"), "{}", outcome.msg);
        // Of a long line no more than a sentence.
        assert!(answered(call(), "200 OK", "x".repeat(5_000)).await.msg.len() < 600);
    });
}
