//! The parts of the status by their names, and the same status at every place that shows it.

use serde_json::{Value, json};

use crate::harness::server::ADMIN_PASSWORD;
use crate::harness::{Conduct, Member, Reply, TestServer, call, eventually, foreign};
use crate::processes::serving;
use crate::status::basic;

fn login() -> String {
    basic("admin", ADMIN_PASSWORD)
}

fn part(site: &TestServer, filter: &str) -> Value {
    answer_to(site, filter).expect_code(200).json()
}

fn answer_to(site: &TestServer, filter: &str) -> Reply {
    let filter = filter.replace('[', "%5B").replace(']', "%5D").replace('@', "%40");
    let path = format!("/status.json?filter={filter}");
    site.ask("GET", &path, &[("Authorization", &login())], b"")
}

#[test]
fn each_name_of_the_first_skitai_is_a_filter() {
    let member = Member::start(Conduct::Fine("<int>1</int>"));
    let site = TestServer::demo().cluster("mysearch", &[&member]).start();
    site.get("/hello").expect_code(200);
    // As its README has them (`was.apps`), what is there now, and one thing in it.
    let table: &[(&str, &[&str], &str)] = &[
        ("apps", &["apps"], "/apps/~1/app"),
        ("cachefs", &["cachefs"], "/cachefs/kept"),
        ("rcache", &["cache"], "/cache/max_entries"),
        ("httpserver", &["about", "process", "requests"], "/requests/2xx"),
        ("lifetime", &["process", "held"], "/process/uptime_s"),
        ("queue", &["queue"], "/queue/limit"),
        ("threads", &["threads", "queue", "held"], "/threads"),
        ("cluster[socketpool]", &["web"], "/web/origins_limit"),
        ("cluster[dbpool]", &["adhoc-db"], "/adhoc-db/limit"),
        ("cluster[@mysearch]", &["clusters"], "/clusters/mysearch/members/0/node"),
        ("searcher", &["objects"], "/objects/searcher/titles"),
    ];
    for (name, parts, place) in table {
        for spelling in [(*name).to_owned(), format!("was.{name}")] {
            let told = part(&site, &spelling);
            let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
            assert_eq!(keys.len(), parts.len(), "{spelling}: {told:#}");
            assert!(parts.iter().all(|part| told.get(*part).is_some()), "{spelling}: {told:#}");
            assert!(!told.pointer(place).unwrap_or(&Value::Null).is_null(), "{spelling}: {told:#}");
        }
    }
    for shouted in ["APPS", "CACHEFS", "RCACHE", "HTTPSERVER", "LIFETIME", "QUEUE", "THREADS", "CLUSTER:mysearch"] {
        assert!(part(&site, shouted).get("error").is_none(), "{shouted}");
    }
    let unknown = answer_to(&site, "was.greenhouse").expect_code(400).json();
    let known = unknown["known"].as_array().unwrap();
    let mut once = known.clone();
    once.sort_by_key(Value::to_string);
    once.dedup();
    assert_eq!(once.len(), known.len(), "each name is there once: {unknown:#}");
    for name in ["routes", "cluster:mysearch", "objects:searcher"] {
        assert!(known.contains(&json!(name)), "{unknown:#}");
    }
    // One of several things in a part is alone.
    assert_eq!(part(&site, "routes:/hello")["routes"].as_object().unwrap().len(), 1);
}

