//! The server's own pages on an address of their own (`[admin] listen`).

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value;

use super::{ADMIN_PASSWORD, admin, site, told};
use crate::harness::raw::{Conn, Reply, request};
use crate::harness::{Scenario, TestServer, call, eventually, foreign, ports};
use crate::processes::serving;
use crate::tls::made::Pki;

/// The paths of the server's own pages.
const OWN: [&str; 5] = ["/status", "/status.json", "/status/act?action=reload", "/status/methods", "/metrics"];

fn moved(more: &str) -> (Scenario, u16) {
    let port = ports::free();
    (site().section(&format!("[admin]\nlisten = 127.0.0.1:{port}\n{more}")), port)
}

fn ask(port: u16, path: &str, login: &str) -> Reply {
    let mut conn = Conn::to(port);
    conn.send(request("GET", path, &[("Authorization", login), ("Connection", "close")], b""));
    conn.read()
}

/// The answer to `system.status`, called at this port.
fn called(port: u16) -> Value {
    let (body, login) = (call::json("system.status", &serde_json::json!([])), admin());
    let headers = [("Content-Type", "application/json-rpc"), ("Authorization", login.as_str())];
    let mut conn = Conn::to(port);
    conn.send(request("POST", "/", &headers, body.as_bytes()));
    conn.read().json()
}

#[test]
fn the_pages_are_there_and_no_longer_here() {
    let (scenario, port) = moved("");
    let site = serving(scenario, 2);
    for path in OWN {
        assert_eq!(ask(port, path, &admin()).code, 200, "{path} there");
        assert_eq!(ask(port, path, "").code, 401, "{path} there, without a login");
        let here = ask(site.port(), path, &admin());
        let nowhere = ask(site.port(), "/nothing/is/here", &admin());
        assert_eq!((here.code, here.header("www-authenticate")), (404, ""), "{path} here");
        assert_eq!(nowhere.code, 404);
    }
    for path in ["/status/ready", "/status/live", "/ping"] {
        assert_eq!((ask(port, path, "").code, ask(site.port(), path, "").code), (200, 200), "{path} is on both");
    }
    assert_eq!(ask(site.port(), "/process/pid", "").code, 200);
    for path in ["/process/pid", "/one?cluster=x", "/"] {
        assert_eq!(ask(port, path, "").code, 404, "no app is there: {path}");
    }
    assert!(called(port)["result"]["about"].is_object(), "{}", called(port));
    assert_eq!(called(site.port())["error"]["code"], -32601, "{}", called(site.port()));
    // The methods that are listed are the site's.
    assert!(ask(port, "/status/methods", &admin()).text().contains("outcomes"));
}

#[test]
fn public_keeps_them_on_both() {
    let (scenario, port) = moved("public = yes");
    let site = scenario.server("supervise", "no").start();
    for path in OWN {
        assert_eq!((ask(port, path, &admin()).code, ask(site.port(), path, &admin()).code), (200, 200), "{path}");
    }
}

