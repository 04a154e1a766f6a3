//! Which certificate a client gets, what handlers learn of TLS, and what is not spoken.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::made::{Pki, curl, python, s_client};
use crate::harness::foreign::node;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{TestServer, eventually, foreign};

const REQUEST: &str = "GET /tls/seen HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

fn seen(told: &Value) -> Value {
    serde_json::from_str(told["body"].as_str().unwrap_or_else(|| panic!("{told}"))).unwrap()
}

#[test]
fn clients_of_four_makers_are_served_over_tls() {
    let pki = Pki::new();
    let serial = pki.issue("live", "DNS:a.example", 90);
    let site = pki.site().start();
    let name = ["--name", "a.example", "--alpn", "h2,http/1.1"];
    let told = python(&pki, site.port(), "/tls/seen", &name);
    assert_eq!(
        (&told["status"], &told["version"], &told["alpn"]),
        (&json!(200), &json!("TLSv1.3"), &json!("http/1.1"))
    );
    assert_eq!((&told["serial"], &told["names"]), (&json!(serial), &json!(["a.example"])));
    let handler = seen(&told);
    assert_eq!((&handler["is_secure"], &handler["https"]), (&json!(true), &json!("on")));
    assert_eq!((&handler["url"], &handler["subject"]), (&json!("https://a.example/tls/seen"), &Value::Null));
    let older = python(&pki, site.port(), "/tls/seen", &["--name", "a.example", "--max", "1.2"]);
    assert_eq!((&older["version"], &older["status"]), (&json!("TLSv1.2"), &json!(200)));
    // A reply that is larger than every buffer, to clients that read it at once and slowly.
    assert_eq!(curl(&pki, "a.example", site.port(), "/tls/big", &[]).len(), 4 << 20);
    let slow = ["--limit-rate", "3M", "--max-time", "60"];
    assert_eq!(curl(&pki, "a.example", site.port(), "/tls/big", &slow).len(), 4 << 20);
    let body = "x".repeat(700 << 10);
    pki.write("body", &body);
    let from = format!("@{}", pki.text("body"));
    let refused = ["--data-binary", &from, "-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(
        curl(&pki, "a.example", site.port(), "/tls/seen", &refused),
        "200",
        "a body that is larger than a record"
    );
    let told = node("tls_client.js", &[&site.port().to_string(), &pki.text("root.pem"), "a.example"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["first"]["status"], &told["big"]["length"]), (&json!(200), &json!(4 << 20)), "{told}");
    assert_eq!((&told["first"]["reused"], &told["last"]["reused"]), (&json!(false), &json!(true)));
    // The chain is sent as far as it was given: the certificate, and the one of `cafile`.
    let told = s_client(site.port(), &pki, &["-showcerts", "-servername", "a.example"], REQUEST);
    assert_eq!(told.matches("-----BEGIN CERTIFICATE-----").count(), 2, "{told}");
    assert!(told.contains("Verify return code: 0 (ok)") && told.contains("HTTP/1.1 200 OK"), "{told}");
}

#[test]
fn bad_handshakes_are_counted_and_fill_no_log() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = pki.site().start();
    for _ in 0..60 {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port())).unwrap();
        // The record of a handshake that has a message of no kind.
        stream.write_all(b"\x16\x03\x01\x00\x04\xff\x00\x00\x00").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let login = format!("Authorization: {}", crate::status::basic("admin", ADMIN_PASSWORD));
    let told = curl(&pki, "a.example", site.port(), "/status?filter=requests", &["-H", &login, "-L"]);
    assert!(told.contains("\"handshake\":60"), "{told}");
    let log = site.log();
    let lines = log.matches("a TLS handshake failed").count();
    assert!((1..=40).contains(&lines) && log.contains("more of the kind are counted only"), "{lines}: {log}");
    // A client that does not like the certificate says so, and rustls warns of it.
    let told = python(&pki, site.port(), "/tls/seen", &["--name", "elsewhere.test"]);
    assert!(told["error"].as_str().is_some(), "{told}");
    eventually("all are counted", || {
        let told = curl(&pki, "a.example", site.port(), "/status?filter=requests", &["-H", &login, "-L"]);
        told.contains("\"handshake\":61").then_some(())
    });
    assert!(!site.log().contains(" WARN "), "{}", site.log());
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let pki = Pki::new();
    let first = pki.issue("live", "DNS:a.example", 90);
    let wild = pki.issue("wild", "DNS:*.b.example", 90);
    let other = pki.issue("other", "DNS:c.example,DNS:d.test", 90);
    let site = pki.site().section(&pki.section("wild.example", "wild")).section(&pki.section("third", "other")).start();
    for (name, serial) in [("a.example", &first), ("x.b.example", &wild), ("c.example", &other), ("d.test", &other)] {
        let told = python(&pki, site.port(), "/tls/seen", &["--name", name]);
        assert_eq!((&told["status"], &told["serial"]), (&json!(200), &json!(serial)), "{name}: {told}");
    }
    // Who asks for no name, or for one that there is none for, is shown the first.
    assert_eq!(python(&pki, site.port(), "/tls/seen", &[])["serial"], json!(first));
    let told = python(&pki, site.port(), "/tls/seen", &["--name", "elsewhere.test"]);
    assert!(told["error"].as_str().is_some_and(|error| error.contains("Hostname mismatch")), "{told}");
}

