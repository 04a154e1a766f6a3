//! The configuration as an operator meets it: `check`, the first start, the second one, the stop.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use crate::demo::members_of;
use crate::harness::{Scenario, TestServer, bound, data};
use crate::status::basic;

/// What `check` wrote, both streams.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `check` must refuse this scenario and name all of these.
#[track_caller]
fn refuses(scenario: &Scenario, names: &[&str]) -> String {
    let output = scenario.check();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "of\n{}\nit said:\n{said}", scenario.conf());
    for name in names {
        assert!(said.contains(name), "{name:?} is not in:\n{said}\nof:\n{}", scenario.conf());
    }
    said
}

#[track_caller]
fn accepts(scenario: &Scenario) {
    let output = scenario.check();
    assert_eq!(output.status.code(), Some(0), "of\n{}\nit said:\n{}", scenario.conf(), said(&output));
}

#[test]
fn a_good_configuration_exits_0() {
    accepts(&TestServer::demo());
    accepts(&TestServer::demo().section("[@mysearch]\nmembers = 127.0.0.1:5001, 127.0.0.1:5002 3, localhost"));
}

#[test]
fn the_seeds_spellings_of_types_are_taken() {
    for kind in ["postgresql", "postgres", "pgsql", "postresql", "posgresql", "PostgreSQL"] {
        accepts(&TestServer::demo().section(&format!("[@mydb]\ntype = {kind}\nmembers = 127.0.0.1:5432/db/user/pw")));
    }
    accepts(&TestServer::demo().section("[@mydb]\ntype = sqlite3\nmembers = a.db, b.db"));
    accepts(&TestServer::demo().section("[@mysearch]\ntype = http\nmembers = 127.0.0.1:5001"));
}

#[test]
fn comments_and_indentation_are_the_seeds() {
    let scenario = TestServer::demo().section(
        "; a comment\n# another\n[@mysearch]\nmembers = 127.0.0.1:5001 ; behind a value\n\n[certification]\n;certfile = x.pem",
    );
    accepts(&scenario);
    // A configuration pasted from an indented example.
    let indented: String = scenario.conf().lines().map(|line| format!("    {line}\n")).collect();
    let pasted = TestServer::demo().file("pasted.conf", &indented);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_skitai-demo"))
        .args(["check", "-f", "pasted.conf"])
        .current_dir(pasted.dir())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_policy_is_whole_or_refused() {
    let with = |line: &str| TestServer::demo().section(&format!("[mount /]\n{line}"));
    let whole = with("content_security_policy = default-src 'self'; img-src *\npermissions_policy = camera=()").check();
    let told = said(&whole);
    assert!(whole.status.success(), "{told}");
    for line in ["content_security_policy = default-src 'self'; img-src *", "permissions_policy = camera=()"] {
        assert!(told.contains(line), "{line:?} is not in:\n{told}");
    }
    let cut = "content_security_policy = default-src 'self' ; img-src *";
    refuses(&with(cut), &["begins a comment", "`content_security_policy`", "write no blank before a `;`"]);
}

#[test]
fn all_problems_are_reported_at_once_with_their_place() {
    let scenario = TestServer::demo()
        .server("treads", "4")
        .server("sessiontimeout", "soon")
        .section("[@mydb]\ntype = oracle\nmembers = 127.0.0.1/a/b/c");
    let said = refuses(&scenario, &["treads", "sessiontimeout", "oracle", "mydb", "test.conf"]);
    assert!(said.contains("did you mean") && said.contains("threads"), "{said}");
    assert!(said.contains('^'), "a caret shows the place:\n{said}");
    let conf = scenario.conf();
    let line = 1 + conf.lines().position(|line| line.starts_with("treads")).unwrap();
    assert!(said.contains(&format!("test.conf:{line}:")), "line {line} is not named:\n{said}");
}

#[test]
fn what_is_not_built_yet_is_refused_in_those_words() {
    refuses(&TestServer::demo().server("proxy", "yes"), &["proxy"]);
    refuses(&TestServer::demo().server("processes", "2").server("supervise", "no"), &["processes", "supervise = yes"]);
    // Switched off they are no news.
    accepts(&TestServer::demo().server("ssl", "no").server("proxy", "no"));
}

#[test]
fn a_mount_of_nothing_is_refused_and_the_apps_are_listed() {
    refuses(&TestServer::demo().route("/x = /no/such/folder/or/app"), &["/no/such/folder/or/app", "demo"]);
    refuses(&TestServer::demo().route("/x = @nosuchcluster"), &["nosuchcluster"]);
    refuses(
        &TestServer::demo().route("/x = @db").section("[@db]\nmembers = db1/orders/web/pw"),
        &["cannot lead to databases"],
    );
    let web = TestServer::demo().route("/x = @web").section("[@web]\nmembers = 127.0.0.1:5001");
    accepts(&web);
    // What is for such a mount alone is refused elsewhere, and only one thing answers at a path.
    refuses(&web.section("[mount /]\nproxy_host = keep"), &["proxy_host", "leads to a cluster"]);
    let web = TestServer::demo().route("/x = @web").section("[@web]\nmembers = 127.0.0.1:5001");
    refuses(&web.section("[mount /x]\naffinity = address"), &["affinity", "balance = hash"]);
    let two = TestServer::demo().route("/ = @web").section("[@web]\nmembers = 127.0.0.1:5001");
    refuses(&two, &["`@web` is mounted where something else answers already"]);
}

#[test]
fn bad_values_are_refused() {
    for (key, value) in
        [("port", "0"), ("port", "70000"), ("port", "http"), ("threads", "-1"), ("threads", "513"), ("ip", "nowhere")]
    {
        refuses(&TestServer::demo().server(key, value), &[key]);
    }
    refuses(&TestServer::demo().server("admin_password", "12345"), &["admin_password"]);
    refuses(&TestServer::demo().server("securekey", "12345"), &["securekey"]);
    refuses(&TestServer::demo().section("[@empty]\nmembers ="), &["empty"]);
    refuses(&TestServer::demo().section("[@nothing]"), &["nothing"]);
    refuses(&TestServer::demo().section("[@mydb]\ntype = postgresql\nmembers = 127.0.0.1"), &["mydb"]);
}

#[test]
fn a_missing_configuration_is_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_skitai-demo"))
        .args(["check", "-f", "no-such-conf"])
        .current_dir(tempfile::tempdir().unwrap().path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("no-such-conf"), "{}", said(&output));
}

