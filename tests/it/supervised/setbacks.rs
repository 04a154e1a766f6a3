//! What goes wrong more than once, or half-way: the next command still works, and who serves goes on.

use std::io::Read;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::liars::{all_serve, cpu, line};
use super::{done, next_pid, pid, refused, serving, site, status};
use crate::harness::managed::signal;
use crate::harness::{TestServer, eventually};

fn fails(site: &TestServer, why: &str) {
    std::fs::write(site.dir().join("startup.fails"), why).unwrap();
}

fn fails_no_more(site: &TestServer) {
    std::fs::remove_file(site.dir().join("startup.fails")).unwrap();
}

#[test]
fn rolls_that_fail_between_crashes_do_not_stand_in_the_way_of_the_next_one() {
    let site = serving(site().server("processes", "3"));
    let mut before = all_serve(&site, 3);
    for _ in 0..3 {
        fails(&site, "no licence");
        refused(&site.command("reload", &["--wait"]));
        fails_no_more(&site);
        let killed = before[0];
        signal("KILL", killed);
        eventually("another is there", || {
            before = all_serve(&site, 3);
            (!before.contains(&killed)).then_some(())
        });
    }
    let generations: std::collections::BTreeSet<u64> =
        status(&site)["processes"].as_array().unwrap().iter().map(|one| one["generation"].as_u64().unwrap()).collect();
    assert!(generations.len() > 1, "several generations serve: {generations:?}");
    let began = Instant::now();
    done(&site.command("reload", &["--wait"]));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_reload_to_another_address_that_fails_half_way_is_undone() {
    for (from, to) in [(1, 2), (2, 2)] {
        let site = serving(site().server("processes", &from.to_string()).server("listen", "unix:one.sock"));
        all_serve(&site, from);
        fails(&site, "once: no licence");
        std::fs::write(site.dir().join("startup.place"), "").unwrap();
        site.rewrite(&format!("processes = {from}"), &format!("processes = {to}"));
        site.rewrite("listen = unix:one.sock", "listen = unix:two.sock");
        // The first new process has a place, the second has none. What undoes it starts.
        let report = refused(&site.command("reload", &["--wait"]));
        assert!(report.contains(&format!("1 of {to} processes had been replaced")), "{report}");
        all_serve(&site, from);
        eventually("it is undone", || (status(&site)["state"] == "serving").then_some(()));
        for name in ["one.sock", "two.sock"] {
            let is_open = std::os::unix::net::UnixStream::connect(site.dir().join(name)).is_ok();
            assert_eq!(is_open, name == "one.sock", "{name}");
        }
        let mut told = String::new();
        let mut socket = std::os::unix::net::UnixStream::connect(site.dir().join("one.sock")).expect("it listens");
        std::io::Write::write_all(&mut socket, b"GET /pid HTTP/1.0\r\n\r\n").unwrap();
        socket.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.0 200"), "{told}");
        site.get("/pid").expect_code(200);
        done(&site.command("reload", &["--wait"]));
        all_serve(&site, to);
    }
}

#[test]
fn a_restart_with_a_broken_conf_is_refused() {
    let site = serving(site());
    let before = pid(&site);
    site.rewrite("threads = 2", "threads = nonsense");
    let report = refused(&site.command("restart", &["--wait"]));
    assert!(report.contains("nonsense") && report.contains("stays as it was"), "{report}");
    site.get("/asks?what=restart").expect_code(200);
    eventually("an app is refused as well", || (site.log().matches("does not start anew").count() == 2).then_some(()));
    assert_eq!((pid(&site), &status(&site)["state"]), (before, &Value::from("serving")));
    site.rewrite("threads = nonsense", "threads = 2");
    done(&site.command("restart", &["--wait"]));
    next_pid(&site, before);
}

#[test]
fn a_signal_during_a_restart_ends_the_instance_and_a_second_one_at_once() {
    let site = serving(site().server("drain_timeout", "60s"));
    let mut stream = site.begin("/lasts?seconds=60");
    stream.read_head().expect_code(200);
    assert!(stream.next_chunk().is_some());
    done(&site.command("restart", &[]));
    eventually("it ends", || (status(&site)["state"] == "ending").then_some(()));
    site.signal("TERM");
    // Only a second one cuts what is under way.
    for _ in 0..3 {
        assert!(stream.next_chunk().is_some(), "the stream goes on");
    }
    site.signal("TERM");
    let (exit, _, log, _) = site.ended();
    assert!(exit.code().is_some() && !log.contains("starts anew"), "{log}");
    assert_eq!(log.matches("test serves").count(), 1, "{log}");
}

#[test]
fn one_that_cannot_be_told_anything_is_replaced_and_costs_nothing() {
    let site = serving(site());
    let before = pid(&site);
    signal("STOP", before);
    line(&site, before).shutdown(Shutdown::Read).unwrap();
    let (used, began) = (cpu(site.id()), Instant::now());
    done(&site.command("log", &["debug", "--for", "1m"]));
    next_pid(&site, before);
    let used = cpu(site.id()) - used;
    assert!(used < began.elapsed().max(Duration::from_millis(500)) / 2, "{used:?} in {:?}", began.elapsed());
}
