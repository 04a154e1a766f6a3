//! A service manager runs a site: what it is told, and the sockets that it opens.

use std::fs;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::managed::{Managed, port, signal};
use crate::harness::{Conn, Scenario, TestServer, curl};

fn site() -> Scenario {
    TestServer::site_of(&["/ = supervised"]).server("supervise", "yes").server("drain_idle", "100ms").own_port()
}

/// The answer to one request on a connection of its own.
fn get(port: u16, path: &str) -> String {
    let mut conn = Conn::to(port);
    conn.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    conn.read().expect_code(200).text()
}

fn text<'v>(notice: &'v Value, name: &str) -> &'v str {
    notice[name].as_str().unwrap_or_else(|| panic!("no {name} in {notice}"))
}

/// What a service manager says to the process that it starts.
fn variables_of(pid: &Value) -> Vec<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let names = environment.split(|octet| *octet == 0).map(|line| String::from_utf8_lossy(line).into_owned());
    let is_of_manager = |name: &String| ["NOTIFY_", "WATCHDOG_", "LISTEN_"].iter().any(|begin| name.starts_with(begin));
    names.filter(is_of_manager).collect()
}

#[test]
fn a_supervisor_tells_of_its_start_its_reloads_an_upgrade_and_its_end() {
    let site = Managed::notified(site());
    let ready = site.notice(0);
    assert_eq!(site.said().matches("started\n").count(), 1, "it was said before the process served: {ready}");
    let pid = site.pid();
    assert_eq!((text(&ready, "READY"), text(&ready, "MAINPID")), ("1", pid.to_string().as_str()));
    assert_eq!(text(&ready, "STATUS"), "1 process serves, generation 1");
    let told = site.status();
    assert_eq!((&told["state"], &told["pid"]), (&"serving".into(), &pid.into()));
    for process in told["processes"].as_array().unwrap() {
        assert_eq!(variables_of(&process["pid"]), [""; 0], "they are the supervisor's");
    }
    assert!(!variables_of(&pid.into()).is_empty());

    let rolled = |nth: usize, begun: &str, done: &str| {
        let (reloading, ready) = (site.notice(nth), site.notice(nth + 1));
        let usec: u64 = text(&reloading, "MONOTONIC_USEC").parse().expect("a number");
        let at = site.lines().into_iter().find(|line| line.get("notice") == Some(&reloading));
        let at = at.and_then(|line| line["at"].as_u64()).expect("a time");
        assert!(usec <= at && at - usec < 10_000_000, "{usec} is not just before {at}");
        assert_eq!((text(&reloading, "RELOADING"), text(&reloading, "STATUS")), ("1", begun));
        assert_eq!((text(&ready, "READY"), text(&ready, "MAINPID")), ("1", pid.to_string().as_str()));
        assert!(text(&ready, "STATUS").contains(done), "{ready}");
    };
    site.done(&["reload", "--wait"]);
    rolled(1, "reload begins", "reload done in");
    // One that fails before it begins, and one whose processes do not begin to serve.
    site.rewrite("threads = 2", "threads = many");
    assert!(!site.command(&["reload", "--wait"]).status.success());
    rolled(3, "reload begins", "reload failed, and everything stays as it was: ");
    site.rewrite("threads = many", "threads = 2");
    fs::write(site.scenario.dir().join("startup.fails"), "no licence").unwrap();
    assert!(!site.command(&["reload", "--wait"]).status.success());
    rolled(5, "reload begins", "no licence");
    fs::remove_file(site.scenario.dir().join("startup.fails")).unwrap();
    site.done(&["upgrade", "--wait"]);
    rolled(7, "upgrade begins", "upgrade done in");
    assert!(site.said().contains("has taken over"), "{}", site.said());

    signal("KILL", site.serving());
    assert!(text(&site.notice(9), "STATUS").contains("another starts in"), "{:?}", site.notice(9));
    // Attempts are counted, too.
    assert_eq!(text(&site.notice(10), "STATUS"), "1 process serves, generation 4");

    site.signal("TERM");
    assert_eq!(site.exit(), 0);
    let stopping = site.notice(11);
    assert_eq!(text(&stopping, "STOPPING"), "1");
    assert!(stopping.get("EXTEND_TIMEOUT_USEC").is_none(), "40 s are within what systemd waits: {stopping}");
    assert_eq!(site.notices().len(), 12, "{:?}", site.notices());
    let others = site.lines().iter().any(|line| line["notice"].is_object() && line["from"] != pid);
    assert!(!others, "the supervisor alone speaks");
}