#[test]
fn every_place_shows_the_same_to_the_same_people() {
    let member = Member::start(Conduct::Fine("<array><data></data></array>"));
    let site = serving(TestServer::demo().cluster("mysearch", &[&member]), 2);
    for _ in 0..7 {
        site.get("/search?keyword=Mozart").expect_code(200);
    }
    let ok = |tree: &Value| tree["clusters"]["mysearch"]["members"][0]["ok"].clone();
    let login = login();
    let get = |path: &str| site.ask("GET", path, &[("Authorization", &login)], b"").expect_code(200).json();
    let rpc = |kind: &str, body: &str, login: &str| {
        site.ask("POST", "/", &[("Content-Type", kind), ("Authorization", login)], body.as_bytes())
    };
    let wanted = json!({"filter": "cluster:mysearch"});
    let by_json = rpc("application/json-rpc", &call::json("system.status", &wanted), &login).json();
    let by_command = |more: &[&str]| -> Value {
        let output = site.command("status", more);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for (place, told) in [
        ("/status", get("/status")),
        ("/status.json", get("/status.json")),
        ("JSON-RPC", by_json["result"].clone()),
        ("status --json", by_command(&["--json"])["tree"].clone()),
        ("status --part", by_command(&["--part", "cluster:mysearch"])),
    ] {
        assert_eq!(ok(&told), 7, "{place}: {told:#}");
    }
    // Python's own client of XML-RPC, with the name and the password in the address.
    let by_xml = foreign::python("status.py", &[&site.port().to_string(), ADMIN_PASSWORD, "cluster:mysearch"]);
    let by_xml: Value = serde_json::from_str(&by_xml).unwrap();
    assert_eq!(ok(&by_xml["status"]), 7, "{by_xml:#}");
    assert_eq!(by_xml["refused"], true, "{by_xml:#}");
    assert!(by_xml["whole"].as_array().unwrap().contains(&json!("routes")), "{by_xml:#}");
    site.get("/status.json").expect_code(401);
    let refused = rpc("application/json-rpc", &call::json("system.status", &json!([])), "").json();
    assert_eq!((&refused["error"]["code"], refused.get("result")), (&json!(-32401), None), "{refused}");
    let unknown = site.command("status", &["--part", "greenhouse"]);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("no part"), "{unknown:?}");
}

#[test]
fn all_places_agree_on_a_member_that_is_out() {
    let members = [(); 3].map(|()| Member::start(Conduct::Fine("<array><data></data></array>")));
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let nodes = [members[0].node(), gone.clone(), members[2].node()].join(", ");
    let section = format!("[@mysearch]\nmembers = {nodes}\neject_after = 2\neject_time = 600");
    let site = serving(TestServer::demo().section(&section), 2);
    let login = login();
    let told = eventually("all processes have ejected it", || {
        (0..8).for_each(|_| drop(site.get("/search?keyword=Mozart")));
        let told = site.ask("GET", "/status.json", &[("Authorization", &login)], b"").json();
        let member = told["clusters"]["mysearch"]["members"][1].clone();
        (member["state"] == "ejected").then_some(member)
    });
    assert_eq!((&told["ejected_for"], &told["node"]), (&json!("refused"), &json!(gone)), "{told:#}");
    // Each process has its own moment.
    let since = told["since"].as_array().cloned().unwrap_or_else(|| vec![told["since"].clone()]);
    let since = since.iter().filter_map(Value::as_i64).max().unwrap();
    let metrics = site.ask("GET", "/metrics", &[("Authorization", &login)], b"").expect_code(200).text();
    let labels = format!("cluster=\"mysearch\",member=\"{gone}\"");
    for line in [
        format!("skitai_member_up{{{labels}}} 0\n"),
        format!("skitai_member_state{{{labels},state=\"ejected\",reason=\"refused\"}} 2\n"),
        format!("skitai_member_state_since_timestamp_seconds{{{labels}}} {since}\n"),
        format!("skitai_member_ejections_total{{{labels}}} 2\n"),
    ] {
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    assert!(
        metrics.contains(&format!("skitai_member_up{{cluster=\"mysearch\",member=\"{}\"}} 1\n", members[0].node()))
    );
    let output = site.command("status", &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("@mysearch: {gone} is ejected since ")) && said.contains(" (refused)"), "{said}");
    assert_eq!(said.matches(" is ejected").count(), 1, "{said}");
    let log = site.log();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("the member is ejected") && line.contains(&gone)).collect();
    assert_eq!(lines.len(), 2, "one of each process: {log}");
    assert!(lines.iter().all(|line| line.contains("refused")), "{lines:#?}");
}
