//! Certificates change under new handshakes: by a reload, and by themselves when their file or a link in front of it
//! changes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::made::{Handshakes, Pki, curl, link, python, shown};
use crate::harness::foreign::run;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{TestServer, bound, eventually};

/// Waits until new connections are shown this certificate. How long that took.
fn taken_up(pki: &Pki, site: &TestServer, serial: &str) -> Duration {
    let since = Instant::now();
    eventually("the new certificate is shown", || (shown(pki, site.port()) == serial).then_some(()));
    since.elapsed()
}

#[test]
fn ten_rotations_under_new_handshakes_lose_none() {
    let pki = Pki::new();
    let mut serials = vec![pki.issue("live", "DNS:a.example", 90)];
    let site = pki.site().start();
    let busy = Handshakes::begin(&pki, site.port(), "a.example");
    let mut longest = Duration::ZERO;
    for nth in 0..10 {
        let name = format!("next{nth}");
        serials.push(pki.issue(&name, "DNS:a.example", 90));
        pki.put(&name);
        longest = longest.max(taken_up(&pki, &site, serials.last().unwrap()));
    }
    let (count, failures, seen) = busy.end();
    assert!(failures.is_empty() && count > 50, "{count} handshakes, of which failed: {failures:?}");
    assert_eq!(seen, serials, "each was shown, in their order");
    let most = bound(Duration::from_secs(3), Duration::from_secs(15));
    assert!(longest < most, "{longest:?} until a new certificate was shown");
    assert_eq!(site.log().matches("stay as they are").count(), 0, "{}", site.log());
}

#[test]
fn a_broken_certificate_keeps_the_one_before_and_says_so() {
    let pki = Pki::new();
    let first = pki.issue("live", "DNS:a.example", 90);
    let second = pki.issue("second", "DNS:a.example", 90);
    let site = pki.site().start();
    pki.write("live.pem", "no certificate");
    eventually("the log says so", || site.log().contains("the certificates stay as they are").then_some(()));
    assert!(site.log().contains("live.pem: there is no certificate in it"), "{}", site.log());
    assert_eq!(shown(&pki, site.port()), first);
    pki.issue("expired", "DNS:a.example", -1);
    pki.put("expired");
    eventually("so of one that has expired", || site.log().contains("has expired").then_some(()));
    assert_eq!(shown(&pki, site.port()), first);
    pki.put("second");
    taken_up(&pki, &site, &second);
}

#[test]
fn links_are_followed_as_they_are_swapped() {
    let pki = Pki::new();
    let first = pki.issue("one", "DNS:a.example", 90);
    let second = pki.issue("two", "DNS:a.example", 90);
    // As Kubernetes has it: files are links into `..data`, which is a link to a folder that is swapped as a whole.
    for (folder, name) in [("..1", "one"), ("..2", "two")] {
        std::fs::create_dir(pki.path(folder)).unwrap();
        for ending in ["pem", "key"] {
            std::fs::copy(pki.path(&format!("{name}.{ending}")), pki.path(folder).join(format!("tls.{ending}")))
                .unwrap();
        }
    }
    link(&pki.path("..data"), "..1");
    link(&pki.path("live.pem"), "..data/tls.pem");
    link(&pki.path("live.key"), "..data/tls.key");
    let site = pki.site().start();
    assert_eq!(shown(&pki, site.port()), first);
    link(&pki.path("..data"), "..2");
    taken_up(&pki, &site, &second);
}

#[test]
fn a_reload_takes_certificates_up_and_ends_no_connection() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let second = pki.issue("second", "DNS:b.example,DNS:a.example", 90);
    let site = pki.site().server("supervise", "yes").start();
    let state = || String::from_utf8_lossy(&site.command("status", &["--json"]).stdout).into_owned();
    eventually("it serves", || state().contains("\"state\": \"serving\"").then_some(()));
    // The certificate and its section: files of the conf as it is now.
    site.rewrite(&pki.text("live.pem"), &pki.text("second.pem"));
    site.rewrite(&pki.text("live.key"), &pki.text("second.key"));
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(shown(&pki, site.port()), second);
    // One that cannot be served leaves everything as it was, and is told to whoever asks.
    pki.write("broken.pem", &pki.read("second.pem")[..100]);
    site.rewrite(&pki.text("second.pem"), &pki.text("broken.pem"));
    let output = site.command("reload", &["--wait"]);
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() && told.contains("broken.pem") && told.contains("stays as it was"), "{told}");
    assert_eq!(shown(&pki, site.port()), second);
}

