//! What is refused, and in which words: the file, and what to do.

use std::process::Command;

use super::made::{Pki, curl};
use crate::harness::{Scenario, TestServer, eventually};

/// Neither `check` nor a start takes it; both say this.
#[track_caller]
fn refused(scenario: Scenario, told: &[&str]) {
    let output = scenario.check();
    let report = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (status, log) = scenario.start_refused();
    assert_eq!((output.status.code(), status.code()), (Some(1), Some(78)), "{report}\n{log}");
    for said in [&report, &log] {
        for part in told {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
        assert!(!said.contains("a-passphrase"), "{said}");
    }
    assert!(!log.contains("ERROR error"), "{log}");
}

fn with(pki: &Pki, lines: &str) -> Scenario {
    TestServer::site().server("ssl", "yes").section(&format!("[certification]\n{}", lines.replace('@', &pki.text(""))))
}

#[test]
fn files_that_cannot_be_served_are_named_with_what_to_do() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.issue("other", "DNS:b.example", 90);
    pki.openssl("pkcs8 -topk8 -v2 aes-256-cbc -in live.key -out sealed.key -passout pass:a-passphrase");
    pki.openssl("ec -aes256 -in live.key -out old.key -passout pass:a-passphrase");
    pki.openssl("x509 -in live.pem -outform DER -out live.der");
    pki.write("reversed.pem", &format!("{}{}", pki.read("between.pem"), pki.read("live.pem")));
    pki.write("gap.pem", &format!("{}{}", pki.read("live.pem"), pki.read("root.pem")));
    for (lines, told) in [
        (
            "certfile = @live.pem\nkeyfile = @sealed.key\npassphrase = not-the-a-pass",
            &["sealed.key", "does not open"][..],
        ),
        ("certfile = @live.pem\nkeyfile = @sealed.key", &["sealed.key", "write its `passphrase`"]),
        (
            "certfile = @live.pem\nkeyfile = @old.key\npassphrase = x",
            &["old.key", "openssl pkcs8 -topk8 -v2 aes-256-cbc"],
        ),
        (
            "certfile = @live.pem\nkeyfile = @other.key",
            &["other.key", "does not belong to the certificate in", "live.pem"],
        ),
        ("certfile = @live.pem", &["live.pem", "name its file in `keyfile`"]),
        ("certfile = @none.pem", &["none.pem", "there is no such file in", "in the folder `cert` beside it"]),
        ("certfile = @live.der\nkeyfile = @live.key", &["live.der", "openssl x509 -inform DER"]),
        (
            "certfile = @reversed.pem\nkeyfile = @live.key",
            &["reversed.pem", "comes first, then the one that issued it"],
        ),
        ("certfile = @gap.pem\nkeyfile = @live.key", &["gap.pem", "out of order", "`CN=Root`", "`CN=Between`"]),
        ("certfile = @live.pem\nkeyfile = @live.key\ncafile = @root.pem", &["root.pem", "out of order"]),
    ] {
        refused(with(&pki, lines), told);
    }
    let authority = pki.site().server("client_ca", &pki.text("live.key"));
    refused(authority, &["live.key", "there is no certificate in it"]);
}