#[test]
fn it_is_ready_when_every_process_serves() {
    let site = Managed::notified(site().server("processes", "2"));
    let ready = site.notice(0);
    assert_eq!((text(&ready, "READY"), text(&ready, "STATUS")), ("1", "2 processes serve, generation 1"));
    let serving = |site: &Managed| {
        let told = site.status();
        told["processes"].as_array().unwrap().iter().filter(|process| process["state"] == "serving").count()
    };
    assert_eq!((serving(&site), site.said().matches("started\n").count()), (2, 2));
    site.done(&["reload", "--wait"]);
    let (reloading, ready) = (site.notice(1), site.notice(2));
    assert_eq!((text(&reloading, "RELOADING"), text(&ready, "READY")), ("1", "1"));
    assert!(text(&ready, "STATUS").contains("2 new"), "{ready}");
    assert_eq!(serving(&site), 2);
}

#[test]
fn it_asks_for_the_time_that_it_may_need() {
    let site = Managed::notified(site().server("start_timeout", "100").server("drain_timeout", "200"));
    let (start, ready) = (site.notice(0), site.notice(1));
    assert_eq!((text(&start, "EXTEND_TIMEOUT_USEC"), text(&ready, "READY")), ("105000000", "1"));
    site.signal("TERM");
    // 200 s, and 10 s for databases and hooks.
    assert_eq!(text(&site.told("STOPPING"), "EXTEND_TIMEOUT_USEC"), "215000000");
    assert_eq!(site.exit(), 0);
}

#[test]
fn a_restart_is_the_same_process() {
    let site = Managed::notified(site());
    site.told("READY");
    let began = site.serving();
    site.done(&["restart", "--wait"]);
    assert_eq!(text(&site.notice(1), "RELOADING"), "1");
    assert_eq!(text(&site.notice(2), "STATUS"), "1 process serves, generation 1");
    let now = site.status();
    assert_eq!(now["pid"], site.pid());
    assert_ne!(site.serving(), began);
    assert!(site.all("exit").is_empty());
}

#[test]
fn a_process_without_a_supervisor_tells_the_same() {
    for (asks, code) in [(None, 0), (Some("restart"), 3)] {
        let scenario = site().server("supervise", "no").server("drain_timeout", "100");
        let name = format!("@skitai-tests-{}-{code}", std::process::id());
        let port = port(&scenario);
        let site = Managed::start(scenario, json!({ "notify": name }));
        let ready = site.notice(0);
        let pid = site.pid();
        assert_eq!((text(&ready, "READY"), text(&ready, "MAINPID")), ("1", pid.to_string().as_str()));
        assert_eq!(text(&ready, "STATUS"), "serves with 2 threads, without a supervisor");
        assert_eq!(get(port, "/pid"), pid.to_string());
        match asks {
            Some(what) => assert_eq!(get(port, &format!("/asks?what={what}")), "asked"),
            None => site.signal("TERM"),
        }
        let stopping = site.notice(1);
        assert_eq!((text(&stopping, "STOPPING"), text(&stopping, "EXTEND_TIMEOUT_USEC")), ("1", "107000000"));
        assert_eq!(site.exit(), code);
    }
}

/// After so long a silence the manager takes a program for hung.
const WATCHDOG: u64 = 3_000_000;

fn watched(scenario: Scenario) -> Managed {
    let socket = scenario.dir().join("notify");
    Managed::start(scenario, json!({ "notify": socket, "watchdog": WATCHDOG }))
}

