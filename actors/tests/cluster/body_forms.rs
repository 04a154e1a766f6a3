//! What a head says of its body reaches the reader of the body: charsets, codings, and the many names of JSON.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use skitai_actors::http::Method;
use skitai_actors::wire::Value;
use skitai_actors::{Reason, Status};

use super::member::{After, member};
use super::*;

/// Asks a member that answers these octets under these headers, each of which ends with `\r\n`.
async fn answered(request: Request, headers: &'static str, body: impl Into<Vec<u8>>) -> Outcome {
    coded(request, "200 OK", headers, body).await
}

async fn coded(request: Request, code: &'static str, headers: &'static str, body: impl Into<Vec<u8>>) -> Outcome {
    let body = body.into();
    let there = member(move |stream, _| {
        let head = format!("HTTP/1.1 {code}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        drop(stream.write_all(&[head.as_bytes(), &body].concat()));
        After::KeepAlive
    });
    Started::new(spec(&[there.port])).one(request).await
}

fn rest() -> Request {
    Request::rest(Method::Get, "/", None)
}

/// An XML-RPC answer of one string, which has these octets, behind this declaration.
fn xml(declaration: &str, text: &[u8]) -> Vec<u8> {
    let begin = format!("{declaration}<methodResponse><params><param><value><string>");
    [begin.as_bytes(), text, b"</string></value></param></params></methodResponse>"].concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_charset_is_a_marks_then_a_heads_then_a_documents() {
    in_system(async {
        const LATIN: &str = "Content-Type: text/xml; charset=ISO-8859-1\r\n";
        const KOREAN: &str = "Content-Type: text/xml; charset=\"euc-kr\"\r\n";
        const UTF8: &str = "Content-Type: text/xml; charset=utf-8\r\n";
        let declared = |name: &str| format!("<?xml version='1.0' encoding='{name}'?>");
        let marked = [&b"\xef\xbb\xbf"[..], &xml("", "ü".as_bytes())].concat();
        let wide = String::from_utf8(xml(&declared("utf-16"), "ü".as_bytes())).unwrap();
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(wide.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for (headers, body, text) in [
            (LATIN, xml("", b"\xfc"), "ü"),
            (LATIN, xml(&declared("utf-8"), b"\xfc"), "ü"),
            (LATIN, marked, "ü"),
            (UTF8, xml(&declared("iso-8859-1"), "ü".as_bytes()), "ü"),
            (UTF8, xml(&declared("utf-16"), "ü".as_bytes()), "ü"),
            (UTF8, wide, "ü"),
            (KOREAN, xml("", b"\xb8\xf0"), "모"),
            ("Content-Type: text/xml; charset=windows-1252\r\n", xml("", b"\x80"), "€"),
            ("Content-Type: text/xml\r\n", xml(&declared("ISO-8859-1"), b"\xfc"), "ü"),
            ("", xml("", "ü".as_bytes()), "ü"),
        ] {
            let outcome = answered(call(), headers, body).await;
            assert_eq!(*outcome.data, Value::from(text), "{headers}: {}", outcome.msg);
        }
        let outcome = answered(call(), "Content-Type: text/xml; charset=utf-7\r\n", xml("", b"a")).await;
        assert_eq!(outcome.reason, Reason::Malformed);
        assert!(outcome.msg.contains("encoding \"utf-7\" is not read here; send UTF-8"), "{}", outcome.msg);
        // Pages, too.
        let outcome = answered(Request::get("/"), "Content-Type: text/html; charset=EUC-KR\r\n", b"\xb8\xf0").await;
        assert_eq!(*outcome.data, Value::from("모"));
    });
}

#[test]
fn json_is_json_by_any_of_its_names() {
    in_system(async {
        const PLAIN: &str = "Content-Type: application/json\r\n";
        const LATIN: &str = "Content-Type: application/json; charset=ISO-8859-1\r\n";
        let result = |text: &[u8]| [br#"{"jsonrpc":"2.0","id":7,"result":""#, text, b"\"}"].concat();
        for (request, headers, body) in [
            (rest(), PLAIN, b"\xef\xbb\xbf\"\xc3\xbc\"".to_vec()),
            (rest(), PLAIN, b"\"\xc3\xbc\"".to_vec()),
            (rest(), "Content-Type: text/json\r\n", b"\"\xc3\xbc\"".to_vec()),
            (rest(), "Content-Type: application/vnd.api+json; charset=UTF-8\r\n", b"\"\xc3\xbc\"".to_vec()),
            (rest(), LATIN, b"\"\xfc\"".to_vec()),
            (rest(), PLAIN, b"\xff\xfe\"\0\xfc\0\"\0".to_vec()),
            (json_call(7), PLAIN, result(b"\xc3\xbc")),
            (json_call(7), LATIN, result(b"\xfc")),
            (json_call(7), "Content-Type: text/plain\r\n", [&b"\xef\xbb\xbf"[..], &result(b"\xc3\xbc")].concat()),
        ] {
            let outcome = answered(request, headers, body).await;
            assert_eq!(*outcome.data, Value::from("ü"), "{headers}: {}", outcome.msg);
        }
    });
}

#[test]
fn a_coding_is_undone_or_named_asked_for_or_not() {
    in_system(async {
        const GZIP: &str = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        let document = xml("", b"hello");
        let json = br#"{"jsonrpc":"2.0","id":7,"result":"hello"}"#;
        for (request, headers, body) in [
            (call(), GZIP, gzip(&document)),
            (call(), "Content-Encoding: x-gzip\r\n", gzip(&document)),
            (call(), "Content-Encoding: identity, gzip\r\n", gzip(&document)),
            (call(), "Content-Encoding: identity\r\n", document.clone()),
            (json_call(7), GZIP, gzip(json)),
            (rest(), GZIP, gzip(b"\"hello\"")),
            (Request::get("/"), "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", gzip(b"hello")),
            // Whoever asks by hand gets pages as they came, but JSON and RPC have to be read.
            (rest().header("accept-encoding", "gzip"), GZIP, gzip(b"\"hello\"")),
            (call().header("accept-encoding", "gzip, br"), GZIP, gzip(&document)),
        ] {
            let outcome = answered(request, headers, body).await;
            assert_eq!(*outcome.data, Value::from("hello"), "{headers}: {}", outcome.msg);
            assert!(outcome.headers.iter().all(|(name, value)| name != "content-encoding" || value == "identity"));
        }
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(&document).unwrap();
        let deflated = deflated.finish().unwrap();
        for (request, headers, body, coding) in [
            (call(), "Content-Encoding: br\r\n", b"\x0b\x02\x80hello\x03".to_vec(), "br"),
            (rest(), "Content-Encoding: br\r\n", b"\x0b\x02\x80hello\x03".to_vec(), "br"),
            (Request::get("/"), "Content-Encoding: zstd\r\n", b"x".to_vec(), "zstd"),
            (call(), "Content-Encoding: deflate\r\n", deflated, "deflate"),
            (json_call(7), "Content-Encoding: gzip\r\nContent-Encoding: br\r\n", b"x".to_vec(), "gzip, br"),
        ] {
            let outcome = answered(request, headers, body).await;
            assert_eq!((outcome.status, outcome.reason), (Status::Error, Reason::Malformed), "{coding}");
            let words =
                format!("HTTP 200 OK: the answer is packed as {coding}, which is not read here; send gzip or none");
            assert_eq!(outcome.msg, words);
        }
        let outcome = coded(call(), "502 Bad Gateway", "Content-Encoding: br\r\n", b"x").await;
        assert_eq!(outcome.reason, Reason::HttpStatus);
        assert!(outcome.msg.starts_with("HTTP 502 Bad Gateway: the answer is packed as br"), "{}", outcome.msg);
        // What no body follows is packed as nothing.
        assert!(answered(Request::get("/"), "Content-Encoding: br\r\n", b"").await.is_ok());
        let by_hand = Request::get("/").header("accept-encoding", "br");
        let outcome = answered(by_hand, "Content-Encoding: br\r\n", b"as it came").await;
        assert_eq!(*outcome.data, Value::Bytes(b"as it came".to_vec()));
    });
}