#[test]
fn every_wrong_file_is_reported_with_its_line_and_beside_other_errors() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.issue("other", "DNS:b.example", 90);
    let scenario = with(&pki, "certfile = @none.pem\nkeyfile = @gone.key")
        .section(&format!(
            "[certification:b.example]\ncertfile = {}\nkeyfile = {}",
            pki.text("other.pem"),
            pki.text("live.key")
        ))
        .server("client_ca", &pki.text("live.key"));
    let place_of = |conf: &str, file: &str| {
        let line = 1 + conf.lines().position(|line| line.contains("file =") && line.ends_with(file)).unwrap();
        format!("test.conf:{line}:")
    };
    let all = [("none.pem", "no such file"), ("gone.key", "no such file"), ("live.key", "does not belong to")];
    for scenario in [scenario, pki.site().server("treads", "4").section(&pki.section("b.example", "none"))] {
        let output = scenario.check();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{told}");
        let is_first = !scenario.conf().contains("treads");
        let wrong: &[_] = if is_first { &all } else { &[("none.pem", "no such file"), ("none.key", "no such file")] };
        for (file, why) in wrong {
            let place = place_of(&scenario.conf(), file);
            assert!(told.contains(file) && told.contains(why) && told.contains(&place), "{file}, {place}:\n{told}");
        }
        match is_first {
            true => {
                let place = 1 + scenario.conf().lines().position(|line| line.starts_with("client_ca")).unwrap();
                let behind = told.split_once("there is no certificate in it").expect(&told).1;
                assert!(
                    behind.lines().nth(1).is_some_and(|line| line.contains(&format!("test.conf:{place}:"))),
                    "{told}"
                );
            }
            false => assert!(told.contains("did you mean `threads`?"), "{told}"),
        }
    }
}

#[test]
fn a_passphrase_from_the_environment_opens_the_key() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.openssl("pkcs8 -topk8 -scrypt -in live.key -out sealed.key -passout pass:a-passphrase");
    // Key and certificate in one file, the chain in it, too.
    pki.write("all.pem", &format!("{}{}{}", pki.read("sealed.key"), pki.read("live.pem"), pki.read("between.pem")));
    let site = with(&pki, "certfile = @all.pem\npassphrase = env:OF_KEY").env("OF_KEY", "a-passphrase").start();
    assert!(curl(&pki, "a.example", site.port(), "/tls/seen", &[]).contains("\"is_secure\":true"));
    assert!(!site.log().contains("a-passphrase"));
}

#[test]
fn one_that_has_expired_is_told_and_served() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", -1);
    let output = pki.site().check();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("live.pem: the certificate has expired, on "), "{told}");
    assert!(told.contains("clients refuse it; renew it"), "{told}");
    let site = pki.site().start();
    eventually("the log tells it", || site.log().contains("has expired, on ").then_some(()));
    assert!(curl(&pki, "a.example", site.port(), "/tls/seen", &["--insecure"]).contains("\"is_secure\":true"));
}

#[test]
fn ports_that_do_not_go_with_tls_are_told() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    refused(pki.site().server("port", "80"), &["port 80 is that of clear text", "write `port = 443`"]);
    // Port 443 by somebody who may not have it: the programs' own files are not for `nobody`, so root starts it without
    // the capability.
    let scenario = pki.site().server("port", "443");
    let output = scenario.told_with("check", &[]);
    assert!(output.status.success(), "the conf itself is fine: {output:?}");
    let without = |word: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"]);
        if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command = Command::new("env");
        }
        let demo = std::path::Path::new(env!("CARGO_BIN_EXE_skitai-demo"));
        let program = demo.with_file_name("examples").join("testsite");
        command.arg(program).args([word, "-f", "test.conf"]).current_dir(scenario.dir());
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_fine, told) = without("check");
    assert!(
        is_fine && told.contains("warning: this user could not start it: port 443 of 127.0.0.1 is for root"),
        "{told}"
    );
    let (has_run, told) = without("run");
    assert!(!has_run, "{told}");
    assert!(told.contains("port 443 of 127.0.0.1 is for root") && told.contains("CAP_NET_BIND_SERVICE"), "{told}");
}

#[test]
fn certificates_that_nobody_is_shown_are_told() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    for scenario in [TestServer::site(), TestServer::site().server("ssl", "no")] {
        let scenario = scenario.section(&pki.section("", "live"));
        let output = scenario.check();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let warning = "`certfile` without `ssl = yes`: the site speaks clear text";
        assert!(output.status.success() && told.contains(warning), "{told}");
        let site = scenario.start();
        eventually("the log has it, too", || site.log().contains(warning).then_some(()));
    }
}

