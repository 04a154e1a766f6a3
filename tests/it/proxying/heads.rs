//! Heads: what goes on, what stays, what is added, and what is translated on the way back.

use super::{RawMember, before};
use crate::harness::{Conn, TestServer, ports};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

#[test]
fn a_mount_sets_headers_and_takes_them_away() {
    let member = RawMember::answering(
        "HTTP/1.1 200 OK\r\nServer: theirs\r\nX-Powered-By: a\r\nX-Powered-By: b\r\nCache-Control: public\r\n\
         Content-Length: 4\r\n\r\nfine",
    );
    let keys = "proxy_request_headers = X-Tenant: acme, Accept-Language: \"de, en\", -Cookie, X-Forwarded-Proto: https\n\
                proxy_answer_headers = -server, -X-Powered-By, Cache-Control: \"no-store, private\", X-New: a:b";
    let site = before(&member).section(&format!("[mount /articles]\n{keys}")).start();
    let sent = [("Cookie", "a=1"), ("X-Tenant", "evil"), ("x-tenant", "worse"), ("Accept-Language", "fr")];
    let reply = site.ask("GET", "/articles/a", &sent, b"").expect_code(200);
    let told = ["server", "x-powered-by", "cache-control", "x-new"].map(|name| reply.header(name));
    assert_eq!(told, ["", "", "no-store, private", "a:b"]);
    let asked = member.only();
    let told = ["cookie", "x-tenant", "accept-language", "x-forwarded-proto"].map(|name| asked.header(name));
    assert_eq!(told, ["", "acme", "de, en", "https"]);
    // Another mount of the same member is not touched.
    let site = before(&member).start();
    let reply = site.ask("GET", "/articles/a", &[("Cookie", "a=1")], b"").expect_code(200);
    assert_eq!((reply.header("server"), member.asked()[1].header("cookie").as_str()), ("theirs", "a=1"));
}

#[test]
fn what_concerns_one_connection_stays_there() {
    let member = RawMember::answering(
        "HTTP/1.1 203 So So\r\nServer: theirs\r\nX-Kept: a\r\nX-Kept: b\r\nConnection: X-Theirs, close\r\n\
         X-Theirs: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nTrailer: X-T\r\nProxy-Authenticate: Basic\r\n\
         Via: 1.0 inner\r\nContent-Length: 4\r\n\r\nfine",
    );
    let site = before(&member).start();
    let mut conn = site.conn();
    conn.send(
        "POST /articles/a%20b?c=d%2Fe HTTP/1.1\r\nHost: example.org:81\r\nConnection: keep-alive, X-Mine, Te, Cookie, \
         X-Forwarded-For, Via\r\nX-Mine: 1\r\nCookie: a=1\r\nTE: trailers\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy: http://evil\r\n\
         Proxy-Authorization: Basic eDp5\r\nExpect: 100-continue\r\nVia: 1.0 outer\r\nX-End: 1\r\nX-End: 2\r\n\
         Authorization: Basic eDp5\r\nContent-Length: 2\r\n\r\nhi",
    );
    let reply = conn.read().expect_code(203);
    assert_eq!((reply.text().as_str(), reply.header("server")), ("fine", "theirs"));
    assert_eq!(reply.header_all("x-kept"), ["a", "b"]);
    for gone in ["x-theirs", "keep-alive", "upgrade", "trailer", "proxy-authenticate", "connection"] {
        assert_eq!(reply.header(gone), "", "{gone}");
    }
    assert!(reply.header("via").starts_with("1.0 inner, 1.1 skitai-"), "{}", reply.header("via"));
    let asked = member.only();
    assert_eq!((asked.line(), asked.body.as_slice()), ("POST /a%20b?c=d%2Fe HTTP/1.1", &b"hi"[..]));
    for gone in [
        "connection",
        "x-mine",
        "cookie",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "proxy",
        "proxy-authorization",
        "expect",
        "transfer-encoding",
    ] {
        assert_eq!(asked.header(gone), "", "{gone}");
    }
    assert_eq!((asked.header("host").as_str(), asked.header("content-length").as_str()), ("example.org:81", "2"));
    assert_eq!(
        (asked.all("x-end"), asked.header("authorization").as_str()),
        (vec!["1".into(), "2".into()], "Basic eDp5")
    );
    assert!(asked.header("via").starts_with("1.0 outer, 1.1 skitai-"), "{}", asked.head);
    // The connection of the client goes on, that of the member is its own matter.
    conn.send("GET /articles/2 HTTP/1.1\r\nHost: h\r\n\r\n");
    conn.read().expect_code(203);
}

/// What a client may have forged.
const FORGED: &str = "X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: evil\r\nX-Forwarded-Server: evil\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
    X-Request-Id: forged\r\ntraceparent: 00-11111111111111111111111111111111-2222222222222222-01\r\n\
    tracestate: a=b\r\nX-Request-Timeout-Ms: 20000\r\n";

#[test]
fn a_stranger_says_nothing_of_the_way() {
    let member = RawMember::answering(FINE);
    let site = before(&member).start();
    let mut conn = site.conn();
    conn.send(format!("GET /articles HTTP/1.1\r\nHost: example.org\r\n{FORGED}\r\n"));
    let id = conn.read().expect_code(200).header("x-request-id").to_owned();
    let asked = member.only();
    assert_eq!(asked.line(), "GET / HTTP/1.1");
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6, 127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "example.org"),
        ("x-forwarded-prefix", "/articles"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;proto=http;host=\"example.org\""),
        ("x-request-id", id.as_str()),
        ("x-forwarded-server", ""),
        ("x_forwarded_for", ""),
        ("tracestate", ""),
        ("traceparent", format!("00-{id}-{}-00", &id[16..]).as_str()),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    let left: u64 = asked.header("x-request-timeout-ms").parse().unwrap();
    assert!((15_000..20_000).contains(&left), "{left}");
}

