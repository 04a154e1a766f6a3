//! Users: asked for, compared, throttled, and never told to anybody.

use std::time::Duration;

use super::{HELLO, Host, Proxy, connect, fields};
use crate::harness::{TestServer, eventually};
use crate::status::basic;

/// Made by Python: `hashlib.pbkdf2_hmac("sha256", b"correct horse", b"0123456789abcdef", 1000)`.
const HASH: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M";

fn asking(host: &Host, login: Option<&str>) -> String {
    let login = login.map(|login| format!("Proxy-Authorization: {login}\r\n")).unwrap_or_default();
    format!("GET {} HTTP/1.1\r\nHost: h\r\n{login}\r\n", host.url("/"))
}

#[test]
fn a_user_is_asked_for_and_not_passed_on() {
    let host = Host::saying(HELLO);
    let users = format!("users = bob:correct battery, eve:{HASH}");
    let proxy = Proxy::of(TestServer::site().server("access_log", "access.log"), &[host.port], &users);
    let mut conn = proxy.conn();
    let reply = conn.send(asking(&host, None)).read().expect_code(407);
    assert!(reply.header("proxy-authenticate").starts_with("Basic realm="), "{:?}", reply.headers);
    // The same connection goes on with the login, as clients do.
    conn.send(asking(&host, Some(&basic("bob", "correct battery")))).read().expect_code(200);
    conn.send(asking(&host, Some(&basic("eve", "correct horse")))).read().expect_code(200);
    conn.send(asking(&host, Some(&basic("eve", "correct horse")))).read().expect_code(200);
    assert_eq!(host.heads().len(), 3);
    for head in host.heads() {
        assert_eq!(fields(&head, "proxy-authorization"), [""; 0], "{head}");
    }
    // `Authorization` is the host's.
    let own = format!("Proxy-Authorization: {}\r\nAuthorization: Basic x", basic("bob", "correct battery"));
    proxy.ask(&format!("GET {} HTTP/1.1\r\nHost: h\r\n{own}\r\n\r\n", host.url("/"))).expect_code(200);
    assert_eq!(fields(&host.heads()[3], "authorization"), ["Basic x"]);
    // A tunnel is asked for it as well, and its connection ends: what may come behind it is not HTTP.
    let mut conn = proxy.conn();
    let reply = conn.send(connect(host.port)).read().expect_code(407);
    assert_eq!((reply.header("connection"), conn.ends()), ("close", true));
    let login = basic("bob", "correct battery");
    let mut conn = proxy.conn();
    conn.send(format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\nHost: h\r\nProxy-Authorization: {login}\r\n\r\n", host.port));
    conn.read_head().expect_code(200);
    for odd in ["Bearer x", "Basic", "Basic ???", "Basic Ym9i", ""] {
        proxy.ask(&asking(&host, Some(odd))).expect_code(407);
    }
    let two = format!("{login}\r\nProxy-Authorization: {login}");
    proxy.ask(&asking(&host, Some(&two))).expect_code(400);
    assert_eq!((proxy.count("refused.no_login"), proxy.count("refused.login")), (7, 0));
    assert!(!proxy.site.log().contains("correct"), "{}", proxy.site.log());
    let log = eventually("the access log", || {
        let log = std::fs::read_to_string(proxy.site.dir().join("access.log")).unwrap_or_default();
        (log.lines().count() > 8).then_some(log)
    });
    assert!(!log.contains("correct") && !log.contains("Basic"), "{log}");
}

#[test]
fn who_guesses_waits_even_with_the_right_one() {
    let host = Host::saying(HELLO);
    let proxy = Proxy::with(&[host.port], &format!("users = bob:correct battery, eve:{HASH}"));
    let right = basic("bob", "correct battery");
    for (nth, (user, password)) in
        [("bob", "wrong"), ("eve", "wrong"), ("nobody", "correct battery"), ("bob", "correct horse")].iter().enumerate()
    {
        proxy.ask(&asking(&host, Some(&basic(user, password)))).expect_code(407);
        assert_eq!(proxy.count("refused.login"), nth as i64 + 1);
    }
    let reply = proxy.ask(&asking(&host, Some(&right))).expect_code(429);
    assert!(!reply.header("retry-after").is_empty(), "{:?}", reply.headers);
    // Others need no login to see that they need one, and the wait ends.
    proxy.ask(&asking(&host, None)).expect_code(407);
    eventually("the wait is over", || {
        std::thread::sleep(Duration::from_millis(100));
        (proxy.ask(&asking(&host, Some(&right))).code == 200).then_some(())
    });
    assert!(proxy.site.log().contains("a wrong password for `nobody`"), "{}", proxy.site.log());
    // One's own right password does not clear what one has guessed of another's.
    proxy.ask(&asking(&host, Some(&basic("eve", "again")))).expect_code(407);
    proxy.ask(&asking(&host, Some(&right))).expect_code(429);
    // The site's own `admin` has a count of its own, and does not wait for these.
    assert!(proxy.count("refused.login") > 5);
}

#[test]
fn guesses_count_in_all_processes() {
    let host = Host::saying(HELLO);
    let scenario = TestServer::site().server("supervise", "yes").server("processes", "2");
    let proxy = Proxy::of(scenario, &[host.port], "users = bob:correct battery");
    for _ in 0..4 {
        proxy.ask(&asking(&host, Some(&basic("bob", "wrong"))));
    }
    // Whichever process takes the next connection.
    eventually("both know of it", || {
        let codes: Vec<u16> = (0..8).map(|_| proxy.ask(&asking(&host, Some(&basic("bob", "wrong")))).code).collect();
        codes.iter().all(|code| *code == 429).then_some(())
    });
    assert_eq!(host.heads().len(), 0);
}
