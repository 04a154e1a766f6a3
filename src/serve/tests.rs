//! Whole requests through the pipeline, without a socket: compares what a handler asked for with what the client gets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use actix_web::dev::AppConfig;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skitai_wire::Value;

use super::{entry, slot};
use crate as skitai;
use crate::__private::Routed;
use crate::app::{App, Face, Form, Json, Package, Request, RequestBuilder, Result, Session, Was};
use crate::config::Loaded;
use crate::connection::{Incoming, Peer};
use crate::edge::thread::ServingThread;
use crate::observe::counts::Counts;
use crate::prelude::route;
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;

mod devel;
mod forms;
mod listening;
mod parties;
mod ready;

#[derive(Debug, Deserialize, Serialize)]
struct Point {
    x: i64,
    y: i64,
}

#[derive(Debug)]
struct Fussy;

impl<'de> Deserialize<'de> for Fussy {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        panic!("a type that panics when it is read");
    }
}

#[route("/hello", methods = ["GET"])]
async fn hello() -> &'static str {
    "Hello World"
}

#[route("/größe/<int:n>")]
async fn measure(n: i64) -> i64 {
    n
}

#[route("/points")]
async fn points(points: Vec<Json<Point>>) -> i64 {
    points.iter().map(|point| point.0.x * point.0.y).sum()
}

#[route("/octets")]
async fn octets(octets: Bytes, small: Option<f32>) -> String {
    format!("{octets:?} {small:?}")
}

#[route("/rest")]
async fn rest(a: Option<i64>, rest: Form) -> String {
    format!("{a:?} {:?}", rest.get("b"))
}

#[route("/fussy")]
async fn fussy(_fussy: Json<Fussy>) -> &'static str {
    "never"
}

#[route("/plain")]
fn plain(text: String) -> String {
    assert!(!text.is_empty(), "on purpose,\nin two lines");
    text
}

#[route("/head")]
async fn head(was: Was, status: u16, name: Option<String>, value: Option<String>) -> &'static str {
    was.response.reply(status);
    if let (Some(name), Some(value)) = (name, value) {
        was.response.set(&name, value);
    }
    "a body"
}

#[route("/fails")]
async fn fails(was: Was) -> std::io::Result<String> {
    was.response.reply(200);
    was.response.set("content-type", "image/png");
    Err(std::io::Error::other("inside"))
}

#[route("/count")]
async fn count(was: Was, by: i64) -> Result<i64> {
    let sum = was.session.get::<i64>("sum").unwrap_or(0) + by;
    was.session.set("sum", sum)?;
    Ok(sum)
}

#[route("/cookie")]
async fn cookie(was: Was, name: String, value: String) -> Option<String> {
    let set = was.cookie.set(&name, &value);
    assert_eq!(set.is_err(), name.contains(';'), "a bad name is an error");
    was.cookie.get("sent")
}

#[route("/inner")]
async fn inner() -> &'static str {
    "inner"
}

#[route("/wait")]
async fn wait(was: Was) -> u8 {
    was.rpc("http://127.0.0.1:1/RPC2").call("x", ()).getwait(std::time::Duration::MAX).await.status as u8
}

#[route("/aliases")]
async fn aliases(was: Was) -> String {
    let call = || was.lb("nobody").call("x", ());
    let one = [call().getwait(Duration::MAX).await, call().wait_one(Duration::MAX).await];
    let all = [call().getswait(Duration::MAX).await, call().wait_all(Duration::MAX).await];
    let [of_several] = skitai::tasks![call()].wait_all(Duration::MAX).await;
    let told: Vec<String> = one.iter().map(|one| one.msg.clone()).collect();
    let more = all.iter().chain([&of_several]).map(|all| all.iter().map(|one| one.msg.as_str()).collect());
    told.into_iter().chain(more).collect::<Vec<String>>().join("\n")
}

#[route("/party")]
async fn party(was: Was) -> String {
    format!("{:?}", was.request.party)
}

fn app() -> App {
    App::new("a")
        .use_session(true)
        .routes(skitai::routes![
            hello, measure, points, octets, rest, fussy, plain, head, fails, count, cookie, wait, party, aliases
        ])
        .package(Package::at("/outer/").package(Package::at("/more").routes(skitai::routes![inner])))
}