#[test]
fn a_supervisor_that_hangs_is_noticed_and_no_other() {
    let site = watched(site());
    site.told("READY");
    site.lives(4);
    site.done(&["upgrade", "--wait"]);
    site.lives(3);
    site.signal("STOP");
    site.hangs();
}

#[test]
fn a_thread_that_hangs_is_noticed_without_a_supervisor() {
    let scenario = TestServer::site_of(&["/ = holding"]).own_port();
    let port = port(&scenario);
    let site = watched(scenario);
    site.told("READY");
    // A plain handler holds a thread that has nothing else to do.
    let mut plain = Conn::to(port);
    plain.send("GET /holds-plainly?ms=4000 HTTP/1.1\r\nHost: x\r\n\r\n");
    site.lives(4);
    plain.read().expect_code(200);
    // One of two threads: who is connected there is never answered.
    let mut held = Conn::to(port);
    held.send("GET /holds?ms=120000 HTTP/1.1\r\nHost: x\r\n\r\n");
    site.hangs();
}

/// A port and a Unix socket.
fn two(scenario: &Scenario) -> Value {
    json!([{ "kind": "tcp" }, { "kind": "unix", "path": scenario.dir().join("given.sock") }])
}

/// Asks both; they are the same site.
#[track_caller]
fn serves_both(site: &Managed) -> String {
    let socket = site.scenario.dir().join("given.sock");
    curl(&["--fail", "--unix-socket", socket.to_str().unwrap(), "http://localhost/pid"]);
    get(site.port(0), "/pid")
}

#[test]
fn the_sockets_of_a_manager_stay_whatever_happens_to_the_site() {
    let scenario = site().server("listen", "unix:own.sock");
    let sockets = two(&scenario);
    let notify = scenario.dir().join("notify");
    let site = Managed::start(scenario, json!({ "sockets": sockets, "names": "web:local", "notify": notify }));
    site.told("READY");
    let first = serves_both(&site);
    let told = site.status();
    let given = site.scenario.dir().join("given.sock");
    let listening = json!([format!("127.0.0.1:{}", site.port(0)), format!("unix:{}", given.display())]);
    assert_eq!(told["listening"], listening);
    assert!(site.said().contains("sockets of the service manager"), "{}", site.said());
    assert!(!site.scenario.dir().join("own.sock").exists(), "what the conf names is not opened");
    assert_eq!(variables_of(&told["processes"][0]["pid"]), [""; 0]);

    site.rewrite("unix:own.sock", "unix:another.sock");
    site.done(&["reload", "--wait"]);
    site.awaited("the next process", || Some(serves_both(&site)).filter(|pid| *pid != first));
    assert_eq!(site.status()["listening"], listening);
    let second = site.serving().to_string();
    site.done(&["upgrade", "--wait"]);
    assert!(site.said().contains("has taken over"), "{}", site.said());
    site.awaited("the process of the upgrade", || Some(serves_both(&site)).filter(|pid| *pid != second));
    let third = site.serving().to_string();
    signal("KILL", site.serving());
    site.awaited("the process after a crash", || Some(serves_both(&site)).filter(|pid| *pid != third));
    // Once more after the upgrade, which knows them by its state alone.
    site.done(&["reload", "--wait"]);
    assert_eq!(site.status()["listening"], listening);
    serves_both(&site);

    site.signal("TERM");
    assert_eq!(site.exit(), 0);
    UnixStream::connect(given).expect("the file is the manager's, and so is the socket");
    assert!(!site.scenario.dir().join("another.sock").exists());
}