#[test]
fn a_trusted_proxy_is_believed() {
    let member = RawMember::answering(FINE);
    let site = before(&member).server("trusted_proxies", "127.0.0.1").start();
    let mut conn = site.conn();
    conn.send(format!("GET /articles/x HTTP/1.1\r\nHost: example.org\r\n{FORGED}\r\n"));
    conn.read().expect_code(200);
    let asked = member.only();
    for (name, value) in [
        ("x-forwarded-for", "6.6.6.6, 127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6, for=127.0.0.1;proto=http;host=\"example.org\""),
        ("x-request-id", "forged"),
        ("traceparent", "00-11111111111111111111111111111111-2222222222222222-01"),
        ("tracestate", "a=b"),
        ("x_forwarded_for", ""),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
}

#[test]
fn the_host_is_that_of_the_conf() {
    for (rule, expected) in [("keep", "h"), ("inner.example:81", "inner.example:81"), ("member", "")] {
        let member = RawMember::answering(FINE);
        let site = before(&member).section(&format!("[mount /articles]\nproxy_host = {rule}")).start();
        site.conn().send("GET /articles/ HTTP/1.1\r\nHost: h\r\n\r\n").read().expect_code(200);
        let expected = if expected.is_empty() { member.node() } else { expected.to_owned() };
        assert_eq!(member.only().header("host"), expected, "{rule}");
        assert_eq!(member.only().header("x-forwarded-host"), "h");
    }
}

#[test]
fn what_points_to_the_member_points_to_the_mount() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /v1/there?a=/v1\r\nSet-Cookie: a=b; Path=/v1/x; HttpOnly\r\n\
        Set-Cookie: c=d\r\nContent-Length: 0\r\n\r\n";
    for (more, location, cookie) in [
        ("", "/articles/there?a=/v1", "a=b; Path=/articles/x; HttpOnly"),
        ("[mount /articles]\nproxy_rewrite = no", "/v1/there?a=/v1", "a=b; Path=/v1/x; HttpOnly"),
    ] {
        let member = RawMember::answering(answer);
        let site = TestServer::site()
            .route("/articles = @web/v1")
            .section(&format!("[@web]\nmembers = {}\n{more}", member.node()))
            .start();
        let reply = site.get("/articles/here").expect_code(302);
        assert_eq!((reply.header("location"), reply.header_all("set-cookie")), (location, vec![cookie, "c=d"]));
        assert_eq!(member.only().line(), "GET /v1/here HTTP/1.1");
    }
}

#[test]
fn a_mount_ends_at_a_segment_and_files_come_first() {
    let member = RawMember::answering(FINE);
    let site = TestServer::site()
        .route("/articles = files")
        .route("/articles = @web")
        .section(&format!("[@web]\nmembers = {}", member.node()))
        .file("files/own.txt", "mine")
        .start();
    assert_eq!(site.get("/articles/own.txt").expect_code(200).text(), "mine");
    site.get("/articlesx").expect_code(404);
    assert_eq!(site.get("/articles/other.txt").expect_code(200).text(), "fine");
    // Calls are the members', too, and nothing leads out of their folder.
    assert_eq!(site.post("/articles/rpc2", "text/xml", "<x/>").expect_code(200).text(), "fine");
    for path in ["/articles/../x", "/articles/%2e%2e/x", "/articles/a%2f..%2f..%2fx"] {
        site.get(path).expect_code(400);
    }
    assert_eq!(member.asked().len(), 2);
}

#[test]
fn interim_answers_come_before_the_answer() {
    let member = RawMember::answering(format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{FINE}"
    ));
    let site = before(&member).start();
    let mut conn = site.conn();
    let head = "POST /articles HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(conn.send(head).read_head().code, 100, "the client is asked for its body");
    let reply = conn.send("hi").read().expect_code(200);
    assert_eq!((reply.text().as_str(), reply.header("link")), ("fine", ""));
    // A client that asks without a body sends nothing that would have to be asked for.
    let mut conn = Conn::to(site.port());
    assert_eq!(conn.send("GET /articles HTTP/1.1\r\nHost: h\r\n\r\n").read().code, 200);
}

#[test]
fn what_would_not_come_through_is_refused() {
    let member = RawMember::answering(FINE);
    let site = before(&member).start();
    let reply = site.post("/articles/svc/Do", "application/grpc+proto", "\0").expect_code(501);
    assert!(reply.text().contains("gRPC is not passed on"), "{}", reply.text());
    site.ask("TRACE", "/articles", &[], b"").expect_code(405);
    assert!(member.asked().is_empty());
}

#[test]
fn a_circle_is_left() {
    let port = ports::free();
    let site = TestServer::site()
        .route("/articles = @web")
        .keeps_ports()
        .server("listen", &format!("127.0.0.1:{port}"))
        .section(&format!("[@web]\nmembers = 127.0.0.1:{port}"))
        .start();
    let reply = site.get("/articles/articles/articles").expect_code(508);
    assert!(reply.text().contains("circle"), "{}", reply.text());
}
