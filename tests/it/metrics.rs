//! `/metrics`: for Prometheus, in both of its formats; exact over processes and reloads; and no request makes a series.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::forward::{Host, Proxy};
use crate::harness::data::root;
use crate::harness::managed::signal;
use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Member, Postgres, Reply, TestServer, eventually, foreign};
use crate::processes::{Asking, all_serve, serving};
use crate::status::basic;

fn scrape(site: &TestServer, accept: &str) -> Reply {
    let login = basic("admin", ADMIN_PASSWORD);
    site.ask("GET", "/metrics", &[("Authorization", &login), ("Accept", accept)], b"")
}

/// The series by name and labels, as they are written.
fn series_of(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    let series: Vec<(String, f64)> = samples.map(sample).collect();
    let by_name: BTreeMap<_, _> = series.iter().cloned().collect();
    assert_eq!(by_name.len(), series.len(), "each series is there once");
    by_name
}

fn series(site: &TestServer) -> BTreeMap<String, f64> {
    series_of(&scrape(site, "").expect_code(200).text())
}

#[track_caller]
fn value(series: &BTreeMap<String, f64>, name: &str) -> u64 {
    *series.get(name).unwrap_or_else(|| panic!("{name} is not in {series:#?}")) as u64
}

#[test]
fn the_official_client_reads_both_formats_and_finds_what_is_documented() {
    let members = [Member::start(Conduct::Fine("<int>1</int>")), Member::start(Conduct::Closed)];
    let site = TestServer::site()
        .cluster("members", &members.each_ref())
        .section(&Postgres::section("one", &[Postgres::member(Postgres::shared().port(), "shard0")]))
        .start();
    site.get("/outcomes?cluster=members/rpc2&way=map&timeout=2000").expect_code(200);
    site.get("/shard?cluster=one&n=0").expect_code(200);
    let told = foreign::python("metrics.py", &[&site.port().to_string(), ADMIN_PASSWORD]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let node = members[0].node();
    let tree = crate::status::tree(&site);
    let shard = tree["databases"]["one"]["members"][0]["node"].as_str().unwrap();
    for (series, expected) in [
        (format!("skitai_member_calls_total{{cluster=\"members\",member=\"{node}\",outcome=\"ok\"}}"), 1),
        (format!("skitai_member_call_duration_seconds_count{{cluster=\"members\",member=\"{node}\"}}"), 1),
        (format!("skitai_database_statements_total{{cluster=\"one\",member=\"{shard}\",outcome=\"ok\"}}"), 1),
        (format!("skitai_database_query_duration_seconds_count{{cluster=\"one\",member=\"{shard}\"}}"), 1),
        ("skitai_request_duration_seconds_bucket{le=\"+Inf\",route=\"/outcomes\"}".to_owned(), 1),
        ("skitai_route_requests_total{class=\"2xx\",route=\"/shard\"}".to_owned(), 1),
    ] {
        assert_eq!(told["series"][&series], f64::from(expected), "{series}: {told:#}");
    }
    // The page has every name, with its kind.
    let page = std::fs::read_to_string(root().join("docs/METRICS.md")).unwrap();
    for (name, kind) in told["kinds"].as_object().unwrap() {
        let kind = kind.as_str().unwrap();
        let end = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert!(page.contains(&format!("| `{name}{end}` | {kind} |")), "{name} ({kind}) is not documented");
    }
    assert!(told["kinds"].as_object().unwrap().len() > 40, "{told:#}");
}

#[test]
fn sums_are_what_clients_got_over_two_processes_and_a_reload() {
    let member = Member::start(Conduct::Fine("<array><data></data></array>"));
    let site = serving(TestServer::demo().cluster("mysearch", &[&member]), 2);
    let before = series(&site);
    let (searches, hellos) = (Asking::begin(&site, "/search?keyword=Mozart"), Asking::begin(&site, "/hello"));
    let output = site.command("reload", &["--wait"]);
    assert!(output.status.success(), "{output:?}");
    let (searches, hellos) = (searches.end(), hellos.end());
    all_serve(&site, 2);
    assert!(searches > 20 && hellos > 20, "{searches} {hellos}");
    let after = series(&site);
    let node = member.node();
    for (name, expected) in [
        ("skitai_route_requests_total{route=\"/search\",class=\"2xx\"}".to_owned(), searches),
        ("skitai_request_duration_seconds_count{route=\"/search\"}".to_owned(), searches),
        ("skitai_request_duration_seconds_bucket{route=\"/search\",le=\"+Inf\"}".to_owned(), searches),
        ("skitai_route_requests_total{route=\"/hello\",class=\"2xx\"}".to_owned(), hellos),
        ("skitai_request_duration_seconds_count{route=\"/hello\"}".to_owned(), hellos),
        (format!("skitai_member_calls_total{{cluster=\"mysearch\",member=\"{node}\",outcome=\"ok\"}}"), searches),
        (format!("skitai_member_call_duration_seconds_count{{cluster=\"mysearch\",member=\"{node}\"}}"), searches),
        ("skitai_processes_ended_total".to_owned(), 2),
        ("skitai_processes_killed_total".to_owned(), 0),
        ("skitai_processes{state=\"serving\"}".to_owned(), 2),
    ] {
        assert_eq!(value(&after, &name), expected, "{name}");
    }
    // Each request is under one route.
    let sum = |series: &BTreeMap<String, f64>, name: &str| -> f64 {
        series.iter().filter(|(series, _)| series.starts_with(name)).map(|(_, value)| value).sum()
    };
    assert_eq!(sum(&after, "skitai_requests_total{"), sum(&after, "skitai_route_requests_total{"));
    assert_eq!(sum(&after, "skitai_requests_total{"), sum(&after, "skitai_request_duration_seconds_count{"));
    // Nothing that only grows has become less.
    let grows = |name: &str| ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.contains(end));
    for (name, was) in before.iter().filter(|(name, _)| grows(name)) {
        assert!(after[name] >= *was, "{name}: {} after {was}", after[name]);
    }
}

