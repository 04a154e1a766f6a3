//! The supervisor: processes are replaced, by a reload, an upgrade or after a crash, and nothing that served stops
//! serving.

mod commands;
mod control;
mod liars;
mod rights;
mod setbacks;
mod strangers;
mod upgrades;

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Scenario, TestServer, eventually};

fn site() -> Scenario {
    TestServer::site_of(&["/ = supervised"]).server("supervise", "yes").server("drain_idle", "100ms")
}

/// Starts a site and waits until its supervisor knows that it serves: a process that ends before does not come again.
fn serving(scenario: Scenario) -> TestServer {
    let site = scenario.start();
    eventually("it serves", || (status(&site)["state"] == "serving").then_some(()));
    site
}

/// The id of the process that answers, asked on a new connection.
fn pid(site: &TestServer) -> u64 {
    site.get("/pid").expect_code(200).text().parse().expect("a number")
}

fn status(site: &TestServer) -> Value {
    let output = site.command("status", &["--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    said(output)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A client that asks again and again on one connection, and takes another only where the server said that it closes.
struct Busy {
    ends: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<u64>>,
}

impl Busy {
    fn begin(site: &TestServer) -> Busy {
        let ends = Arc::new(AtomicBool::new(false));
        let (port, is_over) = (site.port(), ends.clone());
        let thread = std::thread::spawn(move || {
            let mut pids = Vec::new();
            let mut conn = crate::harness::Conn::to(port);
            // On a busy machine the end may come before it has asked at all.
            while pids.len() < 50 || !is_over.load(Relaxed) {
                conn.send("GET /pid HTTP/1.1\r\nHost: x\r\n\r\n");
                let reply = conn.read().expect_code(200);
                if reply.header("connection").eq_ignore_ascii_case("close") {
                    conn = crate::harness::Conn::to(port);
                }
                pids.push(reply.text().parse().expect("a number"));
            }
            pids
        });
        Busy { ends, thread }
    }

    /// The processes that answered, in the order of their first answer, and how many answers there were.
    fn end(self) -> (Vec<u64>, usize) {
        self.ends.store(true, Relaxed);
        let pids = self.thread.join().expect("every answer was a good one");
        let count = pids.len();
        let mut seen = Vec::new();
        for pid in pids {
            if !seen.contains(&pid) {
                seen.push(pid);
            }
        }
        (seen, count)
    }
}

#[test]
fn a_site_has_a_supervisor_that_serves_nothing_itself() {
    let site = serving(site());
    let serving = pid(&site);
    let told = status(&site);
    let process = &told["processes"][0];
    assert_eq!((&told["state"], &told["generation"]), (&Value::from("serving"), &Value::from(1)));
    assert_eq!((process["pid"].as_u64(), &process["state"]), (Some(serving), &Value::from("serving")));
    assert_eq!(told["pid"].as_u64(), Some(u64::from(site.id())));
    assert_ne!(told["pid"], process["pid"]);
    let named = |pid: &Value| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!((named(&told["pid"]), named(&process["pid"])), ("testsite\n".to_owned(), "testsite\n".to_owned()));
    assert!(told["listening"][0].as_str().is_some_and(|address| address.ends_with(&site.port().to_string())));
    assert_eq!(std::fs::read_dir(format!("/proc/{}/task", site.id())).unwrap().count(), 1, "it has one thread");
    let of = std::fs::read_to_string(format!("/proc/{}/status", site.id())).unwrap();
    let own = of.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("every process has a line");
    let kib: usize = own.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    assert!(kib < 8 << 10, "{kib} KiB of memory of its own");
    let lines = done(&site.command("status", &[]));
    assert!(lines.contains(": serving, process id ") && lines.contains("(slot 0, generation 1): serving"), "{lines}");
}

#[test]
fn a_reload_takes_up_the_conf_and_loses_no_request() {
    let site = serving(site().server("max_body", "1m"));
    let (before, busy) = (pid(&site), Busy::begin(&site));
    site.rewrite("max_body = 1m", "max_body = 1k");
    done(&site.command("reload", &["--wait"]));
    let after = next_pid(&site, before);
    eventually("the old process has left", || (status(&site)["processes"].as_array()?.len() == 1).then_some(()));
    let (pids, count) = busy.end();
    assert!(count > 20 && pids == [before, after], "{count} answers of {pids:?}, not of {before} and {after}");
    let body = "x".repeat(2_000);
    assert_eq!(site.ask("POST", "/pid", &[("Content-Type", "text/plain")], body.as_bytes()).code, 413);
    assert_eq!(status(&site)["generation"], 2);
    let log = site.log();
    assert_eq!((log.matches("started\n").count(), log.matches("reloaded\n").count()), (2, 1), "{log}");
    assert!(log.rfind("started\n") < log.find("reloaded\n"), "after its startup: {log}");
}

#[test]
fn a_reload_leaves_the_site_ready() {
    let site = serving(site().server("drain_delay", "20s"));
    let before = pid(&site);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let (mut kept, mut count) = (site.conn(), 0);
            while !is_over.load(Relaxed) {
                site.get("/status/ready").expect_code(200);
                kept.send("GET /status/ready HTTP/1.1\r\nHost: x\r\n\r\n");
                if kept.read().expect_code(200).header("connection").eq_ignore_ascii_case("close") {
                    kept = site.conn();
                }
                count += 1;
            }
            count
        });
        for _ in 0..5 {
            done(&site.command("reload", &["--wait"]));
        }
        let told = || status(&site)["processes"].as_array().map_or(0, Vec::len);
        eventually("the old processes have left, long before `drain_delay`", || (told() == 1).then_some(()));
        is_over.store(true, Relaxed);
        assert!(asked.join().expect("it was ready throughout") > 20);
    });
    assert_ne!(pid(&site), before);
    // The end of the instance is another matter: nobody serves in its place.
    site.signal("TERM");
    eventually("it is not ready", || (site.try_get("/status/ready")?.code == 503).then_some(()));
    site.signal("TERM");
}