#[test]
fn a_restart_leaves_the_sockets_to_the_manager_and_loses_nobody() {
    let scenario = site();
    let (sockets, notify) = (two(&scenario), scenario.dir().join("notify"));
    let site = Managed::start(scenario, json!({ "sockets": sockets, "notify": notify, "again": [3] }));
    site.told("READY");
    let before = serves_both(&site);
    site.done(&["restart"]);
    // Whoever connects meanwhile waits in the queue of a socket that is never closed.
    site.awaited("another process", || Some(serves_both(&site)).filter(|pid| *pid != before));
    assert_eq!((site.exit(), site.all("pid").len()), (3, 2));
    assert_eq!(text(&site.told("STOPPING"), "STOPPING"), "1");
    site.awaited("READY again", || {
        (site.all("notice").iter().filter(|it| it.get("READY").is_some()).count() == 2).then_some(())
    });
    assert!(site.said().contains("ends with exit code 3"), "{}", site.said());
}

#[test]
fn a_process_without_a_supervisor_takes_them_too() {
    let scenario = site().server("supervise", "no");
    let site = Managed::start(scenario, json!({ "sockets": [{ "kind": "tcp" }] }));
    let port = site.port(0);
    assert_eq!(get(port, "/pid"), site.pid().to_string());
    let greeting = format!("serves http://127.0.0.1:{port}");
    site.awaited("it greets", || site.said().contains(&greeting).then_some(()));
    site.signal("TERM");
    assert_eq!(site.exit(), 0);
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("the socket is the manager's");
}

#[test]
fn what_is_no_listening_stream_socket_is_refused_with_its_number_and_name() {
    for (kind, why) in
        [("datagram", "no stream socket"), ("idle", "a socket that does not listen"), ("file", "no socket")]
    {
        for supervise in ["yes", "no"] {
            let plan = json!({ "sockets": [{ "kind": "tcp" }, { "kind": kind }], "names": "web:odd" });
            let site = Managed::start(site().server("supervise", supervise), plan);
            assert_eq!(site.exit(), 78, "{}", site.said());
            let said = site.said();
            assert!(said.contains("descriptor 4 (`odd`)") && said.contains(why), "{said}");
            assert!(said.contains("ListenStream="), "{said}");
        }
    }
    for (count, why) in [("2", "descriptor 4 (`unknown`)"), ("some", "LISTEN_FDS=some: that is no number")] {
        let plan = json!({ "sockets": [{ "kind": "tcp" }], "environment": { "LISTEN_FDS": count } });
        let site = Managed::start(site(), plan);
        assert_eq!(site.exit(), 78, "{}", site.said());
        assert!(site.said().contains(why), "{}", site.said());
    }
}

#[test]
fn the_sockets_of_another_process_are_not_taken() {
    let scenario = site();
    let notify = scenario.dir().join("notify");
    let plan = json!({ "sockets": [{ "kind": "file" }], "notify": notify, "environment": { "LISTEN_PID": "1" } });
    let port = port(&scenario);
    let site = Managed::start(scenario, plan);
    site.told("READY");
    get(port, "/pid");
    assert!(!site.said().contains("sockets of the service manager"), "{}", site.said());
}

#[test]
fn devel_mode_is_for_this_machine_on_given_sockets_too() {
    for (mode, is_fit) in [(0o600, true), (0o660, false)] {
        for supervise in ["yes", "no"] {
            let scenario = site().server("devel", "yes").server("supervise", supervise);
            let (path, notify) = (scenario.dir().join("given.sock"), scenario.dir().join("notify"));
            let plan = json!({ "sockets": [{ "kind": "unix", "path": path, "mode": mode }], "notify": notify });
            let site = Managed::start(scenario, plan);
            if is_fit {
                site.told("READY");
                let url = "http://localhost/pid";
                curl(&["--fail", "--unix-socket", path.to_str().unwrap(), url]);
                // The conf's own addresses are no change that would need a restart.
                site.rewrite("threads = 2", "threads = 2\npartial = refuse");
                let head = curl(&["--fail", "-i", "--unix-socket", path.to_str().unwrap(), url]);
                assert!(!head.to_lowercase().contains("x-restart-needed"), "{head}");
            } else {
                assert_eq!(site.exit(), 78, "{}", site.said());
                assert!(site.said().contains("devel mode shows errors"), "{}", site.said());
            }
        }
    }
}