struct Got {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// Runs a closure with a serving thread, on its own actor system.
fn with_thread<T>(run: impl AsyncFnOnce(std::rc::Rc<ServingThread>) -> T) -> T {
    with_thread_in(false, run)
}

fn with_thread_in<T>(devel: bool, run: impl AsyncFnOnce(std::rc::Rc<ServingThread>) -> T) -> T {
    actix_rt::System::new().block_on(async {
        let mut loaded = Loaded::without_conf(Path::new("/nonexistent"), &["a"]);
        loaded.settings.server.devel = devel;
        let site = OpenSite::open(&loaded, vec![app()], &Keys::ephemeral(), None).expect("a good site");
        run(slot::start(&site, 0, AppConfig::default())).await
    })
}

/// The converted head of a request.
fn taken(incoming: &mut Incoming) -> Request {
    Request { peer: Some(HERE), ..entry::take_head(incoming, std::time::Instant::now()) }
}

/// A handle for tests of the binder.
fn was(thread: &ServingThread) -> Was {
    let mut head = TestRequest::default().to_request();
    let builder = RequestBuilder::new(taken(&mut head), thread.services.clone());
    builder.ready(Face::Web, Session::default(), <hello as Routed>::ROUTE, 0)
}

/// A client on this machine.
const HERE: Peer = Peer::Address(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000));

async fn serve(thread: &ServingThread, request: TestRequest) -> Got {
    let response = entry::serve(thread, &mut request.to_request(), Some(HERE), None).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default();
    Got { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn ask(request: TestRequest) -> Got {
    with_thread(async |thread| serve(&thread, request).await)
}

fn get(uri: &str) -> Got {
    ask(TestRequest::with_uri(uri))
}

fn json_rpc(text: &str) -> TestRequest {
    TestRequest::post().uri("/").insert_header(("content-type", "application/json-rpc")).set_payload(text.to_owned())
}

fn json(uri: &str, text: &str) -> Got {
    let request = TestRequest::post().uri(uri).insert_header(("content-type", "application/json"));
    ask(request.set_payload(text.to_owned()))
}

#[test]
fn a_path_is_the_same_however_it_is_escaped() {
    assert_eq!(get("/hell%6f").body, "Hello World");
    assert_eq!(get("/gr%c3%b6%C3%9fe/%37").body, "7");
    assert_eq!(get("/hello%2f").status, 404);
}

#[test]
fn what_has_two_names_does_the_same() {
    let told = get("/aliases").body;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 5 && lines.iter().all(|line| *line == lines[0]), "{told}");
    assert!(lines[0].contains("declares no cluster [@nobody]"), "{told}");
}

#[test]
fn a_nested_package_keeps_both_prefixes() {
    assert_eq!(get("/outer/more/inner").body, "inner");
    assert_eq!(get("/more/inner").status, 404);
}

#[test]
fn get_answers_head_and_options_says_what_there_is() {
    assert_eq!(ask(TestRequest::with_uri("/hello").method(Method::HEAD)).status, 200);
    let options = ask(TestRequest::with_uri("/hello").method(Method::OPTIONS));
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, HEAD"));
    let put = ask(TestRequest::with_uri("/hello").method(Method::PUT));
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn structures_octets_and_narrow_floats_are_taken_as_they_are() {
    assert_eq!(json("/points", r#"{"points": [{"x": 2, "y": 3}, {"x": 4, "y": 5}]}"#).body, "26");
    assert_eq!(get("/points?points={\"x\":2,\"y\":3}&points={\"x\":1,\"y\":1}".replace('"', "%22").as_str()).body, "7");
    assert_eq!(get("/octets?octets=ab&small=1.5").body, "b\"ab\" Some(1.5)");
    // JSON has no octets: clients send them as base64 text, as replies do.
    assert_eq!(json("/octets", r#"{"octets": "YWI="}"#).body, "b\"ab\" None");
    let far = json("/octets", r#"{"octets": "%", "small": 1e300}"#);
    assert_eq!(far.status, 400);
    assert!(far.body.contains("`small` must be a number") && far.body.contains("`octets`"), "{}", far.body);
}

#[test]
fn what_no_argument_takes_is_kept_for_a_catch_all_within_reason() {
    assert_eq!(get("/rest?a=1&b=2&b=3").body, "Some(1) Some(List([String(\"2\"), String(\"3\")]))");
    let many: String = (0..10_001).map(|number| format!("&k{number}=1")).collect();
    let refused = ask(TestRequest::post().uri("/rest").set_payload(many));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("more than 10000"), "{}", refused.body);
}

#[test]
fn an_answer_about_unknown_names_is_not_larger_than_the_question() {
    let names: Vec<String> = (0..5000).map(|number| format!("\"name{number}\":1")).collect();
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"hello","params":{{{}}}}}"#, names.join(","));
    let got = ask(json_rpc(&call));
    assert!(got.body.contains("`name0`") && got.body.contains("-32602"), "{}", got.body);
    assert!(got.body.len() < 2000, "{} bytes", got.body.len());
}

#[test]
fn a_type_that_panics_while_it_is_read_is_a_fault_of_ours() {
    assert_eq!(get("/fussy?_fussy=1").status, 500);
}

#[test]
fn a_panic_of_a_plain_fn_is_told_in_devel_mode_alone() {
    let panics = || TestRequest::with_uri("/plain?text=");
    let body = with_thread_in(true, async |thread| serve(&thread, panics()).await.body);
    assert!(body.contains("on purpose"), "{body}");
    let (body, counted) = with_thread(async |thread| {
        let body = serve(&thread, panics()).await.body;
        (body, Counts::tree(std::slice::from_ref(&thread.counts)))
    });
    assert!(!body.contains("on purpose"), "{body}");
    assert_eq!(counted["panics"], Value::Int(1));
}

#[test]
fn a_reply_ends_where_its_head_says() {
    for (status, shown, body) in [(201, 201, "a body"), (204, 204, ""), (304, 304, ""), (100, 200, "a body")] {
        let got = get(&format!("/head?status={status}"));
        assert_eq!((got.status.as_u16(), got.body.as_str()), (shown, body), "{status}");
    }
    for name in ["content-length", "Transfer-Encoding", "connection"] {
        let got = get(&format!("/head?status=200&name={name}&value=3"));
        assert_eq!(got.header(name), "", "{name}");
    }
    let broken = get("/head?status=200&name=x-a&value=1%0d%0aSet-Cookie:+a=b");
    assert_eq!((broken.header("x-a"), broken.header("set-cookie")), ("", ""));
    let korean = get("/head?status=200&name=x-a&value=%ED%95%9C");
    assert_eq!(korean.headers.get("x-a").map(HeaderValue::as_bytes), Some("한".as_bytes()));
}

#[test]
fn an_error_and_an_rpc_document_keep_their_status_and_type() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"head","params":[404,"content-type","text/csv"]}"#;
    let got = ask(json_rpc(call));
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "application/json-rpc"));
    let got = get("/fails");
    assert_eq!((got.status.as_u16(), got.header("content-type")), (500, "application/json"));
    assert!(!got.body.contains("inside"), "{}", got.body);
}