#[test]
fn no_secret_is_ever_echoed() {
    let secrets = ["a-key-nobody-may-see", "an-admin-nobody-may-see", "db-pw-nobody-may-see"];
    let scenario = TestServer::demo()
        .server("securekey", secrets[0])
        .server("admin_password", secrets[1])
        .section(&format!("[@mydb]\ntype = postgresql\nmembers = 127.0.0.1:1/db/user/{}", secrets[2]));
    let quiet = |said: &str| {
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} is shown in:\n{said}");
        }
    };
    quiet(&said(&scenario.check()));
    let demo = scenario.start();
    quiet(&demo.get("/top-city").text());
    quiet(&demo.get("/no/such").text());
    quiet(&demo.ask("GET", "/status", &[("Authorization", &basic("admin", secrets[1]))], b"").text());
    quiet(&demo.stop().2);
    // Neither where the very line is wrong: its report must point without quoting the value.
    let wrong = TestServer::demo()
        .section(&format!("[@mydb]\ntype = postgresql\nmembers = 127.0.0.1:x/db/user/{}", secrets[2]));
    quiet(&refuses(&wrong, &["mydb"]));
    quiet(&refuses(&TestServer::demo().server("securkey", secrets[0]), &["securkey"]));
    quiet(&refuses(&TestServer::demo().server("admin_pasword", secrets[1]), &["admin_pasword"]));
}

