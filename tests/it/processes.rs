//! Several processes: they share a site's sockets and its limits, are replaced one at a time, and what they count is
//! one sum, whoever of them is asked and whatever became of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::managed::signal;
use crate::harness::{Conduct, Conn, Member, Scenario, TestServer, bound, eventually};
use crate::status::tree;

fn supervised(scenario: Scenario, processes: usize) -> Scenario {
    let scenario = scenario.server("supervise", "yes").server("processes", &processes.to_string());
    scenario.server("threads", "1").server("drain_idle", "100ms")
}

/// Starts a site and waits until all its processes serve.
pub(crate) fn serving(scenario: Scenario, processes: usize) -> TestServer {
    let site = supervised(scenario, processes).start();
    all_serve(&site, processes);
    site
}

pub(crate) fn all_serve(site: &TestServer, processes: usize) {
    eventually("every process serves, and no other is there", || {
        let states = states(site);
        (states.len() == processes && states.iter().all(|(_, state)| state == "serving")).then_some(())
    });
}

fn command(site: &TestServer, command: &str, more: &[&str]) -> String {
    let output = site.command(command, more);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command}: {said}");
    said
}

/// The processes, with what the supervisor says of them.
fn states(site: &TestServer) -> Vec<(u64, String)> {
    let output = site.command("status", &["--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let process = |process: &Value| {
        let pid = process["pid"].as_u64().expect("it has an id");
        (pid, process["state"].as_str().unwrap_or_default().to_owned())
    };
    told["processes"].as_array().into_iter().flatten().map(process).collect()
}

fn number(tree: &Value, path: &[&str]) -> u64 {
    let found = path.iter().fold(tree, |tree, name| &tree[name]);
    found.as_u64().unwrap_or_else(|| panic!("{path:?} is {found} in {tree:#}"))
}

/// Good answers so far, of all processes that have ever been.
fn good(tree: &Value) -> u64 {
    number(tree, &["requests", "2xx"])
}

/// Clients that count what they get.
pub(crate) struct Asking {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Asking {
    pub(crate) fn begin(site: &TestServer, path: &str) -> Asking {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/counting.py");
        let mut python = Command::new("python3");
        python.args([script, &site.port().to_string(), path, "8"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 is installed");
        let (stdin, mut stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("it is piped")));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it says that it asks");
        Asking { child, stdin, stdout }
    }

    /// How many answers they got, all of them good ones.
    pub(crate) fn end(mut self) -> u64 {
        drop(self.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("it ends");
        assert!(self.child.wait().expect("it ends").success(), "{text}");
        let counts: Value = serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((&counts["other"], &counts["lost"]), (&0.into(), &0.into()), "{counts}");
        number(&counts, &["good"])
    }
}

#[test]
fn counters_are_sums_over_all_processes_and_reloads() {
    for processes in [1, 2, 4] {
        let member = Member::start(Conduct::Fine("<array><data></data></array>"));
        let site = serving(TestServer::demo().cluster("mysearch", &[&member]), processes);
        let before = good(&tree(&site));
        let asking = Asking::begin(&site, "/search?keyword=Mozart");
        for _ in 0..2 {
            command(&site, "reload", &["--wait"]);
        }
        let answers = asking.end();
        all_serve(&site, processes);
        assert!(answers > 20, "{answers}");
        let tree = tree(&site);
        // The first look was counted after its own answer.
        assert_eq!(good(&tree), before + 1 + answers, "{processes} processes: {:#}", tree["processes"]);
        let of_member = &tree["clusters"]["mysearch"]["members"][0];
        assert_eq!(number(of_member, &["ok"]), answers, "{of_member:#}");
        assert_eq!(number(of_member, &["latency", "count"]), answers, "{of_member:#}");
        assert_eq!(tree["processes"]["running"].as_array().map(Vec::len), Some(processes), "{:#}", tree["processes"]);
        assert_eq!(number(&tree, &["processes", "ended"]), 2 * processes as u64);
        assert_eq!(number(&tree, &["processes", "killed"]), 0);
        // A part of it is the same sum.
        let part = site.ask(
            "GET",
            "/status?filter=cluster:mysearch",
            &[("Authorization", &crate::status::basic("admin", crate::harness::server::ADMIN_PASSWORD))],
            b"",
        );
        let part = part.expect_code(200).json();
        assert_eq!(number(&part["clusters"]["mysearch"]["members"][0], &["ok"]), answers, "{part:#}");
    }
}

#[test]
fn an_upgrade_keeps_what_was_counted() {
    let (scenario, original) = TestServer::site_of(&["/ = supervised"]).own_program("site-of-its-own");
    let path = scenario.dir().join("site-of-its-own");
    let site = serving(scenario, 2);
    let asking = Asking::begin(&site, "/pid");
    let aside = path.with_extension("new");
    std::fs::copy(&original, &aside).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    command(&site, "upgrade", &["--wait"]);
    let answers = asking.end();
    all_serve(&site, 2);
    let tree = tree(&site);
    assert_eq!((good(&tree), number(&tree, &["processes", "ended"])), (answers, 2), "{:#}", tree["processes"]);
    assert!(answers > 20 && site.log().contains("has taken over"));
}

#[test]
fn what_was_shown_of_a_killed_process_stays_in_the_sum() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    let asking = Asking::begin(&site, "/pid");
    eventually("both have answered", || {
        let tree = tree(&site);
        let running = tree["processes"]["running"].as_array()?;
        running.iter().all(|process| process["requests"]["2xx"].as_u64() > Some(10)).then_some(())
    });
    let answers = asking.end();
    let shown = good(&tree(&site));
    assert!(shown >= answers, "{shown} of {answers}");
    let before = states(&site);
    signal("KILL", before[0].0);
    eventually("another is there", || {
        let now = states(&site);
        (now.len() == 2 && now.iter().all(|(pid, state)| *pid != before[0].0 && state == "serving")).then_some(())
    });
    let tree = tree(&site);
    assert!(good(&tree) >= shown, "{} after {shown}: {:#}", good(&tree), tree["processes"]);
    // The look itself, if it was answered by the one that lives.
    assert!(good(&tree) <= shown + 1, "{} after {shown}", good(&tree));
    assert_eq!((number(&tree, &["processes", "ended"]), number(&tree, &["processes", "killed"])), (1, 1));
    let restarts: u64 = tree["processes"]["running"].as_array().unwrap().iter().map(|p| number(p, &["restarts"])).sum();
    assert_eq!(restarts, 1, "{:#}", tree["processes"]);
}

#[test]
fn a_process_that_hangs_is_shown_as_such_and_its_counts_stay() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    let pids: BTreeSet<String> = eventually("both answer", {
        let (site, mut pids) = (&site, BTreeSet::new());
        move || {
            pids.insert(site.get("/pid").expect_code(200).text().to_owned());
            (pids.len() == 2).then(|| pids.clone())
        }
    });
    // On a kept connection one of them is asked, and it is not the one that hangs.
    let mut conn = site.conn();
    conn.send("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n");
    let own = conn.read().expect_code(200).text().to_owned();
    let other: u64 = pids.iter().find(|pid| **pid != own).unwrap().parse().unwrap();
    let authorization = crate::status::basic("admin", crate::harness::server::ADMIN_PASSWORD);
    let mut look = || {
        conn.send(format!("GET /status HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n\r\n"));
        conn.read().expect_code(200).json()
    };
    let before = look();
    assert_eq!(before["threads"], 2);
    signal("STOP", other);
    let began = Instant::now();
    let during = look();
    let took = began.elapsed();
    signal("CONT", other);
    assert!(took < bound(Duration::from_secs(3), Duration::from_secs(10)), "{took:?}");
    let running = during["processes"]["running"].as_array().unwrap();
    let hung = running.iter().find(|process| process["pid"] == other).unwrap();
    assert_eq!((&hung["answered"], running.len()), (&false.into(), 2), "{hung:#}");
    assert!(good(&during) > good(&before), "{} after {}", good(&during), good(&before));
    assert_eq!(during["threads"], 1, "of the others only");
}

#[test]
fn a_reload_never_has_fewer_that_accept() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 3);
    let asking = Asking::begin(&site, "/pid");
    let before: BTreeSet<u64> = states(&site).into_iter().map(|(pid, _)| pid).collect();
    site.signal("HUP");
    let mut looks = 0;
    eventually("all are new", || {
        let states = states(&site);
        let serving: BTreeSet<u64> =
            states.iter().filter(|(_, state)| state == "serving").map(|(pid, _)| *pid).collect();
        assert!(serving.len() >= 3, "{states:?}");
        looks += 1;
        (serving.len() == 3 && serving.is_disjoint(&before)).then_some(())
    });
    assert!(looks > 1, "it took longer than a look");
    assert!(asking.end() > 20);
    // More and fewer of them are a reload, too.
    for (from, to) in [(3, 4), (4, 2)] {
        site.rewrite(&format!("processes = {from}"), &format!("processes = {to}"));
        command(&site, "reload", &["--wait"]);
        all_serve(&site, to);
    }
}