#[test]
fn the_calls_of_a_batch_share_their_session() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"count","params":[1]},
        {"jsonrpc":"2.0","id":2,"method":"nope"},
        {"jsonrpc":"2.0","method":"count","params":[10]},
        {"jsonrpc":"2.0","id":3,"method":"count","params":[100]}]"#;
    with_thread(async |thread| {
        let first = serve(&thread, json_rpc(batch)).await;
        assert!(first.body.contains(r#""result":111,"id":3"#), "{}", first.body);
        let set: Vec<&str> = first.headers.get_all(SET_COOKIE).map(|value| value.to_str().expect("text")).collect();
        assert_eq!(set.len(), 1, "{set:?}");
        // A malformed cookie that a script set does not hide ours.
        let mut sent = b"odd=\xff; ".to_vec();
        sent.extend_from_slice(set[0].split(';').next().expect("a pair").as_bytes());
        let sent = HeaderValue::from_bytes(&sent).expect("bytes are allowed");
        let second = serve(&thread, TestRequest::with_uri("/count?by=1000").insert_header((COOKIE, sent))).await;
        assert_eq!(second.body, "1111");
    });
}

#[test]
fn a_handler_may_say_of_its_type_what_it_likes() {
    assert_eq!(get("/head?status=200").header("x-content-type-options"), "nosniff");
    let own = get("/head?status=200&name=x-content-type-options&value=none");
    assert_eq!(own.headers.get_all("x-content-type-options").count(), 1);
    assert_eq!(own.header("x-content-type-options"), "none");
}

#[test]
fn every_cookie_of_the_sessions_name_is_tried() {
    with_thread(async |thread| {
        let count = async |sent: &str| {
            let request = TestRequest::with_uri("/count?by=1").insert_header((COOKIE, sent.to_owned()));
            serve(&thread, request).await.body
        };
        let first = serve(&thread, TestRequest::with_uri("/count?by=7")).await;
        let good = first.header("set-cookie").split(';').next().expect("a pair").to_owned();
        for sent in [
            good.clone(),
            format!("SESSION=ZGVhZGJlZWY; {good}"),
            format!("{good}; SESSION=ZGVhZGJlZWY"),
            format!("a=b; SESSION=; SESSION=x; {good}"),
        ] {
            assert_eq!(count(&sent).await, "8", "{sent}");
        }
        // No client has so many; each would cost a decryption.
        assert_eq!(count(&format!("{}{good}", "SESSION=x; ".repeat(4))).await, "1");
    });
}

#[test]
fn notifications_alone_are_answered_by_nothing() {
    for text in [r#"{"jsonrpc":"2.0","method":"hello"}"#, r#"[{"jsonrpc":"2.0","method":"hello"}]"#] {
        let got = ask(json_rpc(text));
        assert_eq!((got.status.as_u16(), got.body.as_str(), got.header("content-type")), (204, "", ""), "{text}");
    }
}

#[test]
fn a_cookie_sets_no_more_than_itself() {
    let request = TestRequest::with_uri("/cookie?name=a%3bDomain&value=%22x%3b+y%0d%0a")
        .insert_header((COOKIE, "other=1; sent=%ED%95%9C"));
    let got = ask(request);
    assert_eq!((got.body.as_str(), got.header("set-cookie")), ("\"한\"", ""));
    let got = get("/cookie?name=a&value=%22x%3b+y%0d%0a");
    assert_eq!(got.header("set-cookie"), "a=%22x%3B%20y%0D%0A; SameSite=Lax; Path=/");
}

#[test]
fn a_wait_without_an_end_is_no_panic() {
    assert_eq!(get("/wait").body, "0");
}

#[test]
fn values_are_what_they_were_in_every_face() {
    let xml = "<methodCall><methodName>plain</methodName><params><param><value>x</value></param></params></methodCall>";
    let got = ask(TestRequest::post().uri("/RPC2").set_payload(xml));
    assert!(got.body.contains("<string>x</string>"), "{}", got.body);
    let value: Value = skitai_wire::json::parse_value(
        ask(json_rpc(r#"{"jsonrpc":"2.0","id":"i","method":"größe","params":[9007199254740993]}"#)).body.as_bytes(),
    )
    .expect("JSON");
    assert_eq!(value["result"], Value::Int(9_007_199_254_740_993));
}

#[test]
fn a_shutdown_hook_runs_even_after_one_that_panics_and_for_apps_that_did_not_start() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = |what: &'static str| {
        let told = told.clone();
        move |_: &crate::app::Wasc| {
            told.lock().expect("no panic inside").push(what);
            Ok(())
        }
    };
    let first = App::new("a").startup(tell("a starts")).shutdown(tell("a stops")).shutdown(|_| panic!("on purpose"));
    let second = App::new("b").startup(|_| panic!("b cannot")).shutdown(tell("b stops"));
    let problem = actix_rt::System::new().block_on(async {
        let loaded = Loaded::without_conf(Path::new("/nonexistent"), &["a"]);
        OpenSite::open(&loaded, vec![first, second], &Keys::ephemeral(), None).expect_err("b does not start")
    });
    assert!(problem.to_string().contains("app `b`: startup: panicked") && problem.to_string().contains("b cannot"));
    assert_eq!(*told.lock().expect("no panic inside"), ["a starts", "b stops", "a stops"]);
}

#[test]
fn two_apps_of_one_name_are_refused() {
    let loaded = Loaded::without_conf(Path::new("/nonexistent"), &["a"]);
    let problem = crate::serve::mounting::mounts(&loaded, &[App::new("a"), App::new("a")], None).expect_err("refused");
    assert!(problem.to_string().contains("two apps named `a`"), "{problem}");
}

#[route("/hello")]
async fn other_hello() -> &'static str {
    "the other Hello"
}

