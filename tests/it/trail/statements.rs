//! Statements, and requests that come to an error.

use serde_json::json;

use super::{keeping, last_part, listed, part, record_of, tries};
use crate::harness::{Postgres, TestServer, call, eventually};
use crate::sql::sqlite_section;

#[test]
fn a_statement_has_a_course_on_each_of_its_databases() {
    let dir = tempfile::tempdir().unwrap();
    let site = TestServer::demo().server("slow", "0").section(&sqlite_section(dir.path())).start();
    let record = record_of(&site, &site.get("/cities?at_least=10000000").expect_code(200));
    let call = &record["calls"][0];
    assert_eq!(json!([call["kind"], call["target"], call["asked"]]), json!(["statement", "@mydb", 3]), "{record:#}");
    assert!(call["what"].as_str().unwrap().starts_with("SELECT "), "{call:#}");
    let tries = tries(&record);
    assert_eq!(tries.len(), 3);
    assert!(tries.iter().all(|one| one["is_ok"] == true && last_part(one) == "wait"), "{tries:#?}");
}

#[test]
fn a_statement_that_is_cut_says_how_far_it_had_come() {
    let postgres = Postgres::shared();
    let section = postgres.shards("shards");
    let site = TestServer::site().section(&section).server("slow", "0").start();
    let mut is_first = true;
    // On a busy machine the quickest may have answered before the others were asked.
    eventually("the others were asked and cut", || {
        let tries = tries(&record_of(&site, &site.get("/nearest").expect_code(200)));
        let cut: Vec<_> = tries.iter().filter(|one| one["ended"] == "completion_rule").collect();
        assert_eq!((cut.len(), tries.len()), (2, 3), "{tries:#?}");
        let dials = tries.iter().filter(|one| one["is_dialled"] == true && part(one, "connect") > 0.0).count();
        assert!(!std::mem::take(&mut is_first) || dials > 0, "the first ones make connections: {tries:#?}");
        cut.iter().all(|one| last_part(one) == "wait").then_some(())
    });
}

#[test]
fn failures_are_kept_with_their_error() {
    let site = TestServer::site().panics_expected().start();
    let reply = site.get("/panic").expect_code(500);
    let record = record_of(&site, &reply);
    assert_eq!(json!([record["why"], record["status"], record["route"]]), json!(["failed", 500, "/panic"]));
    assert_eq!(record["error"]["id"], reply.header("x-error-id"), "{record:#}");
    assert!(record["error"]["text"].as_str().unwrap().contains("on purpose"), "{record:#}");
    // Over RPC the status of HTTP is 200, whatever has happened.
    let reply = site.post("/rpc3", "application/json", call::json("panic", &json!([]))).expect_code(200);
    let record = record_of(&site, &reply);
    assert_eq!(json!([record["why"], record["status"]]), json!(["failed", 500]), "{record:#}");
    // What the client did wrong is not.
    site.get("/scalars?truth=maybe").expect_code(400);
    site.get("/nowhere").expect_code(404);
    let kept = eventually("both are listed", || Some(listed(&site)).filter(|kept| kept.len() >= 2));
    assert_eq!(kept.len(), 2, "{kept:#?}");
    assert!(keeping().check().status.success(), "`slow = 0` is a good configuration");
}