#[test]
fn a_client_shows_its_certificate_and_the_handler_sees_whose_it_is() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.issue_client("alice");
    let chain = format!("{}{}", pki.read("alice.pem"), pki.read("between.pem"));
    pki.write("alice-chain.pem", &chain);
    let strangers = Pki::new();
    strangers.issue_client("mallory");
    let site = || pki.site().server("client_ca", &pki.text("root.pem"));
    let required = site().start();
    let ask = |port: u16, cert: &str, key: &str| {
        python(&pki, port, "/tls/seen", &["--name", "a.example", "--cert", cert, "--key", key])
    };
    let (alice, key) = (pki.text("alice-chain.pem"), pki.text("alice.key"));
    let handler = seen(&ask(required.port(), &alice, &key));
    assert_eq!((&handler["subject"], &handler["issuer"]), (&json!("O=Tests,CN=alice"), &json!("CN=Between")));
    assert_eq!(handler["env_subject"], handler["subject"]);
    let none = python(&pki, required.port(), "/tls/seen", &["--name", "a.example"]);
    assert!(none["error"].as_str().is_some_and(|error| error.contains("certificate required")), "{none}");
    let (mallory, of_mallory) = (strangers.text("mallory.pem"), strangers.text("mallory.key"));
    assert!(ask(required.port(), &mallory, &of_mallory)["error"].is_string());
    // The authorities of `cafile` are sent, and admit nobody.
    let only_strangers = pki.site().server("client_ca", &strangers.text("root.pem")).start();
    assert!(ask(only_strangers.port(), &alice, &key)["error"].is_string());
    let optional = site().server("client_certificates", "optional").start();
    assert_eq!(seen(&ask(optional.port(), &alice, &key))["subject"], json!("O=Tests,CN=alice"));
    let nobody = python(&pki, optional.port(), "/tls/seen", &["--name", "a.example"]);
    assert_eq!(seen(&nobody)["subject"], Value::Null);
    assert!(ask(optional.port(), &mallory, &of_mallory)["error"].is_string(), "a bad one is no optional one");
    eventually("the log says why", || required.log().contains("a TLS handshake failed").then_some(()));
    let told = node("tls_client.js", &[&required.port().to_string(), &pki.text("root.pem"), "a.example", &alice, &key]);
    assert!(told.contains("O=Tests,CN=alice"), "{told}");
}

#[test]
fn what_is_not_spoken_gets_an_answer_that_says_so() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = pki.site().start();
    let reply = site.get("/tls/seen").expect_code(400);
    assert!(reply.text().contains("ask with https://"), "{}", reply.text());
    assert_eq!(reply.header("connection"), "close");
    // A body behind it is no reason for a reset that takes the answer away.
    let body = vec![b'x'; 100 << 10];
    assert!(site.post("/tls/seen", "text/plain", &body).expect_code(400).text().contains("https://"));
    const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let told = s_client(site.port(), &pki, &["-servername", "a.example"], PREFACE);
    assert!(told.contains("HTTP/1.1 400 Bad Request") && told.contains("HTTP/2 is not spoken here"), "{told}");
    // Who speaks HTTP/2 alone learns it in the handshake; who offers both gets HTTP/1.1.
    let told = s_client(site.port(), &pki, &["-alpn", "h2"], REQUEST);
    assert!(told.contains("no application protocol"), "{told}");
    for old in ["-tls1_1", "-tls1"] {
        let told = s_client(site.port(), &pki, &[old, "-cipher", "ALL:@SECLEVEL=0"], REQUEST);
        assert!(!told.contains("HTTP/1.1 200"), "{told}");
    }
    let clear = TestServer::site().start();
    let mut conn = clear.conn();
    conn.send(PREFACE);
    let reply = conn.read().expect_code(400);
    assert!(reply.text().contains("HTTP/2 is not spoken here"), "{}", reply.text());
    // TLS where clear text is spoken: whoever reads the log learns it, and the client gets an end at once.
    let told = s_client(clear.port(), &pki, &["-servername", "a.example"], REQUEST);
    assert!(told.contains("wrong version number"), "{told}");
    let why = "400 this is TLS, and the port speaks clear text";
    eventually("the log says so", || clear.log().contains(why).then_some(()));
    let mut conn = clear.conn();
    conn.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(conn.read().expect_code(400).text().contains("this is TLS"));
    let refused = pki.site().server("http2", "yes").check();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("HTTP/1.1 alone") && told.contains("RUSTSEC-2026-0258"),
        "{told}"
    );
}