#[test]
fn limits_of_the_site_are_shared_out() {
    let member = Member::start(Conduct::Fine("<array><data></data></array>"));
    let cluster = format!("[@mysearch]\nmembers = {}\nconnections = 4", member.node());
    let scenario = supervised(TestServer::demo().section(&cluster), 4).server("max_bodies", "40m");
    let output = scenario.check();
    let said = String::from_utf8_lossy(&output.stdout);
    for line in ["4 threads in 4 processes, 1 each", "at most 4 connections", "10 MiB of bodies (in all 40 MiB)"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let site = scenario.start();
    all_serve(&site, 4);
    let asking = Asking::begin(&site, "/search?keyword=Mozart");
    // The kernel says which process gets a connection.
    eventually("several have called", || {
        let tree = tree(&site);
        let threads = tree["clusters"]["mysearch"]["by_thread"].as_array()?;
        // A process that is late with its status shows no members.
        let shared = threads.iter().filter(|thread| thread["members"][0]["connections"] == 1).count();
        let calling = threads.iter().filter(|thread| thread["members"][0]["ok"].as_u64() > Some(5)).count();
        (threads.len() == 4 && shared == 4 && calling > 1).then_some(())
    });
    assert!(asking.end() > 20);
    assert!((1..=4).contains(&member.connections()), "{}", member.connections());
}

/// A connection to each of two processes.
fn connections(site: &TestServer) -> [Conn; 2] {
    let mut of = BTreeMap::new();
    eventually("both have a connection", || {
        let mut conn = site.conn();
        let pid = conn.send("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n").read().expect_code(200).text();
        of.insert(pid, conn);
        (of.len() == 2).then_some(())
    });
    let mut all = of.into_values();
    [(); 2].map(|()| all.next().unwrap())
}

#[test]
fn who_guesses_at_one_process_waits_at_the_others() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    let [mut one, mut other] = connections(&site);
    let login = crate::status::basic("admin", "a-guess-at-it");
    let guess = |conn: &mut Conn| {
        conn.send(format!("GET /status/ HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n")).read().code
    };
    assert_eq!([0; 5].map(|_| guess(&mut one)), [401, 401, 401, 401, 429]);
    // By itself the other process would look at three more without a wait.
    let codes = [0, 300, 600].map(|pause| {
        std::thread::sleep(Duration::from_millis(pause));
        guess(&mut other)
    });
    assert!(codes.contains(&429), "{codes:?}");
}

