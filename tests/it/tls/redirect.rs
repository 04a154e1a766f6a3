//! Those who come in clear text: they are sent to HTTPS, and challenges of ACME are answered.

use super::made::{Pki, curl, shown};
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conn, Reply, TestServer, eventually, ports};
use crate::status::basic;

/// A site with a port of clear text.
fn site(pki: &Pki, more: &[(&str, &str)]) -> (TestServer, u16) {
    let clear = ports::free();
    let mut scenario = pki.site().keeps_ports().server("redirect_http", &clear.to_string());
    for (key, value) in more {
        scenario = scenario.server(key, value);
    }
    (scenario.start(), clear)
}

fn ask(port: u16, method: &str, target: &str, host: &str) -> Reply {
    let mut conn = Conn::to(port);
    conn.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"));
    if method == "HEAD" { conn.read_head() } else { conn.read() }
}

#[test]
fn clients_are_sent_to_https_and_to_no_host_but_the_sites_own() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example,DNS:*.b.example", 90);
    let (site, clear) = site(&pki, &[]);
    let port = site.port();
    for (method, target, host, location) in [
        ("GET", "/x/y?z=1", "a.example", "/x/y?z=1"),
        ("HEAD", "/", "a.example:80", "/"),
        ("POST", "//evil.example/", "A.EXAMPLE", "//evil.example/"),
        ("GET", "/%0d%0aX:y", "www.b.example", "/%0d%0aX:y"),
    ] {
        let reply = ask(clear, method, target, host).expect_code(308);
        let name = host.trim_end_matches(":80");
        assert_eq!(reply.header("location"), format!("https://{name}:{port}{location}"), "{target}");
        assert_eq!(reply.header("strict-transport-security"), "");
    }
    for (target, host) in [
        ("/", "evil.example"),
        ("/", "x.y.b.example"),
        ("/", "127.0.0.1"),
        ("http://evil.example/", "a.example"),
        ("/", "*.b.example"),
        ("/", "%61.b.example"),
    ] {
        let reply = ask(clear, "GET", target, host).expect_code(421);
        assert_eq!((reply.header("location"), reply.header("x-request-id").len()), ("", 32), "{host}");
    }
    let login = format!("Authorization: {}", basic("admin", ADMIN_PASSWORD));
    let told = curl(&pki, "a.example", port, "/status?filter=requests", &["-H", &login, "-L"]);
    assert!(told.contains("\"name\":6"), "{told}");
    // `server_names` decide where there are some.
    let (_named, clear) = self::site(&pki, &[("server_names", "only.example")]);
    ask(clear, "GET", "/", "only.example").expect_code(308);
    ask(clear, "GET", "/", "a.example").expect_code(421);
}

#[test]
fn browsers_are_told_to_stay_with_https_over_https_alone() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example", 90);
    let (site, clear) = site(&pki, &[("hsts", "1h; includeSubDomains")]);
    let head = curl(&pki, "a.example", site.port(), "/tls/seen", &["--head", "-X", "GET"]);
    assert!(head.contains("strict-transport-security: max-age=3600; includeSubDomains\r\n"), "{head}");
    let missing = curl(&pki, "a.example", site.port(), "/nothing-here", &["-i"]);
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("strict-transport-security: "), "{missing}");
    let redirected = ask(clear, "GET", "/", "a.example").expect_code(308);
    assert_eq!(redirected.header("strict-transport-security"), "");
    assert_eq!(site.get("/").expect_code(400).header("strict-transport-security"), "");
}

#[test]
fn a_challenge_is_answered_and_its_certificate_is_taken_up() {
    let pki = Pki::new();
    let first = pki.issue("live", "DNS:a.example", 90);
    let webroot = pki.path("webroot");
    std::fs::create_dir(&webroot).unwrap();
    let (site, clear) = site(&pki, &[("acme_webroot", &webroot.display().to_string()), ("supervise", "yes")]);
    eventually("it serves", || (shown(&pki, site.port()) == first).then_some(()));
    let folder = webroot.join(".well-known/acme-challenge");
    std::fs::create_dir_all(&folder).unwrap();
    // The ACME client writes the answer, and its authority asks for it, whatever the host.
    let (token, answer) =
        ("LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", "LoqXcYV8.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI");
    std::fs::write(folder.join(token), answer).unwrap();
    let asked = |target: &str| ask(clear, "GET", target, "a.example");
    let reply = asked(&format!("/.well-known/acme-challenge/{token}")).expect_code(200);
    assert_eq!(reply.text(), answer);
    std::fs::write(webroot.join("secret"), "not for clients").unwrap();
    for target in ["none", "", "..%2f..%2fsecret", "../../secret", "%2e%2e/%2e%2e/secret", "a/b"] {
        asked(&format!("/.well-known/acme-challenge/{target}")).expect_code(404);
    }
    asked(&format!("/.well-known/acme-challenge/{}", "x".repeat(300))).expect_code(404);
    assert!(!site.log().contains("No such file"), "anybody could fill the log: {}", site.log());
    // What is no file of its own is not served, and nobody waits for it.
    std::os::unix::fs::symlink(webroot.join("secret"), folder.join("link")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("device")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.join("fifo")).status().unwrap().success());
    for nth in 0..40 {
        asked(&format!("/.well-known/acme-challenge/{}", ["fifo", "link", "device", "fifo"][nth % 4])).expect_code(404);
    }
    assert!(site.log().contains("it is a FIFO") && site.log().contains("of the kind"), "{}", site.log());
    asked(&format!("/.well-known/acme-challenge/{token}")).expect_code(200);
    // The authority has issued it; certbot's deploy hook is a reload.
    let second = pki.issue("second", "DNS:a.example", 90);
    pki.put("second");
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(shown(&pki, site.port()), second);
}

#[test]
fn in_devel_mode_a_change_that_needs_a_restart_is_named_by_its_key() {
    let pki = Pki::new();
    pki.issue("live", "DNS:a.example,DNS:localhost", 90);
    pki.issue("other", "DNS:localhost", 90);
    let (port, other) = (ports::free(), ports::free());
    let site = pki
        .site()
        .keeps_ports()
        .server("devel", "yes")
        .server("client_ca", &pki.text("root.pem"))
        .server("client_certificates", "optional")
        .server("redirect_http", &port.to_string())
        .start();
    let needed = || {
        let told = curl(&pki, "localhost", site.port(), "/tls/seen", &["--dump-header", "-", "--output", "/dev/null"]);
        let line = told.lines().find_map(|line| line.strip_prefix("x-restart-needed: "));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(needed(), "");
    for (key, from, to) in [
        ("certfile", "live.pem".to_owned(), "other.pem".to_owned()),
        ("keyfile", "live.key".to_owned(), "other.key".to_owned()),
        (
            "client_ca",
            format!("client_ca = {}", pki.text("root.pem")),
            format!("client_ca = {}", pki.text("between.pem")),
        ),
        ("client_certificates", "= optional".to_owned(), "= required".to_owned()),
        ("redirect_http", format!("redirect_http = {port}"), format!("redirect_http = {other}")),
    ] {
        site.rewrite(&from, &to);
        assert_eq!(needed(), key);
        site.rewrite(&to, &from);
        assert_eq!(needed(), "");
    }
}
