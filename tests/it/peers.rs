//! What peers send as they send it: charsets, packed bodies, the many names of JSON, parts in base64, names of files,
//! blank inputs, documents; and what a body is called in which nobody looked for arguments.

use std::io::Write as _;

use crate::harness::{Reply, TestServer, call, curl, eventually, python};

const XML: &str = "text/xml";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A call of `echo` in XML with this text, behind this declaration.
fn echo(declaration: &str, text: &[u8]) -> Vec<u8> {
    let begin = format!("{declaration}<methodCall><methodName>echo</methodName><params><param><value><string>");
    [begin.as_bytes(), text, b"</string></value></param></params></methodCall>"].concat()
}

/// The text in an XML-RPC answer.
fn text_of(reply: Reply) -> String {
    let text = reply.expect_code(200).text();
    let inside = text.split_once("<string>").and_then(|(_, rest)| rest.split_once("</string>"));
    inside.unwrap_or_else(|| panic!("no text: {text}")).0.to_owned()
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("every machine of the tests has gzip");
    let mut stdin = gzip.stdin.take().expect("piped above");
    let content = content.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&content).expect("gzip reads"));
    let packed = gzip.wait_with_output().expect("gzip ends").stdout;
    writer.join().expect("it has written");
    packed
}

fn posted(server: &TestServer, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    server.ask("POST", path, headers, body)
}

