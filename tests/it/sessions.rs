//! Sealed-cookie sessions: what is signed in stays so, a forged session is none, and no value can be read.

use std::time::{Duration, SystemTime};

use skitai_actors::session::{Refusal, Sealer, State};

use crate::harness::{Reply, TestServer};

/// The cookies a browser would send next.
#[derive(Clone, Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn keep(&mut self, reply: &Reply) {
        for line in reply.header_all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("name=value");
            self.0.retain(|(kept, _)| kept != name);
            let attributes = attributes.to_ascii_lowercase();
            if !value.is_empty() && !attributes.contains("max-age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The session's place in the jar: the cookie that the client cannot read.
    fn session(&mut self) -> &mut String {
        let session = self.0.iter_mut().max_by_key(|(_, value)| value.len());
        &mut session.expect("signing in sets a session").1
    }
}

fn get(demo: &TestServer, path: &str, jar: &mut Jar) -> String {
    let reply = demo.ask("GET", path, &[("Cookie", &jar.line())], b"").expect_code(200);
    jar.keep(&reply);
    reply.text()
}

fn signed_in(demo: &TestServer) -> Jar {
    let mut jar = Jar::default();
    assert!(get(demo, "/test/signin?username=hansroh", &mut jar).contains("Welcome hansroh"));
    jar
}

#[test]
fn signing_in_is_remembered_until_signing_out() {
    let demo = TestServer::demo().start();
    let mut jar = signed_in(&demo);
    assert!(get(&demo, "/test/signin?username=hansroh", &mut jar).contains("Already"));
    get(&demo, "/test/signout", &mut jar);
    assert!(get(&demo, "/test/signin?username=hansroh", &mut jar).contains("Welcome"));
}

#[test]
fn somebody_else_is_not_let_in() {
    let demo = TestServer::demo().start();
    let mut jar = Jar::default();
    let refused = demo.get("/test/signin?username=mallory");
    assert!(refused.text().contains("no permission"), "{}", refused.text());
    jar.keep(&refused);
    assert!(get(&demo, "/test/signin?username=hansroh", &mut jar).contains("Welcome"), "nothing was remembered");
}

#[test]
fn the_cookie_is_kept_from_scripts_and_other_sites() {
    let demo = TestServer::demo().start();
    let reply = demo.get("/test/signin?username=hansroh").expect_code(200);
    let lines = reply.header_all("set-cookie");
    let session = lines.iter().max_by_key(|line| line.len()).expect("a session cookie").to_ascii_lowercase();
    for attribute in ["httponly", "samesite=lax", "path=/"] {
        assert!(session.contains(attribute), "{attribute} is not in {session}");
    }
}

#[test]
fn a_tampered_cookie_is_nobody_and_no_error() {
    let demo = TestServer::demo().start();
    let jar = signed_in(&demo);
    let length = jar.clone().session().len();
    for place in [0, length / 3, length / 2, length - 2] {
        let mut forged = jar.clone();
        let value = forged.session();
        let other = if value.as_bytes()[place] == b'A' { "B" } else { "A" };
        value.replace_range(place..=place, other);
        assert!(
            get(&demo, "/test/signin?username=hansroh", &mut forged).contains("Welcome"),
            "byte {place} is not sealed"
        );
    }
    for junk in ["", "x", "====", &"A".repeat(4000), "eyJsb2dpbmVkIjp0cnVlfQ=="] {
        let mut forged = jar.clone();
        junk.clone_into(forged.session());
        assert!(get(&demo, "/test/signin?username=hansroh", &mut forged).contains("Welcome"), "{junk:?} was taken");
    }
}

#[test]
fn a_value_cannot_be_read_from_the_cookie() {
    let demo = TestServer::demo().start();
    let mut jar = signed_in(&demo);
    let sealed = jar.session().clone();
    // Whatever of the usual wrappings is taken off.
    let mut layers = vec![sealed.into_bytes()];
    for _ in 0..2 {
        let inner = unwrapped(layers.last().expect("at least one"));
        layers.push(inner);
    }
    for layer in layers {
        let text = String::from_utf8_lossy(&layer).to_ascii_lowercase();
        assert!(!text.contains("logined") && !text.contains("true") && !text.contains("hansroh"), "{text}");
    }
}

