//! Sessions are resumed: on new connections, after an upgrade, and never past what a certificate was judged by.

use std::collections::HashSet;

use super::made::{Pki, s_client};
use crate::harness::managed::signal;
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
fn a_session_is_resumed_after_an_upgrade_and_a_reload() {
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

/// A site of four processes of one thread, all of which serve.
fn of_four(pki: &Pki) -> TestServer {
    let site = pki.site().route("/process = supervised").server("supervise", "yes").server("processes", "4");
    let site = site.server("threads", "1").server("drain_idle", "100ms").start();
    four_serve(&site);
    site
}

fn four_serve(site: &TestServer) {
    eventually("all of them serve", || {
        let told = site.command("status", &["--json"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).ok()?;
        let processes = told["processes"].as_array()?;
        let serving = processes.iter().filter(|process| process["state"] == "serving").count();
        (serving == 4 && processes.len() == 4).then_some(())
    });
}

/// The process that served a session from this file, if the session was resumed.
fn resumed_by(pki: &Pki, site: &TestServer, file: &str) -> Option<String> {
    let words = ["-tls1_3", "-servername", "a.example", "-sess_in", file];
    let told = s_client(site.port(), pki, &words, &REQUEST.replace("/tls/seen", "/process/pid"));
    let body = told.split("\r\n\r\n").nth(1).unwrap_or_else(|| panic!("{told}"));
    told.contains("\nReused, TLSv1.3").then(|| body.chars().take_while(char::is_ascii_digit).collect())
}

#[test]
fn a_session_is_resumed_at_every_process_at_new_ones_too() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let site = of_four(&pki);
    let session = pki.text("session");
    begin(&pki, site.port(), "-tls1_3", &session, &[]);
    let resume = |times: usize| (0..times).filter_map(|_| resumed_by(&pki, &site, &session)).collect::<Vec<_>>();
    let by = resume(40);
    let first: HashSet<_> = by.iter().cloned().collect();
    assert!(by.len() == 40 && first.len() > 1, "40 of 40, at several processes: {by:?}");
    // All four crash: those in their places have the keys from their first handshake on.
    let told = site.command("status", &["--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    for process in told["processes"].as_array().unwrap() {
        signal("KILL", process["pid"].as_u64().unwrap());
    }
    eventually("others serve in their places", || {
        let by = resumed_by(&pki, &site, &session);
        by.is_some_and(|by| !first.contains(&by)).then_some(())
    });
    four_serve(&site);
    let by = resume(10);
    assert!(by.len() == 10 && by.iter().all(|by| !first.contains(by)), "10 of 10 after a crash: {by:?}");
    let output = site.command("upgrade", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    let by = resume(10);
    assert_eq!(by.len(), 10, "10 of 10 after an upgrade");
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
