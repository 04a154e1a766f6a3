//! What runs around a handler: the order, replies that end a request, and errors that none may lose.

use crate::harness::call::{json, xml};
use crate::harness::raw::Reply;
use crate::harness::{TestServer, eventually};

const ACT: &str = "/hooked/outer/inner/act";
const DONE: &[&str] = &["app.before", "outer.before", "inner.before", "act", "inner.after", "outer.after", "app.after"];

fn site() -> TestServer {
    TestServer::site().route("/hooked = hooked").panics_expected().start()
}

/// What ran since this was asked last.
fn notes(site: &TestServer) -> Vec<String> {
    serde_json::from_value(site.get("/hook-notes").json()).unwrap()
}

fn act(site: &TestServer, query: &str) -> (Reply, Vec<String>) {
    let reply = site.get(&format!("{ACT}?{query}"));
    (reply, notes(site))
}

#[test]
fn hooks_run_from_outside_in_and_from_inside_out() {
    let site = site();
    let (reply, ran) = act(&site, "");
    assert_eq!((reply.code, &*reply.text()), (201, "done"));
    assert_eq!(ran, DONE);
    assert_eq!(reply.header_all("x-after"), ["inner", "outer", "app"]);
    assert_eq!(site.get("/hooked/plain").text(), "plain");
    assert_eq!(notes(&site), ["app.before", "plain", "app.after"]);
    site.post("/RPC2", "text/xml", xml("hooked.outer.inner.act", &["<string>ok</string>"])).expect_code(200);
    assert_eq!(notes(&site), DONE, "over XML-RPC the same");
    let call = json("hooked.outer.inner.act", &serde_json::json!([]));
    site.post("/", "application/json-rpc", call).expect_code(200);
    assert_eq!(notes(&site), DONE, "over JSON-RPC the same");
    site.get("/hooked/nowhere").expect_code(404);
    assert_eq!(notes(&site), [""; 0], "where there is no handler there is nothing to run around");
}

#[test]
fn a_reply_of_before_ends_the_request() {
    let site = site();
    let (reply, ran) = act(&site, "outer.before=stop&how=panic");
    assert_eq!((reply.code, &*reply.text()), (200, "stopped by outer"));
    assert_eq!(ran, ["app.before", "outer.before"]);
    let body = xml("hooked.outer.inner.act", &["<string>ok</string>"]);
    let stopped = site.post("/hooked?app.before=stop", "text/xml", body).text();
    assert!(stopped.contains("<string>stopped by app</string>"), "{stopped}");
}

#[test]
fn each_level_that_was_entered_has_its_teardown() {
    let site = site();
    let torn = |status: u16| ["inner", "outer", "app"].map(|level| format!("{level}.teardown {status}"));
    let begun = &DONE[..4];
    for (how, status) in [("error", 500), ("panic", 500), ("slow", 504)] {
        let (reply, ran) = act(&site, &format!("how={how}"));
        assert_eq!(reply.code, status, "{how}: 201 was set and is not");
        assert_eq!(ran[..4], *begun, "{how}");
        assert_eq!(ran[4..], torn(status), "{how}");
    }
    let (reply, ran) = act(&site, "how=x&how=y");
    assert_eq!(
        (reply.code, &ran[..3], &ran[3..]),
        (400, &*DONE[..3].iter().map(ToString::to_string).collect::<Vec<_>>(), &torn(400)[..])
    );
    for how in ["error", "panic"] {
        let (reply, ran) = act(&site, &format!("outer.before={how}"));
        let status = if how == "error" { 403 } else { 500 };
        assert_eq!(reply.code, status);
        assert_eq!(ran[..2], DONE[..2]);
        assert_eq!(ran[2..], torn(status)[1..], "the inner level was not entered");
    }
}

#[test]
fn an_error_after_the_handler_is_the_requests_and_the_outer_levels_tear_down() {
    let site = site();
    let (reply, ran) = act(&site, "outer.after=error");
    assert_eq!((reply.code, reply.header("x-error-id").len()), (500, 12));
    assert_eq!(ran[4..], ["inner.after", "outer.after", "app.teardown 500"]);
    eventually("the log has it", || site.log().contains("after of outer failed").then_some(()));
}

#[test]
fn a_teardowns_reply_is_the_body_and_never_looks_like_success() {
    let site = site();
    let (reply, ran) = act(&site, "how=error&outer.teardown=reply&app.teardown=reply");
    assert_eq!((reply.code, &*reply.text()), (500, "sorry from outer"), "the nearest has its say");
    assert_eq!(ran.last().map(String::as_str), Some("app.teardown 500"), "the others still clean up");
    let id = reply.header("x-error-id").to_owned();
    assert_eq!(id.len(), 12);
    eventually("the error is logged", || {
        site.log().lines().any(|line| line.contains(&id) && line.contains("the handler failed")).then_some(())
    });
    let (reply, _) = act(&site, "how=panic&inner.teardown=status");
    assert_eq!((reply.code, &*reply.text()), (418, "teapot of inner"));
    let (reply, ran) = act(&site, "how=error&inner.teardown=error");
    assert_eq!((reply.code, ran.len()), (500, 7));
    eventually("it is logged, too", || site.log().contains("teardown of inner failed").then_some(()));
    let call = xml("hooked.outer.inner.act", &["<string>error</string>"]);
    let fault = site.post("/RPC2?app.teardown=reply", "text/xml", call).text();
    assert!(fault.contains("faultCode") && fault.contains("-32603"), "over RPC an error stays a fault: {fault}");
}