#[test]
fn a_reload_refuses_what_has_expired_and_a_crash_does_not_bring_it_in() {
    let pki = Pki::new();
    let first = pki.issue("live", "DNS:a.example", 90);
    pki.issue("expired", "DNS:a.example", -1);
    let second = pki.issue("second", "DNS:a.example", 90);
    let site = pki.site().server("supervise", "yes").start();
    let reload = |site: &TestServer| {
        let output = site.command("reload", &["--wait"]);
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let serving = || {
        let status = site.command("status", &["--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).ok()?;
        let processes = status["processes"].as_array()?;
        processes.iter().find(|process| process["state"] == "serving")?["pid"].as_u64()
    };
    let crash = || {
        let before = eventually("it serves", serving);
        Command::new("kill").args(["-9", &before.to_string()]).status().unwrap();
        eventually("another one serves", || serving().filter(|pid| *pid != before));
    };
    pki.put("expired");
    eventually("the log says so", || site.log().contains("has expired").then_some(()));
    let (is_done, told) = reload(&site);
    assert!(!is_done && told.contains("live.pem") && told.contains("has expired, on "), "{told}");
    assert!(told.contains("stays as it was"), "{told}");
    assert_eq!(shown(&pki, site.port()), first);
    crash();
    assert_eq!(shown(&pki, site.port()), first, "{}", site.log());
    // Nor does what nobody could serve keep it from coming back.
    pki.write("live.pem", "no certificate");
    eventually("the log says so", || site.log().contains("there is no certificate in it").then_some(()));
    crash();
    assert_eq!(shown(&pki, site.port()), first, "{}", site.log());
    let restart = site.command("restart", &[]);
    assert!(!restart.status.success(), "it would end for good: {restart:?}");
    pki.put("second");
    taken_up(&pki, &site, &second);
    drop(site);
    // Where it had expired before, a reload for another reason goes on with it, and says so to who asks.
    pki.put("expired");
    let site = pki.site().server("supervise", "yes").start();
    let (is_done, told) = reload(&site);
    assert!(is_done && told.contains("live.pem: the certificate has expired, on "), "{told}");
}

#[test]
fn keys_of_root_are_handed_down_at_the_start_at_a_reload_and_when_they_change() {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        // Not skipped in silence: what can be seen without root is that it is needed.
        let pki = Pki::new();
        pki.issue("live", "DNS:a.example", 90);
        let refused = pki.site().server("supervise", "yes").server("user", "nobody").start_refused();
        return assert!(refused.1.contains("needs root"), "{}", refused.1);
    }
    let pki = Pki::new();
    let first = pki.issue("live", "DNS:a.example", 90);
    let serials = ["two", "three", "four"].map(|name| pki.issue(name, "DNS:a.example", 90));
    let scenario = pki.site().server("supervise", "yes").server("user", "nobody").file("var/made", "");
    let set_mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    set_mode(scenario.dir(), 0o755);
    // `tempfile` makes folders that root alone may enter, so nobody can read even a file of mode 0644 in there.
    set_mode(&pki.path("."), 0o700);
    std::os::unix::fs::chown(scenario.dir().join("var"), Some(65_534), Some(65_534)).unwrap();
    let site = scenario.start();
    eventually("it is shown", || (shown(&pki, site.port()) == first).then_some(()));
    pki.put("two");
    taken_up(&pki, &site, &serials[0]);
    pki.put("three");
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{output:?} {}", site.log());
    assert_eq!(shown(&pki, site.port()), serials[1]);
    // The new processes are told of changes as the old ones were.
    pki.put("four");
    taken_up(&pki, &site, &serials[2]);
    pki.write("live.key", "no key");
    eventually("the log says so", || site.log().contains("no private key in it").then_some(()));
    assert_eq!(shown(&pki, site.port()), serials[2]);
}

#[test]
fn a_connection_goes_on_while_certificates_change_and_the_status_has_their_days() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let late = pki.issue("late", "DNS:a.example", 60);
    let site = pki.site().start();
    let login = format!("admin:{ADMIN_PASSWORD}");
    let status = |name: &str| -> serde_json::Value {
        let text = curl(&pki, name, site.port(), "/status", &["--user", &login]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["certificates"].clone()
    };
    let told = status("a.example");
    assert_eq!((&told[0]["names"][0], told[0]["days_left"].as_i64()), (&"a.example".into(), Some(89)), "{told}");
    // A connection that is kept, through the change.
    let mut kept = Kept::open(&pki, site.port());
    kept.ask();
    pki.put("late");
    eventually("it is taken up", || site.log().contains("new connections get the certificate").then_some(()));
    kept.ask();
    assert!(site.log().contains(&late), "{}", site.log());
    drop(kept);
}

/// A connection over TLS that is kept: openssl between us and the server.
struct Kept(Child, Option<ChildStdin>, BufReader<ChildStdout>);

impl Kept {
    fn open(pki: &Pki, port: u16) -> Kept {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-servername", "a.example"]);
        command.args(["-CAfile", &pki.text("root.pem")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("piped"));
        Kept(child, input, BufReader::new(output))
    }

    fn ask(&mut self) {
        let input = self.1.as_mut().expect("piped");
        input.write_all(b"GET /tls/seen HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        let (mut line, mut length) = (String::new(), 0);
        self.2.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        while line != "\r\n" {
            line.clear();
            self.2.read_line(&mut line).unwrap();
            if let Some(given) = line.strip_prefix("content-length: ") {
                length = given.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.2.read_exact(&mut body).unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_late_is_told_by_check_and_in_the_log() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let told = |output: std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let fresh = told(pki.site().check());
    assert!(fresh.contains("live.pem: a.example, expires on ") && !fresh.contains("warning"), "{fresh}");
    // It began 80 days ago.
    let day = |days: i64| {
        let mut command = Command::new("date");
        command.args(["-u", "-d", &format!("{days} days"), "+%y%m%d%H%M%SZ"]);
        run(command).trim().to_owned()
    };
    pki.write("index", "");
    pki.write("ca.conf", "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=\
                          sha256\npolicy=any\ncopy_extensions=none\n[any]\ncommonName=supplied\norganizationName=optional\n");
    pki.openssl(&format!(
        "ca -batch -notext -config ca.conf -cert between.pem -keyfile between.key -in live.csr -extfile live.ext \
         -startdate {} -enddate {} -out live.pem",
        day(-80),
        day(10)
    ));
    let late = told(pki.site().check());
    assert!(late.contains("warning:") && late.contains("less than a third of its life is left; renew it"), "{late}");
    let site = pki.site().start();
    assert_eq!(python(&pki, site.port(), "/tls/seen", &["--name", "a.example"])["status"], 200);
    assert!(site.log().contains("less than a third of its life is left"), "{}", site.log());
}
