//! HTTP/1.0, and nginx's default upstream with it: a body without a length ends with the connection. So a good one must
//! end in order and a broken one must not, or a client could not tell them apart.

use super::{beside_a_healthy_client, get, notes};
use crate::harness::raw::find;
use crate::harness::{Conduct, Conn, End, Member, TestServer};

/// A GET of the old kind, with more header lines.
fn old(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: h\r\n{more}\r\n")
}

/// The head and the body of the one reply of a connection, and how it ends.
fn whole(mut conn: Conn) -> (String, String, End) {
    let (bytes, end) = conn.until_end();
    let head = find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let body = bytes.get(head + 4..).unwrap_or_default();
    (String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase(), String::from_utf8_lossy(body).into_owned(), end)
}

fn asked(site: &TestServer, request: &str) -> (String, String, End) {
    let mut conn = site.conn();
    conn.send(request);
    whole(conn)
}

const CHUNKS: &str = "chunk 0\nchunk 1\nchunk 2\n";
/// A piece goes out before the panic.
const PANICS: &str = "/pieces?pieces=1&millis=100&end=panics";

#[test]
fn a_stream_has_no_chunks_and_ends_with_its_connection() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = TestServer::site().cluster("members", &[&member]).start();
    beside_a_healthy_client(&site, || {
        for more in ["", "Connection: keep-alive\r\n", "Connection: close\r\n", "TE: chunked\r\n"] {
            let (head, body, end) = asked(&site, &old("/breaks?how=well", more));
            assert!(head.starts_with("http/1.") && head.contains(" 200 "), "{head}");
            assert!(!head.contains("transfer-encoding") && !head.contains("keep-alive"), "{more:?}: {head}");
            assert_eq!((body.as_str(), end), (CHUNKS, End::Finished), "{more:?}");
        }
        let (_, body, end) = asked(&site, &old("/letters?chunks=40", ""));
        assert_eq!((body.len(), end), (40 << 16, End::Finished));
        let (head, body, end) = asked(&site, &old("/pieces?pieces=3&millis=20", ""));
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert_eq!((body.len(), end), (3 << 16, End::Finished));
        let (head, body, end) = asked(&site, &old("/arrivals?cluster=members/rpc2", ""));
        assert!(!head.contains("transfer-encoding") && head.contains("application/x-ndjson"), "{head}");
        assert!(body.ends_with("}\n") && body.contains("\"ok\"") && end == End::Finished, "{body}");
        let (head, body, end) = asked(&site, &old("/events?cluster=members/rpc2", ""));
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(body.starts_with("data: \"ok\"\n\nevent: end\n") && end == End::Finished, "{body}");
    });
}

#[test]
fn a_stream_that_breaks_ends_in_a_reset() {
    let site = TestServer::site().panics_expected().start();
    beside_a_healthy_client(&site, || {
        // Of what breaks at once nothing need have been sent.
        for path in ["/breaks?how=error", "/breaks?how=panic", "/breaks?how=error&after=0"] {
            let (head, body, end) = asked(&site, &old(path, ""));
            assert!(!head.contains("transfer-encoding"), "{path}: {head}");
            assert!(CHUNKS.starts_with(&body), "{path}: {body:?}");
            assert_eq!(end, End::Reset, "{path}: what came would pass for the whole");
        }
        for how in ["fails", "panics"] {
            let path = format!("/pieces?pieces=2&millis=100&end={how}");
            let (head, body, end) = asked(&site, &old(&path, ""));
            assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{path}: {head}");
            assert!(body.len() <= 2 << 16, "{path}: {}", body.len());
            assert_eq!(end, End::Reset, "{path}: what came would pass for the whole");
        }
    });
    site.get("/defaults?needed=1").expect_code(200);
}

#[test]
fn a_stream_that_breaks_has_no_last_chunk_either() {
    let site = TestServer::site().panics_expected().start();
    beside_a_healthy_client(&site, || {
        for path in ["/breaks?how=error", "/breaks?how=panic", "/pieces?pieces=2&millis=100&end=fails", PANICS] {
            let (head, body, end) = asked(&site, &(get(path) + &get("/noted/behind/x")));
            if path.contains("millis") {
                assert!(head.contains("transfer-encoding: chunked"), "{path}: {head}");
            }
            assert!(!body.contains("\r\n0\r\n") && !body.contains("HTTP/1.1"), "{path}");
            assert_eq!(end, End::Reset, "{path}");
        }
        assert!(notes(&site, "behind").is_empty(), "what follows a cut is not executed");
        // A good one, for the same eyes.
        let closing = get("/breaks?how=well").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let (head, body, end) = asked(&site, &closing);
        assert!(head.contains("transfer-encoding: chunked") && body.ends_with("\r\n0\r\n\r\n"), "{head} {body}");
        assert_eq!(end, End::Finished);
    });
}

#[test]
fn what_has_a_length_has_it_for_old_clients_too() {
    let site = TestServer::site().route("/files = public").file("public/a.txt", "a file").start();
    beside_a_healthy_client(&site, || {
        for (path, expected) in [("/float/1.5", "1.5"), ("/files/a.txt", "a file")] {
            let (head, body, end) = asked(&site, &old(path, ""));
            assert!(head.contains(&format!("content-length: {}", expected.len())), "{head}");
            assert_eq!((body.as_str(), end), (expected, End::Finished));
        }
        // Asked to, the connection stays, and says so.
        let mut conn = site.conn();
        conn.send(old("/float/1.5", "Connection: keep-alive\r\n"));
        let reply = conn.read().expect_code(200);
        assert_eq!(reply.text(), "1.5");
        if reply.header("connection").eq_ignore_ascii_case("keep-alive") {
            conn.send(old("/float/2.5", ""));
            assert_eq!(conn.read().expect_code(200).text(), "2.5");
        }
        assert!(conn.ends());
        // A HEAD of a stream has no body and says nothing of chunks.
        let (head, body, end) = asked(&site, &old("/breaks?how=well", "").replace("GET", "HEAD"));
        assert!(head.contains(" 200 ") && !head.contains("transfer-encoding"), "{head}");
        assert_eq!((body.as_str(), end), ("", End::Finished));
    });
}

#[test]
fn curl_of_the_old_kind_notices_every_cut() {
    let site = TestServer::site().panics_expected().start();
    let fetch = |version: &str, how: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--max-time", "30", "--noproxy", "*", version]);
        let output = curl.arg(site.url(&format!("/breaks?how={how}"))).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for version in ["-0", "--http1.1"] {
        assert_eq!(fetch(version, "well"), (true, CHUNKS.to_owned()), "{version}");
        for how in ["error", "panic"] {
            assert!(!fetch(version, how).0, "{version} {how}: curl took it for the whole");
        }
    }
}
