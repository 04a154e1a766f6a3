//! What is no request of a proxy: each is refused or answered, none reaches a host in another form, and the next client
//! is served.

use super::{HELLO, Host, Proxy};
use crate::harness::End;

#[test]
fn nothing_malformed_reaches_a_host() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::to(&[host.port]);
    let authority = format!("127.0.0.1:{}", host.port);
    let url = host.url("/");
    let long = "x".repeat(70_000);
    let many = "X-Y: z\r\n".repeat(300);
    let cases: Vec<(String, u16)> = vec![
        ("\r\n\r\nnonsense\r\n\r\n".to_owned(), 400),
        (format!("GET {url}\r\n\r\n"), 400),
        (format!("GET {url} HTTP/2.0\r\nHost: h\r\n\r\n"), 505),
        (format!("GET {url} HTTP/1.1\r\n\r\n"), 400),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400),
        (format!("GET {url} HTTP/1.1\nHost: a\n\n"), 400),
        (format!("GET {url} HTTP/1.1\r\nHost : a\r\n\r\n"), 400),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\nX-\0: a\r\n\r\n"), 400),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), 400),
        (format!("G@T {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!(" GET {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET  {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET {url} {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET //{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET {authority} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET https://{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET ftp://{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET http:/{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET http://user@{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET http://user:pw@{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("GET http://127.0.0.1:{}0/ HTTP/1.1\r\nHost: a\r\n\r\n", u32::from(host.port) + 60_000), 400),
        ("GET http://127.0.0.1:0/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET http://127.0.0.1:x/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET http://{authority}\\@evil/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("TRACE {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 405),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"), 400),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"), 400),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), 400),
        (
            format!(
                "POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
        ),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("POST {url} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501),
        (format!("POST {url} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        ("CONNECT\r\n\r\n".to_owned(), 400),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("CONNECT {url} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        ("CONNECT 127.0.0.1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("CONNECT 127.0.0.1: HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("CONNECT :{} HTTP/1.1\r\nHost: a\r\n\r\n", host.port), 400),
        (format!("CONNECT user@{authority} HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("CONNECT {authority}/x HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("CONNECT {authority}:1 HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
        (format!("CONNECT {authority} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 400),
        (format!("CONNECT {authority} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("CONNECT {authority} HTTP/1.1\r\n\r\n"), 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(), 400),
        ("\x05\x01\0".to_owned() + "\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        (format!("GET {url}{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET {url} HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
    ];
    assert!(cases.len() >= 50, "{}", cases.len());
    for (case, code) in &cases {
        let shown: String = case.chars().take(120).collect();
        let mut conn = proxy.conn();
        // A second request stands behind each: it is none of the first.
        conn.send_reluctantly(format!("{case}GET {url}second HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let reply = conn.try_read(true).unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert_eq!(reply.code, *code, "{shown:?}: {}", reply.text());
        if reply.header("connection") != "close" {
            conn.read().expect_code(200);
        }
        let first = std::mem::take(&mut *host.heads.lock().unwrap());
        let bad: Vec<_> = first.iter().filter(|head| !head.starts_with("GET /second ")).collect();
        assert!(bad.is_empty(), "{shown:?} came to the host as {bad:?}");
        if reply.header("connection") == "close" {
            assert_ne!(conn.until_end().1, End::Never, "{shown:?}");
            assert!(first.is_empty(), "{shown:?}: the second request was read");
        }
    }
    // Whoever comes next is served.
    proxy.get(&url).expect_code(200);
    assert!(proxy.count("refused.head") > 20 && proxy.count("refused.form") > 5);
    let log = proxy.site.log();
    assert!(!log.contains("panicked"), "{log}");
}