#[test]
fn a_unix_socket_is_for_its_owner_alone_and_goes_with_the_site() {
    let site = site().server("supervise", "no").section("[admin]\nlisten = unix:admin.sock").start();
    let socket = site.dir().join("admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let path = socket.to_str().unwrap().to_owned();
    let login = format!("admin:{ADMIN_PASSWORD}");
    let code = |path: &str, url: &str| {
        foreign::curl(&["-o", "/dev/null", "-w", "%{http_code}", "-u", &login, "--unix-socket", path, url])
    };
    assert_eq!(code(&path, "http://x/status"), "200");
    assert_eq!(code(&path, "http://x/metrics"), "200");
    site.get("/status").expect_code(404);
    let (exit, ..) = site.stop();
    assert!(exit.success() && !socket.exists());
}

#[test]
fn a_site_that_is_full_can_be_looked_at() {
    let (scenario, port) = moved("");
    let site = scenario.server("max_connections", "4").server("supervise", "no").start();
    let mut held: Vec<Conn> = Vec::new();
    eventually("the site is full", || {
        held.push(site.conn());
        (ask(site.port(), "/process/pid", "").code == 503).then_some(())
    });
    for path in OWN {
        assert_eq!(ask(port, path, &admin()).code, 200, "{path}");
    }
    // The other way round: its own bound is not the site's.
    let mut looking: Vec<Conn> = (0..31).map(|_| Conn::to(port)).collect();
    drop(held);
    eventually("the site has room", || (ask(site.port(), "/process/pid", "").code == 200).then_some(()));
    eventually("there is no more room to look", || {
        looking.push(Conn::to(port));
        (ask(port, "/status", &admin()).code == 503).then_some(())
    });
    drop(looking);
    eventually("there is room to look", || (ask(port, "/status", &admin()).code == 200).then_some(()));
}

#[test]
fn nobody_who_looks_notices_a_reload() {
    let (scenario, port) = moved("");
    let site = serving(scenario.own_port(), 2);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Relaxed) {
                assert_eq!(ask(port, "/status/live", "").code, 200);
                count += 1;
            }
            count
        });
        told(&site, "reload", &["--wait"]);
        told(&site, "upgrade", &["--wait"]);
        is_over.store(true, Relaxed);
        assert!(looks.join().expect("each was answered") > 10);
    });
    assert_eq!(ask(port, "/status", &admin()).code, 200);
    // A section that is gone takes its address along, and the pages come back.
    site.rewrite(&format!("[admin]\nlisten = 127.0.0.1:{port}"), "");
    told(&site, "reload", &["--wait"]);
    eventually("the address is closed", || Conn::try_to(port).is_none().then_some(()));
    assert_eq!(ask(site.port(), "/status", &admin()).code, 200);
}

#[test]
fn it_speaks_tls_as_the_site_does_unless_it_is_told_not_to() {
    let pki = Pki::new();
    pki.issue("live", "DNS:localhost", 90);
    let root = pki.text("root.pem");
    for (more, scheme) in [("", "https"), ("tls = no", "http")] {
        let port = ports::free();
        let site = pki.site().section(&format!("[admin]\nlisten = 127.0.0.1:{port}\n{more}")).start();
        let login = format!("admin:{ADMIN_PASSWORD}");
        let url = format!("{scheme}://localhost:{port}/status.json?filter=about");
        let told = foreign::curl(&["--cacert", &root, "-u", &login, "-w", "%{http_code}", &url]);
        assert!(told.contains("\"about\"") && told.ends_with("200"), "{scheme}: {told}");
        let public = format!("https://localhost:{}/status", site.port());
        assert_eq!(foreign::curl(&["--cacert", &root, "-o", "/dev/null", "-w", "%{http_code}", &public]), "404");
    }
}

#[test]
fn what_is_not_safe_is_warned_of() {
    let said = |section: &str| {
        let output = TestServer::site().section(section).check();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    let (is_good, all) = said("[admin]\nlisten = *:5800");
    assert!(is_good && all.contains("in clear text") && all.contains("127.0.0.1 or a Unix socket"), "{all}");
    let (is_good, own) = said("[admin]\nlisten = 127.0.0.1:5800, unix:a.sock");
    assert!(is_good && !own.contains("clear text"), "{own}");
    assert!(own.contains("listens on 127.0.0.1:5800 (the server's own pages)"), "{own}");
    assert!(own.contains("a.sock (mode 0600) (the server's own pages)"), "{own}");
    for (section, why) in [
        ("[admin]\ntls = yes\nlisten = 127.0.0.1:5800", "where the site has no certificate"),
        ("[admin]\nlisten = 5800", "nothing to listen on"),
        ("[admin]\nlisten = 127.0.0.1:5000", "listened on already"),
    ] {
        let (is_good, said) = said(section);
        assert!(!is_good && said.contains(why), "{section}: {said}");
    }
    let (is_good, idle) = said("[admin]\npublic = yes");
    assert!(is_good && idle.contains("has no effect"), "{idle}");
}