#[test]
fn a_conf_edited_into_nonsense_changes_nothing_even_after_a_crash() {
    let site = serving(site());
    let before = pid(&site);
    site.rewrite("threads = 2", "threads = many");
    let report = refused(&site.command("reload", &["--wait"]));
    assert!(report.contains("threads") && report.contains("many") && report.contains("stays as it was"), "{report}");
    assert_eq!(pid(&site), before);
    site.signal("HUP");
    eventually("the log has the report", || site.log().contains("reload failed").then_some(()));
    assert_eq!(pid(&site), before);
    // Its successor serves what the supervisor has read, not what is in the file now.
    kill(before);
    let after = next_pid(&site, before);
    assert_eq!(status(&site)["processes"][0]["pid"].as_u64(), Some(after));
    done(&site.command("status", &[]));
    done(&site.command("stop", &["--wait"]));
}

#[test]
fn an_app_that_does_not_start_leaves_the_old_process() {
    for (file, wrong) in [("startup.fails", "no licence"), ("startup.hangs", "start_timeout")] {
        let site = serving(site().server("start_timeout", "1s"));
        let (before, busy) = (pid(&site), Busy::begin(&site));
        std::fs::write(site.dir().join(file), "no licence").unwrap();
        let report = refused(&site.command("reload", &["--wait"]));
        assert!(report.contains(wrong) && report.contains("stays as it was"), "{report}");
        let (pids, _) = busy.end();
        assert_eq!(pids, [before], "{file}");
        std::fs::remove_file(site.dir().join(file)).unwrap();
        done(&site.command("reload", &["--wait"]));
        next_pid(&site, before);
    }
}

#[test]
fn an_app_that_does_not_start_at_first_ends_the_instance() {
    let (status, log) = site().file("startup.fails", "no licence").start_refused();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("no licence"), "{log}");
    let (status, log) = site().route("/x = nothing-of-that-name").start_refused();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("nothing-of-that-name"), "{log}");
}

#[test]
fn a_start_that_hangs_ends_with_the_instance() {
    let site = site().file("startup.hangs", "").start();
    eventually("it starts", || {
        let told = status(&site);
        (told["state"] == "starting" && told["processes"].as_array()?.len() == 1).then_some(())
    });
    let (exit, took, log, _) = site.stop();
    assert!(exit.success() && took < Duration::from_secs(10), "{exit} {took:?}: {log}");
}

#[test]
fn a_restart_without_a_supervisor_hears_signals() {
    let site = serving(site());
    let before = pid(&site);
    site.rewrite("supervise = yes", "supervise = no");
    // It is started anew in the same process, whose signals its last program had blocked.
    done(&site.command("restart", &[]));
    eventually("it serves", || pid_now(&site).filter(|now| *now != before && *now == u64::from(site.id())));
    let (exit, _, log, _) = site.stop();
    assert!(exit.success(), "{log}");
}

