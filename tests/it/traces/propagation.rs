//! What callers say of a trace, what members and handlers are told, and who is believed.

use serde_json::json;

use super::{Collector, exporting, of_kind, told};
use crate::harness::{Conduct, Member, TestServer};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn member() -> Member {
    Member::start(Conduct::Fine("<int>1</int>"))
}

#[test]
fn a_trace_goes_in_and_out_and_each_exchange_has_a_span() {
    let (collector, members) = (Collector::start(), [(); 3].map(|()| member()));
    let site = exporting(&collector, "ratio = 0").cluster("three", &members.each_ref()).start();
    let headers = [("traceparent", &*parent("01")), ("tracestate", "a=1, b=2")];
    site.ask("GET", "/outcomes?cluster=three", &headers, b"").expect_code(200);
    let spans = collector.trace(TRACE, 4);
    let server = of_kind(&spans, 2)[0];
    assert_eq!(json!([server["parent"], server["state"], server["name"]]), json!([SPAN, "a=1,b=2", "GET /outcomes"]));
    assert_ne!(server["span"], SPAN);
    for member in &members {
        let heads = member.heads();
        let told_parent = told(&heads, "traceparent").expect("a member is told of the trace");
        let [version, trace, span, flags] = told_parent.split('-').collect::<Vec<_>>()[..] else {
            panic!("{told_parent}")
        };
        assert_eq!((version, trace, flags), ("00", TRACE, "01"));
        assert_eq!(told(&heads, "tracestate").as_deref(), Some("a=1,b=2"));
        let own = spans.iter().find(|one| one["span"] == *span).unwrap_or_else(|| panic!("{span} in {spans:#?}"));
        assert_eq!(json!([own["kind"], own["parent"]]), json!([3, server["span"]]));
        let port: u64 = member.node().rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(
            json!([own["attributes"]["server.address"], own["attributes"]["server.port"]]),
            json!(["127.0.0.1", port])
        );
    }
    // The flag is honoured: this caller records nothing.
    let reply = site.ask("GET", "/outcomes?cluster=three", &[("traceparent", &parent("00"))], b"").expect_code(200);
    assert_eq!(told(&members[0].heads(), "traceparent").map(|told| told.ends_with("-00")), Some(true));
    // What is asked by a URL is told, too; and a handler that asks by itself may tell it.
    let page = Member::start(Conduct::Page(200, "a page"));
    let path = format!("/wget?url=http://{}/x", page.node());
    site.ask("GET", &path, &[("traceparent", &parent("01"))], b"").expect_code(200);
    let of_url = told(&page.heads(), "traceparent").expect("a URL is told of the trace");
    assert!(of_url.starts_with(&format!("00-{TRACE}-")) && of_url.ends_with("-01"), "{of_url}");
    let by_handler = site.ask("GET", "/traceparent", &[("traceparent", &parent("01"))], b"").expect_code(200).text();
    assert!(by_handler.contains(TRACE) && !by_handler.contains(SPAN), "{by_handler}");
    drop(reply);
    collector.trace(TRACE, 4 + 2 + 1);
}

#[test]
fn a_new_trace_begins_under_the_id_of_the_request() {
    let (collector, member) = (Collector::start(), member());
    let site = exporting(&collector, "ratio = 1").cluster("one", &[&member]).start();
    let bad = ["", "00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-01"];
    for bad in bad.into_iter().map(Some).chain([None]) {
        let headers: Vec<(&str, &str)> = bad.map(|bad| ("traceparent", bad)).into_iter().collect();
        let headers = [&headers[..], &[("tracestate", "a=1")]].concat();
        let reply = site.ask("GET", "/outcomes?cluster=one", &headers, b"").expect_code(200);
        let id = reply.header("x-request-id");
        let told_parent = told(&member.heads(), "traceparent").expect("a trace");
        assert!(told_parent.starts_with(&format!("00-{id}-")), "{bad:?}: {told_parent}, {id}");
        assert_eq!(told(&member.heads(), "tracestate"), None, "a state without a trace is nobody's");
        let spans = collector.trace(id, 2);
        assert_eq!(of_kind(&spans, 2)[0]["parent"], "", "it is the first of its trace");
    }
    // A caller's own header stays as it is.
    let own = "00-11111111111111111111111111111111-2222222222222222-01";
    site.get(&format!("/told-trace?cluster=one&parent={own}")).expect_code(200);
    assert_eq!(told(&member.heads(), "traceparent").as_deref(), Some(own));
}

