//! Processes that lie, fall silent or harm what is shared, as one might that somebody has taken over: the instance goes
//! on, and nobody else is harmed. The tests speak in their place, on a copy of their line.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{socket_acceptconn, socket_peercred};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use super::{done, next_pid, pid, refused, serving, site, status};
use crate::harness::managed::signal;
use crate::harness::{TestServer, eventually};

/// Copies of the sockets of a process.
fn sockets(pid: u64) -> Vec<OwnedFd> {
    let process = pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).expect("it runs");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let sockets =
        open.filter(|entry| entry.path().read_link().is_ok_and(|what| what.to_string_lossy().starts_with("socket:")));
    let numbers = sockets.map(|entry| entry.file_name().to_string_lossy().parse().unwrap());
    numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()).collect()
}

/// The line of a process to its supervisor, which has made both ends.
pub(super) fn line(site: &TestServer, pid: u64) -> UnixStream {
    let is_line = |socket: &OwnedFd| {
        let made_by = socket_peercred(socket).map(|made| made.pid.as_raw_nonzero().get());
        made_by.is_ok_and(|made_by| made_by == site.id() as i32)
    };
    let line = UnixStream::from(sockets(pid).into_iter().find(is_line).expect("it has one"));
    line.set_nonblocking(false).unwrap();
    line
}

fn say(mut line: &UnixStream, message: &Value) {
    let text = message.to_string();
    line.write_all(&u32::try_from(text.len()).unwrap().to_be_bytes()).unwrap();
    line.write_all(text.as_bytes()).unwrap();
}

fn pids(site: &TestServer, state: &str) -> Vec<u64> {
    let told = status(site);
    let there = told["processes"].as_array().into_iter().flatten().filter(|one| one["state"] == state);
    there.filter_map(|one| one["pid"].as_u64()).collect()
}

pub(super) fn all_serve(site: &TestServer, count: usize) -> Vec<u64> {
    eventually("all serve, and no other is there", || {
        let told = status(site)["processes"].as_array().map_or(0, Vec::len);
        let serving = pids(site, "serving");
        (told == count && serving.len() == count).then_some(serving)
    })
}

#[test]
fn one_that_leaves_and_then_lies_is_no_crash() {
    for (from, to) in [(3, 1), (3, 3)] {
        let scenario = site().server("processes", &from.to_string()).server("drain_timeout", "60s");
        let site = serving(scenario.server("threads", "1"));
        let old = all_serve(&site, from);
        // Each has something under way, so that it is still there when it lies.
        let mut begun = Vec::new();
        eventually("each has a request", || {
            begun.push(site.begin("/rests?ms=60000"));
            let held = old.iter().filter(|pid| sockets(**pid).iter().filter(|one| has_peer(one)).count() > 0).count();
            (held == old.len()).then_some(())
        });
        site.rewrite(&format!("processes = {from}"), &format!("processes = {to}"));
        done(&site.command("reload", &["--wait"]));
        eventually("all of them leave", || (pids(&site, "leaving").len() == from).then_some(()));
        for pid in &old {
            line(&site, *pid).write_all(&[0xff; 4]).unwrap();
        }
        let new = all_serve(&site, to);
        assert!(new.iter().all(|pid| !old.contains(pid)), "{new:?}");
        let told = status(&site);
        assert_eq!((&told["state"], &told["last_crash"]), (&"serving".into(), &Value::Null), "{told}");
        assert!(told["processes"].as_array().unwrap().iter().all(|one| one["restarts"] == 0), "{told}");
        assert_eq!(site.log().matches("it says what cannot be read").count(), from, "{}", site.log());
        site.get("/pid").expect_code(200);
    }
}

/// Whether it is a connection of a client.
fn has_peer(socket: &OwnedFd) -> bool {
    let peer = rustix::net::getpeername(socket).ok().flatten();
    peer.is_some_and(|peer| peer.address_family() == rustix::net::AddressFamily::INET)
}

#[test]
fn one_that_closes_its_line_is_replaced_and_costs_nothing() {
    let site = serving(site());
    let before = pid(&site);
    let used = cpu(site.id());
    let began = Instant::now();
    line(&site, before).shutdown(Shutdown::Write).unwrap();
    next_pid(&site, before);
    let used = cpu(site.id()) - used;
    assert!(used < began.elapsed() / 2, "{used:?} of CPU time in {:?}", began.elapsed());
    let told = status(&site)["last_crash"].to_string();
    assert!(told.contains("closed its line"), "{told}");
}