#[test]
fn a_killed_process_is_replaced() {
    let site = serving(site());
    let before = pid(&site);
    kill(before);
    let after = next_pid(&site, before);
    let told = status(&site);
    assert_eq!((told["processes"][0]["pid"].as_u64(), &told["processes"][0]["restarts"]), (Some(after), &1.into()));
    assert!(told["last_crash"].as_str().is_some_and(|crash| crash.contains("signal 9 (SIGKILL)")), "{told}");
    for path in ["/exits?code=0", "/exits?code=7", "/aborts"] {
        let last = pid(&site);
        assert!(site.begin(path).ends(), "nobody answers");
        next_pid(&site, last);
    }
    let log = site.log();
    for wrong in ["exit code 0", "exit code 7", "signal 6 (SIGABRT)"] {
        assert!(log.contains(wrong), "{wrong}: {log}");
    }
    // It asks for it by its exit code: no wait, and no crash.
    let last = pid(&site);
    assert!(site.begin("/exits?code=3").ends(), "nobody answers");
    next_pid(&site, last);
    assert!(site.log().contains("asks to be started anew"));
    assert_eq!(status(&site)["processes"][0]["restarts"], 4);
}

#[test]
fn a_process_that_crashes_again_and_again_comes_back_when_it_can() {
    let site = serving(site());
    let before = pid(&site);
    std::fs::write(site.dir().join("startup.fails"), "no licence").unwrap();
    kill(before);
    // 0.1 s and so on, doubled up to 25.6 s: the test waits for the first ones, then helps.
    eventually("it says how often", || site.log().contains("(4 in a row)").then_some(()));
    let told = status(&site);
    assert_eq!(told["state"], "starting", "{told}");
    assert!(told["last_crash"].as_str().is_some_and(|crash| crash.contains("no licence")), "{told}");
    std::fs::remove_file(site.dir().join("startup.fails")).unwrap();
    eventually("it serves again", || pid_now(&site));
}

#[test]
fn ten_reloads_in_a_second_and_an_upgrade_among_them_lose_nothing() {
    let site = serving(site());
    let (first, busy) = (pid(&site), Busy::begin(&site));
    for round in 0..10 {
        site.signal("HUP");
        if round == 4 {
            site.signal("USR2");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    done(&site.command("reload", &["--wait"]));
    eventually("the old processes have left", || {
        let told = status(&site);
        (told["state"] == "serving" && told["processes"].as_array()?.len() == 1).then_some(())
    });
    let last = pid(&site);
    let (pids, count) = busy.end();
    assert!(pids.len() >= 3 && pids.first() == Some(&first) && pids.last() == Some(&last), "{pids:?}");
    assert!(count > 100, "{count}");
    assert!(site.log().contains("has taken over"), "{}", site.log());
}

#[test]
fn an_app_may_ask_for_the_end_and_for_another_start() {
    let site = serving(site());
    let before = pid(&site);
    assert_eq!(site.get("/asks?what=restart").expect_code(200).text(), "asked");
    next_pid(&site, before);
    assert_eq!(site.get("/asks?what=shutdown").expect_code(200).text(), "asked");
    let (exit, _, log, _) = site.ended();
    assert!(exit.success(), "{log}");
}

#[test]
fn who_connects_to_an_instance_that_ends_is_refused() {
    let site = serving(site().server("processes", "2").server("drain_timeout", "20"));
    let mut slow = site.begin("/rests?ms=3000");
    // It is under way in one process, and both have to stop accepting.
    eventually("it is asked", || {
        let told = crate::status::tree(&site);
        (told["processes"]["running"].as_array()?.len() == 2).then_some(())
    });
    done(&site.command("stop", &[]));
    let address = ("127.0.0.1", site.port());
    let refused = eventually("nobody is there", || std::net::TcpStream::connect(address).err());
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // Meanwhile.
    assert_eq!(status(&site)["state"], "ending");
    slow.read().expect_code(200);
    let (exit, _, log, _) = site.ended();
    assert!(exit.success() && log.contains("nothing was cut"), "{log}");
}

#[test]
fn without_a_supervisor_the_exit_code_asks_for_another_start() {
    for (what, code) in [("restart", 3), ("shutdown", 0)] {
        let site = site().server("supervise", "no").start();
        assert_eq!(site.get(&format!("/asks?what={what}")).expect_code(200).text(), "asked");
        let (exit, _, log, _) = site.ended();
        assert_eq!(exit.code(), Some(code), "{log}");
    }
}

/// The id of the process that answers, once it is another one: the last one accepts for some milliseconds more.
fn next_pid(site: &TestServer, last: u64) -> u64 {
    eventually("another process serves", || Some(pid_now(site)?).filter(|now| *now != last))
}

/// As [`pid`], while nobody may answer.
fn pid_now(site: &TestServer) -> Option<u64> {
    site.try_get("/pid")?.text().parse().ok()
}

fn kill(pid: u64) {
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
}