#[test]
fn a_socket_and_a_stream_go_over_tls() {
    let pki = Pki::new();
    pki.issue("live", "DNS:localhost,DNS:a.example", 90);
    let demo = TestServer::demo().server("ssl", "yes").section(&pki.section("", "live")).start();
    let told = foreign::python("websocket.py", &[&demo.port().to_string(), &pki.text("root.pem")]);
    assert_eq!(told.split_whitespace().collect::<Vec<_>>(), ["1000", "404"]);
    // An event comes when it is made, and a client that leaves is noticed while there is nothing to send.
    let site = pki.site().start();
    let mut client = piped_client(site.port());
    client
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(b"GET /draining/events HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .unwrap();
    let lines = BufReader::new(client.stdout.take().expect("piped")).lines();
    let second = lines.map(Result::unwrap).find(|line| line == "data: 2");
    assert!(second.is_some(), "{}", site.log());
    client.kill().unwrap();
    client.wait().unwrap();
    eventually("it is let go", || site.log().contains("the events were let go").then_some(()));
}

/// `openssl s_client` with nothing of its own in what it prints.
fn piped_client(port: u16) -> Child {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-servername", "a.example"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_handshake_that_stalls_is_ended_and_counts_as_a_connection() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = pki.site().server("head_timeout", "2s").server("max_connections", "3").start();
    let began = Instant::now();
    let connect = || TcpStream::connect(("127.0.0.1", site.port())).unwrap();
    // Each look holds three of its own: a connection of the harness may have had the room of one, or time may be up.
    let held = eventually("the fourth is refused", || {
        // One says nothing, one begins a record and stops.
        let (silent, mut stalled, third) = (connect(), connect(), connect());
        drop(stalled.write_all(b"\x16\x03\x01\x02\x00\x01\x00"));
        let told = python(&pki, site.port(), "/tls/seen", &["--name", "a.example"]);
        told["error"].is_string().then_some([silent, stalled, third])
    });
    for mut open in held {
        open.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        // An end or a reset; both are one.
        drop(open.read_to_end(&mut rest));
    }
    assert!(began.elapsed() >= Duration::from_millis(1900), "not before its time");
    eventually("there is room again", || {
        let told = python(&pki, site.port(), "/tls/seen", &["--name", "a.example"]);
        (told["status"] == 200).then_some(())
    });
    assert!(site.log().contains("it was not over within 2 s"), "{}", site.log());
    // A server that ends does not wait for the handshake of a client that says nothing.
    let silent = TcpStream::connect(("127.0.0.1", site.port())).unwrap();
    let (status, took, log, _) = site.stop();
    assert!(status.success() && took < Duration::from_secs(10) && log.contains("nothing was cut"), "{took:?} {log}");
    drop(silent);
}

#[test]
fn a_reply_that_is_not_read_is_cut_in_time_over_tls_too() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = pki.site().server("send_timeout", "1s").server("drain_timeout", "60").start();
    let mut child = piped_client(site.port());
    // Its output is not read, so it stops reading.
    child.stdin.as_mut().expect("piped").write_all(b"GET /tls/big HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut first = [0; 16];
            child.stdout.as_mut().expect("piped").read_exact(&mut first).unwrap();
            eventually("it is asked", || (first.starts_with(b"HTTP/1.1 200")).then_some(()));
        });
    });
    let (status, took, log, _) = site.stop();
    assert!(status.success() && took < Duration::from_secs(20), "{took:?}: {log}");
    let _ = child.kill();
    let _ = child.wait();
}