/// The CPU time of a process.
pub(super) fn cpu(pid: u32) -> Duration {
    let told = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = told.rsplit_once(')').expect("the name of the program");
    let ticks: u64 = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn what_one_says_at_great_length_harms_no_other() {
    let site = serving(site().server("processes", "2"));
    let before = all_serve(&site, 2);
    let long = "x".repeat((16 << 20) - 100);
    say(&line(&site, before[0]), &json!({"say": "learnt", "members": long}));
    eventually("it is refused", || site.log().contains("what it has learnt takes").then_some(()));
    say(&line(&site, before[0]), &json!({"say": "counted", "number": 1_u64 << 40, "counters": long, "is_last": false}));
    eventually("it is refused", || site.log().contains("what it has counted takes").then_some(()));
    // What it asks for again and again is answered once.
    let silent = vec![before[1]; 1_000_000];
    let peak = super::control::peak(site.id());
    say(&line(&site, before[0]), &json!({"say": "reckon", "number": 1, "silent": silent}));
    done(&site.command("reload", &["--wait"]));
    let after = all_serve(&site, 2);
    assert!(after.iter().all(|pid| !before.contains(pid)), "{after:?}");
    let grown = super::control::peak(site.id()).saturating_sub(peak);
    assert!(grown < 32 << 10, "{grown} KiB more");
    // Databases that no site has.
    let needs: Vec<Value> =
        (0..20_000).map(|nth| json!({"cluster": "a", "member": nth.to_string(), "count": 1})).collect();
    say(&line(&site, after[0]), &json!({"say": "needs", "connections": needs}));
    next_pid_of(&site, &after);
    let told = status(&site)["last_crash"].to_string();
    assert!(told.contains("20000 databases"), "{told}");
}

fn next_pid_of(site: &TestServer, before: &[u64]) {
    eventually("another is there", || {
        let now = pids(site, "serving");
        (now.len() == before.len() && now != before).then_some(())
    });
}

#[test]
fn a_socket_that_one_has_made_deaf_is_opened_anew_by_a_reload() {
    let site = serving(site());
    let before = pid(&site);
    let listening = sockets(before).into_iter().find(|socket| socket_acceptconn(socket).unwrap_or(false));
    rustix::net::shutdown(listening.expect("it listens").as_fd(), rustix::net::Shutdown::Both).unwrap();
    assert!(site.try_get("/pid").is_none(), "nobody listens");
    done(&site.command("reload", &["--wait"]));
    assert_ne!(pid(&site), before);
}

#[test]
fn a_reload_to_more_processes_that_fails_leaves_no_empty_place() {
    let site = serving(site());
    let before = pid(&site);
    let fails = || std::fs::write(site.dir().join("startup.fails"), "no licence").unwrap();
    for (place, done) in [(false, "stays as it was"), (true, "1 of 3 processes had been replaced")] {
        fails();
        if place {
            std::fs::write(site.dir().join("startup.place"), "").unwrap();
        }
        site.rewrite("processes = 1", "processes = 3");
        let report = refused(&site.command("reload", &["--wait"]));
        assert!(report.contains("no licence") && report.contains(done), "{report}");
        let serving = all_serve(&site, 1);
        assert_eq!(serving[0] == before, !place, "{serving:?}");
        eventually("it serves", || {
            let told = status(&site);
            (told["state"] == "serving" && told["empty"] == json!([])).then_some(())
        });
        site.rewrite("processes = 3", "processes = 1");
        std::fs::remove_file(site.dir().join("startup.fails")).unwrap();
    }
    // More again, and the next crash is one of the processes that there are.
    site.rewrite("processes = 1", "processes = 2");
    done(&site.command("reload", &["--wait"]));
    let before = all_serve(&site, 2);
    signal("KILL", before[1]);
    next_pid_of(&site, &before);
}

#[test]
fn an_answer_that_nobody_asked_for_reaches_no_command() {
    let site = serving(site());
    std::fs::write(site.dir().join("startup.waits"), "").unwrap();
    let liar = pid(&site);
    std::thread::scope(|threads| {
        let reload = threads.spawn(|| site.command("reload", &["--wait"]));
        eventually("the new process starts", || (!pids(&site, "starting").is_empty()).then_some(()));
        for number in 0..100 {
            say(&line(&site, liar), &json!({"say": "answer", "to": 0, "number": number, "body": "all is well"}));
        }
        // What it says later is heard later.
        eventually("it was heard", || {
            let told = site.command("status", &["--part", "about"]);
            told.status.success().then_some(())
        });
        std::fs::remove_file(site.dir().join("startup.waits")).unwrap();
        let output = reload.join().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("reload done") && !said.contains("all is well"), "{output:?}");
    });
}