#[test]
fn what_all_have_refused_is_one_sum() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    for mut conn in connections(&site) {
        conn.send("GET /pid HTTP/1.1\nHost: x\r\n\r\n").read().expect_code(400);
    }
    assert_eq!(number(&tree(&site), &["requests", "refused", "head"]), 2);
    command(&site, "reload", &["--wait"]);
    all_serve(&site, 2);
    assert_eq!(number(&tree(&site), &["requests", "refused", "head"]), 2, "of those that have ended");
}

#[test]
fn a_request_that_ends_its_process_is_named() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    // One that is under way all the time, in whichever process has it, is not to blame.
    let crashes = |site: &TestServer| site.log().matches("signal 6 (SIGABRT)").count();
    for nth in 1..=4 {
        // The process that gets it has others, too.
        let _others: Vec<_> = (0..4).map(|_| site.begin("/rests?ms=20000")).collect();
        eventually("they are under way", || {
            let tree = tree(&site);
            let held = tree["processes"]["running"].as_array()?.len();
            (held == 2).then_some(())
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(site.begin("/aborts?secret=x").ends(), "nobody answers");
        eventually("the log tells the crash", || (crashes(&site) == nth).then_some(()));
        all_serve(&site, 2);
    }
    let log = site.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("signal 6 (SIGABRT)")).collect();
    let names = |line: &str| line.contains("; it ran GET /aborts (") && line.contains("::dies)");
    assert_eq!(told.iter().map(|line| names(line)).collect::<Vec<_>>(), [false, false, true, true], "{told:#?}");
    assert!(told.iter().any(|line| line.contains("under way were GET /rests, a request for ")), "{told:#?}");
    for line in told {
        let (ran, _) = line.split_once("; under way").unwrap_or((line, ""));
        assert!(!ran.contains("/rests") && !line.contains("secret"), "{line}");
    }
}

#[test]
fn the_log_of_all_has_other_levels_for_a_time() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    let said = command(&site, "log", &["error", "--for", "2s"]);
    assert!(said.contains("error for 2s"), "{said}");
    let drained = |site: &TestServer| site.log().matches("nothing was cut").count();
    command(&site, "reload", &["--wait"]);
    all_serve(&site, 2);
    assert_eq!(drained(&site), 0, "{}", site.log());
    eventually("the time is over", || site.log().contains("levels of the start again").then_some(()));
    command(&site, "reload", &["--wait"]);
    all_serve(&site, 2);
    eventually("they tell again", || (drained(&site) == 2).then_some(()));
    command(&site, "log", &["debug"]);
    assert!(command(&site, "log", &["default"]).contains("levels of the start"));
    for (levels, lasting, wrong) in [("loud", "10m", "loud"), ("info", "soon", "--for soon")] {
        let output = site.command("log", &[levels, "--for", lasting]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(wrong), "{levels}: {said}");
    }
}

#[test]
fn one_of_several_ends_and_restarts_all() {
    let site = serving(TestServer::site_of(&["/ = supervised"]), 2);
    let before: BTreeSet<u64> = states(&site).into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(site.get("/asks?what=restart").expect_code(200).text(), "asked");
    eventually("all are others", || {
        let now = states(&site);
        let is_new = now.iter().all(|(pid, state)| state == "serving" && !before.contains(pid));
        (now.len() == 2 && is_new).then_some(())
    });
    for path in ["/status/ready", "/status/live", "/ping"] {
        site.get(path).expect_code(200);
    }
    assert_eq!(site.get("/asks?what=shutdown").expect_code(200).text(), "asked");
    let (exit, _, log, _) = site.ended();
    assert!(exit.success(), "{log}");
}