#[test]
fn what_clients_will_not_like_is_warned_of_by_check_and_at_the_start() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    pki.issue("other", "DNS:*.c.example", 90);
    pki.issue_client("alice");
    pki.issue_with("both", "subjectAltName=DNS:d.example\nextendedKeyUsage=clientAuth,serverAuth\n", 90);
    let open = pki.site().server("client_ca", &pki.text("between.pem"));
    let said = |scenario: &Scenario| {
        let output = scenario.check();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let fine = open.section(&pki.section("x.c.example", "other")).section(&pki.section("word", "both"));
    assert!(!said(&fine).contains("warning"), "{}", said(&fine));
    let passphrase = format!("{}\npassphrase = not-needed", pki.section("b.example", "live"));
    let scenario = pki
        .site()
        .server("client_ca", &pki.text("alice.pem"))
        .server("client_certificates", "optional")
        .section(&passphrase)
        .section(&pki.section("mobile", "alice"));
    let told = said(&scenario);
    let site = scenario.start();
    let warnings = [
        "alice.pem: the certificate is not for servers",
        "alice.pem: `O=Tests,CN=alice` is no authority's certificate",
        "live.pem: the certificate of [certification:b.example] is not for b.example, but for a.example",
        "live.key: the private key is not encrypted, so `passphrase` has no effect",
    ];
    for warning in warnings {
        assert!(told.contains(warning), "{warning:?} is not in {told}");
        eventually("the log has it, too", || site.log().contains(warning).then_some(()));
    }
    assert!(!told.contains("not-needed"), "{told}");
}

#[test]
fn a_certificate_for_development_is_made_and_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_skitai-demo")).with_file_name("examples").join("testsite");
    let run = |words: &[&str]| {
        let output = Command::new(&program).args(words).current_dir(folder.path()).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (is_made, told) = run(&["cert", "localhost", "127.0.0.1"]);
    assert!(is_made && told.contains("ssl = yes") && told.contains("curl --cacert cert/dev-ca.pem"), "{told}");
    assert!(run(&["cert", "--client", "alice"]).0);
    let file = |name: &str| folder.path().join("cert").join(name).display().to_string();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file("dev-key.pem")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let site = TestServer::site()
        .server("ssl", "yes")
        .server("client_ca", &file("dev-ca.pem"))
        .section(&format!("[certification]\ncertfile = {}\nkeyfile = {}", file("dev.pem"), file("dev-key.pem")))
        .start();
    let url = format!("https://127.0.0.1:{}/tls/seen", site.port());
    let (ca, cert, key) = (file("dev-ca.pem"), file("client-alice.pem"), file("client-alice-key.pem"));
    let words = ["--cacert", ca.as_str(), "--cert", &cert, "--key", &key, &url];
    assert!(crate::harness::foreign::curl(&words).contains("\"subject\":\"CN=alice\""));
    // A second one is of the same authority, which a browser trusts by now; a site that runs takes it up.
    assert!(run(&["cert", "localhost", "127.0.0.1"]).0);
    crate::harness::eventually("it is taken up", || {
        site.log().contains("new connections get the certificate").then_some(())
    });
    assert!(crate::harness::foreign::curl(&words).contains("CN=alice"));
    // Where only its key is left, the authority is the same one.
    std::fs::remove_file(&ca).unwrap();
    assert!(run(&["cert", "localhost", "127.0.0.1"]).0);
    assert!(crate::harness::foreign::curl(&words).contains("CN=alice"));
    let (is_made, told) = run(&["cert", "no host name\u{e9}"]);
    assert!(!is_made && told.contains("is no host and no address"), "{told}");
}