#[test]
fn a_call_is_read_in_the_charset_it_came_in() {
    let demo = TestServer::demo().start();
    let declared = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>");
    // As .NET's StringWriter makes it, in UTF-16 with a mark, and as it leaves in UTF-8 with the declaration of UTF-16.
    let wide = String::from_utf8(echo(&declared("utf-16"), "ü".as_bytes())).expect("UTF-8");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(wide.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (kind, body, text) in [
        ("text/xml; charset=ISO-8859-1", echo("", b"\xfc"), "ü"),
        ("text/xml; charset=\"iso-8859-1\"", echo(&declared("utf-8"), b"\xfc"), "ü"),
        ("text/xml; charset=utf-8", echo(&declared("ISO-8859-1"), "ü".as_bytes()), "ü"),
        ("application/xml; charset=windows-1252", echo("", b"\x80"), "€"),
        ("text/xml; charset=EUC-KR", echo("", b"\xb8\xf0"), "모"),
        (XML, echo(&declared("euc-kr"), b"\xb8\xf0"), "모"),
        (XML, [&b"\xef\xbb\xbf"[..], &echo("", "ü".as_bytes())].concat(), "ü"),
        (XML, echo(&declared("utf-16"), "ü".as_bytes()), "ü"),
        ("text/xml; charset=utf-16", wide, "ü"),
    ] {
        assert_eq!(text_of(demo.post("/RPC2", kind, body)), text, "{kind}");
    }
    let refused = demo.post("/RPC2", "text/xml; charset=utf-7", echo("", b"a")).expect_code(200).text();
    assert!(refused.contains("encoding \"utf-7\" is not read here; send UTF-8"), "{refused}");
    // JSON-RPC, JSON to a page, and a form whose escapes are in the charset that it names.
    let latin = [&br#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[""#[..], b"\xfc", br#""]}"#].concat();
    let answer = demo.post("/rpc3", "application/json; charset=ISO-8859-1", latin).expect_code(200).json();
    assert_eq!(answer["result"], "ü");
    for (kind, body) in [
        (FORM, &b"cid=5&cname=%C3%BC"[..]),
        ("application/x-www-form-urlencoded; charset=UTF-8", b"cid=5&cname=%C3%BC"),
        ("application/x-www-form-urlencoded; charset=iso-8859-1", b"cid=5&cname=%FC"),
        ("application/x-www-form-urlencoded; charset=iso-8859-1", b"cid=5&cname=\xfc"),
        ("application/json; charset=windows-1252", b"{\"cid\":5,\"cname\":\"\xfc\"}"),
    ] {
        assert_eq!(demo.post("/company", kind, body).expect_code(200).text(), "5 - ü", "{kind}");
    }
}

#[test]
fn json_is_json_by_any_name_and_behind_a_mark() {
    let demo = TestServer::demo().start();
    for (kind, body) in [
        (JSON, &b"\xef\xbb\xbf{\"a\":1,\"b\":2}"[..]),
        ("text/json", b"{\"a\":1,\"b\":2}"),
        ("application/vnd.api+json", b"{\"a\":1,\"b\":2}"),
        ("Application/Problem+JSON; charset=utf-8", b"{\"a\":1,\"b\":2}"),
        // As PowerShell writes files.
        (JSON, b"\xff\xfe{\0\"\0a\0\"\0:\x001\0,\0\"\0b\0\"\0:\x002\0}\0"),
    ] {
        assert_eq!(demo.post("/add", kind, body).expect_code(200).text(), "3", "{kind}");
    }
    let call = call::json("add", &serde_json::json!([1, 2]));
    for kind in ["text/json", "application/vnd.api+json", JSON] {
        let marked = [&b"\xef\xbb\xbf"[..], call.as_bytes()].concat();
        let reply = demo.post("/rpc3", kind, marked).expect_code(200);
        assert_eq!((reply.header("content-type"), &reply.json()["result"]), (JSON, &serde_json::json!(3)), "{kind}");
    }
}

#[test]
fn a_packed_request_is_unpacked_or_refused_by_name() {
    let demo = TestServer::demo().start();
    assert_eq!(python("xmlrpc_packed.py", &[&demo.url("/RPC2")]).trim(), "all right");
    let json = packed(br#"{"a":1,"b":2}"#);
    for coding in ["gzip", "x-gzip", "GZIP", "identity, gzip"] {
        let headers = [("content-type", JSON), ("content-encoding", coding)];
        assert_eq!(posted(&demo, "/add", &headers, &json).expect_code(200).text(), "3", "{coding}");
    }
    let named = |path: &str, kind: &str, coding: &str, body: &[u8], code: u16| {
        posted(&demo, path, &[("content-type", kind), ("content-encoding", coding)], body).expect_code(code).text()
    };
    for (path, kind) in [("/add", JSON), ("/RPC2", XML), ("/rpc3", JSON), ("/add", FORM)] {
        for coding in ["br", "deflate", "zstd", "gzip, gzip"] {
            let text = named(path, kind, coding, b"x", 415);
            assert!(text.contains(&format!("packed as {coding}; this server unpacks gzip alone")), "{path}: {text}");
        }
        let text = named(path, kind, "gzip", b"hello", 400);
        assert!(text.contains("it is not gzip, as its head says"), "{path}: {text}");
        // 64 MiB in 64 KiB.
        let text = named(path, kind, "gzip", &packed(&vec![b' '; 64 << 20]), 413);
        assert!(text.contains("larger than the 5242880 bytes"), "{path}: {text}");
    }
    // A form with a file, which is counted unpacked, too.
    let site = TestServer::site().server("upload_folder", ".").server("max_upload_file", "1m").start();
    let form = |size: usize| {
        let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
        packed(&[head.as_bytes(), &vec![b'x'; size], b"\r\n--b--\r\n"].concat())
    };
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("content-encoding", "gzip")];
    let got = posted(&site, "/up/one", &headers, &form(500_000)).expect_code(200).json();
    assert_eq!(got[0]["bytes"], 500_000);
    posted(&site, "/up/one", &headers, &form(3 << 20)).expect_code(413);
}

#[test]
fn a_part_in_base64_is_decoded_or_its_coding_named() {
    let site = TestServer::site().server("upload_folder", ".").start();
    let part = |head: &str, coding: &str, content: &str| {
        let head =
            format!("--b\r\nContent-Disposition: form-data; {head}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n");
        head + content + "\r\n"
    };
    let sent = |parts: &[String]| site.post("/up/one", "multipart/form-data; boundary=b", parts.concat() + "--b--\r\n");
    let file = |coding: &str, content: &str| part("name=\"file\"; filename=\"a.txt\"", coding, content);
    let got = sent(&[file("base64", "aGVsbG8g\r\ndGhlcmU=\r\n"), part("name=\"title\"", "BASE64", "7JWI64WV")]);
    let got = got.expect_code(200).json();
    assert_eq!((&got[0]["bytes"], &got[1]), (&serde_json::json!(11), &serde_json::json!("안녕")));
    let got = sent(&[file("binary", "aGVsbG8="), part("name=\"title\"", "7bit", "x")]).expect_code(200).json();
    assert_eq!((&got[0]["bytes"], &got[1]), (&serde_json::json!(8), &serde_json::json!("x")));
    for (parts, words) in [
        ([file("quoted-printable", "a=20b"), String::new()], "`file` is encoded as quoted-printable"),
        ([file("binary", "x"), part("name=\"title\"", "uuencode", "x")], "`title` is encoded as uuencode"),
        ([file("base64", "a!b"), String::new()], "`file` is not base64"),
    ] {
        let text = sent(&parts).expect_code(400).text();
        assert!(text.contains(words), "{text}");
    }
    let latin =
        "--b\r\nContent-Disposition: form-data; name=\"title\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\r\n";
    let body = [latin.as_bytes(), b"\xfc\r\n", file("binary", "x").as_bytes(), b"--b--\r\n"].concat();
    let got = site.post("/up/one", "multipart/form-data; boundary=b", body).expect_code(200).json();
    assert_eq!(got[1], "ü");
}

#[test]
fn a_body_that_no_argument_is_read_from_is_named() {
    let demo = TestServer::demo().start();
    let of = |kind: &str| format!("a body of type {kind} came, which no argument is read from; it begins with `{{`");
    for (kind, body, words) in [
        ("text/plain", r#"{"a":1,"b":2}"#, of("text/plain")),
        ("application/octet-stream", r#" {"a":1}"#, of("application/octet-stream")),
        (FORM, r#"{"a":1,"b":2}"#, "begins with `{`; JSON is sent as application/json".to_owned()),
    ] {
        let text = demo.post("/add", kind, body).expect_code(400).text();
        assert!(text.contains(&words) && text.contains("`a` is missing"), "{text}");
    }
    // Where every argument came, nobody misses it.
    assert_eq!(demo.post("/add?a=1&b=2", "text/plain", "{}").expect_code(200).text(), "3");
    let text = demo.post("/add?a=x&b=2", "text/plain", "{}").expect_code(400).text();
    assert!(!text.contains("a body of type"), "{text}");
}

#[test]
fn a_file_has_the_name_that_its_client_meant() {
    let site = TestServer::site().server("upload_folder", ".").start();
    for (parameters, name) in [
        ("filename=\"=?utf-8?B?66qoLnR4dA==?=\"; filename*=utf-8''%EB%AA%A8.txt", "모.txt"),
        ("filename*=iso-8859-1''%FC.txt; filename=\"u.txt\"", "ü.txt"),
        ("filename=\"모.txt\"", "모.txt"),
        // As browsers and as older clients escape it.
        ("filename=\"a%22b.txt\"", "a\"b.txt"),
        ("filename=\"a\\\"b.txt\"", "a\"b.txt"),
        ("filename=\"C:\\new\\\"", "new"),
        ("filename=\"C:\\new\\b.txt\"", "b.txt"),
        ("filename=\"a;b=c.txt\"", "a;b=c.txt"),
        ("filename=plain.txt", "plain.txt"),
    ] {
        let body = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; {parameters}\r\n\r\nx\r\n--b--\r\n");
        let reply = site.post("/up/maybe", "multipart/form-data; boundary=b", body).expect_code(200);
        assert_eq!(reply.text(), name, "{parameters}");
    }
}

#[test]
fn a_blank_input_is_absent_where_a_number_is_asked_for() {
    let site = TestServer::site().server("upload_folder", ".").start();
    let form = |n: &str| {
        let field = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n";
        field("title", "") + &field("n", n) + file
    };
    let sent = |n: &str| site.post("/up/one", "multipart/form-data; boundary=b", form(n));
    let got = sent("").expect_code(200).json();
    assert_eq!(
        (&got[1], &got[2]),
        (&serde_json::json!(""), &serde_json::Value::Null),
        "a text stays, a number is none"
    );
    assert_eq!(sent(" 5 ").expect_code(200).json()[2], 5);
    assert!(sent("x").expect_code(400).text().contains("`n` must be a whole number"));
    // With a default, in a query and in a form.
    site.get("/respond?status=").expect_code(200);
    site.get("/respond?status=202").expect_code(202);
    site.post("/respond", FORM, "status=+").expect_code(200);
    site.get("/respond?status=x").expect_code(400);
    // One that has to be there is told by its name.
    let demo = TestServer::demo().start();
    assert!(demo.get("/add?a=&b=2").expect_code(400).text().contains("`a` must be a whole number"));
}

#[test]
fn xml_that_is_no_call_is_the_handlers() {
    let site = TestServer::site().start();
    let webhook = "<xml><return_code>SUCCESS</return_code></xml>";
    for (kind, body) in [
        (XML, webhook),
        ("application/xml; charset=utf-8", webhook),
        (XML, "<?xml version=\"1.0\"?>\n<!-- from a shop -->\n<soap:Envelope xmlns:soap=\"x\"/>"),
        (XML, "<feed xmlns=\"http://www.w3.org/2005/Atom\"/>"),
    ] {
        let asked = site.post("/asked", kind, body).expect_code(200).json();
        assert_eq!((asked["body"].as_u64(), &asked["uri"]), (Some(body.len() as u64), &"/asked".into()), "{kind}");
    }
    // Where no route takes it, or RPC alone is served, it is a fault, and a call is a call anywhere.
    for path in ["/RPC2", "/nowhere", "/put"] {
        let text = site.post(path, XML, webhook).expect_code(200).text();
        assert!(text.contains("<fault>") && text.contains("where &lt;methodCall&gt; was expected"), "{path}: {text}");
    }
    let text = site.post("/asked", XML, call::xml("scalars", &[])).expect_code(200).text();
    assert!(text.contains("`truth` is missing"), "{text}");
    for broken in ["<xml", "hello", ""] {
        let text = site.post("/asked", XML, broken).expect_code(200).text();
        assert!(text.contains("<fault>"), "{broken}: {text}");
    }
}

#[test]
fn a_call_of_json_rpc_that_went_to_a_page_is_told_where_to_go() {
    let demo = TestServer::demo().start();
    let call = call::json("add", &serde_json::json!([1, 2]));
    let header = ["-H", "content-type: application/json"];
    for body in [call.clone(), format!("[{call},{call}]")] {
        for path in ["/", "/add"] {
            let told = curl(&[&header[..], &["-w", "%{http_code}", "-d", &body, &demo.url(path)]].concat());
            assert!(told.ends_with("400") && told.contains("-32600") && told.contains("/rpc3"), "{path}: {told}");
        }
        let answer = curl(&[&header[..], &["-d", &body, &demo.url("/rpc3")]].concat());
        assert!(answer.contains("\"result\":3"), "{answer}");
    }
    // What takes the members, or POST alone, reads them itself.
    let site = TestServer::site().start();
    site.post("/defaults", JSON, r#"{"jsonrpc":"2.0","method":"x","needed":1}"#).expect_code(200);
    assert_eq!(demo.post("/add", JSON, r#"{"method":"x","a":1,"b":2}"#).expect_code(200).text(), "3");
    assert_eq!(demo.post("/add", JSON, r#"{"jsonrpc":"2.0","a":1,"b":2}"#).expect_code(200).text(), "3");
}

#[test]
fn what_xml_cannot_carry_is_told_with_its_place_or_replaced() {
    let list = |texts: &[&[u8]]| {
        let values: Vec<u8> = texts.iter().flat_map(|text| [b"<value>", *text, b"</value>"].concat()).collect();
        let begin = b"<methodCall><methodName>echo</methodName><params><param><value><array><data>";
        [&begin[..], &values, b"</data></array></value></param></params></methodCall>"].concat()
    };
    let demo = TestServer::demo().start();
    for (sent, point) in [(&b"a\x01b"[..], "U+0001"), (b"\x0b", "U+000B"), (b"a\xef\xbf\xbf", "U+FFFF")] {
        let text = demo.post("/RPC2", XML, list(&[b"good", sent])).expect_code(200).text();
        assert!(text.contains("<int>-32603</int>") && text.contains(point) && text.contains("[1]"), "{text}");
        let text = demo.post("/RPC2", XML, echo("", sent)).expect_code(200).text();
        assert!(text.contains("<fault>") && text.contains(point), "{text}");
    }
    // In JSON nothing fails.
    let call = call::json("echo", &serde_json::json!(["a\u{1}b"]));
    assert_eq!(demo.post("/rpc3", JSON, call).expect_code(200).json()["result"], "a\u{1}b");
    let demo = TestServer::demo().section("[rpc]\nunwritable = replace").start();
    assert_eq!(text_of(demo.post("/RPC2", XML, echo("", b"a\x01b"))), "a\u{fffd}b");
    let text = demo.post("/RPC2", XML, list(&[b"good", b"\x0b"])).expect_code(200).text();
    assert!(text.contains("good") && text.contains('\u{fffd}') && !text.contains("<fault>"), "{text}");
    eventually("the log has the place", || demo.log().contains("[1]: the character U+000B").then_some(()));
    assert_eq!(text_of(demo.post("/RPC2", XML, echo("", "모 < \t".replace('<', "&lt;").as_bytes()))), "모 &lt; \t");
    // NaN and infinities of a peer are refused with their place, in every protocol.
    let number = "<methodCall><methodName>echo</methodName><params><param><value><double>nan</double></value></param></params></methodCall>";
    let text = demo.post("/RPC2", XML, number).expect_code(200).text();
    assert!(text.contains("params/param[1]/value/double: not a finite number"), "{text}");
    let answer = demo.post("/rpc3", JSON, r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[NaN]}"#).json();
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
}
