//! The reverse proxy between a client over TLS and members over TLS.

use super::made::Pki;
use crate::harness::TestServer;
use crate::harness::foreign::{curl, python};

#[test]
fn both_sides_of_the_proxy_speak_tls() {
    let pki = Pki::new();
    pki.issue("live", "DNS:localhost,DNS:a.example", 90);
    let root = pki.text("root.pem");
    let demo = TestServer::demo().server("ssl", "yes").section(&pki.section("", "live")).start();
    let text = "many words ".repeat(500_000);
    let files = pki.site().route("/files = public").file("public/large.txt", &text).start();
    let cluster = |name: &str, node: &str, more: &str| {
        format!("[@{name}]\nmembers = {node}\nssl = yes\nmember_timeout = 5s\n{more}")
    };
    let of_root = format!("ca_file = {root}");
    let site = pki
        .site()
        .route("/websocket = @demo/websocket")
        .route("/demo = @demo")
        .route("/files = @files/files")
        .route("/stranger = @stranger")
        .route("/misnamed = @misnamed")
        .section(&cluster("demo", &format!("localhost:{}", demo.port()), &of_root))
        .section(&cluster("files", &format!("localhost:{}", files.port()), &of_root))
        .section(&cluster("stranger", &format!("localhost:{}", demo.port()), ""))
        .section(&cluster("misnamed", &format!("127.0.0.1:{}", demo.port()), &of_root))
        .start();
    let url = |path: &str| format!("https://localhost:{}{path}", site.port());
    let ask = |more: &[&str]| curl(&[&["--cacert", &root], more].concat());
    assert_eq!(ask(&[&url("/demo/hello")]), "Hello World");
    assert!(ask(&[&url("/files/large.txt")]) == text);
    let sum = ask(&["--json", r#"{"a": 20, "b": 22}"#, &url("/demo/add")]);
    assert_eq!(sum, "42");
    // Whom the cluster does not trust is asked nothing.
    for path in ["/stranger/hello", "/misnamed/hello"] {
        let told = ask(&["-w", "%{http_code}", &url(path)]);
        assert!(told.contains("certificate") && told.ends_with("502"), "{told}");
    }
    let told = python("websocket.py", &[&site.port().to_string(), &root]);
    assert_eq!(told.split_whitespace().collect::<Vec<_>>(), ["1000", "404"]);
}

#[test]
fn members_that_ask_are_shown_who_calls() {
    let pki = Pki::new();
    pki.issue("live", "DNS:localhost,DNS:a.example", 90);
    pki.issue_client("caller");
    pki.write("chain.pem", &(pki.read("caller.pem") + &pki.read("between.pem")));
    let root = pki.text("root.pem");
    let member = pki.site().server("client_ca", &root).server("client_certificates", "required").start();
    let cluster = |name: &str, more: &str| {
        let node = format!("localhost:{}", member.port());
        format!("[@{name}]\nmembers = {node}\nssl = yes\nca_file = {root}\n{more}")
    };
    let ours = format!("client_cert = {}\nclient_key = {}", pki.text("chain.pem"), pki.text("caller.key"));
    let site = || {
        let site = TestServer::site().route("/known = @known").route("/unknown = @unknown");
        site.section(&cluster("unknown", ""))
    };
    let running = site().section(&cluster("known", &ours)).start();
    let seen = running.get("/known/tls/seen").expect_code(200).text();
    assert!(seen.contains("CN=caller"), "{seen}");
    let told = running.get("/unknown/tls/seen").expect_code(502).text();
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    // A key of somebody else, none, a certificate that is none, and a key alone.
    for (keys, why) in [
        (format!("client_cert = {}\nclient_key = {}", pki.text("chain.pem"), pki.text("live.key")), "does not fit"),
        (format!("client_cert = {}", pki.text("chain.pem")), "no private key"),
        (format!("client_cert = {}", pki.text("caller.key")), "no certificate"),
        (format!("client_cert = {}", pki.text("nowhere.pem")), "cannot be read"),
        (format!("client_key = {}", pki.text("caller.key")), "without its certificate"),
    ] {
        let report = String::from_utf8(site().section(&cluster("known", &keys)).check().stderr).unwrap();
        assert!(report.contains(why), "{keys}: {report}");
    }
}
