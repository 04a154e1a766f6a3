//! Clients of other makers: curl, and Python's urllib, requests and httpx, in clear text and over TLS.

use super::{Host, Proxy};
use crate::harness::{TestServer, curl, python};
use crate::tls::made::Pki;

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nin the open";

/// A site over TLS, as the proxy's clients would find it elsewhere.
fn over_tls(pki: &Pki) -> TestServer {
    pki.issue("live", "IP:127.0.0.1", 90);
    pki.site().start()
}

#[test]
fn curl_is_led_in_clear_text_and_over_tls() {
    let (pki, host) = (Pki::new(), Host::saying(PAGE));
    let tls = over_tls(&pki);
    let proxy = Proxy::with(&[host.port, tls.port()], "users = bob:correct battery");
    let by = format!("http://127.0.0.1:{}", proxy.port);
    let ca = pki.text("root.pem");
    let led = |url: &str, more: &[&str]| {
        let arguments = ["--proxy", by.as_str(), "--noproxy", "", "--cacert", ca.as_str()];
        curl(&[&arguments[..], more, &[url]].concat())
    };
    let user = ["--proxy-user", "bob:correct battery"];
    assert_eq!(led(&host.url("/"), &user), "in the open");
    // The same through a tunnel.
    assert_eq!(led(&host.url("/"), &[&user[..], &["--proxytunnel"]].concat()), "in the open");
    let url = format!("https://127.0.0.1:{}/letters?chunks=3", tls.port());
    let direct = curl(&["--cacert", &ca, &url]);
    assert!(!direct.is_empty());
    assert_eq!(led(&url, &user), direct);
    // Over TLS the proxy sees nothing of the login, and without one there is no tunnel.
    let told = led(&host.url("/"), &["--write-out", " %{http_code} %{http_connect}"]);
    assert!(told.ends_with(" 407 000"), "{told}");
    assert_eq!(proxy.count("tunnels.opened"), 2);
    // A large file both ways.
    let body = tls.dir().join("body");
    std::fs::write(&body, vec![b'x'; 3 << 20]).unwrap();
    let upload = format!("https://127.0.0.1:{}/nothing", tls.port());
    let data = format!("@{}", body.display());
    let code = led(
        &upload,
        &[&user[..], &["--data-binary", &data, "--output", "/dev/null", "--write-out", "%{http_code}"]].concat(),
    );
    assert!(["204", "405"].contains(&code.as_str()), "{code}");
}

#[test]
fn python_is_led_in_clear_text_and_over_tls() {
    let (pki, host) = (Pki::new(), Host::saying(PAGE));
    let tls = over_tls(&pki);
    let proxy = Proxy::with(&[host.port, tls.port()], "users = bob:correct-battery");
    let by = format!("http://bob:correct-battery@127.0.0.1:{}", proxy.port);
    let (open, secret) = (host.url("/"), format!("https://127.0.0.1:{}/letters?chunks=3", tls.port()));
    let said = python("proxied.py", &[&by, &pki.text("root.pem"), &open, &secret]);
    let direct = curl(&["--cacert", &pki.text("root.pem"), &secret]);
    for line in said.lines() {
        let (client, what) = line.split_once(' ').expect("two words");
        let wanted = if client.ends_with("open") { "in the open" } else { direct.trim() };
        assert_eq!(what, wanted, "{client}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
    assert_eq!((proxy.count("tunnels.opened"), host.heads().len()), (3, 3));
}