#[test]
fn mounts_meet_at_segments_and_the_nearest_has_the_name() {
    let folders = tempfile::tempdir().expect("a folder");
    for file in ["one/x.txt", "two/deep/y.txt", "two/testing"] {
        let path = folders.path().join(file);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        std::fs::write(path, file).expect("written");
    }
    let conf = "[server]\nip = 127.0.0.1\n[routes:line]\n/deep = one\n/ = two\n/ = a\n/test/ = b\n";
    let loaded = crate::config::parse("test.conf", conf, folders.path(), &|_| None).expect("a good conf");
    let other = App::new("b").routes(skitai::routes![other_hello]);
    actix_rt::System::new().block_on(async {
        let site = OpenSite::open(&loaded, vec![app(), other], &Keys::ephemeral(), None).expect("a good site");
        let thread = slot::start(&site, 0, AppConfig::default());
        let get = async |uri: &str| serve(&thread, TestRequest::with_uri(uri)).await;
        // A miss in the folder of `/deep` must not affect the folder of `/`.
        assert_eq!(get("/deep/y.txt").await.body, "two/deep/y.txt");
        assert_eq!(get("/deep/x.txt").await.body, "one/x.txt");
        assert_eq!(get("/testing").await.body, "two/testing");
        let moved = get("/test?a=1").await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (301, "/test/?a=1"));
        assert_eq!(get("/te%73t/hello").await.body, "the other Hello");
        for (path, name, text) in [
            ("/", "hello", "Hello World"),
            ("/test", "hello", "the other Hello"),
            ("/", "test.hello", "the other Hello"),
            ("/testing", "hello", "Hello World"),
            ("/test/", "octets", "-32602"),
        ] {
            let call = json_rpc(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}"}}"#)).uri(path);
            let body = serve(&thread, call).await.body;
            assert!(body.contains(text), "{name} at {path}: {body}");
        }
    });
}