/// Percent-decoding, then every run of base64 (of either alphabet) decoded.
fn unwrapped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                rest = &tail[2..];
            }
            _ => {
                plain.push(first);
                rest = tail;
            }
        }
    }
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in plain {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => {
                (bits, count) = (0, 0);
                continue;
            }
        };
        bits = (bits << 6 | u32::from(six)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xFF).expect("masked"));
        }
    }
    out
}

#[test]
fn another_server_with_another_key_does_not_open_it() {
    let jar = signed_in(&TestServer::demo().start());
    let other = TestServer::demo().server("securekey", "another-key-of-the-tests-0123456789-abcdefghij").start();
    assert!(get(&other, "/test/signin?username=hansroh", &mut jar.clone()).contains("Welcome"));
}

#[test]
fn a_page_without_a_session_sets_no_cookie() {
    let demo = TestServer::demo().start();
    assert_eq!(demo.get("/hello").expect_code(200).header_all("set-cookie"), [""; 0]);
}

/// A site with an app that keeps the values it gets; `name` of the session's cookie is what the client has.
fn visits(site: crate::harness::Scenario) -> TestServer {
    site.route("/visits = visits").start()
}

fn recalled(site: &TestServer, jar: &mut Jar) -> String {
    get(site, "/visits/recall?name=who", jar)
}

fn remembering(site: &TestServer) -> Jar {
    let mut jar = Jar::default();
    jar.keep(&site.get("/visits/remember?name=who&value=ann").expect_code(204));
    jar
}

#[test]
fn a_new_key_logs_nobody_out() {
    const OLD: &str = "the-old-key-of-the-tests-0123456789-abcdefghij";
    const NEW: &str = "the-new-key-of-the-tests-0123456789-abcdefghij";
    let old = visits(TestServer::site().server("securekey", OLD));
    let mut jar = remembering(&old);
    let rotated =
        visits(TestServer::site().server("securekey", NEW).server("previous_securekeys", &format!("{NEW}x, {OLD}")));
    let before = jar.session().clone();
    assert_eq!(recalled(&rotated, &mut jar), "\"ann\"");
    assert_ne!(*jar.session(), before, "it is sealed anew");
    let resealed = jar.session().clone();
    assert_eq!(recalled(&rotated, &mut jar), "\"ann\"");
    assert_eq!(*jar.session(), resealed, "once");
    let new = visits(TestServer::site().server("securekey", NEW));
    assert_eq!(recalled(&new, &mut jar), "\"ann\"", "with the new key");
    let mut stale = Jar(vec![("SESSION".to_owned(), before)]);
    assert_eq!(recalled(&new, &mut stale), "null", "and the old one is nobody's without its key");
    for site in [&old, &rotated, &new] {
        assert!(!site.log().contains(OLD) && !site.log().contains(NEW));
    }
}

#[test]
fn weak_or_known_keys_are_refused_as_previous_keys_too() {
    for key in ["too-short", "ASDF34x5=DFu$3FD45i&*YTnU+78"] {
        let (status, log) = TestServer::site().server("previous_securekeys", key).start_refused();
        assert!(!status.success() && log.contains("previous `securekey`"), "{log}");
        assert!(!log.contains(key), "{log}");
    }
}