#[test]
fn strangers_are_not_believed() {
    let (collector, member) = (Collector::start(), member());
    let site = exporting(&collector, "ratio = 0\ntrust = 192.0.2.0/24").cluster("one", &[&member]).start();
    site.ask("GET", "/outcomes?cluster=one", &[("traceparent", &parent("01"))], b"").expect_code(200);
    let told_parent = told(&member.heads(), "traceparent").expect("a trace of ours");
    assert!(!told_parent.contains(TRACE) && told_parent.ends_with("-00"), "{told_parent}");
    // Two of them contradict each other.
    let site = exporting(&collector, "ratio = 0").cluster("one", &[&member]).start();
    let twice = [("traceparent", &*parent("01")), ("traceparent", &*parent("00"))];
    site.ask("GET", "/outcomes?cluster=one", &twice, b"").expect_code(200);
    assert!(!told(&member.heads(), "traceparent").expect("a trace of ours").contains(TRACE));
}

#[test]
fn without_an_export_a_trace_passes_through_and_none_begins() {
    let member = member();
    let start = |trusted: &str| {
        let site = TestServer::site_of(&["/ = testsite", "/behind = @one"]).cluster("one", &[&member]);
        site.server("trusted_proxies", trusted).start()
    };
    let headers = [("traceparent", &*parent("01")), ("tracestate", "a=1")];
    let site = start("127.0.0.1");
    site.ask("GET", "/outcomes?cluster=one", &headers, b"").expect_code(200);
    assert_eq!(told(&member.heads(), "traceparent"), Some(parent("01")));
    assert_eq!(told(&member.heads(), "tracestate").as_deref(), Some("a=1"));
    assert_eq!(site.ask("GET", "/traceparent", &headers, b"").expect_code(200).text(), format!("\"{}\"", parent("01")));
    site.get("/outcomes?cluster=one").expect_code(200);
    assert_eq!(told(&member.heads(), "traceparent"), None);
    let site = start("192.0.2.1");
    site.ask("GET", "/outcomes?cluster=one", &headers, b"").expect_code(200);
    assert_eq!(told(&member.heads(), "traceparent"), None);
}

#[test]
fn a_request_that_is_passed_on_belongs_to_its_trace() {
    let (collector, page) = (Collector::start(), Member::start(Conduct::Page(200, "a page")));
    let site = TestServer::site_of(&["/ = testsite", "/behind = @behind"]).section(&collector.section("ratio = 1"));
    let site = site.cluster("behind", &[&page]).start();
    let headers = [("traceparent", &*parent("01")), ("tracestate", "a=1")];
    site.ask("GET", "/behind/x", &headers, b"").expect_code(200);
    let told_parent = told(&page.heads(), "traceparent").expect("the member is told");
    assert!(told_parent.contains(TRACE) && !told_parent.contains(SPAN), "{told_parent}");
    assert_eq!(told(&page.heads(), "tracestate").as_deref(), Some("a=1"));
    let reply = site.get("/behind/x").expect_code(200);
    let spans = collector.trace(reply.header("x-request-id"), 2);
    let told_parent = told(&page.heads(), "traceparent").expect("the member is told");
    let [server, client] = [of_kind(&spans, 2)[0], of_kind(&spans, 3)[0]];
    assert!(told_parent.contains(client["span"].as_str().unwrap()), "{told_parent}: {client:#}");
    assert_eq!(page.heads().last().unwrap().matches("traceparent").count(), 1);
    assert_eq!(json!([server["name"], client["parent"]]), json!(["GET /behind/*", server["span"]]));
    assert_eq!(client["attributes"]["http.request.method"], "GET");
}
