//! Sessions are resumed: on new connections, after an upgrade, and never past what a certificate was judged by.

use super::made::{Pki, s_client};
use crate::harness::{TestServer, eventually};

const REQUEST: &str = "GET /tls/seen HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// A session of a whole handshake, in this file.
fn begin(pki: &Pki, port: u16, version: &str, file: &str, more: &[&str]) {
    let mut words = vec![version, "-servername", "a.example", "-sess_out", file];
    words.extend(more);
    let told = s_client(port, pki, &words, REQUEST);
    assert!(told.contains("HTTP/1.1 200 OK") && told.contains("\nNew, TLSv1."), "{told}");
}

/// Whether the session is resumed.
#[track_caller]
fn is_reused(pki: &Pki, port: u16, version: &str, file: &str, more: &[&str]) -> bool {
    let mut words = vec![version, "-servername", "a.example", "-sess_in", file];
    words.extend(more);
    let told = s_client(port, pki, &words, REQUEST);
    let (new, reused) = (told.contains("\nNew, TLSv1."), told.contains("\nReused, TLSv1."));
    assert!(new != reused && (more.contains(&"-cert") || told.contains("HTTP/1.1 200 OK")), "{told}");
    reused
}

fn supervised(pki: &Pki) -> TestServer {
    let site = pki.site().server("supervise", "yes").server("drain_idle", "100ms").start();
    eventually("it serves", || {
        let told = site.command("status", &["--json"]);
        String::from_utf8_lossy(&told.stdout).contains("\"state\": \"serving\"").then_some(())
    });
    site
}

#[test]
fn a_session_is_resumed_after_an_upgrade_a_reload_and_a_crash() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = supervised(&pki);
    let file = |version: &str, nth: usize| pki.text(&format!("session{version}.{nth}"));
    for version in ["-tls1_2", "-tls1_3"] {
        for nth in 0..7 {
            begin(&pki, site.port(), version, &file(version, nth), &[]);
        }
    }
    let mut reused = 0;
    let mut resume = |nth: std::ops::Range<usize>| {
        for version in ["-tls1_2", "-tls1_3"] {
            reused +=
                nth.clone().filter(|nth| is_reused(&pki, site.port(), version, &file(version, *nth), &[])).count();
        }
    };
    resume(0..1);
    let output = site.command("upgrade", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    // 10 of 10 after an upgrade.
    resume(1..6);
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    resume(6..7);
    assert_eq!(reused, 14);
}

#[test]
fn a_session_is_not_resumed_past_other_authorities() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.issue_client("alice");
    pki.write("alice-chain.pem", &format!("{}{}", pki.read("alice.pem"), pki.read("between.pem")));
    let strangers = Pki::new();
    pki.write("clients.pem", &pki.read("root.pem"));
    let site = supervised_with_clients(&pki);
    let session = pki.text("session");
    let (cert, key) = (pki.text("alice-chain.pem"), pki.text("alice.key"));
    let alice = ["-cert", cert.as_str(), "-key", key.as_str(), "-cert_chain", cert.as_str()];
    begin(&pki, site.port(), "-tls1_3", &session, &alice);
    assert!(is_reused(&pki, site.port(), "-tls1_3", &session, &alice));
    // Its authority is taken away: the ticket opens nothing, and the certificate is refused.
    pki.write("clients.pem", &strangers.read("root.pem"));
    eventually("the authorities are taken up", || {
        let told =
            s_client(site.port(), &pki, &[&["-tls1_3", "-servername", "a.example"], &alice[..]].concat(), REQUEST);
        (!told.contains("HTTP/1.1 200 OK")).then_some(())
    });
    let words = [&["-tls1_3", "-servername", "a.example", "-sess_in", &session], &alice[..]].concat();
    let told = s_client(site.port(), &pki, &words, REQUEST);
    assert!(!told.contains("HTTP/1.1 200 OK") && !told.contains("Reused"), "{told}");
}

fn supervised_with_clients(pki: &Pki) -> TestServer {
    pki.site().server("client_ca", &pki.text("clients.pem")).start()
}