#[test]
fn the_first_start_makes_keys_for_their_owner_alone_and_the_second_keeps_them() {
    let first = TestServer::demo().without("securekey").without("admin_password").start();
    first.get("/hello").expect_code(200);
    let keys = |server: &TestServer| {
        let mut keys = Vec::new();
        for file in std::fs::read_dir(server.dir().join("var")).expect("keys are kept under ./var") {
            let file = file.unwrap();
            // The demo's own shards lie there too; they are no secret.
            if file.path().extension().is_some_and(|extension| extension.to_string_lossy().starts_with("db")) {
                continue;
            }
            if file.metadata().unwrap().is_file() {
                let mode = file.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{} has mode {mode:o}", file.path().display());
                keys.push((file.file_name(), std::fs::read(file.path()).unwrap()));
            }
        }
        keys.sort();
        keys
    };
    let made = keys(&first);
    assert!(!made.is_empty(), "no key was kept");
    let cookie = first.get("/test/signin?username=hansroh").header_all("set-cookie").join("\n");
    let (status, _, log, scenario) = first.stop();
    assert!(status.success(), "{status}: {log}");
    assert!(log.to_lowercase().contains("password"), "the password made is printed at the first start:\n{log}");

    let second = scenario.start();
    assert_eq!(keys(&second), made);
    // What was sealed with the first key opens with the second start's.
    let session: Vec<&str> = cookie.lines().filter_map(|line| line.split(';').next()).collect();
    let again = second.ask("GET", "/test/signin?username=hansroh", &[("Cookie", &session.join("; "))], b"");
    assert!(again.text().contains("Already"), "{}", again.text());
}

#[test]
fn without_a_configuration_the_demo_serves_everything_it_shows() {
    let demo = TestServer::demo().without_conf().start();
    assert_eq!(demo.get("/hello").expect_code(200).text(), "Hello World");
    let works = demo.get("/search?keyword=Mozart").expect_code(200).text();
    for title in data::titles_of("Mozart") {
        assert!(works.contains(&title), "{title} is not found: {works}");
    }
    let lb = demo.get("/lb").expect_code(200).text();
    let nodes = members_of(&demo);
    assert!(nodes.len() == 3 && nodes.iter().any(|node| lb.contains(node)), "who of {nodes:?} answered? {lb}");
    assert_eq!(demo.get("/top-city").expect_code(200).json()["name"], "Shanghai");
    let count = data::cities().iter().filter(|city| city.population >= 1_000_000).count();
    let cities = demo.get("/cities").expect_code(200).text();
    assert_eq!(cities.matches("\"population\"").count(), count, "{cities}");
    // The calls of the other chapters reach these members, and no one else.
    assert_eq!(demo.get("/test/wget").expect_code(200).text(), "<pre>&lt;h1&gt;A member of the demo&lt;/h1&gt;</pre>");
    assert_eq!(demo.get("/test/post").expect_code(200).text(), "\"555 - Skitai Corp\"");
    assert_eq!(demo.get("/test/multipart").expect_code(200).text(), "\"555 - Skitai Corp, with logo.gif of 6 bytes\"");
    assert!(demo.get("/test/rpc").expect_code(200).text().contains("Beethoven"));
    let (all, small) =
        (demo.get("/test/map").expect_code(200).json(), demo.get("/test/map/filtered").expect_code(200).json());
    assert!(all.as_i64().unwrap() <= 15 * 99 && small.as_i64().unwrap() <= 15 * 9, "{all} {small}");
    assert_eq!(demo.get("/quick/hello/world").expect_code(200).text(), "Hello");
    demo.get("/test/get_top_city").expect_code(200);
    let log = demo.log();
    assert!(log.contains(&demo.url("")), "it prints what to open:\n{log}");
}

#[test]
fn sigterm_ends_it_at_once_when_nothing_is_under_way() {
    let demo = TestServer::demo().start();
    demo.get("/hello").expect_code(200);
    let (status, took, log, _) = demo.stop();
    assert!(status.success(), "{status}: {log}");
    assert!(took < bound(Duration::from_secs(2), Duration::from_secs(10)), "it took {took:?}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let demo = TestServer::demo().start();
    let port = demo.port().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_skitai-demo"))
        .args(["-f", "test.conf", "-p", &port])
        .current_dir(demo.dir())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains(&port), "{}", said(&output));
    demo.get("/hello").expect_code(200);
}

/// The whole report, as an operator reads it.
#[test]
fn the_report_of_problems_is_this() {
    let scenario = TestServer::demo()
        .server("treads", "4")
        .server("sessiontimeout", "soon")
        .server("securekey", "too-short")
        .section("[@mydb]\ntype = oracle\nmembers = 127.0.0.1/a/b/c")
        .section("[@mysearch]\nmembers = 127.0.0.1:70000\nbalance = fair")
        .route("/x = @nosuchcluster");
    let output = scenario.check();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output).replace(&scenario.dir().display().to_string(), "(dir)");
    insta::assert_snapshot!("check", said);
}
