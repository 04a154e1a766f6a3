//! How members are reached: by the addresses of their name, over TLS with an authority of one's own, packed; and what
//! `check` says before anybody calls.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::patience::eventually;
use crate::harness::{Conduct, Member, TestServer, data, foreign};
use crate::status;

/// The certificates of the unit tests: `member.pem` bears the name `localhost` and is vouched for by `authority.pem`.
fn certificate(name: &str) -> PathBuf {
    data::root().join("actors/src/http/origin").join(name)
}

/// Python's own XML-RPC server behind TLS.
fn tls_member() -> foreign::Server {
    foreign::Server::start("tests/interop/tls_member.py", [certificate("member.pem"), certificate("member-key.pem")])
}

fn outcomes(site: &TestServer, cluster: &str) -> Vec<Value> {
    let answer = site.get(&format!("/outcomes?cluster={cluster}&timeout=5000")).expect_code(200).json();
    answer["outcomes"].as_array().unwrap().clone()
}

#[test]
fn an_authority_of_ones_own_is_trusted_by_name_and_nobody_else() {
    let member = tls_member();
    let (port, ca) = (member.port, certificate("authority.pem").display().to_string());
    let site = TestServer::site()
        .section(&format!("[@trusted]\nmembers = localhost:{port}\nssl = yes\nca_file = {ca}"))
        .section(&format!("[@stranger]\nmembers = localhost:{port}\nssl = yes"))
        .section(&format!("[@misnamed]\nmembers = 127.0.0.1:{port}\nssl = yes\nca_file = {ca}"))
        .section(&format!("[@found]\nmembers = localhost:{port}\nssl = yes\nca_file = {ca}\ndiscover = dns"))
        .start();
    let answer = &outcomes(&site, "trusted")[0];
    assert_eq!((&answer["reason"], &answer["data"]), (&json!("ok"), &json!(["over TLS", "Mozart"])), "{answer:#}");
    for cluster in ["stranger", "misnamed"] {
        let answer = &outcomes(&site, cluster)[0];
        assert_eq!((&answer["status"], &answer["reason"]), (&json!(0), &json!("tls")), "{cluster}: {answer:#}");
        assert!(answer["msg"].as_str().unwrap().contains("certificate"), "{answer:#}");
    }
    // Dialled by the address that was found, verified by the name.
    let node = format!("localhost:{port} (127.0.0.1)");
    let found =
        eventually("the name is found", || outcomes(&site, "found").into_iter().find(|answer| answer["node"] == node));
    assert_eq!(found["reason"], "ok", "{found:#}");
}

#[test]
fn the_authorities_of_the_machine_are_trusted_beside_those_of_the_web() {
    let member = tls_member();
    let section = format!("[@trusted]\nmembers = localhost:{}\nssl = yes", member.port);
    let ca = certificate("authority.pem").display().to_string();
    let site = TestServer::site().section(&section).env("SSL_CERT_FILE", &ca).start();
    let answer = &outcomes(&site, "trusted")[0];
    assert_eq!((&answer["reason"], &answer["data"]), (&json!("ok"), &json!(["over TLS", "Mozart"])), "{answer:#}");
    // One that is not there is told, and nobody is trusted for it.
    let site = TestServer::site().section(&section).env("SSL_CERT_FILE", "/no/such/file").start();
    assert_eq!(outcomes(&site, "trusted")[0]["reason"], "tls");
    eventually("the log names it", || site.log().contains("SSL_CERT_FILE: /no/such/file cannot be read").then_some(()));
}

#[test]
fn a_name_with_several_addresses_is_several_members() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let port = member.node().rsplit(':').next().unwrap().to_owned();
    let section =
        format!("[@found]\nmembers = localhost:{port}, nobody.invalid:80\ndiscover = dns\ndiscover_interval = 1");
    let site = TestServer::site().section(&section).start();
    let node = format!("localhost:{port} (127.0.0.1)");
    let all = eventually("the name is found", || {
        Some(outcomes(&site, "found")).filter(|all| all.iter().any(|answer| answer["node"] == node))
    });
    let here = all.iter().find(|answer| answer["node"] == node).unwrap();
    assert_eq!(here["reason"], "ok", "{here:#}");
    let nobody = all.last().unwrap();
    assert_eq!((&nobody["node"], &nobody["reason"]), (&json!("nobody.invalid:80"), &json!("dns")), "{nobody:#}");
    assert_eq!((&nobody["status"], &nobody["data"]), (&json!(0), &json!(null)));
    let discovery = eventually("the failure is shown", || {
        let names = status::tree(&site)["clusters"]["found"]["discovery"].clone();
        names[1]["failing_since"].is_number().then_some(names)
    });
    assert_eq!(discovery[0]["failing_since"], json!(null), "{discovery:#}");
    assert!(discovery[0]["addresses"].as_array().unwrap().contains(&json!("127.0.0.1")), "{discovery:#}");
    assert!(!discovery[1]["failing_for"].as_str().unwrap().is_empty(), "{discovery:#}");
}

#[test]
fn check_says_what_is_wrong_with_an_authority() {
    let scenario = TestServer::site()
        .file("ca.pem", "not a certificate")
        .section("[@a]\nmembers = localhost:443\nssl = yes\nca_file = ca.pem");
    let output = scenario.check();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ca.pem holds no certificate"), "{said}");
}

#[test]
fn a_server_tells_without_a_login_that_it_is_ready() {
    let site = TestServer::site().start();
    let reply = site.get("/status/ready").expect_code(200);
    assert_eq!((reply.header("cache-control"), reply.json()), ("no-store", json!({"ready": true})));
    let states = status::tree(&site)["actors"].clone();
    assert!(states.as_array().unwrap().iter().all(|actor| actor["state"] == "running"), "{states:#}");
}
