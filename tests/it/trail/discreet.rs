//! What no record has, and who may read one.

use super::{as_admin, keeping, record_of};
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Member, TestServer};
use crate::status::basic;

#[test]
fn no_secret_is_kept() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = keeping().server("devel", "yes").cluster("one", &[&member]).start();
    let path = "/outcomes?cluster=one&password=s3cret1&x=plain&api_key=s3cret2";
    let headers =
        [("Authorization", "Basic czNjcmV0"), ("Cookie", "session=s3cret3"), ("X-Token", "s3cret4"), ("Accept", "*/*")];
    let record = record_of(&site, &site.ask("GET", path, &headers, b"").expect_code(200)).to_string();
    assert!(record.contains("password=(hidden)") && record.contains("x=plain"), "{record}");
    let posted = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = b"cluster=one&secret=s3cret5&passwd=s3cret6";
    let reply = site.ask("POST", "/outcomes", &posted, body).expect_code(200);
    let record = [record, record_of(&site, &reply).to_string()].concat();
    for secret in ["s3cret", "czNjcmV0", "cookie"] {
        assert!(!record.contains(secret), "{secret}: {record}");
    }
}

#[test]
fn strangers_learn_nothing() {
    let site = keeping().start();
    let id = site.get("/float/1.5").expect_code(200).header("x-request-id").to_owned();
    assert!(!id.is_empty(), "who gets an answer that is kept learns its id");
    let wrong = basic("admin", "guessed");
    for path in ["/status/trail", &format!("/status/trail/{id}"), &format!("/status/trail/{id}.json")] {
        site.get(path).expect_code(401);
        site.ask("GET", path, &[("Authorization", &wrong)], b"").expect_code(401);
        as_admin(&site, path).expect_code(200);
    }
    as_admin(&site, "/status/trail/nobody").expect_code(404);
}

#[test]
fn server_timing_is_for_devel_mode_and_for_admins() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let start = |devel: &str| TestServer::site().server("devel", devel).cluster("one", &[&member]).start();
    let path = "/outcomes?cluster=one";
    let site = start("no");
    assert_eq!(site.get(path).expect_code(200).header("server-timing"), "");
    let login = basic("admin", ADMIN_PASSWORD);
    let told = site.ask("GET", path, &[("Authorization", &login)], b"").expect_code(200);
    let told = told.header("server-timing");
    let entries: Vec<&str> = told.split(", ").collect();
    assert!(entries[0].starts_with("total;dur="), "{told}");
    assert!(entries[1].starts_with("one;dur=") && entries[1].ends_with(";desc=\"search of @one\""), "{told}");
    let wrong = basic("admin", "guessed");
    assert_eq!(site.ask("GET", path, &[("Authorization", &wrong)], b"").header("server-timing"), "");
    assert!(start("yes").get(path).header("server-timing").starts_with("total;dur="));
    // A proxy on this machine lets in others.
    let site = start("yes");
    let proxied = site.ask("GET", path, &[("X-Forwarded-For", "192.0.2.1")], b"");
    assert_eq!(proxied.header("server-timing"), "");
}
