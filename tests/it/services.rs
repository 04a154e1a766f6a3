//! Services of actix-web's behind an app: they meet requests as these came, and come last.

use crate::harness::foreign::python;
use crate::harness::{TestServer, eventually};

const PLAIN: &str = "text/plain";

#[test]
fn a_websocket_says_everything_back() {
    let demo = TestServer::demo().start();
    let said = python("websocket.py", &[&demo.port().to_string()]);
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["1000", "404"], "{said}");
}

#[test]
fn services_come_after_files_and_routes_below_the_path_of_their_app() {
    let site =
        TestServer::site().file("public/deep/file", "the file's").route("/at = public").route("/at = services").start();
    assert_eq!(site.get("/at/before").expect_code(200).text(), "the route's");
    assert_eq!(site.get("/at/deep/file").expect_code(200).text(), "the file's");
    assert_eq!(site.get("/at/deep/other").expect_code(200).text(), "deep other");
    assert_eq!(site.get("/deep/other").code, 404, "they are where their app is");
    let reply = site.ask("POST", "/at/echo?a=1", &[("Content-Type", PLAIN), ("X-Name", "a name")], b"12345");
    assert_eq!((reply.code, reply.text().as_str()), (201, "/at/echo?a=1 5"));
    assert_eq!(reply.header("x-name"), "a name");
    // What none of them takes is the server's to answer.
    let missing = site.get("/at/nowhere").expect_code(404).text();
    assert!(missing.contains("there is nothing at /at/nowhere"), "{missing}");
}

#[test]
fn a_panic_in_a_service_is_a_500_with_an_id_and_the_thread_goes_on() {
    let site = TestServer::site().route("/at = services").panics_expected().start();
    let reply = site.get("/at/panics").expect_code(500);
    let id = reply.header("x-error-id").to_owned();
    assert!(!id.is_empty() && !reply.text().contains("on purpose"), "{}", reply.text());
    site.get("/at/deep/on").expect_code(200);
    eventually("the line of the log", || {
        site.log().lines().any(|line| line.contains(&id) && line.contains("on purpose, in a service")).then_some(())
    });
}
