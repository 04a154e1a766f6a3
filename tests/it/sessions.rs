//! Sealed-cookie sessions: what is signed in stays so, what was tampered with is nobody, and no value can be read.

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
fn a_session_ends_after_its_time() {
    let demo = TestServer::demo().server("sessiontimeout", "1").start();
    let mut jar = signed_in(&demo);
    assert!(get(&demo, "/test/signin?username=hansroh", &mut jar).contains("Already"));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(get(&demo, "/test/signin?username=hansroh", &mut jar).contains("Welcome"));
}

#[test]
fn a_page_without_a_session_sets_no_cookie() {
    let demo = TestServer::demo().start();
    assert_eq!(demo.get("/hello").expect_code(200).header_all("set-cookie"), [""; 0]);
}