#[test]
fn nothing_that_a_client_sends_makes_a_series() {
    let site = TestServer::demo().server("server_names", "localhost, 127.0.0.1").start();
    let names = |site: &TestServer| series(site).into_keys().collect::<BTreeSet<_>>();
    let before = names(&site);
    let mut conn = site.conn();
    for nth in 0..300 {
        let request = match nth % 4 {
            0 => format!("GET /scanned/{nth}?x={nth} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            1 => format!("M{nth} /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            2 => format!("GET /hello HTTP/1.1\r\nHost: host-{nth}.example\r\n\r\n"),
            _ => {
                let call = crate::harness::call::json(&format!("method_{nth}"), &serde_json::json!([]));
                format!(
                    "POST /rpc3 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json-rpc\r\n\
                     Content-Length: {}\r\n\r\n{call}",
                    call.len()
                )
            }
        };
        conn.send(request).read();
    }
    // What has parts of the path as arguments is one route.
    for nth in 0..20 {
        site.get(&format!("/company/{nth}/name-{nth}")).expect_code(200);
    }
    let after = series(&site);
    assert_eq!(names(&site), before, "{:?}", after.keys().filter(|name| !before.contains(*name)).collect::<Vec<_>>());
    assert_eq!(value(&after, "skitai_request_duration_seconds_count{route=\"unmatched\"}"), 300);
    let company = "skitai_request_duration_seconds_count{route=\"/company/<int:cid>/<cname>\"}";
    assert_eq!(value(&after, company), 20, "{after:#?}");
    assert_eq!(value(&after, "skitai_metrics_omitted_series"), 0);
}

#[test]
fn who_serves_a_request_is_its_route() {
    let services = TestServer::site().route("/services = services").start();
    services.get("/services/read").expect_code(200);
    assert_eq!(value(&series(&services), "skitai_request_duration_seconds_count{route=\"services\"}"), 1);
    let site = TestServer::demo().start();
    let count =
        |route: &str| value(&series(&site), &format!("skitai_request_duration_seconds_count{{route=\"{route}\"}}"));
    let mut conn = site.conn();
    let xml = crate::harness::call::xml("add", &["<int>1</int>", "<int>2</int>"]);
    let json = crate::harness::call::json("add", &serde_json::json!([1, 2]));
    let post =
        |kind: &str, body: &str| crate::harness::raw::request("POST", "/", &[("Content-Type", kind)], body.as_bytes());
    conn.send(post("text/xml", &xml)).read().expect_code(200);
    conn.send(post("application/json-rpc", &json)).read().expect_code(200);
    conn.send(post("application/json-rpc", &format!("[{json},{json}]"))).read().expect_code(200);
    site.get("/add?a=1&b=2").expect_code(200);
    site.get("/status/ready").expect_code(200);
    assert_eq!([count("/add"), count("several"), count("probes"), count("unmatched")], [3, 1, 1, 0]);
    assert_eq!(count("/metrics/"), 4, "each look was counted when its answer was out");
}

#[test]
fn it_is_for_the_administrator_unless_the_configuration_says_otherwise() {
    let site = TestServer::demo().start();
    let refused = site.get("/metrics").expect_code(401);
    assert!(refused.header("www-authenticate").starts_with("Basic realm=") && !refused.text().contains("skitai_"));
    let reply = scrape(&site, "*/*").expect_code(200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((reply.header("cache-control"), reply.header("vary")), ("no-store", "Accept"));
    let text = scrape(&site, "application/openmetrics-text; version=1.0.0").expect_code(200);
    assert_eq!(text.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.text().ends_with("\n# EOF\n"));
    assert_eq!(site.post("/metrics", "text/plain", "x").code, 405);
    let public = TestServer::demo().server("metrics", "public").start();
    assert!(public.get("/metrics").expect_code(200).text().contains("skitai_build_info{"));
    public.get("/status.json").expect_code(401);
    let off = TestServer::demo().server("metrics", "off").start();
    assert_eq!(scrape(&off, "").code, 404);
    let wrong = TestServer::demo().server("metrics", "everybody").check();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("expected `admin`, `public` or `off`"), "{wrong:?}");
}

#[test]
fn a_sum_that_is_not_whole_is_not_shown() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    // On a kept connection it is known who is asked.
    let mut conn = site.conn();
    let own = conn.send("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n").read().expect_code(200).text();
    let login = basic("admin", ADMIN_PASSWORD);
    let mut look = || conn.send(format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n")).read();
    let whole = series_of(&look().expect_code(200).text());
    assert_eq!(value(&whole, "skitai_processes_silent"), 0);
    // The supervisor knows what those have counted that have ended.
    signal("STOP", site.id().into());
    let reply = look();
    signal("CONT", site.id().into());
    let text = reply.expect_code(503).text();
    assert!(text.contains("the supervisor did not answer"), "{text}");
    eventually("it is whole again", || (look().code == 200).then_some(()));
    // Of a process that is silent it is known what it had counted.
    let running = crate::status::tree(&site)["processes"]["running"].clone();
    let pids: Vec<u64> = running.as_array().unwrap().iter().map(|one| one["pid"].as_u64().unwrap()).collect();
    let other = *pids.iter().find(|pid| pid.to_string() != own).unwrap();
    signal("STOP", other);
    let reply = look();
    signal("CONT", other);
    let silent = series_of(&reply.expect_code(200).text());
    assert_eq!(value(&silent, "skitai_processes_silent"), 1);
    let requests = "skitai_requests_total{class=\"2xx\"}";
    assert!(value(&silent, requests) >= value(&whole, requests));
}

#[test]
fn what_the_forward_proxy_led_is_counted() {
    let host = Host::saying("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent");
    let proxy = Proxy::to(&[host.port]);
    assert_eq!(proxy.get(&host.url("/")).expect_code(200).text(), "content");
    proxy.get("http://elsewhere.test/").expect_code(403);
    let series = series(&proxy.site);
    for (name, count) in [
        ("requests_total", 2),
        ("opened_total{kind=\"exchanges\"}", 1),
        ("opened_total{kind=\"tunnels\"}", 0),
        ("open{kind=\"tunnels\"}", 0),
        ("refused_total{reason=\"port\"}", 1),
        ("failed_total{reason=\"failed\"}", 0),
    ] {
        assert_eq!(value(&series, &format!("skitai_forward_proxy_{name}")), count, "{name}: {series:#?}");
    }
    assert!(value(&series, "skitai_forward_proxy_sent_bytes_total{to=\"clients\"}") >= 7, "{series:#?}");
    // A site without one has none of them.
    let site = TestServer::site().start();
    assert!(!scrape(&site, "text/plain").text().contains("skitai_forward_proxy"));
}