/// Time is not waited for: the cookies are sealed in the past, with the key of the site.
#[test]
fn a_session_slides_while_it_is_used_and_ends_by_the_servers_clock() {
    const KEY: &str = "the-key-of-a-test-of-time-0123456789-abcdefghij";
    const LIFE: u64 = 1_000;
    let site = visits(TestServer::site().server("securekey", KEY).server("sessiontimeout", &LIFE.to_string()));
    let sealer = Sealer::new(KEY.as_bytes(), &[]);
    let state = State::from([("who".to_owned(), "\"ann\"".to_owned())]);
    let recalled = |ago: u64| {
        let at = SystemTime::now() - Duration::from_secs(ago);
        let cookie = sealer.seal("SESSION", None, &state, Duration::from_secs(LIFE), at).expect("it fits");
        let line = format!("SESSION={cookie}");
        site.ask("GET", "/visits/recall?name=who", &[("Cookie", &line)], b"").expect_code(200)
    };
    for (ago, who, is_sent_again) in
        [(0, "\"ann\"", false), (20, "\"ann\"", false), (100, "\"ann\"", true), (900, "\"ann\"", true)]
    {
        let reply = recalled(ago);
        let set = reply.header("set-cookie");
        assert_eq!((reply.text().as_str(), !set.is_empty()), (who, is_sent_again), "{ago} s old: {set}");
        if is_sent_again {
            // For its whole life from now on, by the browser's clock and by the server's.
            assert!(set.contains("; Max-Age=1000"), "{set}");
            let cookie = set.split(['=', ';']).nth(1).expect("a value");
            let opened = |ahead| sealer.open("SESSION", cookie, SystemTime::now() + Duration::from_secs(ahead));
            assert_eq!(opened(LIFE - 200).expect("it is valid").data, state);
            assert_eq!(opened(LIFE + 1), Err(Refusal::Expired));
        }
    }
    // A cookie that is sent after its end is no session.
    for ago in [LIFE, LIFE + 1, LIFE * 50] {
        let reply = recalled(ago);
        assert_eq!((reply.text().as_str(), reply.header("set-cookie")), ("null", ""), "{ago} s old");
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_what_was_there_stays() {
    let site = visits(TestServer::site());
    let mut jar = remembering(&site);
    let refused = site.ask("GET", "/visits/fill?bytes=4000", &[("Cookie", &jar.line())], b"").expect_code(500);
    assert_eq!(refused.header("set-cookie"), "");
    crate::harness::eventually("the log says why", || {
        site.log().contains("the session is too large for a cookie").then_some(())
    });
    assert_eq!(recalled(&site, &mut jar), "\"ann\"");
    let kept = site.ask("GET", "/visits/fill?bytes=2500", &[("Cookie", &jar.line())], b"").expect_code(200);
    assert!(kept.header("set-cookie").len() < 4_096, "a browser keeps it");
}

#[test]
fn the_cookie_is_for_tls_alone_where_the_client_spoke_tls() {
    let site = visits(TestServer::site().server("trusted_proxies", "127.0.0.1"));
    let set =
        |headers: &[(&str, &str)], path: &str| site.ask("GET", path, headers, b"").header("set-cookie").to_owned();
    let remember = "/visits/remember?name=who&value=ann";
    let plain = set(&[], remember);
    assert!(!plain.contains("Secure"), "{plain}");
    let secure = set(&[("X-Forwarded-Proto", "https")], remember);
    assert!(secure.contains("; Secure") && secure.contains("HttpOnly; SameSite=Lax"), "{secure}");
    let cookie = secure.split(';').next().unwrap().to_owned();
    let gone = set(&[("X-Forwarded-Proto", "https"), ("Cookie", &cookie)], "/visits/forget");
    assert!(gone.contains("Max-Age=0") && gone.contains("; Secure"), "{gone}");
    let untrusting = visits(TestServer::site());
    let forged = untrusting.ask("GET", remember, &[("X-Forwarded-Proto", "https")], b"");
    assert!(!forged.header("set-cookie").contains("Secure"), "{:?}", forged.headers);
}

#[test]
fn a_session_tells_its_names_and_is_emptied() {
    let site = visits(TestServer::site());
    let mut jar = remembering(&site);
    assert_eq!(get(&site, "/visits/forget", &mut jar), r#"["who"]"#);
    assert!(jar.0.is_empty(), "the cookie is taken back");
    let oversized = Jar(vec![("SESSION".to_owned(), "A".repeat(6_000))]);
    assert_eq!(recalled(&site, &mut oversized.clone()), "null", "no session, and no error");
}