#[test]
fn a_certificate_for_development_says_what_it_replaces_and_how_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_skitai-demo")).with_file_name("examples").join("testsite");
    let run = |words: &[&str]| {
        let output = Command::new(&program).arg("cert").args(words).current_dir(folder.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
    std::fs::write(folder.path().join("site.conf"), "[server]\nport = 5443\n[routes:line]\n/ = tests").unwrap();
    let (is_made, told) = run(&["-f", "site", "a.example", "::1"]);
    let line = "curl --cacert cert/dev-ca.pem --resolve a.example:5443:127.0.0.1 https://a.example:5443/";
    assert!(is_made && told.contains(line) && !told.contains("In place of"), "{told}");
    let (is_made, told) = run(&["-p", "4711", "::1"]);
    assert!(is_made && told.contains("curl --cacert cert/dev-ca.pem 'https://[::1]:4711/'"), "{told}");
    assert!(told.contains("In place of the certificate for a.example, ::1 that was there"), "{told}");
    let (is_made, told) = run(&["--client", "Anna O'Web"]);
    assert!(is_made && told.contains(r"--cert 'cert/client-Anna O'\''Web.pem'"), "{told}");
    for name in ["../../evil", "a/b", ".."] {
        let (is_made, told) = run(&["--client", name]);
        assert!(!is_made && told.contains("is no name for a client's certificate"), "{told}");
    }
    // Clients tell authorities apart by their names.
    assert!(run(&["--out", "other"]).0);
    let name = |path: &str| {
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-subject", "-in"]).arg(folder.path().join(path));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert_ne!(name("cert/dev-ca.pem"), name("other/dev-ca.pem"));
    // What somebody else has made is left alone.
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    std::fs::copy(pki.path("live.pem"), folder.path().join("cert/dev.pem")).unwrap();
    let (is_made, told) = run(&[]);
    assert!(!is_made && told.contains("nothing is written in its place") && told.contains("CN=Between"), "{told}");
    assert_eq!(read("cert/dev.pem"), pki.read("live.pem"));
}

#[test]
fn a_file_that_was_cut_is_told_in_words_and_one_of_windows_is_read() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example,DNS:*.b.example", 90);
    let (certificate, key) = (pki.read("live.pem"), pki.read("live.key"));
    pki.write("cut.pem", &certificate[..certificate.len() / 2]);
    pki.write("cut.key", &key[..key.len() / 2]);
    let told = ["cut.pem", "`-----END CERTIFICATE-----` is missing"];
    refused(with(&pki, "certfile = @cut.pem\nkeyfile = @live.key"), &told);
    refused(with(&pki, "certfile = @live.pem\nkeyfile = @cut.key"), &["cut.key", "KEY-----` is missing"]);
    pki.write("bom.pem", &format!("\u{feff}{certificate}"));
    pki.write("bom.key", &format!("\u{feff}{key}"));
    let names = "a.example, x.b.example, *.b.example, 127.0.0.1, c.example";
    let output = with(&pki, "certfile = @bom.pem\nkeyfile = @bom.key").server("server_names", names).check();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Clients of these names would be shown a certificate of others.
    let warned: Vec<&str> = said.lines().filter(|line| line.contains("is in no certificate")).collect();
    assert!(warned.len() == 2 && warned[0].contains("`127.0.0.1`") && warned[1].contains("`c.example`"), "{said}");
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let twice = pki.section("a.example", "live") + "\n" + &pki.section("A.EXAMPLE", "live");
    refused(pki.site().section(&twice), &["a second section of certificates for `a.example`"]);
    for (key, value, told) in [
        ("hsts", "1h ; preload", &["begins a comment", "`hsts = 1h; preload`"][..]),
        ("hsts", "1h; includeSubDomains ; preload", &["begins a comment"]),
        ("acme_webroot", "/no/such/folder", &["there is no folder /no/such/folder"]),
    ] {
        refused(pki.site().server(key, value), told);
    }
    let commented = pki.site().server("hsts", "1h ; an hour").check();
    assert!(commented.status.success(), "{commented:?}");
}
